//! `quarl bisect`: the updates within the largest fall of a run's score.

use anyhow::Result;
use quarl::timeline::{self, Bisection, ScoredUpdate, Timeline};

use crate::args::BisectArgs;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: BisectArgs) -> Result<Outcome> {
    if let Some(path) = &args.figure {
        output::check_figure_path(path)?;
    }
    interrupt::listen();
    let run = Timeline::open(&args.run, interrupt::stop_flag())?;
    args.trust.check(&run.config().env, &args.run)?;
    let episodes = args.episodes.unwrap_or(run.config().evaluation.episodes as u64);
    let bisection = timeline::bisect(&run, args.every, episodes)?;
    if let Some(path) = &args.figure {
        bisection.figure().write(path)?;
    }
    if args.json {
        output::json(&serde_json::to_value(&bisection)?);
    } else {
        print(&bisection);
        if let Some(path) = &args.figure {
            output::line(format!("figure: {}", path.display()));
        }
    }
    Ok(Outcome::Done)
}

fn print(bisection: &Bisection) {
    let Bisection { before, after, every, scores, falls, verdict, .. } = bisection;
    output::line(format!(
        "largest drop between two evaluations: from {:.1} after {} environment steps to {:.1} after {}",
        before.mean_return, before.env_steps, after.mean_return, after.env_steps
    ));
    let updates = scores.last().map_or(0, |scored| scored.update);
    output::line(format!("{updates} updates lie between them, scored every {every}; the largest falls:"));
    output::line("    update      step     score      fall");
    for ScoredUpdate { update, env_steps, score, fall, batch } in falls {
        let learnt = batch.as_ref().map_or(String::new(), |batch| {
            format!(
                "   batch: |TD error| {:.3}, largest {:.2}, Q {:.2}, terminal {:.0}%, mean age {:.0}",
                batch.td_error,
                batch.largest_td_error,
                batch.q_value,
                100.0 * batch.terminal,
                batch.age
            )
        });
        output::line(format!("  {update:>8}  {env_steps:>8}  {score:>8.1}  {fall:>8.1}{learnt}"));
    }
    output::line(verdict);
}
