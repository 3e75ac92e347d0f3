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
//! use quarl::config::TrainConfig;
//! use quarl::experiment::{ExperimentEvent, Plan};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let out = directory.path().join("curves");
//! let config = TrainConfig::preset("textbook").set("training.episodes", 3).build()?;
//! let experiment = Plan::new(config, out).runs(4).jobs(2).open()?;
//! for event in experiment.start()? { // all four seeds; none when it is started again afterwards
//!     match event? {
//!         ExperimentEvent::Finished { seed, summary } => println!("{seed}: {:?}", summary.greedy_returns),
//!         ExperimentEvent::Failed { seed, error } => println!("{seed} failed: {error}"),
//!         _ => {}
//!     }
//! }
//! let (rows, summary) = experiment.aggregate()?; // what mean.csv and summary.json say
//! assert_eq!((rows.len(), rows[0].n, summary.failed.len()), (3, 4, 0));
//! # Ok::<(), quarl::Error>(())
//! ```

pub mod ablation;
mod aggregate;
#[cfg(feature = "plot")]
mod figures;
mod plan;
mod runner;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::TrainConfig;
use crate::error::Error;
use crate::run::{self, RUNS, Status};

pub use aggregate::{ExperimentSummary, FailedRun, MeanRow};
#[cfg(feature = "plot")]
pub use figures::{draw, draw_ablation};
pub use plan::Plan;
pub use runner::{ExperimentEvent, Runs};

/// An experiment in its directory. See [`Plan::open`].
pub struct Experiment {
    plan: Plan,
    missing: Vec<u64>,
    /// The return from which the environment counts as solved, if there is one.
    threshold: Option<f64>,
}

impl Experiment {
    /// The configuration, with all that the environment decides; its seed is the first run's.
    pub fn config(&self) -> &TrainConfig {
        &self.plan.config
    }

    /// How many runs are asked for.
    pub fn runs(&self) -> u64 {
        self.plan.runs
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.plan.out
    }

    /// The seeds of the runs that had still to be run when it was opened.
    pub fn missing(&self) -> &[u64] {
        &self.missing
    }

    /// Starts the runs that are missing.
    ///
    /// # Errors
    /// [`Error::Io`] where the system gives no threads.
    pub fn start(&self) -> Result<Runs, Error> {
        Runs::start(&self.plan, self.missing.clone(), runner::train)
    }
}

/// The directory of the run with this seed.
pub(crate) fn run_path(out: &Path, seed: u64) -> PathBuf {
    out.join(RUNS).join(format!("seed-{seed}"))
}

/// One run of an experiment's directory.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    /// Its seed.
    pub seed: u64,
    /// Its directory.
    pub dir: PathBuf,
    /// How it stands.
    pub status: Status,
}

/// The runs in an experiment's directory, in ascending order of their seeds.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn outcomes(out: &Path) -> Result<Vec<RunOutcome>, Error> {
    let outcome = |seed| {
        let dir = run_path(out, seed);
        Ok(RunOutcome { seed, status: run::status(&dir)?, dir })
    };
    seeds(out)?.into_iter().map(outcome).collect()
}

/// The seeds of the runs in an experiment's directory, in ascending order.
pub(crate) fn seeds(out: &Path) -> Result<Vec<u64>, Error> {
    let runs = out.join(RUNS);
    let entries = fs::read_dir(&runs).map_err(Error::io("read", &runs))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut seeds: Vec<u64> = names.filter_map(|name| name.strip_prefix("seed-")?.parse().ok()).collect();
    seeds.sort_unstable();
    Ok(seeds)
}
