//! Reads a run, in order to continue it in another program or directory.

use std::path::{Path, PathBuf};

use super::writer::Log;
use super::{CHECKPOINTS, DIAGNOSTICS, DiagnosticsRow, EPISODES, EVALUATIONS, EpisodeRow, EvaluationRow, table};
use crate::agent::diagnostics::Diagnostics;
use crate::checkpoint::{self, Checkpoint};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::train::{EpisodeRecord, Trainer};

/// A run at its latest checkpoint, read from its directory, which stays as it is. [`Resume`] continues the directory itself.
///
/// ```
/// use quarl::config::TrainConfig;
/// use quarl::run::{RunWriter, SavedRun};
/// use quarl::train::Trainer;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path().join("run");
/// let config = TrainConfig::preset("dqn").set("training.steps", 200).build()?;
/// let mut trainer = Trainer::new(config.clone())?;
/// let mut writer = RunWriter::create(&dir, false, &config)?;
/// while let Some(event) = trainer.next() {
///     writer.record(&event?, &trainer)?;
/// }
/// writer.finish(&trainer, 0.1, false)?;
/// writer.save_state(&trainer, "what the program keeps".into())?;
///
/// let saved = SavedRun::load(&dir)?.expect("the run has a checkpoint");
/// let mut continued = Trainer::new(saved.config()?)?;
/// let history = saved.restore(&mut continued)?;
/// assert_eq!(history.episodes.len() as u64, continued.episodes());
/// assert_eq!(continued.model(), trainer.model());
/// # Ok::<(), quarl::Error>(())
/// ```
///
/// [`Resume`]: super::Resume
pub struct SavedRun {
    checkpoint: Checkpoint,
    /// The run's directory and the lengths of its tables; `None` for a checkpoint that belongs to no run.
    files: Option<(PathBuf, Log)>,
}

/// What a run has written up to its checkpoint.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The training episodes.
    pub episodes: Vec<EpisodeRecord>,
    /// The evaluations.
    pub evaluations: Vec<EvaluationRow>,
    /// The duration of training in seconds.
    pub seconds: f64,
}

impl SavedRun {
    /// Reads the run in the directory `path` at its latest checkpoint that can be read, or a checkpoint's file. `None` where
    /// there is no checkpoint.
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`], of the latest checkpoint where none can be read.
    pub fn load(path: &Path) -> Result<Option<Self>, Error> {
        if path.is_file() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            return if checkpoint::is_checkpoint_file(&name) { Self::at(path).map(Some) } else { Ok(None) };
        }
        let mut first_error = None;
        for (_, path) in checkpoint::list(&path.join(CHECKPOINTS))?.into_iter().rev() {
            match Self::at(&path) {
                Ok(saved) => return Ok(Some(saved)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    fn at(path: &Path) -> Result<Self, Error> {
        let checkpoint = Checkpoint::load(path)?;
        let run = path.parent().and_then(Path::parent);
        let files = run.zip(checkpoint.log::<Log>()).map(|(run, log)| (run.to_owned(), log));
        if let Some(error) = files.as_ref().and_then(|(run, log)| log.missing(run)) {
            return Err(error);
        }
        Ok(Self { checkpoint, files })
    }

    /// The configuration of the run.
    ///
    /// # Errors
    /// Those of [`Checkpoint::config`].
    pub fn config(&self) -> Result<TrainConfig, Error> {
        self.checkpoint.config()
    }

    /// The number of environment steps.
    pub fn env_steps(&self) -> u64 {
        self.checkpoint.env_steps()
    }

    /// What the program that has written the checkpoint keeps in it ([`RunWriter::save_state`](super::RunWriter::save_state)).
    pub fn program(&self) -> Option<&serde_json::Value> {
        self.files.as_ref()?.1.program.as_ref()
    }

    /// Restores the run into `trainer`, and returns what it has written so far; nothing for a checkpoint that belongs to no
    /// run.
    ///
    /// # Errors
    /// Those of [`Trainer::restore`], and of reading the tables.
    pub fn restore(&self, trainer: &mut Trainer) -> Result<History, Error> {
        let history = self.history()?;
        trainer.restore(&self.checkpoint)?;
        Ok(history)
    }

    fn history(&self) -> Result<History, Error> {
        let Some((run, log)) = &self.files else { return Ok(History::default()) };
        let mut episodes: Vec<EpisodeRecord> =
            table::read_first(&run.join(EPISODES), &table::header::<EpisodeRow>(), log.episodes)?;
        let evaluations =
            table::read_first(&run.join(EVALUATIONS), &table::header::<EvaluationRow>(), log.evaluations)?;
        if let Some(len) = log.diagnostics {
            let rows: Vec<DiagnosticsRow> =
                table::read_first(&run.join(DIAGNOSTICS), &table::header::<DiagnosticsRow>(), len)?;
            for (episode, row) in rows.into_iter().map(<(u64, Diagnostics)>::from) {
                if let Some(record) = episodes.get_mut(episode as usize) {
                    record.diagnostics = Some(row);
                }
            }
        }
        Ok(History { episodes, evaluations, seconds: log.seconds() })
    }
}
