//! Reads a study while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::TrialState;
use super::journal::{JOURNAL, Journal, Planned};
use super::task::{CLAIMS, Task};
use super::trial::Trial;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::files;
use crate::run::Holder;

/// The largest number of seeds of a trial that is not taken for damage.
const MOST_SEEDS: u64 = 1_000_000;

/// A study that other processes run, as its files describe it. Nothing is written or locked.
///
/// ```
/// use quarl::tune::StudyFollower;
/// # use quarl::config::TrainConfig;
/// # use quarl::tune::{Plan, Pruner, Space};
/// # let directory = tempfile::tempdir().unwrap();
/// # let dir = directory.path();
/// # let config = TrainConfig::preset("textbook").set("training.episodes", 3).build()?;
/// # let space = Space::parse("space.toml", "[space]\n\"agent.gamma\" = { low = 0.9, high = 0.99 }", &config)?;
/// # let study = Plan::new(config, space, dir).trials(2).pruner(Pruner::None).confirmations(1).open()?;
/// # study.start()?.for_each(drop);
///
/// let mut study = StudyFollower::new(dir);
/// study.poll()?; // reads what is new
/// println!("{} of {} trials have started", study.trials().count(), study.planned());
/// # assert_eq!((study.trials().count(), study.planned(), study.share()), (2, 2, 1.0));
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct StudyFollower {
    dir: PathBuf,
    journal: Journal,
    config: Option<TrainConfig>,
    /// The runs that a process has claimed: trial and seed.
    running: BTreeSet<(u64, u64)>,
}

impl StudyFollower {
    /// Follows the study in `dir`. Nothing is read before [`StudyFollower::poll`].
    pub fn new(dir: &Path) -> Self {
        let (journal, running) = (Journal::at(dir, Vec::new()), BTreeSet::new());
        Self { dir: dir.to_owned(), journal, config: None, running }
    }

    /// Reads what is new. A study that was replaced or removed is read from the beginning.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read, [`Error::File`] and [`Error::Config`] where the journal is damaged.
    pub fn poll(&mut self) -> Result<(), Error> {
        if self.journal.was_replaced()? {
            *self = Self::new(&self.dir);
        }
        if self.config.is_none() && files::open_if_exists(&self.dir.join(JOURNAL))?.is_some() {
            // The seeds of a trial, which say when it is complete, are known from the first line.
            if let Some(header) = Journal::header(&self.dir)? {
                let config = TrainConfig::from_toml(&self.dir.join(JOURNAL).display().to_string(), &header.config)?;
                let first = config.training.seed;
                if header.seeds_per_trial > MOST_SEEDS {
                    let message = format!("a trial of {} seeds is damaged", header.seeds_per_trial);
                    return Err(Error::File { path: self.dir.join(JOURNAL), message });
                }
                let seeds = (first..first.saturating_add(header.seeds_per_trial)).collect();
                (self.journal, self.config) = (Journal::at(&self.dir, seeds), Some(config));
            }
        }
        if self.config.is_some() {
            self.journal.refresh()?;
            self.journal.take_news();
        }
        let claims = fs::read_dir(self.dir.join(CLAIMS)).into_iter().flatten().flatten().map(|entry| entry.path());
        let claims = claims.filter(|path| Holder::at(path).is_some_and(|holder| holder.is_running != Some(false)));
        let task = |path: PathBuf| Task::named(path.file_name()?.to_str()?.strip_suffix(".lock")?);
        self.running = claims.filter_map(task).map(|task| (task.trial, task.seed)).collect();
        Ok(())
    }

    /// The configuration that the trials vary; `None` before the study has started.
    pub fn config(&self) -> Option<&TrainConfig> {
        self.config.as_ref()
    }

    /// The seeds of every trial.
    pub fn seeds(&self) -> &[u64] {
        &self.journal.state.seeds
    }

    /// The trials that have started, by number.
    pub fn trials(&self) -> impl DoubleEndedIterator<Item = &Trial> {
        self.journal.state.trials.values()
    }

    /// The complete trial with the highest score; of equal ones the first.
    pub fn best(&self) -> Option<&Trial> {
        self.journal.state.best()
    }

    /// Whether all complete trials, two at least, have the same score.
    pub fn all_tie(&self) -> bool {
        self.journal.state.all_tie()
    }

    /// Whether a process is training a run of this trial.
    pub fn is_running(&self, trial: &Trial) -> bool {
        self.running.range((trial.number, 0)..=(trial.number, u64::MAX)).next().is_some()
    }

    /// The number of runs that are being trained.
    pub fn runs(&self) -> usize {
        self.running.len()
    }

    /// The number of trials that were asked for last, and at least that of those that have started.
    pub fn planned(&self) -> u64 {
        let started = self.journal.state.trials.keys().last().map_or(0, |last| last.saturating_add(1));
        self.plan().trials.max(started)
    }

    /// The numbers of runs of the best trial with fresh seeds: those that have ended, and those that were asked for.
    pub fn confirmed(&self) -> (u64, u64) {
        let state = &self.journal.state;
        let ended =
            state.best().map_or(0, |best| state.confirmed.keys().filter(|(trial, _)| *trial == best.number).count());
        (ended as u64, self.plan().confirmations.max(ended as u64))
    }

    /// The share of the runs that have ended. Those of a pruned or failed trial have.
    pub fn share(&self) -> f64 {
        let seeds = self.seeds().len().max(1) as f64;
        let ended = |trial: &Trial| match trial.state {
            TrialState::Running => trial.scores().len() as f64,
            _ => seeds,
        };
        let (confirmed, confirmations) = self.confirmed();
        let all = self.planned() as f64 * seeds + confirmations as f64;
        let ended = self.trials().map(ended).sum::<f64>() + confirmed as f64;
        if all == 0.0 { 0.0 } else { ended / all }
    }

    fn plan(&self) -> Planned {
        self.journal.state.planned.unwrap_or_default()
    }
}
