//! Resumes a run from its latest checkpoint.

use std::path::{Path, PathBuf};

use super::contents::{Contents, experiment_of, name, recording_steps, recordings};
use super::directory::{remove_file, temporary_files};
use super::lock::Lock;
use super::writer::Log;
use super::{CHECKPOINTS, INITIAL, Origin, RunWriter, Status, TENSORBOARD, reader, status};
use crate::checkpoint::{self, Checkpoint};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::model::Model;
use crate::timeline::FORK;
use crate::train::Trainer;

/// A run that is being resumed: locked, and not changed until [`Resume::writer`].
///
/// A run continues from its latest checkpoint that can be read, and without one from step 0. Either way its files become those of
/// an uninterrupted run.
///
/// ```
/// use quarl::config::TrainConfig;
/// use quarl::run::{Resume, RunWriter};
/// use quarl::train::Trainer;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path().join("run");
/// let config = TrainConfig::preset("dqn").set("training.steps", 300).set("checkpoint.every_steps", 100).build()?;
/// let mut trainer = Trainer::new(config.clone())?;
/// let mut writer = RunWriter::create(&dir, false, &config)?;
/// while trainer.env_steps() < 250 {
///     let event = trainer.next().expect("training goes on")?;
///     writer.record(&event, &trainer)?;
/// }
/// drop((trainer, writer)); // as if the process had been killed
///
/// let mut resume = Resume::open(&dir)?;
/// let mut trainer = Trainer::new(resume.config().clone())?;
/// resume.restore(&mut trainer)?;
/// assert_eq!(trainer.env_steps(), 200);
/// let mut writer = resume.writer(&trainer)?;
/// while let Some(event) = trainer.next() {
///     writer.record(&event?, &trainer)?;
/// }
/// writer.finish(&trainer, 0.1, false)?;
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct Resume {
    dir: PathBuf,
    config: TrainConfig,
    status: Status,
    /// The checkpoints, latest first.
    candidates: Vec<PathBuf>,
    /// The checkpoint that the run was restored from.
    restored: Option<(Checkpoint, Log)>,
    skipped: Vec<String>,
    /// The model that the run began with, if it was not a random network.
    initial: Option<Model>,
    /// Whether there is a log for TensorBoard, and the interval of the recordings that there are.
    has_tensorboard: bool,
    recorded_every: Option<u64>,
    lock: Lock,
}

impl Resume {
    /// Opens and locks the run in `dir`.
    ///
    /// # Errors
    /// [`Error::Occupied`] where `dir` holds no run, or belongs to an experiment; [`Error::Locked`] where another process writes
    /// it; [`Error::Io`] and [`Error::Config`] where its configuration cannot be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let refused = |message: String| Err(Error::Occupied { path: dir.to_owned(), message });
        if let Some(experiment) = experiment_of(dir) {
            return refused(format!(
                "belongs to the experiment in {}: repeat the experiment's command, which resumes its runs",
                experiment.display()
            ));
        }
        match Contents::of(dir)? {
            Contents::Run { .. } => Self::locked(Lock::acquire(dir)?, dir),
            Contents::Nothing => refused("holds no run: give the directory of a run".to_owned()),
            Contents::Experiment => {
                refused("holds an experiment: repeat its command, which resumes its runs".to_owned())
            }
            Contents::Study => refused("holds a study: repeat its command, which continues it".to_owned()),
            Contents::Several { .. } => refused("holds several runs: give the directory of one of them".to_owned()),
            Contents::Other { .. } => refused("holds no run: give the directory of a run".to_owned()),
        }
    }

    /// [`Resume::open`] for a directory that is locked.
    pub(crate) fn locked(lock: Lock, dir: &Path) -> Result<Self, Error> {
        let config = reader::read_config(dir)?;
        let mut checkpoints = checkpoint::list(&dir.join(CHECKPOINTS))?;
        checkpoints.reverse();
        let candidates = checkpoints.into_iter().map(|(_, path)| path).collect();
        let status = status(dir)?;
        let has_tensorboard = dir.join(TENSORBOARD).exists();
        // The first recording shows the untrained agent; the second one is an interval later.
        let recorded = recordings(dir).unwrap_or_default();
        let recorded = recorded.iter().filter_map(|path| recording_steps(&name(path)));
        let recorded_every = recorded.filter(|steps| *steps > 0).min();
        let initial = dir.join(INITIAL);
        let initial = if initial.exists() { Some(Model::load(&initial)?) } else { None };
        Ok(Self {
            dir: dir.to_owned(),
            config,
            status,
            candidates,
            restored: None,
            skipped: Vec::new(),
            initial,
            has_tensorboard,
            recorded_every,
            lock,
        })
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration of the run, as its directory has it.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The model that the run began with; `None` where it began with a random network.
    pub fn initial_model(&self) -> Option<&Model> {
        self.initial.as_ref()
    }

    /// Whether the run is complete.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Removes what a killed process has left unfinished.
    ///
    /// # Errors
    /// [`Error::Io`] where removing fails.
    pub fn remove_temporary_files(&self) -> Result<(), Error> {
        for path in temporary_files(&self.dir)? {
            remove_file(&path)?;
        }
        Ok(())
    }

    /// Restores the run's latest checkpoint that can be read into `trainer`, whose configuration may differ from the run's in its
    /// budget, its schedules and its checkpoints. Without a checkpoint, `trainer` is left as it is, at step 0.
    ///
    /// # Errors
    /// [`Error::Setting`] where the run has gone beyond the budget of `trainer`, or has ended early; [`Error::Occupied`] where
    /// `trainer` has other settings.
    pub fn restore(&mut self, trainer: &mut Trainer) -> Result<(), Error> {
        let differences = self.config.fixed_differences(trainer.config());
        if !differences.is_empty() {
            let message = format!("holds a run with other settings: {}", differences.join(", "));
            return Err(Error::Occupied { path: self.dir.clone(), message });
        }
        self.check_budget(trainer.config())?;
        for path in &self.candidates {
            match Self::restore_from(&self.dir, path, trainer) {
                Ok(restored) => {
                    self.restored = Some(restored);
                    return Ok(());
                }
                // Intact, but config.toml was changed by hand: beginning again would lose what was learnt.
                Err(error @ Error::Occupied { .. }) => return Err(error),
                Err(error) => self.skipped.push(format!("the checkpoint {} cannot be used: {error}", path.display())),
            }
        }
        if self.dir.join(FORK).exists() {
            let message = format!(
                "branched off another run and has no checkpoint that can be used: fork it again ({FORK} says where)"
            );
            return Err(Error::Occupied { path: self.dir.clone(), message });
        }
        Ok(())
    }

    fn restore_from(dir: &Path, path: &Path, trainer: &mut Trainer) -> Result<(Checkpoint, Log), Error> {
        let checkpoint = Checkpoint::load(path)?;
        let differences = checkpoint.config()?.fixed_differences(trainer.config());
        if !differences.is_empty() {
            let message = format!(
                "was trained with other settings than its config.toml has now ({}): undo the change, or continue with other \
                 settings in a new run (timeline::fork)",
                differences.join(", ")
            );
            return Err(Error::Occupied { path: dir.to_owned(), message });
        }
        let Some(log) = checkpoint.log::<Log>() else {
            let message = "it does not describe the files of the run".to_owned();
            return Err(Error::File { path: path.to_owned(), message });
        };
        log.missing(dir).map_or(Ok(()), Err)?;
        trainer.restore(&checkpoint)?;
        Ok((checkpoint, log))
    }

    /// Refuses a budget that a run with files in the directory has gone beyond.
    fn check_budget(&self, config: &TrainConfig) -> Result<(), Error> {
        let (before, now) = (&self.config.training, &config.training);
        let refused = |key: &str, message: String| Err(Error::Setting { key: key.to_owned(), message });
        if (before.steps, before.episodes) == (now.steps, now.episodes) {
            return Ok(());
        }
        let Status::Complete(summary) = &self.status else {
            // An unfinished run may not have reached the new budget, but its files may have.
            let records = reader::read_episodes(&self.dir).unwrap_or_default();
            let saved = checkpoint::list(&self.dir.join(CHECKPOINTS))?.last().map_or(0, |(steps, _)| *steps);
            let last = records.last().map_or(0, |record| record.env_steps);
            let (episodes, steps) = (records.len() as u64, last.max(saved));
            return self.check_reached(config, episodes, steps);
        };
        if let Some(reason) = &summary.stopped_early {
            let message = format!("a larger budget changes nothing, because the run ended early: {reason}");
            return refused(if now.steps.is_some() { "training.steps" } else { "training.episodes" }, message);
        }
        self.check_reached(config, summary.episodes, summary.env_steps)
    }

    fn check_reached(&self, config: &TrainConfig, episodes: u64, steps: u64) -> Result<(), Error> {
        for (key, budget, reached) in [
            ("training.steps", config.training.steps, steps),
            ("training.episodes", config.training.episodes, episodes),
        ] {
            let what = if key.ends_with("steps") { "environment steps" } else { "episodes" };
            if budget.is_some_and(|budget| budget < reached) {
                let message = format!("the run has {reached} {what} already: choose a larger number");
                return Err(Error::Setting { key: key.to_owned(), message });
            }
        }
        Ok(())
    }

    /// The environment steps of the checkpoint that the run was restored from; `None` where it starts from step 0.
    pub fn env_steps(&self) -> Option<u64> {
        self.restored.as_ref().map(|(checkpoint, _)| checkpoint.env_steps())
    }

    /// The checkpoints that could not be used, each with the reason.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The interval of the run's recordings in environment steps, if it records episodes. After [`Resume::restore`].
    pub fn record_every(&self) -> Option<u64> {
        match &self.restored {
            Some((_, log)) => log.record_every(),
            None => self.recorded_every,
        }
    }

    /// Whether the run logs for TensorBoard. After [`Resume::restore`].
    pub fn logs_to_tensorboard(&self) -> bool {
        self.restored.as_ref().map_or(self.has_tensorboard, |(_, log)| log.logs_to_tensorboard())
    }

    /// Says which schedules keep the length that they were given for the run's earlier budget.
    pub fn schedule_note(&self, trainer: &Trainer) -> Option<String> {
        let (before, now) = (&self.config.training, &trainer.config().training);
        if (before.steps, before.episodes) == (now.steps, now.episodes) {
            return None;
        }
        const SCHEDULES: [&str; 4] = ["exploration.epsilon", "exploration.temperature", "optimizer.lr", "replay.beta"];
        // A schedule that changes is a table.
        let settings = trainer.config().settings().into_iter();
        let changing = settings.filter(|(key, value)| SCHEDULES.contains(&key.as_str()) && value.is_table());
        let keys: Vec<String> = changing.map(|(key, _)| key).collect();
        (!keys.is_empty()).then(|| {
            format!(
                "{} keep the length that the run began with: a run that is planned with the larger budget may have longer \
                 schedules, and then gives other results",
                keys.join(", ")
            )
        })
    }

    /// The writer that continues the run's files, which are cut back to the checkpoint. `trainer` is the restored run.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails.
    pub fn writer(self, trainer: &Trainer) -> Result<RunWriter, Error> {
        let Self { dir, restored, initial, lock, .. } = self;
        match restored {
            None => RunWriter::locked(lock, &dir, true, trainer.config(), &Origin { initial, fork: None }),
            Some((checkpoint, log)) => RunWriter::continued(lock, &dir, trainer, &checkpoint, log),
        }
    }
}
