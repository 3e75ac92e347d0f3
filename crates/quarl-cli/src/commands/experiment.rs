//! `quarl experiment`: trains the same configuration with many seeds.

pub(super) mod report;

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use quarl::experiment::ablation;
use quarl::experiment::{ExperimentEvent, Plan};

use super::compare;
use crate::args::{ExperimentArgs, Resolved};
use crate::{Outcome, interrupt};
use report::{Audience, Report};

pub(crate) fn run(args: ExperimentArgs) -> Result<Outcome> {
    let Resolved { config, .. } = args.config.resolve()?;
    interrupt::listen();
    let variants = match args.ablate.is_empty() {
        true => None,
        false => Some(ablation::variants(&config, &args.ablate).context("--ablate")?),
    };
    let plan = args.many.plan(config, args.runs);
    let audience = Audience::of(args.many.quiet, args.many.json);
    match variants {
        None => run_plan(plan, audience)?.outcome(),
        Some(variants) => compare::run_variants(&plan, variants, None, audience),
    }
}

/// How an experiment ended.
enum Ended {
    Interrupted,
    /// All runs have ended; the failed ones by seed.
    Completed(BTreeMap<u64, String>),
}

impl Ended {
    /// An experiment with failed runs is reported and drawn like any other, and then ends with an error.
    fn outcome(self) -> Result<Outcome> {
        match self {
            Self::Interrupted => Ok(Outcome::Interrupted),
            Self::Completed(failed) if failed.is_empty() => Ok(Outcome::Done),
            Self::Completed(failed) => {
                Err(anyhow!("{}; use --retry-failed to run failed seeds again", reasons(&failed)))
            }
        }
    }
}

/// The number of failed runs, and the reasons of the first few.
pub(super) fn reasons(failed: &BTreeMap<u64, String>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = failed.iter().take(SHOWN).map(|(seed, error)| format!("seed {seed}: {error}")).collect();
    let more = if failed.len() > SHOWN { format!("; and {} more", failed.len() - SHOWN) } else { String::new() };
    let runs = if failed.len() == 1 { "1 run".to_owned() } else { format!("{} runs", failed.len()) };
    format!("{runs} failed ({}{more})", shown.join("; "))
}

fn run_plan(plan: Plan, audience: Audience) -> Result<Ended> {
    let experiment = plan.open()?;
    let mut report = Report::new(audience, &experiment, None);
    let (runs, missing) = (experiment.runs(), experiment.missing().len() as u64);
    let mut progress = audience.progress(runs, missing, report::length(&experiment.config().training));
    let mut failed = BTreeMap::new();
    interrupt::end_at_once(false);
    let mut runs = experiment.start()?;
    for event in &mut runs {
        let event = event?;
        report.take(&event, progress.as_mut());
        if let ExperimentEvent::Failed { seed, error } = event {
            failed.insert(seed, error);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    drop(runs);
    // All runs are in files now; everything after this can be repeated.
    interrupt::end_at_once(true);
    if interrupt::requested() {
        report.interrupted();
        return Ok(Ended::Interrupted);
    }
    let (rows, summary) = experiment.aggregate()?;
    // Includes failures of earlier invocations. Failures that could not be recorded are known only here.
    failed.extend(summary.failed.iter().map(|run| (run.seed, run.error.clone())));
    report.result(&rows, &summary);
    Ok(Ended::Completed(failed))
}
