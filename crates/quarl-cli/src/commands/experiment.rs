//! `quarl experiment`: the same settings with many seeds, because one run proves nothing.

mod report;

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use quarl::ablation::{self, Variant};
use quarl::experiment::{self, Experiment, ExperimentEvent, Plan};
use quarl::plot::results;
use quarl::run_dir;
use serde_json::json;

use crate::args::{ExperimentArgs, Resolved};
use crate::{Outcome, interrupt, output};
use report::{Audience, Report};

pub(crate) fn run(args: ExperimentArgs) -> Result<Outcome> {
    let Resolved { config, .. } = args.config.resolve()?;
    interrupt::listen();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let jobs = args.jobs.map_or(cores, usize::from);
    let plan = Plan { config, runs: args.runs, jobs, out: args.out.clone(), retry_failed: args.retry_failed };
    let audience = Audience::of(&args);
    if args.ablate.is_empty() { run_plan(&plan, audience, None)?.outcome() } else { run_ablation(&plan, &args) }
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
    let audience = Audience::of(args);
    let mut failures = Vec::new();
    for Variant { name, label, config } in &variants {
        audience.line(format!("{label}:"));
        let plan = Plan { config: config.clone(), out: plan.out.join(name), ..plan.clone() };
        match run_plan(&plan, audience, Some(label))? {
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
        let figure = plan.out.join(run_dir::CURVES[0]);
        audience.line(format!("drawn together in {}", figure.display()));
        if audience == Audience::Json {
            output::json(&json!({ "event": "drawn", "dir": plan.out, "figure": figure }));
        }
    }
    match failures.is_empty() {
        true => Ok(Outcome::Done),
        false => Err(anyhow!("{}; --retry-failed runs failed runs again", failures.join("; "))),
    }
}

fn run_plan(plan: &Plan, audience: Audience, variant: Option<&str>) -> Result<Ended> {
    let missing = experiment::prepare_with(plan, &interrupt::stop_flag())?;
    let mut report = Report::new(audience, plan, variant, missing.len());
    let mut failed = BTreeMap::new();
    interrupt::end_at_once(false);
    let mut experiment = Experiment::start_with(plan, missing, &interrupt::stop_flag())?;
    for event in &mut experiment {
        let event = event?;
        report.take(&event);
        if let ExperimentEvent::Failed { seed, error } = event {
            failed.insert(seed, error);
        }
    }
    report.runs_ended();
    drop(experiment);
    // All runs are in files now: what follows only reads them.
    interrupt::end_at_once(true);
    if interrupt::requested() {
        report.interrupted();
        return Ok(Ended::Interrupted);
    }
    let (rows, summary) = experiment::aggregate(plan)?;
    // Those of earlier invocations too. What could not be recorded is only known here.
    failed.extend(summary.failed.iter().map(|run| (run.seed, run.error.clone())));
    if summary.completed > 0 {
        let _lock = experiment::lock(&plan.out)?;
        results::draw_experiment(&plan.out)?;
    }
    report.result(&rows, &summary);
    Ok(Ended::Completed(failed))
}
