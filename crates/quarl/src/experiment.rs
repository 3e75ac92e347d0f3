//! The same configuration with many seeds, several runs at a time, one thread each.
//!
//! Run k is exactly what `train` with that seed is, whatever runs beside it. A run that is complete is not run again, so an
//! interrupted experiment goes on where it was. A run that fails is recorded with its reason; the others go on.
//!
//! Several processes may share an experiment. Each claims a run by locking its directory; a run whose process was killed can be
//! claimed again. A process that finds no unclaimed run waits for those of the others. Files of the whole experiment are
//! written under a lock that is held only while they are written.
//!
//! ```
//! use quarl::config::presets;
//! use quarl::experiment::{self, Experiment, ExperimentEvent, Plan};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let out = directory.path().join("curves");
//! let mut config = presets::config("textbook", None)?;
//! config.training.episodes = Some(3);
//! let plan = Plan { config, runs: 4, jobs: 2, out, retry_failed: false };
//! let missing = experiment::prepare(&plan)?; // all four seeds; none when it is called again afterwards
//! for event in Experiment::start(&plan, missing)? {
//!     match event? {
//!         ExperimentEvent::Finished { seed, summary } => println!("{seed}: {:?}", summary.greedy_returns),
//!         ExperimentEvent::Failed { seed, error } => println!("{seed} failed: {error}"),
//!         _ => {}
//!     }
//! }
//! let (rows, summary) = experiment::aggregate(&plan)?; // and mean.csv's rows
//! assert_eq!((rows.len(), rows[0].n, summary.failed.len()), (3, 4, 0));
//! # Ok::<(), quarl::Error>(())
//! ```

mod aggregate;
mod runner;

use std::fs;
use std::path::{Path, PathBuf};

use crate::ablation::Variant;
use crate::atomic_write::atomic_write;
use crate::config::TrainConfig;
use crate::engine::cpu;
use crate::env::{self, MakeOptions};
use crate::error::Error;
use crate::lock::Lock;
use crate::memory;
use crate::run_dir::{self, Occupant, RUNS, Status, Summary, listed, occupant};
use crate::stop::StopFlag;

pub use aggregate::{ExperimentSummary, FailedRun, MeanRow, aggregate, mean_rows, run_returns};
pub use runner::{Experiment, ExperimentEvent};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configuration; its seed is the first run's.
    pub config: TrainConfig,
    /// How many runs, with successive seeds.
    pub runs: u64,
    /// How many at a time.
    pub jobs: usize,
    /// Where to write.
    pub out: PathBuf,
    /// Whether to run again what has failed, although the same error is to be expected.
    pub retry_failed: bool,
}

impl Plan {
    /// How many runs there are at a time: never more than there are runs.
    pub fn jobs_at_once(&self) -> usize {
        self.jobs.min(usize::try_from(self.runs).unwrap_or(usize::MAX)).max(1)
    }

    /// All runs' seeds.
    pub fn seeds(&self) -> std::ops::Range<u64> {
        let first = self.config.training.seed;
        first..first.saturating_add(self.runs)
    }

    /// Refuses more runs than there are seeds from the first one on.
    fn check_seeds(&self) -> Result<(), Error> {
        let first = self.config.training.seed;
        let largest = i64::MAX as u64;
        if first.checked_add(self.runs.saturating_sub(1)).is_some_and(|last| last <= largest) {
            return Ok(());
        }
        let message =
            format!("{} runs from seed {first} on need seeds above the largest one, {largest}: lower it", self.runs);
        Err(Error::Setting { key: "training.seed".to_owned(), message })
    }

    /// The configuration of the run with this seed.
    fn run_config(&self, seed: u64) -> TrainConfig {
        let mut config = self.config.clone();
        config.training.seed = seed;
        config
    }

    /// What the run with this seed came to, if that is final.
    fn outcome(&self, seed: u64) -> Result<Option<Status>, Error> {
        let dir = run_path(&self.out, seed);
        match run_dir::status(&dir)? {
            Status::Incomplete => Ok(None),
            Status::Failed(_) if self.retry_failed => Ok(None),
            status => {
                let Ok(existing) = run_dir::read_config(&dir) else { return Ok(None) };
                let differences = existing.differences(&self.run_config(seed));
                if differences.is_empty() { Ok(Some(status)) } else { Err(other_configuration(&dir, &differences)) }
            }
        }
    }
}

/// The directory of the run with this seed.
pub fn run_path(out: &Path, seed: u64) -> PathBuf {
    out.join(RUNS).join(format!("seed-{seed}"))
}

/// The seeds of the runs that are in an experiment's directory, in ascending order.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn seeds(out: &Path) -> Result<Vec<u64>, Error> {
    let runs = out.join(RUNS);
    let entries = fs::read_dir(&runs).map_err(Error::io("read", &runs))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut seeds: Vec<u64> = names.filter_map(|name| name.strip_prefix("seed-")?.parse().ok()).collect();
    seeds.sort_unstable();
    Ok(seeds)
}

/// The complete runs of an experiment's directory, with their summaries, in ascending order of their seeds.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn complete_runs(out: &Path) -> Result<Vec<(u64, Summary)>, Error> {
    let mut runs = Vec::new();
    for seed in seeds(out)? {
        if let Status::Complete(summary) = run_dir::status(&run_path(out, seed))? {
            runs.push((seed, *summary));
        }
    }
    Ok(runs)
}

/// Locks an experiment's directory, for writing the files that belong to all runs together. Waits where another process writes.
///
/// # Errors
/// [`Error::Io`] where the system refuses.
pub fn lock(out: &Path) -> Result<Lock, Error> {
    Lock::wait(out)
}

/// The seeds of `plan` whose runs have still to be run, after making the directory or checking that it is of this plan.
///
/// # Errors
/// [`Error::Occupied`] where the directory holds an experiment with another configuration, or anything else;
/// [`Error::Io`] where the system refuses.
pub fn prepare(plan: &Plan) -> Result<Vec<u64>, Error> {
    prepare_with(plan, &StopFlag::default())
}

/// [`prepare`]; a request of `stop` ends the wait for an environment in Python that is being started.
///
/// # Errors
/// As [`prepare`]; [`Error::Stopped`] after the request.
pub fn prepare_with(plan: &Plan, stop: &StopFlag) -> Result<Vec<u64>, Error> {
    plan.config.validate()?;
    plan.check_seeds()?;
    let env = env::make_configured(&plan.config.env, &MakeOptions { rendering: false, stop: stop.clone() })?;
    cpu::check_observations(&plan.config, env.spec())?;
    memory::check(&plan.config, env.spec(), plan.jobs_at_once())?;
    // Before the lock, so that not even a lock file is written into a directory of somebody else's.
    continuable(plan)?;
    fs::create_dir_all(&plan.out).map_err(Error::io("create", &plan.out))?;
    let lock = lock(&plan.out)?;
    if !continuable(plan)? {
        let runs = plan.out.join(RUNS);
        fs::create_dir_all(&runs).map_err(Error::io("create", &runs))?;
        atomic_write(&plan.out.join(run_dir::CONFIG), plan.config.to_toml().as_bytes())?;
    }
    drop(lock);
    let mut missing = Vec::new();
    for seed in plan.seeds() {
        if plan.outcome(seed)?.is_none() {
            missing.push(seed);
        }
    }
    Ok(missing)
}

/// Whether the plan's directory holds an experiment of the plan's; an error where it holds anything else.
fn continuable(plan: &Plan) -> Result<bool, Error> {
    let message = match occupant(&plan.out)? {
        Occupant::Nothing => return Ok(false),
        Occupant::Experiment => {
            let existing = run_dir::read_config(&plan.out)?;
            let differences = existing.differences(&plan.run_config(existing.training.seed));
            if differences.is_empty() {
                return Ok(true);
            }
            return Err(other_configuration(&plan.out, &differences));
        }
        Occupant::Run { .. } => {
            "exists already and holds a run, not an experiment: choose another directory".to_owned()
        }
        Occupant::Other(names) => {
            format!("exists already and holds no experiment ({}): choose another directory", listed(&names))
        }
    };
    Err(Error::Occupied { path: plan.out.clone(), message })
}

/// Checks, before the first run, that an ablation can be written into `out`, and each variant into its directory there.
///
/// # Errors
/// [`Error::Occupied`] where `out` holds anything but variants of an ablation, or a variant with another configuration.
pub fn check_ablation(plan: &Plan, variants: &[Variant]) -> Result<(), Error> {
    let occupied = |message: String| Err(Error::Occupied { path: plan.out.clone(), message });
    match occupant(&plan.out)? {
        Occupant::Nothing => return Ok(()),
        Occupant::Run { .. } => occupied("exists already and holds a run: choose another directory".to_owned())?,
        Occupant::Experiment => {
            occupied("exists already and holds an experiment without ablation: choose another directory".to_owned())?;
        }
        Occupant::Other(mut names) => {
            names.retain(|name| {
                let is_variant = matches!(occupant(&plan.out.join(name)), Ok(Occupant::Experiment | Occupant::Nothing));
                !is_variant && !run_dir::CURVES.contains(&name.as_str())
            });
            if !names.is_empty() {
                let names = listed(&names);
                occupied(format!("exists already and holds other files ({names}): choose another directory"))?;
            }
        }
    }
    for Variant { name, config, .. } in variants {
        continuable(&Plan { config: config.clone(), out: plan.out.join(name), ..plan.clone() })?;
    }
    Ok(())
}

fn other_configuration(dir: &Path, differences: &[String]) -> Error {
    let message = format!(
        "holds another configuration: {}; choose another directory, or the same settings to continue",
        listed(differences)
    );
    Error::Occupied { path: dir.to_owned(), message }
}
