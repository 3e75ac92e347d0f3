//! Aggregates the runs of an experiment.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Experiment, RunOutcome, outcomes};
use crate::atomic_write::atomic_write;
use crate::error::Error;
use crate::run::lock::Lock;
use crate::run::table::{number, with_header};
use crate::run::{self, Status, Summary};
use crate::scores::{Scores, finite};
use crate::stats::{self, Bootstrap};

/// The aggregated results of an experiment's runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentSummary {
    /// The version of quarl that aggregated the runs.
    pub quarl_version: String,
    /// The environment's id.
    pub env: String,
    /// The lowest seed.
    pub first_seed: u64,
    /// The number of runs that have ended, complete or failed: all runs in the directory, also those not requested this
    /// time.
    pub runs: usize,
    /// The number of complete runs. Means are over these.
    #[serde(default)]
    pub completed: usize,
    /// The failed runs, in ascending order of their seeds. Each counts as below the threshold.
    #[serde(default)]
    pub failed: Vec<FailedRun>,
    /// The mean, over complete runs, of the trained agents' mean greedy returns; `None` without a complete run.
    pub greedy_mean: Option<f64>,
    /// The interquartile mean of these returns (Agarwal et al. 2021).
    pub greedy_iqm: Option<f64>,
    /// A 95% bootstrap confidence interval of the interquartile mean; `None` for fewer than three complete runs.
    pub greedy_iqm_interval: Option<[f64; 2]>,
    /// The return from which the environment counts as solved, if there is one.
    pub threshold: Option<f64>,
    /// The number of runs whose mean greedy return is at or above the threshold.
    pub reached: Option<usize>,
    /// The share of these runs among all runs, failed ones included.
    pub reached_share: Option<f64>,
    /// A 95% Wilson confidence interval of that share; `None` for fewer than three runs.
    pub reached_interval: Option<[f64; 2]>,
}

/// A run that ended with an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRun {
    /// The run's seed.
    pub seed: u64,
    /// The error message.
    pub error: String,
}

/// One row of `mean.csv`: an episode, over all runs that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MeanRow {
    /// The episode, counted from 0.
    pub episode: u64,
    /// The mean return.
    #[serde(serialize_with = "number")]
    pub mean: Option<f64>,
    /// The sample standard deviation of the returns; `None` for a single run.
    #[serde(serialize_with = "number")]
    pub std: Option<f64>,
    /// The lower end of the mean's 95% bootstrap interval; `None` for fewer than three runs.
    #[serde(serialize_with = "number")]
    pub lower: Option<f64>,
    /// The upper end.
    #[serde(serialize_with = "number")]
    pub upper: Option<f64>,
    /// The number of runs.
    pub n: usize,
}

/// One row of `greedy.csv`: the greedy returns of a run's trained agent.
#[derive(Default, Serialize)]
struct GreedyRow {
    seed: u64,
    #[serde(serialize_with = "number")]
    mean_return: Option<f64>,
    #[serde(serialize_with = "number")]
    std_return: Option<f64>,
    #[serde(serialize_with = "number")]
    min_return: Option<f64>,
    #[serde(serialize_with = "number")]
    max_return: Option<f64>,
    #[serde(serialize_with = "number")]
    best_mean: Option<f64>,
    best_episodes: Option<u64>,
    reached: Option<bool>,
}

impl Experiment {
    /// Reads all ended runs in the directory and writes the aggregated results: `mean.csv`, `greedy.csv`, `summary.json`
    /// and the figure.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails, and those of reading a run's files.
    pub fn aggregate(&self) -> Result<(Vec<MeanRow>, ExperimentSummary), Error> {
        let out = self.dir();
        let _lock = Lock::wait(out)?;
        let mut returns = Vec::new();
        let mut ended = Vec::new();
        for RunOutcome { seed, dir, status } in outcomes(out)? {
            match status {
                Status::Complete(summary) => {
                    returns.push(run_returns(&dir)?);
                    ended.push((seed, Ok(*summary)));
                }
                Status::Failed(summary) => ended.push((seed, Err(summary.error.unwrap_or_default()))),
                Status::Incomplete => {}
            }
        }
        let rows = mean_rows(&returns);
        let greedy: Vec<GreedyRow> = ended.iter().map(|run| greedy_row(run, self.threshold)).collect();
        atomic_write(&out.join("mean.csv"), with_header(&rows).as_bytes())?;
        atomic_write(&out.join("greedy.csv"), with_header(&greedy).as_bytes())?;
        let summary = self.summarise(ended);
        let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data") + "\n";
        atomic_write(&out.join(run::SUMMARY), text.as_bytes())?;
        #[cfg(feature = "plot")]
        if summary.completed > 0 {
            super::draw(out)?;
        }
        Ok((rows, summary))
    }

    fn summarise(&self, ended: Vec<Ended>) -> ExperimentSummary {
        let (runs, config) = (ended.len(), self.config());
        let first_seed = ended.first().map_or(config.training.seed, |(seed, _)| *seed);
        let (mut means, mut failed) = (Vec::new(), Vec::new());
        for (seed, outcome) in ended {
            match outcome {
                Ok(summary) => means.extend(summary.greedy_mean),
                Err(error) => failed.push(FailedRun { seed, error }),
            }
        }
        let scores = Scores::of(&means, failed.len(), self.threshold);
        ExperimentSummary {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            env: config.env.id.clone(),
            first_seed,
            runs,
            completed: runs - failed.len(),
            failed,
            greedy_mean: scores.mean,
            greedy_iqm: scores.iqm,
            greedy_iqm_interval: scores.iqm_interval,
            threshold: self.threshold,
            reached: scores.reached,
            reached_share: scores.reached_share,
            reached_interval: scores.reached_interval,
        }
    }
}

/// How the run with a seed ended: complete, or with an error.
type Ended = (u64, Result<Summary, String>);

fn greedy_row((seed, outcome): &Ended, threshold: Option<f64>) -> GreedyRow {
    let summary = outcome.as_ref().ok();
    let mean_return = summary.and_then(|summary| summary.greedy_mean);
    let returns = summary.and_then(|summary| summary.greedy_returns.as_deref()).unwrap_or_default();
    GreedyRow {
        seed: *seed,
        mean_return,
        std_return: finite(stats::sample_std(returns)),
        min_return: returns.iter().copied().reduce(f64::min),
        max_return: returns.iter().copied().reduce(f64::max),
        best_mean: summary.and_then(|summary| summary.best_mean),
        best_episodes: summary.and_then(|summary| summary.best_episodes),
        reached: threshold.map(|threshold| mean_return.is_some_and(|mean| mean >= threshold)),
    }
}

/// The returns of a run's episodes.
fn run_returns(dir: &Path) -> Result<Vec<f64>, Error> {
    Ok(run::read_episodes(dir)?.iter().map(|record| record.total_reward).collect())
}

/// The mean over runs, episode by episode, with a 95% bootstrap interval over runs.
fn mean_rows(returns: &[Vec<f64>]) -> Vec<MeanRow> {
    let curve = stats::mean_curve_with_band(returns, &Bootstrap::default(), &mut stats::resampler(0));
    (0..curve.mean.len())
        .map(|episode| {
            let here: Vec<f64> = returns.iter().filter_map(|run| run.get(episode).copied()).collect();
            MeanRow {
                episode: episode as u64,
                mean: finite(curve.mean[episode]),
                std: finite(stats::sample_std(&here)),
                lower: finite(curve.low[episode]),
                upper: finite(curve.high[episode]),
                n: curve.n[episode],
            }
        })
        .collect()
}
