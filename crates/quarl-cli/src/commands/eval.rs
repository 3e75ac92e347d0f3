//! `quarl eval`: evaluates trained agents on greedy episodes that differ from those of training and its evaluations.

use std::path::{Path, PathBuf};

use anyhow::Result;
use quarl::Error;
use quarl::env::MakeOptions;
use quarl::evaluate::GreedyEpisode;
use quarl::experiment::{self, RunOutcome};
use quarl::run::{Contents, Status};
use quarl::scores::Scores;
use quarl::trained::{SavedModel, TrainedAgent};
use serde_json::json;

use crate::args::EvalArgs;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: EvalArgs) -> Result<Outcome> {
    let model = if args.best { SavedModel::Best } else { SavedModel::Last };
    interrupt::listen();
    let is_experiment = matches!(Contents::of(&args.run), Ok(Contents::Experiment));
    let outcome = if is_experiment { evaluate_experiment(&args, model) } else { evaluate_one(&args, model) }?;
    if outcome == Outcome::Interrupted {
        match args.json {
            true => output::json(&json!({ "event": "finished", "interrupted": true, "scores": null })),
            false => output::line("interrupted: scores need all episodes, so none are printed"),
        }
    }
    Ok(outcome)
}

/// The episodes of one agent.
struct Evaluated {
    path: PathBuf,
    env: String,
    threshold: Option<f64>,
    returns: Vec<f64>,
    /// The number of episodes that the step limit of evaluations truncated.
    cut: usize,
}

/// Plays the episodes of an agent; `None` after a signal.
fn play(args: &EvalArgs, path: &Path, model: SavedModel, run_seed: Option<u64>) -> Result<Option<Evaluated>> {
    let mut agent = TrainedAgent::load(path, model)?;
    args.trust.check(&agent.env, path)?;
    agent.env = args.gym.config(agent.env)?;
    let options = MakeOptions { rendering: false, stop: interrupt::stop_flag() };
    let mut env = agent.make_environment(&options)?;
    let (mut policy, mut episodes) = agent.greedy(env.spec(), agent.report_seed(args.seed), args.episodes)?;
    let (mut returns, mut cut) = (Vec::new(), 0);
    loop {
        if interrupt::requested() {
            return Ok(None);
        }
        let step = match episodes.step(&mut policy, &mut *env) {
            Err(Error::Stopped { .. }) => return Ok(None),
            step => step?,
        };
        let Some(step) = step else { break };
        let Some(GreedyEpisode { total_reward, length, cut: was_cut, .. }) = step.ended else { continue };
        returns.push(total_reward);
        cut += usize::from(was_cut);
        if args.json {
            let episode = step.episode;
            output::json(&json!({
                "event": "episode", "run_seed": run_seed, "episode": episode, "return": total_reward, "length": length,
            }));
        }
    }
    let threshold = env.spec().reward_threshold;
    Ok(Some(Evaluated { path: agent.path, env: env.spec().id.clone(), threshold, returns, cut }))
}

fn evaluate_one(args: &EvalArgs, model: SavedModel) -> Result<Outcome> {
    let Some(Evaluated { path, env, threshold, returns, cut }) = play(args, &args.run, model, None)? else {
        return Ok(Outcome::Interrupted);
    };
    let scores = Scores::of(&returns, 0, threshold);
    if args.json {
        output::json(&json!({
            "event": "finished", "interrupted": false, "model": path, "env": env, "seed": args.seed, "truncated_by_step_limit": cut,
            "scores": scores,
        }));
        return Ok(Outcome::Done);
    }
    let episodes = returns.len();
    output::line(format!("{episodes} greedy episodes of {} in {env}, seed {}", path.display(), args.seed));
    print_scores(&scores, "return", "episodes");
    warn_of_cut(cut, episodes);
    Ok(Outcome::Done)
}

/// Evaluates the agent of every complete run, then all of them together.
fn evaluate_experiment(args: &EvalArgs, model: SavedModel) -> Result<Outcome> {
    let out = &args.run;
    let (mut means, mut failed, mut unfinished, mut cut, mut about) = (Vec::new(), 0, 0, 0, None);
    for RunOutcome { seed, dir, status } in experiment::outcomes(out)? {
        match status {
            Status::Complete(_) => {}
            Status::Failed(_) => {
                failed += 1;
                continue;
            }
            Status::Incomplete => {
                unfinished += 1;
                continue;
            }
        }
        let Some(evaluated) = play(args, &dir, model, Some(seed))? else { return Ok(Outcome::Interrupted) };
        let scores = Scores::of(&evaluated.returns, 0, evaluated.threshold);
        if args.json {
            output::json(&json!({ "event": "run", "seed": seed, "model": evaluated.path, "scores": scores }));
        } else {
            let mean = scores.mean.unwrap_or(f64::NAN);
            output::line(format!("run with seed {seed}: mean return {mean:.2} over {} greedy episodes", scores.n));
        }
        means.extend(scores.mean);
        cut += evaluated.cut;
        about = Some((evaluated.env, evaluated.threshold));
    }
    if unfinished > 0 {
        output::warning(&format!("{} of the runs are not finished and are left out", unfinished));
    }
    let Some((env, threshold)) = about else {
        let message = "none of the runs in this experiment is finished: run the experiment first".to_owned();
        return Err(Error::File { path: out.clone(), message }.into());
    };
    let scores = Scores::of(&means, failed, threshold);
    if args.json {
        output::json(&json!({
            "event": "finished", "interrupted": false, "dir": out, "env": env, "seed": args.seed, "episodes": args.episodes, "failed": failed,
            "unfinished": unfinished, "truncated_by_step_limit": cut, "scores": scores,
        }));
        return Ok(Outcome::Done);
    }
    let runs = if failed == 0 {
        format!("{} runs", means.len())
    } else {
        format!("{} of {} runs", means.len(), means.len() + failed)
    };
    output::line(format!(
        "{runs} of {} in {env}, {} greedy episodes each, seed {}",
        out.display(),
        args.episodes,
        args.seed
    ));
    print_scores(&scores, "mean return of a run", "runs");
    warn_of_cut(cut, means.len() * args.episodes as usize);
    Ok(Outcome::Done)
}

/// Prints the statistics of `what` over `values` (episodes or runs).
fn print_scores(scores: &Scores, what: &str, values: &str) {
    let number = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
    let interval = |interval: Option<[f64; 2]>| interval.map_or(String::new(), |ends| output::interval(ends, 2));
    let row = |name: &str, value: String| output::line(format!("  {name:<20} {value}"));
    output::line(format!("{what}:"));
    row("mean", number(scores.mean) + &interval(scores.mean_interval));
    row("standard deviation", number(scores.std));
    row("interquartile mean", number(scores.iqm) + &interval(scores.iqm_interval));
    row("minimum, maximum", format!("{}, {}", number(scores.min), number(scores.max)));
    if let (Some(threshold), Some(reached), Some(share)) = (scores.threshold, scores.reached, scores.reached_share) {
        let interval = interval(scores.reached_interval);
        let tried = scores.n + scores.failed;
        row(&format!("at least {threshold}"), format!("{reached} of {tried} {values}, share {share:.2}{interval}"));
    }
    let shown = scores.mean_interval.is_some() || scores.iqm_interval.is_some() || scores.reached_interval.is_some();
    if let Some(caveat) = output::caveat(scores.n, values, shown) {
        output::line(caveat);
    }
}

fn warn_of_cut(cut: usize, episodes: usize) {
    if cut > 0 {
        output::warning(&format!(
            "{cut} of {episodes} episodes did not end within the step limit of evaluations and were truncated \
             (evaluation.max_episode_steps)"
        ));
    }
}
