//! `quarl inspect`: what the agent knew at a step of its run.

use anyhow::Result;
use quarl::timeline::{self, AgeGroup, Inspection, Timeline};

use crate::args::InspectArgs;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: InspectArgs) -> Result<Outcome> {
    if let Some(path) = &args.figure {
        output::check_figure_path(path)?;
    }
    interrupt::listen();
    let run = Timeline::open(&args.run, interrupt::stop_flag())?;
    args.trust.check(&run.config().env, &args.run)?;
    let episodes = args.episodes.unwrap_or(run.config().evaluation.episodes as u64);
    let inspection = timeline::inspect(&run, args.at, episodes)?;
    if let Some(path) = &args.figure {
        inspection.draw(path)?;
    }
    if args.json {
        output::json(&serde_json::to_value(&inspection)?);
    } else {
        print(&inspection);
        if let Some(path) = &args.figure {
            output::line(format!("figure: {}", path.display()));
        }
    }
    Ok(Outcome::Done)
}

fn print(inspection: &Inspection) {
    let Inspection { env_steps, episodes, checkpoint, epsilon, learning_rate, .. } = inspection;
    let from =
        checkpoint.map_or("from the start".to_owned(), |steps| format!("from the checkpoint after {steps} steps"));
    output::line(format!("after {env_steps} environment steps, {episodes} episodes (computed {from})"));
    output::line(format!(
        "mean return of {} greedy episodes: {:.1}",
        inspection.greedy_returns.len(),
        inspection.greedy_mean
    ));
    output::line(format!("epsilon {epsilon:.3}, learning rate {learning_rate}"));
    output::line(format!(
        "action gap {:.4}, distance to the target network {:.4}",
        inspection.action_gap, inspection.target_drift
    ));
    if let Some(episode) = &inspection.episode {
        output::line(format!("\nepisode {}, {} steps, the last of them:", episode.number, episode.steps.len()));
        for step in episode.steps.iter().rev().take(8).rev() {
            let values: Vec<String> = step.q_values.iter().map(|value| format!("{value:9.3}")).collect();
            output::line(format!(
                "  step {:>8}  Q {}  action {}  reward {}",
                step.env_steps,
                values.join(" "),
                step.action,
                step.reward
            ));
        }
    }
    output::line(format!("\nreplay buffer: {} transitions, by age", inspection.stored));
    output::line("               age  |TD error|   largest    Q(s, a)    reward  terminal");
    for group in &inspection.replay {
        let AgeGroup { ages: (youngest, oldest), td_error, largest_td_error, reward, terminal, q_value, .. } = group;
        output::line(format!(
            "{:>18}  {td_error:>10.4} {largest_td_error:>9.3} {q_value:>10.3} {reward:>9.3} {:>8.1}%",
            format!("{youngest} to {oldest}"),
            100.0 * terminal
        ));
    }
}
