//! What a run leaves on disk.
//!
//! | file | what |
//! | --- | --- |
//! | `config.toml` | the complete configuration; training again from it gives the same bytes |
//! | `episodes.csv` | one row an episode, written as it ends |
//! | `evaluations.csv` | one row a greedy evaluation |
//! | `best.safetensors` | the parameters of the best evaluation so far |
//! | `model.safetensors` | the parameters at the end |
//! | `summary.json` | the run in a few numbers; written last, so where it is, the run is whole |
//!
//! Nothing but `summary.json` holds a time of day or a duration: all other files are the same whenever and wherever the run
//! is repeated.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent::diagnostics::Diagnostics;
use crate::beside;
use crate::config::{TrainConfig, layers};
use crate::error::Error;
use crate::train::{EpisodeRecord, Evaluation, Event, Trainer};

/// The configuration's file name.
pub const CONFIG: &str = "config.toml";
/// The episodes' file name.
pub const EPISODES: &str = "episodes.csv";
/// The evaluations' file name.
pub const EVALUATIONS: &str = "evaluations.csv";
/// What an episode's updates looked like from inside, where `training.diagnostics` asks for it.
pub const DIAGNOSTICS: &str = "diagnostics.csv";
/// The best model's file name.
pub const BEST: &str = "best.safetensors";
/// The last model's file name.
pub const MODEL: &str = "model.safetensors";
/// The summary's file name.
pub const SUMMARY: &str = "summary.json";
/// The figures' file names.
pub const CURVES: [&str; 2] = ["curve.svg", "curve.png"];

const EPISODES_HEADER: &str = "episode,env_steps,return,length,epsilon,mean_loss,mean_q";
const EVALUATIONS_HEADER: &str = "episodes,env_steps,mean_return,min_return,max_return,best";

/// A run in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of quarl that trained it.
    pub quarl_version: String,
    /// The environment.
    pub env: String,
    /// The run's seed.
    pub seed: u64,
    /// The instruction set it was computed on (which changes nothing but the time).
    pub cpu_path: String,
    /// Whole episodes trained.
    pub episodes: u64,
    /// Environment steps trained.
    pub env_steps: u64,
    /// How long training took, evaluations included.
    pub wall_seconds: f64,
    /// Environment steps a second.
    pub steps_per_second: f64,
    /// The returns of the closing evaluation's greedy episodes; `None` where the run was stopped before it.
    pub greedy_returns: Option<Vec<f64>>,
    /// Their mean.
    pub greedy_mean: Option<f64>,
    /// The mean return of the best evaluation, whose network is `best.safetensors`; `None` where there was no evaluation.
    pub best_mean: Option<f64>,
    /// How many episodes had been trained then.
    pub best_episodes: Option<u64>,
    /// The mean return from which the task counts as solved, if it is agreed upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_threshold: Option<f64>,
    /// Whether training was stopped before its budget was used.
    pub interrupted: bool,
    /// Episodes that were dropped because the environment's process was gone.
    #[serde(default)]
    pub episodes_lost: u64,
    /// The run's warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What stopped it before its budget was used, where something failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A run's directory while it trains.
///
/// ```
/// use quarl::config::presets;
/// use quarl::run_dir::{self, RunWriter};
/// use quarl::train::Trainer;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path().join("run");
/// let mut config = presets::config("textbook", None)?;
/// config.training.episodes = Some(3);
/// let mut writer = RunWriter::create(&dir, false, &config)?; // an error where `dir` exists
/// let mut trainer = Trainer::new(config)?;
/// while let Some(event) = trainer.next() {
///     writer.record(&event?, &trainer)?;
/// }
/// writer.finish(&trainer, 0.1, false)?;
/// assert_eq!(run_dir::read_episodes(&dir)?.len(), 3);
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct RunWriter {
    dir: PathBuf,
    episodes: File,
    evaluations: File,
    diagnostics: Option<File>,
    best: Option<(f64, u64)>,
    last: Option<Evaluation>,
}

impl RunWriter {
    /// Makes the directory and writes the configuration into it.
    ///
    /// With `force` an existing directory is used, and the files of a run that are in it are replaced; others stay.
    ///
    /// # Errors
    /// [`Error::Exists`] where the directory exists and `force` is not given, [`Error::Io`] where the system refuses.
    pub fn create(dir: &Path, force: bool, config: &TrainConfig) -> Result<Self, Error> {
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).map_err(|source| io("create", parent, source))?;
        }
        match fs::create_dir(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if !dir.is_dir() {
                    let message = "this is a file; name a directory".to_owned();
                    return Err(Error::File { path: dir.to_owned(), message });
                }
                if !force {
                    return Err(Error::Exists { path: dir.to_owned() });
                }
                // The summary goes first: without it, nobody takes what is left for a whole run.
                for name in [SUMMARY, CONFIG, EPISODES, EVALUATIONS, DIAGNOSTICS, BEST, MODEL].into_iter().chain(CURVES)
                {
                    match fs::remove_file(dir.join(name)) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(io("replace", &dir.join(name), error));
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => return Err(io("create", dir, error)),
        }
        beside::write(&dir.join(CONFIG), config.to_toml().as_bytes())?;
        let table = |name: &str, header: &str| {
            let path = dir.join(name);
            let mut file = File::create(&path).map_err(|source| io("create", &path, source))?;
            writeln!(file, "{header}").map_err(|source| io("write", &path, source))?;
            Ok(file)
        };
        Ok(Self {
            dir: dir.to_owned(),
            episodes: table(EPISODES, EPISODES_HEADER)?,
            evaluations: table(EVALUATIONS, EVALUATIONS_HEADER)?,
            diagnostics: match config.training.diagnostics {
                true => Some(table(DIAGNOSTICS, &format!("episode,{}", Diagnostics::COLUMNS.join(",")))?),
                false => None,
            },
            best: None,
            last: None,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes down what one event says, if anything.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn record(&mut self, event: &Event, trainer: &Trainer) -> Result<(), Error> {
        match event {
            // The trainer keeps its warnings for the summary.
            Event::Step { .. } | Event::Learn { .. } | Event::EvaluationStep { .. } | Event::Warning { .. } => Ok(()),
            Event::Episode(record) => self.record_episode(record),
            Event::Evaluation(evaluation) => self.record_evaluation(evaluation, trainer),
        }
    }

    fn record_episode(&mut self, record: &EpisodeRecord) -> Result<(), Error> {
        let optional = |value: Option<f64>| value.map_or(String::new(), |x| x.to_string());
        let EpisodeRecord { episode, env_steps, total_reward, length, epsilon, mean_loss, mean_q, diagnostics } =
            record;
        let (mean_loss, mean_q) = (optional(*mean_loss), optional(*mean_q));
        let row = format!("{episode},{env_steps},{total_reward},{length},{epsilon},{mean_loss},{mean_q}\n");
        self.episodes.write_all(row.as_bytes()).map_err(|source| io("write", &self.dir.join(EPISODES), source))?;
        if let (Some(file), Some(diagnostics)) = (&mut self.diagnostics, diagnostics) {
            let values =
                diagnostics.values().map(|value| value.map_or(String::new(), |value| value.to_string())).join(",");
            let row = format!("{episode},{values}\n");
            file.write_all(row.as_bytes()).map_err(|source| io("write", &self.dir.join(DIAGNOSTICS), source))?;
        }
        Ok(())
    }

    fn record_evaluation(&mut self, evaluation: &Evaluation, trainer: &Trainer) -> Result<(), Error> {
        let Evaluation { episodes, env_steps, returns, mean_return, best, .. } = evaluation;
        let min = returns.iter().copied().fold(f64::INFINITY, f64::min);
        let max = returns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let row = format!("{episodes},{env_steps},{mean_return},{min},{max},{best}\n");
        self.evaluations
            .write_all(row.as_bytes())
            .map_err(|source| io("write", &self.dir.join(EVALUATIONS), source))?;
        if *best {
            self.best = Some((*mean_return, *episodes));
            trainer.model().save(&self.dir.join(BEST))?;
        }
        self.last = evaluation.last.then(|| evaluation.clone());
        Ok(())
    }

    /// Writes the last model and the summary.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn finish(self, trainer: &Trainer, wall_seconds: f64, interrupted: bool) -> Result<Summary, Error> {
        self.end(trainer, wall_seconds, interrupted, None)
    }

    /// As [`RunWriter::finish`], for a run that `error` stopped: what there is so far.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn abandon(self, trainer: &Trainer, wall_seconds: f64, error: &Error) -> Result<Summary, Error> {
        self.end(trainer, wall_seconds, false, Some(error.to_string()))
    }

    fn end(
        self,
        trainer: &Trainer,
        wall_seconds: f64,
        interrupted: bool,
        error: Option<String>,
    ) -> Result<Summary, Error> {
        trainer.model().save(&self.dir.join(MODEL))?;
        let (best_mean, best_episodes) = self.best.unzip();
        let (greedy_returns, greedy_mean) =
            self.last.map(|evaluation| (evaluation.returns, evaluation.mean_return)).unzip();
        let summary = Summary {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            env: trainer.config().env.id.clone(),
            seed: trainer.config().training.seed,
            cpu_path: trainer.agent().network().path().name().to_owned(),
            episodes: trainer.episodes(),
            env_steps: trainer.env_steps(),
            wall_seconds,
            steps_per_second: if wall_seconds > 0.0 { trainer.env_steps() as f64 / wall_seconds } else { 0.0 },
            greedy_returns,
            greedy_mean,
            best_mean,
            best_episodes,
            reward_threshold: trainer.env().spec().reward_threshold,
            interrupted,
            episodes_lost: trainer.episodes_lost(),
            warnings: trainer.warnings().to_vec(),
            error,
        };
        let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data") + "\n";
        beside::write(&self.dir.join(SUMMARY), text.as_bytes())?;
        Ok(summary)
    }
}

/// A run's configuration.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Config`] where it is damaged.
pub fn read_config(dir: &Path) -> Result<TrainConfig, Error> {
    let path = dir.join(CONFIG);
    let text = fs::read_to_string(&path).map_err(|source| io("read", &path, source))?;
    let origin = path.display().to_string();
    layers::resolve(&origin, layers::parse(&origin, &text)?)
}

/// A whole run's summary; `None` where the run was not finished.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is damaged.
pub fn read_summary(dir: &Path) -> Result<Option<Summary>, Error> {
    let path = dir.join(SUMMARY);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|source| io("read", &path, source))?,
    };
    let damaged = |error: serde_json::Error| Error::File { path, message: format!("the summary is damaged ({error})") };
    serde_json::from_str(&text).map(Some).map_err(damaged)
}

/// A run's episodes.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] naming the line that is damaged.
pub fn read_episodes(dir: &Path) -> Result<Vec<EpisodeRecord>, Error> {
    read_table(&dir.join(EPISODES), EPISODES_HEADER, |fields| {
        let optional = |field: &str| if field.is_empty() { Some(None) } else { field.parse().ok().map(Some) };
        Some(EpisodeRecord {
            episode: fields[0].parse().ok()?,
            env_steps: fields[1].parse().ok()?,
            total_reward: fields[2].parse().ok()?,
            length: fields[3].parse().ok()?,
            epsilon: fields[4].parse().ok()?,
            mean_loss: optional(fields[5])?,
            mean_q: optional(fields[6])?,
            diagnostics: None,
        })
    })
}

/// One row of `evaluations.csv`, as far as figures need it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationRow {
    /// Episodes trained so far.
    pub episodes: u64,
    /// Environment steps trained so far.
    pub env_steps: u64,
    /// The mean return of the greedy episodes.
    pub mean_return: f64,
}

/// A run's evaluations.
///
/// # Errors
/// As [`read_episodes`].
pub fn read_evaluations(dir: &Path) -> Result<Vec<EvaluationRow>, Error> {
    read_table(&dir.join(EVALUATIONS), EVALUATIONS_HEADER, |fields| {
        Some(EvaluationRow {
            episodes: fields[0].parse().ok()?,
            env_steps: fields[1].parse().ok()?,
            mean_return: fields[2].parse().ok()?,
        })
    })
}

fn read_table<T>(path: &Path, header: &str, row: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>, Error> {
    let text = fs::read_to_string(path).map_err(|source| io("read", path, source))?;
    let damaged = |line: usize, what: &str| Error::File {
        path: path.to_owned(),
        message: format!("line {line} {what}: the file is damaged or no quarl table"),
    };
    let mut lines = text.lines();
    if lines.next() != Some(header) {
        return Err(damaged(1, &format!("is not '{header}'")));
    }
    let columns = header.split(',').count();
    lines
        .enumerate()
        .map(|(i, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            let parsed = (fields.len() == columns).then(|| row(&fields)).flatten();
            parsed.ok_or_else(|| damaged(i + 2, "cannot be read"))
        })
        .collect()
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { action, path: path.to_owned(), source }
}
