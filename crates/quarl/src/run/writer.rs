//! Writes a run during training.

mod finish;
mod fork;
mod log;
mod schedule;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::contents::experiment_of;
use super::directory::{remove, remove_file, replaceable, sync_directory, temporary_files};
use super::lock::Lock;
#[cfg(feature = "render")]
use super::recording::EpisodeRecorder;
use super::table::{self, Table};
use super::tensorboard::TensorBoard;
use super::{
    BEST, CHECKPOINTS, CONFIG, CURVES, DIAGNOSTICS, DiagnosticsRow, EPISODES, EVALUATIONS, EpisodeRow, EvaluationRow,
    INITIAL, MODEL, SUMMARY,
};
use crate::atomic_write::atomic_write;
use crate::checkpoint::{Checkpoint, Checkpoints};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::model::Model;
use crate::timeline::{FORK, Fork};
use crate::train::{EpisodeRecord, Evaluation, Event, Trainer};
pub(super) use finish::mean_return;
pub(crate) use log::Log;
use log::Totals;
pub(crate) use schedule::CheckpointSchedule;

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
    tables: Tables,
    tensorboard: Option<TensorBoard>,
    #[cfg(feature = "render")]
    recorder: Option<EpisodeRecorder>,
    checkpoints: CheckpointSchedule,
    totals: Totals,
    last: Option<Evaluation>,
    /// When this process began to write.
    started: Instant,
    _lock: Lock,
}

/// What a run begins with, besides its configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The parameters that it starts from.
    pub(crate) initial: Option<Model>,
    /// The run that it branches off.
    pub(crate) fork: Option<Fork>,
}

/// The tables of a run.
struct Tables {
    episodes: Table,
    evaluations: Table,
    diagnostics: Option<Table>,
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
        Self::create_from(dir, force, config, &Origin::default())
    }

    /// [`RunWriter::create`] for a run that starts from the parameters of `model`, which is kept in the directory.
    ///
    /// # Errors
    /// Those of [`RunWriter::create`].
    pub fn create_with_initial_model(
        dir: &Path,
        force: bool,
        config: &TrainConfig,
        model: Model,
    ) -> Result<Self, Error> {
        Self::create_from(dir, force, config, &Origin { initial: Some(model), fork: None })
    }

    pub(crate) fn create_from(dir: &Path, force: bool, config: &TrainConfig, origin: &Origin) -> Result<Self, Error> {
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
        Self::locked(Lock::acquire(dir)?, dir, force, config, origin)
    }

    /// [`RunWriter::create`] in an existing directory that is locked.
    pub(crate) fn locked(
        lock: Lock,
        dir: &Path,
        force: bool,
        config: &TrainConfig,
        origin: &Origin,
    ) -> Result<Self, Error> {
        if replaceable(dir)? {
            if !force {
                return Err(Error::Exists { path: dir.to_owned() });
            }
            remove(dir)?;
        }
        temporary_files(dir)?.iter().try_for_each(|path| remove_file(path))?;
        // Before the configuration, which makes the directory that of a run.
        match &origin.initial {
            Some(model) => model.save(&dir.join(INITIAL))?,
            None => remove_file(&dir.join(INITIAL))?,
        }
        match &origin.fork {
            Some(fork) => fork.save(&dir.join(FORK))?,
            None => remove_file(&dir.join(FORK))?,
        }
        atomic_write(&dir.join(CONFIG), config.to_commented_toml().as_bytes())?;
        let diagnostics = config.training.diagnostics;
        let tables = Tables {
            episodes: Table::create(dir.join(EPISODES), &table::header::<EpisodeRow>())?,
            evaluations: Table::create(dir.join(EVALUATIONS), &table::header::<EvaluationRow>())?,
            diagnostics: diagnostics
                .then(|| Table::create(dir.join(DIAGNOSTICS), &table::header::<DiagnosticsRow>()))
                .transpose()?,
        };
        let checkpoints = Checkpoints::new(dir.join(CHECKPOINTS), config.checkpoint.keep);
        let checkpoints = CheckpointSchedule::new(&config.checkpoint, checkpoints, 0);
        Ok(Self::new(lock, dir, config, tables, checkpoints))
    }

    /// Continues the files of a run that was restored from a checkpoint.
    pub(super) fn continued(
        lock: Lock,
        dir: &Path,
        trainer: &Trainer,
        checkpoint: &Checkpoint,
        log: Log,
    ) -> Result<Self, Error> {
        // The summary first, so that the run counts as incomplete immediately.
        remove_file(&dir.join(SUMMARY))?;
        sync_directory(dir)?;
        let config = trainer.config();
        let tables = Tables {
            episodes: Table::continued(dir.join(EPISODES), log.episodes)?,
            evaluations: Table::continued(dir.join(EVALUATIONS), log.evaluations)?,
            diagnostics: log.diagnostics.map(|len| Table::continued(dir.join(DIAGNOSTICS), len)).transpose()?,
        };
        let tensorboard = log.tensorboard.map(|state| TensorBoard::continued(dir, state)).transpose()?;
        let checkpoints = Checkpoints::continued(config.checkpoint.keep, dir.join(FORK).exists(), checkpoint)?;
        let checkpoints = CheckpointSchedule::new(&config.checkpoint, checkpoints, trainer.env_steps());
        #[cfg(feature = "render")]
        super::recording::cut(dir, trainer.env_steps())?;
        match trainer.best_model() {
            Some(model) => model.save(&dir.join(BEST))?,
            None => remove_file(&dir.join(BEST))?,
        }
        for name in [MODEL].into_iter().chain(CURVES) {
            remove_file(&dir.join(name))?;
        }
        temporary_files(dir)?.iter().try_for_each(|path| remove_file(path))?;
        atomic_write(&dir.join(CONFIG), config.to_commented_toml().as_bytes())?;
        let writer = Self::new(lock, dir, config, tables, checkpoints);
        Ok(Self { tensorboard, totals: log.totals, ..writer })
    }

    fn new(lock: Lock, dir: &Path, config: &TrainConfig, tables: Tables, checkpoints: CheckpointSchedule) -> Self {
        Self {
            dir: dir.to_owned(),
            seed: config.training.seed,
            env: config.env.id.clone(),
            tables,
            tensorboard: None,
            #[cfg(feature = "render")]
            recorder: None,
            checkpoints,
            totals: Totals::default(),
            last: None,
            started: Instant::now(),
            _lock: lock,
        }
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
        self.record_in_files(event, trainer)?;
        if let Some(best) = self.checkpoints.due(event, trainer, self.has_other_logs()) {
            self.save_checkpoint(trainer, best)?;
        }
        Ok(())
    }

    fn record_in_files(&mut self, event: &Event, trainer: &Trainer) -> Result<(), Error> {
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

    /// Whether the run has logs that its configuration does not tell of.
    fn has_other_logs(&self) -> bool {
        #[cfg(feature = "render")]
        let records = self.recorder.is_some();
        #[cfg(not(feature = "render"))]
        let records = false;
        records || self.tensorboard.is_some()
    }

    /// Writes a checkpoint. The tables come first: a checkpoint never knows of rows that a power failure could lose.
    fn save_checkpoint(&mut self, trainer: &Trainer, best: bool) -> Result<(), Error> {
        let log = self.log()?;
        self.checkpoints.save(trainer, best, &log)
    }

    /// Writes a checkpoint now, with what `program` needs to continue the run ([`SavedRun::program`]). An episode that cannot be
    /// saved is left out ([`Trainer::state_at_any_time`]).
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails, [`Error::State`] where an environment cannot be saved.
    ///
    /// [`SavedRun::program`]: super::SavedRun::program
    pub fn save_state(&mut self, trainer: &Trainer, program: serde_json::Value) -> Result<(), Error> {
        let log = Log { program: Some(program), ..self.log()? };
        self.checkpoints.save_at_any_time(trainer, &log)
    }

    /// The state of the run's files, which have reached the disk.
    fn log(&self) -> Result<Log, Error> {
        self.tables.sync()?;
        Ok(Log {
            episodes: self.tables.episodes.len(),
            evaluations: self.tables.evaluations.len(),
            diagnostics: self.tables.diagnostics.as_ref().map(Table::len),
            tensorboard: self.tensorboard.as_ref().map(TensorBoard::state),
            #[cfg(feature = "render")]
            record_every: self.recorder.as_ref().map(EpisodeRecorder::every_steps),
            #[cfg(not(feature = "render"))]
            record_every: None,
            totals: Totals { seconds: self.seconds(), ..self.totals.clone() },
            program: None,
        })
    }

    /// The duration of training so far in seconds, in this and in earlier processes.
    fn seconds(&self) -> f64 {
        self.totals.seconds + self.started.elapsed().as_secs_f64()
    }

    /// The environment steps of the run's latest checkpoint.
    pub fn last_checkpoint(&self) -> Option<u64> {
        self.checkpoints.last()
    }

    /// Saves an interrupted run that will be resumed, without a summary.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails.
    pub(crate) fn suspend(&mut self, trainer: &Trainer) -> Result<(), Error> {
        if self.checkpoints.saves_interruptions(trainer) {
            self.save_checkpoint(trainer, false)?;
        }
        Ok(())
    }

    /// Removes the checkpoints of a complete run.
    ///
    /// # Errors
    /// [`Error::Io`] where removing fails.
    pub(crate) fn remove_checkpoints(&mut self) -> Result<(), Error> {
        self.checkpoints.remove()
    }

    fn record_episode(&mut self, record: &EpisodeRecord) -> Result<(), Error> {
        self.tables.episodes.row(&EpisodeRow::from(record))?;
        let EpisodeRecord { episode, env_steps, total_reward, diagnostics, .. } = record;
        self.totals.written = (episode + 1, *env_steps);
        self.totals.return_sum += total_reward;
        if let (Some(table), Some(diagnostics)) = (&mut self.tables.diagnostics, diagnostics) {
            table.row(&DiagnosticsRow::new(*episode, diagnostics))?;
        }
        Ok(())
    }

    fn record_evaluation(&mut self, evaluation: &Evaluation, trainer: &Trainer) -> Result<(), Error> {
        let Evaluation { episodes, env_steps, ref returns, mean_return, best, closing } = *evaluation;
        let min_return = returns.iter().copied().fold(f64::INFINITY, f64::min);
        let max_return = returns.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.tables.evaluations.row(&EvaluationRow {
            episodes,
            env_steps,
            mean_return,
            min_return,
            max_return,
            best,
            closing,
        })?;
        if best {
            self.totals.best = Some((mean_return, episodes));
            trainer.model().save(&self.dir.join(BEST))?;
        }
        self.last = closing.then(|| evaluation.clone());
        Ok(())
    }
}

impl Tables {
    /// Waits until all rows have reached the disk.
    fn sync(&self) -> Result<(), Error> {
        let tables = [Some(&self.episodes), Some(&self.evaluations), self.diagnostics.as_ref()];
        tables.into_iter().flatten().try_for_each(Table::sync)
    }
}
