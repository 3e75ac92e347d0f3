//! The checkpoints of a run: which are written, kept and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::saved::{self, Checkpoint};
use super::segments::is_segment;
use crate::atomic_write;
use crate::error::Error;
use crate::train::{RunState, Trainer};

/// The checkpoints in a directory, each with its environment steps, oldest first. None where there is no such directory.
///
/// # Errors
/// [`Error::Io`] where it cannot be read.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", dir))?,
    };
    let mut checkpoints = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", dir))?.path();
        if path.is_dir() {
            continue;
        }
        let steps = path.file_name().and_then(|name| steps(&name.to_string_lossy()));
        checkpoints.extend(steps.map(|steps| (steps, path)));
    }
    checkpoints.sort();
    Ok(checkpoints)
}

/// The environment steps in the name of a checkpoint's file.
fn steps(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether a file in a directory of checkpoints belongs to them, unfinished ones of a killed process included.
pub fn is_checkpoint_file(name: &str) -> bool {
    let temporary = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(atomic_write::SUFFIX));
    let name = temporary.and_then(|rest| rest.rsplit_once('.')).map_or(name, |(name, _)| name);
    steps(name).is_some() || is_segment(name)
}

/// The checkpoints that a run writes to a directory. The last ones are kept, and that of the best evaluation. It remembers which
/// segments of the replay buffer are there, so each checkpoint writes only those that have changed.
///
/// ```
/// use quarl::checkpoint::Checkpoints;
/// use quarl::{TrainConfig, Trainer};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path().join("checkpoints");
/// let mut trainer = Trainer::new(TrainConfig::preset("dqn").set("training.steps", 300).build()?)?;
/// let mut checkpoints = Checkpoints::new(dir.clone(), 2);
/// for steps in [100, 200, 300] {
///     trainer.run_to(steps, |_, _| Ok(()))?;
///     checkpoints.save(&trainer)?;
/// }
/// let kept: Vec<u64> = quarl::checkpoint::list(&dir)?.into_iter().map(|(steps, _)| steps).collect();
/// assert_eq!(kept, [200, 300]);
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct Checkpoints {
    dir: PathBuf,
    keep: usize,
    /// Whether the oldest one is kept: a run that branched off another one cannot begin again without it.
    keeps_first: bool,
    /// Oldest first.
    kept: Vec<Kept>,
    /// The checksum of each segment in the directory.
    segments: BTreeMap<String, u32>,
}

struct Kept {
    name: String,
    best: bool,
    segments: Vec<String>,
}

impl Checkpoints {
    /// No checkpoints yet; the latest `keep` will be kept. The directory is created with the first one.
    pub fn new(dir: PathBuf, keep: usize) -> Self {
        Self { dir, keep, keeps_first: false, kept: Vec::new(), segments: BTreeMap::new() }
    }

    /// The checkpoints up to `last`, from which the run continues. Later ones, and what a killed process has left, are
    /// removed.
    ///
    /// # Errors
    /// [`Error::Io`] where the directory cannot be read or a file not removed.
    #[doc(hidden)]
    pub fn continued(keep: usize, keeps_first: bool, last: &Checkpoint) -> Result<Self, Error> {
        let dir = last.path().parent().unwrap_or(Path::new(".")).to_owned();
        let mut checkpoints = Self { keeps_first, ..Self::new(dir, keep) };
        for (steps, path) in list(&checkpoints.dir)?.into_iter().filter(|(steps, _)| *steps <= last.env_steps()) {
            // A damaged older one is of no use.
            let Ok(checkpoint) = Checkpoint::load(&path) else { continue };
            checkpoints.segments.extend(checkpoint.header.checksums());
            let kept = Kept {
                name: saved::file_name(steps),
                best: checkpoint.header.best,
                segments: checkpoint.header.segments(),
            };
            checkpoints.kept.push(kept);
        }
        checkpoints.prune()?;
        Ok(checkpoints)
    }

    /// Keeps the oldest checkpoint, besides the latest ones.
    #[doc(hidden)]
    pub fn keep_first(&mut self) {
        self.keeps_first = true;
    }

    /// Writes a checkpoint, and removes those that are not kept any more.
    ///
    /// # Errors
    /// [`Error::State`] where an environment cannot be saved now ([`Trainer::can_be_saved`]); [`Error::Io`] where writing fails.
    pub fn save(&mut self, trainer: &Trainer) -> Result<(), Error> {
        self.save_with(trainer, false, None)
    }

    /// Writes a checkpoint; `best` where it is that of the best evaluation so far. `log` is kept for the writer of the run.
    #[doc(hidden)]
    pub fn save_with(&mut self, trainer: &Trainer, best: bool, log: Option<serde_json::Value>) -> Result<(), Error> {
        self.save_state(trainer, &trainer.state()?, best, log)
    }

    /// [`Checkpoints::save_with`] for this state of `trainer`.
    #[doc(hidden)]
    pub fn save_state(
        &mut self,
        trainer: &Trainer,
        state: &RunState<'_>,
        best: bool,
        log: Option<serde_json::Value>,
    ) -> Result<(), Error> {
        // Not its parents: a run's directory that was removed is not created again.
        match fs::create_dir(&self.dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("create", &self.dir)(error));
            }
            _ => {}
        }
        let (name, header) = saved::write(trainer, state, &self.dir, &mut self.segments, best, log)?;
        // A checkpoint at the same step is replaced, and stays the best if it was.
        let replaced = self.kept.iter().position(|kept| kept.name == name);
        let was_best = replaced.is_some_and(|at| self.kept.remove(at).best);
        if best {
            self.kept.iter_mut().for_each(|kept| kept.best = false);
        }
        self.kept.push(Kept { name, best: best || was_best, segments: header.segments() });
        self.prune()
    }

    /// The environment steps of the latest checkpoint.
    pub fn last(&self) -> Option<u64> {
        steps(&self.kept.last()?.name)
    }

    /// Removes all checkpoints.
    ///
    /// # Errors
    /// [`Error::Io`] where removing fails.
    pub fn remove(&mut self) -> Result<(), Error> {
        self.kept.clear();
        self.prune()?;
        match fs::remove_dir(&self.dir) {
            Err(error) if ![ErrorKind::NotFound, ErrorKind::DirectoryNotEmpty].contains(&error.kind()) => {
                Err(Error::io("remove", &self.dir)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the files that no kept checkpoint needs.
    fn prune(&mut self) -> Result<(), Error> {
        let first_kept = self.kept.len().saturating_sub(self.keep);
        let best = self.kept.iter().rposition(|kept| kept.best);
        let keeps_first = self.keeps_first;
        let mut at = 0;
        self.kept.retain(|_| {
            at += 1;
            at > first_kept || Some(at - 1) == best || (at == 1 && keeps_first)
        });
        let needed: BTreeSet<&str> = self
            .kept
            .iter()
            .flat_map(|kept| kept.segments.iter().map(String::as_str).chain([kept.name.as_str()]))
            .collect();
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(Error::io("read", &self.dir))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Directories were made by somebody else.
            if is_checkpoint_file(&name) && !needed.contains(name.as_str()) && !entry.path().is_dir() {
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(Error::io("remove", entry.path())(error));
                    }
                    _ => {}
                }
            }
        }
        self.segments.retain(|name, _| needed.contains(name.as_str()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_checkpoints_segments_and_their_unfinished_files_are_recognised() {
        assert_eq!(steps("step-000012000.safetensors"), Some(12_000));
        assert_eq!(saved::file_name(12_000), "step-000012000.safetensors");
        for name in ["step-000000001.safetensors", ".step-000000001.safetensors.a1B2c3.part"] {
            assert!(is_checkpoint_file(name), "{name}");
        }
        for name in ["replay-00000-000000004096.safetensors", ".replay-00001-000000000001.safetensors.x.part"] {
            assert!(is_checkpoint_file(name), "{name}");
        }
        for name in ["step-1.gif", "notes.txt", "model.safetensors", "replay-x-1.safetensors", "step-.safetensors.part"]
        {
            assert!(!is_checkpoint_file(name), "{name}");
        }
    }
}
