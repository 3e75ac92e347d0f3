//! Experiments: the same configuration with many seeds, several runs in parallel, one thread each.
//!
//! Run k equals a single training run with that seed, byte for byte, whatever runs in parallel. A complete run is not
//! repeated, so an interrupted experiment continues. A failed run is recorded with its error, and the other runs continue.
//!
//! Several processes may share an experiment. Each claims a run by locking its directory; a run whose process was killed
//! can be claimed again. A process without unclaimed runs waits for the runs of the others. The files of the whole
//! experiment are written under a lock that is held only while they are written.
//!
//! ```
//! use quarl::config::TrainConfig;
//! use quarl::experiment::{ExperimentEvent, Plan};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let out = directory.path().join("curves");
//! let config = TrainConfig::preset("textbook").set("training.episodes", 3).build()?;
//! let experiment = Plan::new(config, out).runs(4).jobs(2).open()?;
//! for event in experiment.start()? { // runs all four seeds; none if they are complete already
//!     match event? {
//!         ExperimentEvent::Finished { seed, summary } => println!("{seed}: {:?}", summary.greedy_returns),
//!         ExperimentEvent::Failed { seed, error } => println!("{seed} failed: {error}"),
//!         _ => {}
//!     }
//! }
//! let (rows, summary) = experiment.aggregate()?; // the contents of mean.csv and summary.json
//! assert_eq!((rows.len(), rows[0].n, summary.failed.len()), (3, 4, 0));
//! # Ok::<(), quarl::Error>(())
//! ```

pub mod ablation;
mod aggregate;
mod comparison;
mod comparison_results;
mod efficiency;
#[cfg(feature = "plot")]
mod figures;
mod plan;
mod runner;
mod score_range;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::TrainConfig;
use crate::error::Error;
use crate::run::{self, RUNS, Status};

pub use aggregate::{ExperimentSummary, FailedRun, MeanRow};
pub use comparison::{Comparison, ComparisonRuns, Variant};
pub use comparison_results::{
    ComparisonResults, ConfigurationResults, EnvironmentResults, OverallResults, Versus, read_comparison,
};
pub use efficiency::EfficiencyPoint;
#[cfg(feature = "plot")]
pub use figures::{comparison_figures, draw, figure};
pub use plan::{Plan, Shard};
pub(crate) use runner::internal;
pub use runner::{ExperimentEvent, Runs};
pub use score_range::ScoreRange;

/// An experiment and its directory. See [`Plan::open`].
pub struct Experiment {
    plan: Plan,
    missing: Vec<u64>,
    /// The return from which the environment counts as solved, if there is one.
    threshold: Option<f64>,
}

impl Experiment {
    /// The configuration, including the values that depend on the environment. Its seed is that of the first run.
    pub fn config(&self) -> &TrainConfig {
        &self.plan.config
    }

    /// The number of runs requested.
    pub fn runs(&self) -> u64 {
        self.plan.runs
    }

    /// The experiment's directory.
    pub fn dir(&self) -> &Path {
        &self.plan.out
    }

    /// The seeds of the plan's shard that were not complete when the experiment was opened.
    pub fn missing(&self) -> &[u64] {
        &self.missing
    }

    /// Starts the missing runs.
    ///
    /// # Errors
    /// [`Error::Io`] where a thread cannot be started.
    pub fn start(&self) -> Result<Runs, Error> {
        Runs::start(&self.plan, self.missing.clone(), runner::train)
    }
}

/// The directory of the run with this seed.
pub fn run_path(out: &Path, seed: u64) -> PathBuf {
    out.join(RUNS).join(format!("seed-{seed}"))
}

/// A run in an experiment's directory.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    /// The run's seed.
    pub seed: u64,
    /// The run's directory.
    pub dir: PathBuf,
    /// The run's status.
    pub status: Status,
}

/// The runs in an experiment's directory, in ascending order of their seeds.
///
/// # Errors
/// [`Error::Io`] where the directory cannot be read.
pub fn outcomes(out: &Path) -> Result<Vec<RunOutcome>, Error> {
    let outcome = |seed| {
        let dir = run_path(out, seed);
        Ok(RunOutcome { seed, status: run::status(&dir)?, dir })
    };
    seeds(out)?.into_iter().map(outcome).collect()
}

/// The seeds and directories of the runs in an experiment's directory, in ascending order of their seeds. The runs are not
/// read.
///
/// # Errors
/// [`Error::Io`] where the directory cannot be read.
pub fn run_directories(out: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    Ok(seeds(out)?.into_iter().map(|seed| (seed, run_path(out, seed))).collect())
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
