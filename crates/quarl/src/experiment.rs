//! The same configuration with many seeds, several runs at a time, one thread each.
//!
//! Run k is exactly what `train` with that seed is, whatever runs beside it: threads share nothing but the list of seeds.
//! A run whose summary exists is whole and is not run again, so an interrupted experiment goes on where it was.
//!
//! ```
//! use quarl::config::presets;
//! use quarl::experiment::{self, Experiment, ExperimentEvent, Plan};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let out = directory.path().join("curves");
//! let mut config = presets::config("textbook", None)?;
//! config.training.episodes = Some(3);
//! let plan = Plan { config, runs: 4, jobs: 2, out };
//! let missing = experiment::prepare(&plan)?; // all four seeds; none when it is called again afterwards
//! for event in Experiment::start(&plan, missing) {
//!     if let ExperimentEvent::Finished { seed, summary } = event? {
//!         println!("{seed}: {:?}", summary.greedy_returns);
//!     }
//! }
//! let (rows, _) = experiment::aggregate(&plan)?; // and mean.csv's rows
//! assert_eq!((rows.len(), rows[0].n), (3, 4));
//! # Ok::<(), quarl::Error>(())
//! ```

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::beside;
use crate::config::TrainConfig;
use crate::env::{self, MakeOptions};
use crate::error::Error;
use crate::memory;
use crate::run_dir::{self, RunWriter, Summary};
use crate::stats::{self, Bootstrap};
use crate::stop::StopFlag;
use crate::train::{Event, Trainer};

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
}

/// What happened in an experiment.
#[derive(Clone, Debug)]
pub enum ExperimentEvent {
    /// A run has ended another episode.
    Episode {
        /// The run's seed.
        seed: u64,
        /// Its environment steps so far.
        env_steps: u64,
    },
    /// A run has given a warning.
    Warning {
        /// The run's seed.
        seed: u64,
        /// What it is, and what to do about it.
        message: String,
    },
    /// A run is whole.
    Finished {
        /// The run's seed.
        seed: u64,
        /// What came out.
        summary: Box<Summary>,
    },
}

/// An experiment in progress: an iterator of its events. Dropping it stops it.
pub struct Experiment {
    events: Receiver<Result<ExperimentEvent, Error>>,
    stop: StopFlag,
    workers: Vec<JoinHandle<()>>,
}

/// What an experiment shows, over all its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentSummary {
    /// The version of quarl that aggregated it.
    pub quarl_version: String,
    /// The environment.
    pub env: String,
    /// The first run's seed.
    pub first_seed: u64,
    /// How many runs.
    pub runs: usize,
    /// The mean, over runs, of the trained agents' mean greedy returns.
    pub greedy_mean: f64,
    /// Their interquartile mean (Agarwal et al. 2021).
    pub greedy_iqm: f64,
    /// A 95% bootstrap interval of that; none of fewer than three runs.
    pub greedy_iqm_interval: Option<[f64; 2]>,
    /// The return from which the environment counts as solved, where there is one.
    pub threshold: Option<f64>,
    /// How many trained agents reach it on average over their greedy episodes.
    pub reached: Option<usize>,
    /// The share of seeds that do.
    pub reached_share: Option<f64>,
    /// A 95% Wilson interval of that share; none of fewer than three runs.
    pub reached_interval: Option<[f64; 2]>,
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

/// The directory of the run with this seed.
pub fn run_path(out: &Path, seed: u64) -> PathBuf {
    out.join("runs").join(format!("seed-{seed}"))
}

/// The seeds of the runs that are in an experiment's directory, in ascending order.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn seeds(out: &Path) -> Result<Vec<u64>, Error> {
    let runs = out.join("runs");
    let entries = fs::read_dir(&runs).map_err(|source| Error::Io { action: "read", path: runs.clone(), source })?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut seeds: Vec<u64> = names.filter_map(|name| name.strip_prefix("seed-")?.parse().ok()).collect();
    seeds.sort_unstable();
    Ok(seeds)
}

/// The seeds of `plan` whose runs are not whole yet, after making the directory or checking that it is of this plan.
///
/// # Errors
/// [`Error::Config`] where the directory belongs to another configuration, [`Error::Io`] where the system refuses.
pub fn prepare(plan: &Plan) -> Result<Vec<u64>, Error> {
    plan.config.validate()?;
    let env = env::make_configured(&plan.config.env, &MakeOptions::default())?;
    memory::check(&plan.config, env.spec(), plan.jobs_at_once())?;
    let io = |action, path: &Path, source| Error::Io { action, path: path.to_owned(), source };
    let config_path = plan.out.join(run_dir::CONFIG);
    if plan.out.exists() {
        let other = |message: String| Error::Config { origin: plan.out.display().to_string(), message };
        if !config_path.exists() {
            let empty = plan.out.is_dir()
                && fs::read_dir(&plan.out).map_err(|source| io("read", &plan.out, source))?.next().is_none();
            if !empty {
                return Err(other("exists already and is no experiment: choose another --out".to_owned()));
            }
        } else {
            let mut existing = run_dir::read_config(&plan.out)?;
            existing.training.seed = plan.config.training.seed;
            if existing != plan.config {
                return Err(other(
                    "holds an experiment with another configuration: choose another --out, or the same settings to \
                     continue it"
                        .to_owned(),
                ));
            }
        }
    }
    let runs = plan.out.join("runs");
    fs::create_dir_all(&runs).map_err(|source| io("create", &runs, source))?;
    if !config_path.exists() {
        beside::write(&config_path, plan.config.to_toml().as_bytes())?;
    }
    let mut missing = Vec::new();
    for seed in plan.seeds() {
        if run_dir::read_summary(&run_path(&plan.out, seed))?.is_none() {
            missing.push(seed);
        }
    }
    Ok(missing)
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
}

impl Experiment {
    /// Starts the runs with these seeds.
    pub fn start(plan: &Plan, seeds: Vec<u64>) -> Self {
        Self::start_with(plan, seeds, &StopFlag::default())
    }

    /// [`Experiment::start`]; a request of `stop` stops all runs, as [`Experiment::stop`] does.
    pub fn start_with(plan: &Plan, seeds: Vec<u64>, stop: &StopFlag) -> Self {
        let (sender, events) = channel();
        let stop = stop.child();
        let queue = Arc::new(Mutex::new(VecDeque::from(seeds)));
        let workers = (0..plan.jobs_at_once())
            .map(|_| {
                let (plan, queue, sender, stop) = (plan.clone(), queue.clone(), sender.clone(), stop.clone());
                std::thread::spawn(move || work(&plan, &queue, &sender, &stop))
            })
            .collect();
        Self { events, stop, workers }
    }

    /// Asks all runs to stop; the iterator ends soon after. Unfinished runs leave no summary and are run again next time.
    pub fn stop(&self) {
        self.stop.request();
    }
}

impl Iterator for Experiment {
    type Item = Result<ExperimentEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.events.recv().ok()
    }
}

impl Drop for Experiment {
    fn drop(&mut self) {
        self.stop();
        for worker in self.workers.drain(..) {
            // A worker that panicked has already said so.
            let _ = worker.join();
        }
    }
}

/// One thread: run after run, until there are none left or somebody said stop. The first error ends the thread, and the
/// others after their current run's next event.
fn work(plan: &Plan, queue: &Mutex<VecDeque<u64>>, sender: &Sender<Result<ExperimentEvent, Error>>, stop: &StopFlag) {
    let next = || queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front();
    while let Some(seed) = next() {
        let result = run(plan, seed, sender, stop);
        let failed = result.is_err();
        let message = match result {
            Ok(Some(summary)) => Ok(ExperimentEvent::Finished { seed, summary: Box::new(summary) }),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if failed {
            stop.request();
        }
        if sender.send(message).is_err() || failed || stop.is_requested() {
            return;
        }
    }
}

/// One run; `None` where it was stopped.
fn run(
    plan: &Plan,
    seed: u64,
    sender: &Sender<Result<ExperimentEvent, Error>>,
    stop: &StopFlag,
) -> Result<Option<Summary>, Error> {
    let mut config = plan.config.clone();
    config.training.seed = seed;
    let started = Instant::now();
    let mut trainer = match Trainer::builder(config).stop_flag(stop.clone()).build() {
        Err(Error::Stopped { .. }) => return Ok(None),
        trainer => trainer?,
    };
    let mut writer = RunWriter::create(&run_path(&plan.out, seed), true, trainer.config())?;
    while let Some(event) = trainer.next() {
        let event = event?;
        writer.record(&event, &trainer)?;
        let message = match event {
            Event::Episode(record) => Some(ExperimentEvent::Episode { seed, env_steps: record.env_steps }),
            Event::Warning { message } => Some(ExperimentEvent::Warning { seed, message }),
            _ => None,
        };
        if let Some(message) = message {
            let _ = sender.send(Ok(message));
        }
    }
    if !trainer.is_finished() {
        return Ok(None);
    }
    writer.finish(&trainer, started.elapsed().as_secs_f64(), false).map(Some)
}

/// Reads all runs of a plan and writes what they show together: `mean.csv`, `greedy.csv` and `summary.json`.
///
/// # Errors
/// What is wrong with a run's files.
pub fn aggregate(plan: &Plan) -> Result<(Vec<MeanRow>, ExperimentSummary), Error> {
    let threshold = env::make_configured(&plan.config.env, &MakeOptions::default())?.spec().reward_threshold;
    let mut returns = Vec::new();
    let mut greedy = Vec::new();
    for seed in plan.seeds() {
        let dir = run_path(&plan.out, seed);
        if let Some(summary) = run_dir::read_summary(&dir)? {
            returns.push(run_returns(&dir)?);
            greedy.push(summary);
        }
    }
    let rows = mean_rows(&returns);
    let mut csv = String::from("episode,mean,std,lower,upper,n\n");
    for MeanRow { episode, mean, std, lower, upper, n } in &rows {
        let optional = |x: &f64| if x.is_nan() { String::new() } else { x.to_string() };
        csv += &format!("{episode},{mean},{},{},{},{n}\n", optional(std), optional(lower), optional(upper));
    }
    beside::write(&plan.out.join("mean.csv"), csv.as_bytes())?;

    let mut csv = String::from("seed,mean_return,std_return,min_return,max_return,best_mean,best_episodes,reached\n");
    for Summary { seed, greedy_returns, greedy_mean, best_mean, best_episodes, .. } in &greedy {
        let (Some(returns), Some(mean)) = (greedy_returns, greedy_mean) else { continue };
        let min = returns.iter().copied().fold(f64::INFINITY, f64::min);
        let max = returns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let std = stats::sample_std(returns);
        let std = if std.is_nan() { String::new() } else { std.to_string() };
        let best_mean = best_mean.map_or(String::new(), |mean| mean.to_string());
        let best_episodes = best_episodes.map_or(String::new(), |episodes| episodes.to_string());
        let reached = threshold.map_or(String::new(), |threshold| (*mean >= threshold).to_string());
        csv += &format!("{seed},{mean},{std},{min},{max},{best_mean},{best_episodes},{reached}\n");
    }
    beside::write(&plan.out.join("greedy.csv"), csv.as_bytes())?;

    let means: Vec<f64> = greedy.iter().filter_map(|run| run.greedy_mean).collect();
    let bootstrap = Bootstrap::default();
    let interval = stats::bootstrap_interval(&means, stats::interquartile_mean, &bootstrap, &mut stats::resampler(0));
    let reached = threshold.map(|threshold| means.iter().filter(|mean| **mean >= threshold).count());
    let summary = ExperimentSummary {
        quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
        env: plan.config.env.id.clone(),
        first_seed: plan.config.training.seed,
        runs: means.len(),
        greedy_mean: stats::mean(&means),
        greedy_iqm: stats::interquartile_mean(&means),
        greedy_iqm_interval: interval.low.is_finite().then_some([interval.low, interval.high]),
        threshold,
        reached,
        reached_share: reached.map(|reached| reached as f64 / means.len() as f64),
        reached_interval: reached.filter(|_| means.len() >= stats::LEAST_FOR_INTERVAL).map(|reached| {
            let interval = stats::wilson(reached, means.len(), 0.95);
            [interval.low, interval.high]
        }),
    };
    let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data") + "\n";
    beside::write(&plan.out.join(run_dir::SUMMARY), text.as_bytes())?;
    Ok((rows, summary))
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
