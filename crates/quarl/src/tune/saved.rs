//! The checkpoints of a study's runs: in `checkpoints/trial-3-seed-0` below its directory while the run trains, removed when
//! it has ended.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::task::Task;
use crate::checkpoint::{self, Checkpoint, Checkpoints, is_checkpoint_file};
use crate::error::Error;
use crate::run::{CHECKPOINTS, CheckpointSchedule, name, refuse_link};
use crate::train::Trainer;

/// The checkpoints of one run.
pub(super) struct Saved {
    dir: PathBuf,
}

/// What a checkpoint keeps of a run besides the state of its trainer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedRun {
    /// The next rung.
    pub(super) rung: usize,
    /// The value of the last evaluation at an interval.
    pub(super) last: Option<f64>,
    /// The duration so far in seconds.
    pub(super) seconds: f64,
}

/// A run that continues.
pub(super) struct Continued {
    /// `None` where it starts from the beginning.
    pub(super) run: Option<SavedRun>,
    pub(super) schedule: CheckpointSchedule,
}

impl Saved {
    pub(super) fn of(study: &Path, task: Task) -> Self {
        Self { dir: study.join(CHECKPOINTS).join(task.name()) }
    }

    /// Restores the latest checkpoint that can be used. A run without one starts from the beginning, with the same result.
    pub(super) fn restore(&self, trainer: &mut Trainer) -> Result<Continued, Error> {
        let config = trainer.config().checkpoint.clone();
        for (_, path) in checkpoint::list(&self.dir)?.iter().rev() {
            let Ok(checkpoint) = Checkpoint::load(path) else { continue };
            let Some(run) = checkpoint.log().filter(|_| trainer.restore(&checkpoint).is_ok()) else { continue };
            let checkpoints = Checkpoints::continued(config.keep, false, &checkpoint)?;
            let schedule = CheckpointSchedule::new(&config, checkpoints, trainer.env_steps());
            return Ok(Continued { run: Some(run), schedule });
        }
        self.remove();
        let schedule = CheckpointSchedule::new(&config, Checkpoints::new(self.dir.clone(), config.keep), 0);
        Ok(Continued { run: None, schedule })
    }

    /// Makes the directory of all checkpoints, before one is written. The study's directory is not made again if it was removed.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        let Some(all) = self.dir.parent() else { return Ok(()) };
        refuse_link(all)?;
        refuse_link(&self.dir)?;
        match fs::create_dir(all) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::io("create", all)(error)),
            _ => Ok(()),
        }
    }

    /// Removes the checkpoints.
    pub(super) fn remove(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_checkpoint_file(&name(&path)) {
                let _ = fs::remove_file(path);
            }
        }
        // A directory with anything else in it stays.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Removes the checkpoints of runs that will not continue, which killed processes have left, and then the directory of all
/// checkpoints if it is empty.
pub(super) fn remove_ended(study: &Path, continues: impl Fn(Task) -> bool) {
    for entry in fs::read_dir(study.join(CHECKPOINTS)).into_iter().flatten().flatten() {
        if let Some(task) = Task::named(&entry.file_name().to_string_lossy())
            && !continues(task)
        {
            Saved::of(study, task).remove();
        }
    }
    let _ = fs::remove_dir(study.join(CHECKPOINTS));
}
