//! `quarl experiment`: the same settings with many seeds, because one run proves nothing.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use quarl::ablation::{self, Part, Variant};
use quarl::config::{TrainConfig, presets};
use quarl::experiment::{self, Experiment, ExperimentEvent, ExperimentSummary, MeanRow, Plan};
use quarl::plot::results;
use quarl::{Error, run_dir, stats};

use crate::args::{ExperimentArgs, Resolved};
use crate::progress::ExperimentProgress;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: ExperimentArgs) -> Result<Outcome> {
    let Resolved { config, .. } = args.config.resolve()?;
    interrupt::listen();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let jobs = args.jobs.map_or(cores, usize::from);
    let plan = Plan { config, runs: args.runs, jobs, out: args.out };
    if args.ablate.is_empty() { run_plan(&plan, args.quiet) } else { run_ablation(&plan, &args.ablate, args.quiet) }
}

/// Runs every combination of the parts on and off, one after the other, and draws them together.
fn run_ablation(plan: &Plan, parts: &[Part], quiet: bool) -> Result<Outcome> {
    let variants = ablation::variants(&plan.config, parts)?;
    if plan.out.join(run_dir::CONFIG).exists() {
        let message = "holds a run or an experiment of another kind: choose another --out".to_owned();
        return Err(Error::Config { origin: plan.out.display().to_string(), message }.into());
    }
    for Variant { name, label, config } in &variants {
        output::line(format!("{label}:"));
        let plan = Plan { config: config.clone(), out: plan.out.join(name), ..plan.clone() };
        if let Outcome::Interrupted = run_plan(&plan, quiet)? {
            return Ok(Outcome::Interrupted);
        }
    }
    let combinations: Vec<(&str, &str)> =
        variants.iter().map(|variant| (variant.name.as_str(), variant.label.as_str())).collect();
    results::draw_ablation(&plan.out, &combinations)?;
    output::line(format!("drawn together in {}", plan.out.join(run_dir::CURVES[0]).display()));
    Ok(Outcome::Done)
}

fn run_plan(plan: &Plan, quiet: bool) -> Result<Outcome> {
    let missing = experiment::prepare(plan)?;
    if !run_missing(plan, missing, quiet)? {
        output::line(format!("interrupted: the same command continues it in {}", plan.out.display()));
        return Ok(Outcome::Interrupted);
    }
    let (rows, summary) = experiment::aggregate(plan)?;
    results::draw_experiment(&plan.out)?;
    say_result(plan, &rows, &summary);
    Ok(Outcome::Done)
}

/// Runs what is missing; false where a signal stopped it.
fn run_missing(plan: &Plan, missing: Vec<u64>, quiet: bool) -> Result<bool> {
    let training = &plan.config.training;
    let length = training.episodes.or(training.steps).unwrap_or(0);
    let mut progress =
        (!quiet && !missing.is_empty()).then(|| ExperimentProgress::new(plan.runs, missing.len() as u64, length));
    let mut steps: HashMap<u64, u64> = HashMap::new();
    let mut warnings = HashSet::new();
    interrupt::end_at_once(false);
    let mut experiment = Experiment::start_with(plan, missing, &interrupt::stop_flag());
    for event in &mut experiment {
        match (event?, &mut progress) {
            (ExperimentEvent::Episode { seed, env_steps }, Some(progress)) => {
                let before = steps.insert(seed, env_steps).unwrap_or(0);
                progress.advance(if training.episodes.is_some() { 1 } else { env_steps - before });
            }
            // Once for all runs: they have the same configuration, and so the same reasons.
            (ExperimentEvent::Warning { seed, message }, progress) => {
                if warnings.insert(message.clone()) {
                    let message = format!("seed {seed}: {message}");
                    match progress {
                        Some(progress) => progress.warning(&message),
                        None => output::warning(&message),
                    }
                }
            }
            (ExperimentEvent::Finished { seed, summary }, Some(progress)) => {
                progress.run_finished(seed, summary.greedy_mean);
            }
            _ => {}
        }
    }
    if let Some(progress) = &progress {
        progress.finish();
    }
    drop(experiment);
    // All runs are in files now: what follows only reads them.
    interrupt::end_at_once(true);
    Ok(!interrupt::requested())
}

fn say_result(plan: &Plan, rows: &[MeanRow], summary: &ExperimentSummary) {
    let ExperimentSummary { runs, greedy_mean, greedy_iqm, greedy_iqm_interval, .. } = summary;
    let greedy_episodes = plan.config.evaluation.episodes;
    output::line(format!("{runs} runs; each trained agent then played {greedy_episodes} greedy episodes:"));
    let interval = greedy_iqm_interval.map_or(String::new(), |interval| output::interval(interval, 1));
    output::line(format!(
        "mean of the runs' mean greedy returns {greedy_mean:.1}, interquartile mean {greedy_iqm:.1}{interval}"
    ));
    if let (Some(threshold), Some(reached)) = (summary.threshold, summary.reached) {
        let interval = summary.reached_interval.map_or(String::new(), |interval| output::interval(interval, 2));
        output::line(format!(
            "{reached} of {runs} runs have a mean greedy return of at least {threshold}: share {:.2}{interval}",
            reached as f64 / *runs as f64
        ));
    }
    if let Some(caveat) = output::caveat(*runs, "runs") {
        output::line(caveat);
    }
    if is_textbook(&plan.config) {
        let doubled = doubled_at(rows).map_or("never".to_owned(), |episode| format!("at episode {episode}"));
        output::line(format!(
            "the mean training return (moving average over 10 episodes) first reaches twice its initial level {doubled}; \
             in the study note's textbook experiment at about episode 50"
        ));
        output::line(format!(
            "a trained agent balances the pole for {greedy_mean:.0} steps on average; the study note's single agent for 116"
        ));
    }
    output::line(format!("written to {}", plan.out.display()));
}

/// The first episode at which the mean curve, averaged over ten episodes, is at least twice what it was over the first ten.
fn doubled_at(rows: &[MeanRow]) -> Option<usize> {
    let means: Vec<f64> = rows.iter().map(|row| row.mean).collect();
    let smoothed = stats::moving_average(&means, 10);
    let first = *smoothed.get(9)?;
    (10..smoothed.len()).find(|episode| smoothed[*episode] >= 2.0 * first)
}

/// Whether these are the settings of the textbook experiment, whose published results can then stand beside this one's.
fn is_textbook(config: &TrainConfig) -> bool {
    presets::config("textbook", None).is_ok_and(|mut textbook| {
        textbook.training.seed = config.training.seed;
        textbook == *config
    })
}
