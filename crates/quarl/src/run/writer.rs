//! Writes a run during training.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::contents::{Contents, FILES, experiment_of, is_temporary, listed, recordings};
use super::lock::Lock;
use super::machine;
#[cfg(feature = "render")]
use super::recording::EpisodeRecorder;
use super::table::{self, Table};
use super::tensorboard::TensorBoard;
use super::{
    BEST, CONFIG, DIAGNOSTICS, DiagnosticsRow, EPISODES, EVALUATIONS, EpisodeRow, EvaluationRow, MODEL, RECORDINGS,
    SUMMARY, Summary,
};
use crate::atomic_write::atomic_write;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::train::{EpisodeRecord, Evaluation, Event, Trainer};

/// Writes a run's directory during training. The directory is locked until the writer is dropped.
///
/// ```
/// use quarl::config::TrainConfig;
/// use quarl::run::{self, RunWriter};
/// use quarl::train::Trainer;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path().join("run");
/// let mut config = TrainConfig::preset("textbook").build()?;
/// config.training.episodes = Some(3);
/// let mut writer = RunWriter::create(&dir, false, &config)?; // an error where `dir` holds anything
/// let mut trainer = Trainer::new(config)?;
/// while let Some(event) = trainer.next() {
///     writer.record(&event?, &trainer)?;
/// }
/// writer.finish(&trainer, 0.1, false)?;
/// assert_eq!(run::read_episodes(&dir)?.len(), 3);
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct RunWriter {
    dir: PathBuf,
    seed: u64,
    env: String,
    episodes: Table,
    evaluations: Table,
    diagnostics: Option<Table>,
    tensorboard: Option<TensorBoard>,
    #[cfg(feature = "render")]
    recorder: Option<EpisodeRecorder>,
    best: Option<(f64, u64)>,
    last: Option<Evaluation>,
    /// The number of episodes and environment steps in the table.
    written: (u64, u64),
    /// The sum of the returns in the table.
    return_sum: f64,
    _lock: Lock,
}

impl RunWriter {
    /// Creates and locks the directory, and writes the configuration.
    ///
    /// With `force`, an existing run in the directory is replaced. Nothing else is ever replaced: no experiment, and no
    /// directory with files that do not belong to a run. The runs of an experiment can be written by the experiment only.
    ///
    /// # Errors
    /// [`Error::Exists`] where the directory holds a run and `force` is false, [`Error::Occupied`] where it holds anything
    /// else or belongs to an experiment, [`Error::Locked`] where another process writes to it, [`Error::Io`] where writing
    /// fails.
    pub fn create(dir: &Path, force: bool, config: &TrainConfig) -> Result<Self, Error> {
        // Checked before locking, so that not even a lock file is written into a directory that is refused.
        if let Some(experiment) = experiment_of(dir) {
            let message = format!("belongs to the experiment in {}: choose another directory", experiment.display());
            return Err(Error::Occupied { path: dir.to_owned(), message });
        }
        if replaceable(dir)? && !force {
            let locked = Lock::acquire(dir).err().filter(|error| matches!(error, Error::Locked { .. }));
            return Err(locked.unwrap_or_else(|| Error::Exists { path: dir.to_owned() }));
        }
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        Self::locked(Lock::acquire(dir)?, dir, force, config)
    }

    /// [`RunWriter::create`] in an existing directory that is locked.
    pub(crate) fn locked(lock: Lock, dir: &Path, force: bool, config: &TrainConfig) -> Result<Self, Error> {
        if replaceable(dir)? {
            if !force {
                return Err(Error::Exists { path: dir.to_owned() });
            }
            remove(dir)?;
        }
        atomic_write(&dir.join(CONFIG), config.to_commented_toml().as_bytes())?;
        let diagnostics = config.training.diagnostics;
        Ok(Self {
            dir: dir.to_owned(),
            seed: config.training.seed,
            env: config.env.id.clone(),
            episodes: Table::create(dir.join(EPISODES), &table::header::<EpisodeRow>())?,
            evaluations: Table::create(dir.join(EVALUATIONS), &table::header::<EvaluationRow>())?,
            diagnostics: diagnostics
                .then(|| Table::create(dir.join(DIAGNOSTICS), &table::header::<DiagnosticsRow>()))
                .transpose()?,
            tensorboard: None,
            #[cfg(feature = "render")]
            recorder: None,
            best: None,
            last: None,
            written: (0, 0),
            return_sum: 0.0,
            _lock: lock,
        })
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Also logs the run for TensorBoard, with the tags of Stable-Baselines3, the configuration as hyperparameters, and the
    /// figure. `config` is the run's configuration.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails.
    pub fn log_to_tensorboard(&mut self, config: &TrainConfig) -> Result<(), Error> {
        self.tensorboard = Some(TensorBoard::create(&self.dir, config)?);
        Ok(())
    }

    /// Also records greedy episodes during training, as GIFs in `recordings/`.
    #[cfg(feature = "render")]
    pub fn record_episodes(&mut self, recorder: EpisodeRecorder) {
        self.recorder = Some(recorder);
    }

    /// Writes what an event reports, if anything.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails; those of the environment that episodes are recorded in.
    pub fn record(&mut self, event: &Event, trainer: &Trainer) -> Result<(), Error> {
        #[cfg(feature = "render")]
        if let Some(recorder) = &mut self.recorder {
            recorder.record(event, trainer, &self.dir)?;
        }
        if let Some(tensorboard) = &mut self.tensorboard {
            tensorboard.record(event, trainer)?;
        }
        match event {
            Event::Episode(record) => self.record_episode(record),
            Event::Evaluation(evaluation) => self.record_evaluation(evaluation, trainer),
            // Steps and updates. Warnings are written with the summary; the trainer keeps them.
            _ => Ok(()),
        }
    }

    fn record_episode(&mut self, record: &EpisodeRecord) -> Result<(), Error> {
        self.episodes.row(&EpisodeRow::from(record))?;
        let EpisodeRecord { episode, env_steps, total_reward, diagnostics, .. } = record;
        self.written = (episode + 1, *env_steps);
        self.return_sum += total_reward;
        if let (Some(table), Some(diagnostics)) = (&mut self.diagnostics, diagnostics) {
            table.row(&DiagnosticsRow::new(*episode, diagnostics))?;
        }
        Ok(())
    }

    fn record_evaluation(&mut self, evaluation: &Evaluation, trainer: &Trainer) -> Result<(), Error> {
        let Evaluation { episodes, env_steps, ref returns, mean_return, best, closing } = *evaluation;
        let min_return = returns.iter().copied().fold(f64::INFINITY, f64::min);
        let max_return = returns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.evaluations.row(&EvaluationRow {
            episodes,
            env_steps,
            mean_return,
            min_return,
            max_return,
            best,
            closing,
        })?;
        if best {
            self.best = Some((mean_return, episodes));
            trainer.model().save(&self.dir.join(BEST))?;
        }
        self.last = closing.then(|| evaluation.clone());
        Ok(())
    }

    /// Writes the final model and the summary.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails.
    pub fn finish(&mut self, trainer: &Trainer, wall_seconds: f64, interrupted: bool) -> Result<Summary, Error> {
        self.save(Some(trainer))?;
        let summary = Summary { interrupted, ..self.summary(Some(trainer), wall_seconds) };
        self.write(summary)
    }

    /// [`RunWriter::finish`] for a run that `error` ended. Writes as much as possible.
    ///
    /// # Errors
    /// The first [`Error::Io`].
    pub fn abandon(&mut self, trainer: &Trainer, wall_seconds: f64, error: &Error) -> Result<Summary, Error> {
        self.record_failure(Some(trainer), wall_seconds, error.to_string(), error.is_transient())
    }

    /// [`RunWriter::abandon`], without a model if `trainer` is `None` because its state is unreliable.
    pub(crate) fn record_failure(
        &mut self,
        trainer: Option<&Trainer>,
        wall_seconds: f64,
        error: String,
        error_is_transient: bool,
    ) -> Result<Summary, Error> {
        let saved = self.save(trainer);
        let summary = Summary { error: Some(error), error_is_transient, ..self.summary(trainer, wall_seconds) };
        let summary = self.write(summary)?;
        saved.map(|()| summary)
    }

    /// Writes everything except the summary to the disk.
    fn save(&self, trainer: Option<&Trainer>) -> Result<(), Error> {
        let tables = [Some(&self.episodes), Some(&self.evaluations), self.diagnostics.as_ref()];
        let synced: Result<(), Error> = tables.into_iter().flatten().try_for_each(Table::sync);
        let saved = trainer.map_or(Ok(()), |trainer| trainer.model().save(&self.dir.join(MODEL)));
        synced.and(saved)
    }

    fn summary(&self, trainer: Option<&Trainer>, wall_seconds: f64) -> Summary {
        let (best_mean, best_episodes) = self.best.unzip();
        let last = self.last.as_ref();
        let (greedy_returns, greedy_mean) =
            last.map(|evaluation| (evaluation.returns.clone(), evaluation.mean_return)).unzip();
        let (episodes, env_steps) = trainer.map_or(self.written, |trainer| (trainer.episodes(), trainer.env_steps()));
        Summary {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            env: self.env.clone(),
            seed: self.seed,
            cpu_path: trainer.map_or(String::new(), |trainer| trainer.agent().engine().name().to_owned()),
            machine: machine::describe(),
            episodes,
            env_steps,
            mean_return: mean_return(self.return_sum, self.written.0),
            wall_seconds,
            // JSON has no infinity.
            steps_per_second: if wall_seconds > 0.0 { env_steps as f64 / wall_seconds } else { 0.0 },
            greedy_returns,
            greedy_mean,
            best_mean,
            best_episodes,
            reward_threshold: trainer.and_then(|trainer| trainer.env().spec().reward_threshold),
            interrupted: false,
            stopped_early: trainer.and_then(Trainer::stopped_early).map(str::to_owned),
            episodes_lost: trainer.map_or(0, Trainer::episodes_lost),
            warnings: trainer.map_or(Vec::new(), |trainer| trainer.warnings().to_vec()),
            error: None,
            error_is_transient: false,
        }
    }

    /// Writes the summary, after the names of all other files have reached the disk.
    fn write(&mut self, summary: Summary) -> Result<Summary, Error> {
        if let Some(tensorboard) = &mut self.tensorboard {
            tensorboard.finish(&self.dir, &summary)?;
        }
        sync_directory(&self.dir)?;
        let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data") + "\n";
        atomic_write(&self.dir.join(SUMMARY), text.as_bytes())?;
        Ok(summary)
    }
}

/// The mean of the returns; `None` where JSON cannot represent it.
pub(super) fn mean_return(sum: f64, episodes: u64) -> Option<f64> {
    Some(sum / episodes as f64).filter(|mean| mean.is_finite())
}

/// Whether `dir` holds a run; an error where it holds files that must not be replaced.
fn replaceable(dir: &Path) -> Result<bool, Error> {
    let message = match Contents::of(dir)? {
        Contents::Nothing => return Ok(false),
        Contents::Run { others } if others.is_empty() => return Ok(true),
        Contents::Run { others } => {
            format!(
                "exists already and holds files that do not belong to a run ({}): move them, or choose another directory",
                listed(&others)
            )
        }
        Contents::Experiment => "exists already and holds an experiment: choose another directory".to_owned(),
        Contents::Study => "exists already and holds a study: choose another directory".to_owned(),
        Contents::Several { names, .. } | Contents::Other { names } => {
            format!("exists already and holds no run ({}): choose another directory", listed(&names))
        }
    };
    Err(Error::Occupied { path: dir.to_owned(), message })
}

/// Removes a run's files.
fn remove(dir: &Path) -> Result<(), Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?.flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let temporary: Vec<String> = names.filter(|name| is_temporary(name)).collect();
    for name in FILES.into_iter().chain(temporary.iter().map(String::as_str)) {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("replace", dir.join(name))(error));
            }
            _ => {}
        }
        if name == SUMMARY {
            sync_directory(dir)?;
        }
    }
    remove_recordings(dir)
}

/// Removes a run's recordings.
fn remove_recordings(run: &Path) -> Result<(), Error> {
    let Some(files) = recordings(run) else { return Ok(()) };
    files.iter().try_for_each(|path| fs::remove_file(path).map_err(Error::io("replace", path)))?;
    let dir = run.join(RECORDINGS);
    fs::remove_dir(&dir).map_err(Error::io("replace", &dir))
}

/// Waits until the names in a directory have reached the disk. Systems that cannot open directories do so by themselves.
fn sync_directory(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) { File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("write", dir)) } else { Ok(()) }
}
