//! `quarl experiment`: the same settings with many seeds, because one run proves nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result, anyhow};
use quarl::ablation::{self, Variant};
use quarl::config::{TrainConfig, presets};
use quarl::experiment::{self, Experiment, ExperimentEvent, ExperimentSummary, MeanRow, Plan};
use quarl::plot::results;
use quarl::{run_dir, stats};

use crate::args::{ExperimentArgs, Resolved};
use crate::progress::ExperimentProgress;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: ExperimentArgs) -> Result<Outcome> {
    let Resolved { config, .. } = args.config.resolve()?;
    interrupt::listen();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let jobs = args.jobs.map_or(cores, usize::from);
    let plan = Plan { config, runs: args.runs, jobs, out: args.out.clone(), retry_failed: args.retry_failed };
    if args.ablate.is_empty() { run_plan(&plan, args.quiet)?.outcome() } else { run_ablation(&plan, &args) }
}

/// How an experiment ended.
enum Ended {
    Interrupted,
    /// With these failed runs, if any.
    Completed(BTreeMap<u64, String>),
}

impl Ended {
    /// An experiment with failed runs is reported and drawn as any other, and then ends with an error.
    fn outcome(self) -> Result<Outcome> {
        match self {
            Self::Interrupted => Ok(Outcome::Interrupted),
            Self::Completed(failed) if failed.is_empty() => Ok(Outcome::Done),
            Self::Completed(failed) => Err(anyhow!("{}; --retry-failed runs failed runs again", reasons(&failed))),
        }
    }
}

/// How many runs failed, and why the first few did.
fn reasons(failed: &BTreeMap<u64, String>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = failed.iter().take(SHOWN).map(|(seed, error)| format!("seed {seed}: {error}")).collect();
    let more = if failed.len() > SHOWN { format!("; and {} more", failed.len() - SHOWN) } else { String::new() };
    let runs = if failed.len() == 1 { "1 run".to_owned() } else { format!("{} runs", failed.len()) };
    format!("{runs} failed ({}{more})", shown.join("; "))
}

/// Runs every combination of the parts on and off, one after the other, and draws them together.
fn run_ablation(plan: &Plan, args: &ExperimentArgs) -> Result<Outcome> {
    let variants = ablation::variants(&plan.config, &args.ablate).context("--ablate")?;
    experiment::check_ablation(plan, &variants)?;
    let mut failures = Vec::new();
    for Variant { name, label, config } in &variants {
        output::line(format!("{label}:"));
        let plan = Plan { config: config.clone(), out: plan.out.join(name), ..plan.clone() };
        match run_plan(&plan, args.quiet)? {
            Ended::Completed(failed) if failed.is_empty() => {}
            Ended::Completed(failed) => failures.push(format!("{label}: {}", reasons(&failed))),
            Ended::Interrupted => return Ok(Outcome::Interrupted),
        }
    }
    let mut combinations = Vec::new();
    for Variant { name, label, .. } in &variants {
        if !experiment::complete_runs(&plan.out.join(name))?.is_empty() {
            combinations.push((name.as_str(), label.as_str()));
        }
    }
    if !combinations.is_empty() {
        let _lock = experiment::lock(&plan.out)?;
        results::draw_ablation(&plan.out, &combinations)?;
        output::line(format!("drawn together in {}", plan.out.join(run_dir::CURVES[0]).display()));
    }
    match failures.is_empty() {
        true => Ok(Outcome::Done),
        false => Err(anyhow!("{}; --retry-failed runs failed runs again", failures.join("; "))),
    }
}

fn run_plan(plan: &Plan, quiet: bool) -> Result<Ended> {
    let missing = experiment::prepare(plan)?;
    let Some(mut failed) = run_missing(plan, missing, quiet)? else {
        output::line(format!("interrupted: the same command continues it in {}", plan.out.display()));
        return Ok(Ended::Interrupted);
    };
    let (rows, summary) = experiment::aggregate(plan)?;
    // Those of earlier invocations too. What could not be recorded is only known here.
    failed.extend(summary.failed.iter().map(|run| (run.seed, run.error.clone())));
    if summary.completed > 0 {
        let _lock = experiment::lock(&plan.out)?;
        results::draw_experiment(&plan.out)?;
    }
    say_result(plan, &rows, &summary);
    Ok(Ended::Completed(failed))
}

/// Runs what is missing. Returns the runs that failed; none where a signal stopped them.
fn run_missing(plan: &Plan, missing: Vec<u64>, quiet: bool) -> Result<Option<BTreeMap<u64, String>>> {
    let training = &plan.config.training;
    let length = training.episodes.or(training.steps).unwrap_or(0);
    let mut progress =
        (!quiet && !missing.is_empty()).then(|| ExperimentProgress::new(plan.runs, missing.len() as u64, length));
    // How many episodes or steps of a run the progress knows of.
    let mut advanced: HashMap<u64, u64> = HashMap::new();
    let mut advance = |progress: &ExperimentProgress, seed: u64, to: Option<u64>| {
        let done = advanced.entry(seed).or_insert(0);
        let to = to.unwrap_or(*done + 1);
        progress.advance(to.saturating_sub(*done));
        *done = to;
    };
    let mut warnings = HashSet::new();
    interrupt::end_at_once(false);
    let mut experiment = Experiment::start_with(plan, missing, &interrupt::stop_flag())?;
    let mut failed = BTreeMap::new();
    for event in &mut experiment {
        match (event?, &mut progress) {
            (ExperimentEvent::Episode { seed, env_steps }, Some(progress)) => {
                advance(progress, seed, training.steps.map(|_| env_steps));
            }
            // Once for all runs: they have the same configuration, and so the same reasons.
            (ExperimentEvent::Warning { seed, message }, progress) => {
                if warnings.insert(message.clone()) {
                    warn(progress.as_ref(), &format!("seed {seed}: {message}"));
                }
            }
            (ExperimentEvent::Waiting { seed, holder }, Some(progress)) => {
                progress.note(&format!("seed {seed} is run by {holder}: waiting for it"));
            }
            (ExperimentEvent::Finished { seed, summary }, Some(progress)) => {
                advance(progress, seed, Some(length));
                progress.run_finished(seed, summary.greedy_mean);
            }
            (ExperimentEvent::Failed { seed, error }, progress) => {
                if let Some(progress) = progress {
                    advance(progress, seed, Some(length));
                    progress.run_failed();
                }
                warn(progress.as_ref(), &format!("seed {seed} failed: {error}"));
                failed.insert(seed, error);
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
    Ok((!interrupt::requested()).then_some(failed))
}

fn warn(progress: Option<&ExperimentProgress>, message: &str) {
    match progress {
        Some(progress) => progress.warning(message),
        None => output::warning(message),
    }
}

fn say_result(plan: &Plan, rows: &[MeanRow], summary: &ExperimentSummary) {
    let ExperimentSummary { runs, completed, greedy_mean, greedy_iqm, greedy_iqm_interval, .. } = summary;
    if *runs as u64 > plan.runs {
        output::line(format!("{} holds {runs} runs: the results are those of all of them", plan.out.display()));
    }
    let greedy_episodes = plan.config.evaluation.episodes;
    let counted =
        if completed == runs { format!("{runs} runs") } else { format!("{completed} of {runs} runs complete") };
    output::line(format!("{counted}; each trained agent then played {greedy_episodes} greedy episodes:"));
    let interval = greedy_iqm_interval.map_or(String::new(), |interval| output::interval(interval, 1));
    if let (Some(mean), Some(iqm)) = (greedy_mean, greedy_iqm) {
        output::line(format!("mean of the runs' mean greedy returns {mean:.1}, interquartile mean {iqm:.1}{interval}"));
    }
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
    if *completed > 0 && is_textbook(&plan.config) {
        let doubled = doubled_at(rows).map_or("never".to_owned(), |episode| format!("at episode {episode}"));
        output::line(format!(
            "the mean training return (moving average over 10 episodes) first reaches twice its initial level {doubled}; \
             in the study note's textbook experiment at about episode 50"
        ));
        let mean = greedy_mean.unwrap_or(0.0);
        output::line(format!(
            "a trained agent balances the pole for {mean:.0} steps on average; the study note's single agent for 116"
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
