//! What the runs of an experiment show together.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Plan, run_path, seeds};
use crate::atomic_write::atomic_write;
use crate::env::{self, MakeOptions};
use crate::error::Error;
use crate::run_dir::{self, Status, Summary};
use crate::scores::Scores;
use crate::stats::{self, Bootstrap};

/// What an experiment shows, over all its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentSummary {
    /// The version of quarl that aggregated it.
    pub quarl_version: String,
    /// The environment.
    pub env: String,
    /// The lowest seed of the runs.
    pub first_seed: u64,
    /// How many runs have ended, complete or failed: all of the directory's, whatever part of them was asked for.
    pub runs: usize,
    /// How many of them are complete. The means are over these.
    #[serde(default)]
    pub completed: usize,
    /// The others, in ascending order of their seeds. Each counts as one that does not reach the threshold.
    #[serde(default)]
    pub failed: Vec<FailedRun>,
    /// The mean, over complete runs, of the trained agents' mean greedy returns; `None` where no run is complete.
    pub greedy_mean: Option<f64>,
    /// Their interquartile mean (Agarwal et al. 2021).
    pub greedy_iqm: Option<f64>,
    /// A 95% bootstrap interval of that; `None` of fewer than three complete runs.
    pub greedy_iqm_interval: Option<[f64; 2]>,
    /// The return from which the environment counts as solved, where there is one.
    pub threshold: Option<f64>,
    /// How many trained agents reach it on average over their greedy episodes.
    pub reached: Option<usize>,
    /// The share of seeds that do, failed runs included.
    pub reached_share: Option<f64>,
    /// A 95% Wilson interval of that share; `None` of fewer than three runs.
    pub reached_interval: Option<[f64; 2]>,
}

/// A run that ended in an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRun {
    /// Its seed.
    pub seed: u64,
    /// The reason.
    pub error: String,
}

/// One episode of `mean.csv`: over all runs that have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanRow {
    /// Which episode, from 0.
    pub episode: u64,
    /// The mean return.
    pub mean: f64,
    /// The returns' sample standard deviation; NaN of one run.
    pub std: f64,
    /// The mean's 95% bootstrap interval; NaN of fewer than three runs.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// Over how many runs.
    pub n: usize,
}

/// Reads all runs that have ended in a plan's directory and writes what they show together: `mean.csv`, `greedy.csv` and
/// `summary.json`.
///
/// # Errors
/// [`Error::Io`] where the system refuses, and what is wrong with a run's files.
pub fn aggregate(plan: &Plan) -> Result<(Vec<MeanRow>, ExperimentSummary), Error> {
    let threshold = env::make_configured(&plan.config.env, &MakeOptions::default())?.spec().reward_threshold;
    let _lock = super::lock(&plan.out)?;
    let mut returns = Vec::new();
    let mut ended = Vec::new();
    for seed in seeds(&plan.out)? {
        let dir = run_path(&plan.out, seed);
        match run_dir::status(&dir)? {
            Status::Complete(summary) => {
                returns.push(run_returns(&dir)?);
                ended.push((seed, Ok(*summary)));
            }
            Status::Failed(summary) => ended.push((seed, Err(summary.error.unwrap_or_default()))),
            Status::Incomplete => {}
        }
    }
    let rows = mean_rows(&returns);
    atomic_write(&plan.out.join("mean.csv"), mean_csv(&rows).as_bytes())?;
    atomic_write(&plan.out.join("greedy.csv"), greedy_csv(&ended, threshold).as_bytes())?;
    let summary = summarise(plan, ended, threshold);
    let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data") + "\n";
    atomic_write(&plan.out.join(run_dir::SUMMARY), text.as_bytes())?;
    Ok((rows, summary))
}

/// How the run with a seed ended: complete, or with an error.
type Ended = (u64, Result<Summary, String>);

fn summarise(plan: &Plan, ended: Vec<Ended>, threshold: Option<f64>) -> ExperimentSummary {
    let runs = ended.len();
    let first_seed = ended.first().map_or(plan.config.training.seed, |(seed, _)| *seed);
    let (mut means, mut failed) = (Vec::new(), Vec::new());
    for (seed, outcome) in ended {
        match outcome {
            Ok(summary) => means.extend(summary.greedy_mean),
            Err(error) => failed.push(FailedRun { seed, error }),
        }
    }
    let scores = Scores::of(&means, failed.len(), threshold);
    ExperimentSummary {
        quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
        env: plan.config.env.id.clone(),
        first_seed,
        runs,
        completed: runs - failed.len(),
        failed,
        greedy_mean: scores.mean,
        greedy_iqm: scores.iqm,
        greedy_iqm_interval: scores.iqm_interval,
        threshold,
        reached: scores.reached,
        reached_share: scores.reached_share,
        reached_interval: scores.reached_interval,
    }
}

/// JSON has no NaN: what does not exist is absent.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn mean_csv(rows: &[MeanRow]) -> String {
    let mut csv = String::from("episode,mean,std,lower,upper,n\n");
    for MeanRow { episode, mean, std, lower, upper, n } in rows {
        let [mean, std, lower, upper] = [mean, std, lower, upper].map(|x| field(finite(*x)));
        csv += &format!("{episode},{mean},{std},{lower},{upper},{n}\n");
    }
    csv
}

fn greedy_csv(ended: &[Ended], threshold: Option<f64>) -> String {
    let mut csv = String::from("seed,mean_return,std_return,min_return,max_return,best_mean,best_episodes,reached\n");
    for (seed, outcome) in ended {
        let summary = outcome.as_ref().ok();
        let mean = summary.and_then(|summary| summary.greedy_mean);
        let returns = summary.and_then(|summary| summary.greedy_returns.as_deref()).unwrap_or_default();
        let std = field(finite(stats::sample_std(returns)));
        let min = field(returns.iter().copied().reduce(f64::min));
        let max = field(returns.iter().copied().reduce(f64::max));
        let best_mean = field(summary.and_then(|summary| summary.best_mean));
        let best_episodes = field(summary.and_then(|summary| summary.best_episodes));
        let reached = field(threshold.map(|threshold| mean.is_some_and(|mean| mean >= threshold)));
        let mean = field(mean);
        csv += &format!("{seed},{mean},{std},{min},{max},{best_mean},{best_episodes},{reached}\n");
    }
    csv
}

/// A value as a table has it: empty where there is none.
fn field<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// The returns of a run's episodes.
///
/// # Errors
/// What is wrong with its file.
pub fn run_returns(dir: &Path) -> Result<Vec<f64>, Error> {
    Ok(run_dir::read_episodes(dir)?.iter().map(|record| record.total_reward).collect())
}

/// The mean over runs, episode by episode, with a 95% bootstrap interval over runs.
pub fn mean_rows(returns: &[Vec<f64>]) -> Vec<MeanRow> {
    let curve = stats::mean_curve_with_band(returns, &Bootstrap::default(), &mut stats::resampler(0));
    (0..curve.mean.len())
        .map(|episode| {
            let here: Vec<f64> = returns.iter().filter_map(|run| run.get(episode).copied()).collect();
            MeanRow {
                episode: episode as u64,
                mean: curve.mean[episode],
                std: stats::sample_std(&here),
                lower: curve.low[episode],
                upper: curve.high[episode],
                n: curve.n[episode],
            }
        })
        .collect()
}
