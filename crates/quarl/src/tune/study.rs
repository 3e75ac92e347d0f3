//! A study whose directory was opened, and what its threads share.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use toml::Table;

use super::journal::Journal;
use super::plan::Plan;
use super::runner::Runs;
use super::space::Space;
use super::task::Task;
use super::trial::{Trial, TrialState};
use crate::config::TrainConfig;
use crate::env::EnvironmentSpec;
use crate::error::Error;
use crate::memory;

/// What the threads of a study share.
pub(super) struct Setup {
    pub(super) plan: Plan,
    pub(super) spec: EnvironmentSpec,
    pub(super) score_range: Option<[f64; 2]>,
    /// The seeds of each trial.
    pub(super) seeds: Vec<u64>,
    /// The seeds with which the best trial is trained again.
    pub(super) fresh: Vec<u64>,
    pub(super) rungs: Vec<f64>,
    pub(super) journal: Mutex<Journal>,
}

impl Setup {
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a run trains the best trial again: the seeds of the trials and the fresh seeds have none in common.
    pub(super) fn confirms(&self, task: Task) -> bool {
        self.fresh.contains(&task.seed)
    }

    /// The configuration of a trial's run.
    pub(super) fn run_config(&self, parameters: &Table, seed: u64) -> Result<TrainConfig, Error> {
        let mut config = self.plan.space.apply(&self.plan.config, parameters)?;
        config.training.seed = seed;
        memory::check(&config, &self.spec, self.plan.jobs)?;
        Ok(config)
    }
}

/// A study and its directory. See the [module](crate::tune).
pub struct Study {
    pub(super) setup: Arc<Setup>,
}

impl Study {
    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.setup.plan.out
    }

    /// The configuration that the trials vary, including the values that depend on the environment.
    pub fn config(&self) -> &TrainConfig {
        &self.setup.plan.config
    }

    /// The search space.
    pub fn space(&self) -> &Space {
        &self.setup.plan.space
    }

    /// The returns of the scores 0 and 1; `None` if scores are returns.
    pub fn score_range(&self) -> Option<[f64; 2]> {
        self.setup.score_range
    }

    /// The number of trials that were requested.
    pub fn planned(&self) -> u64 {
        self.setup.plan.trials
    }

    /// The seeds of every trial.
    pub fn seeds(&self) -> &[u64] {
        &self.setup.seeds
    }

    /// The seeds with which the best trial is trained again.
    pub fn fresh_seeds(&self) -> &[u64] {
        &self.setup.fresh
    }

    /// The number of fresh seeds with which the best trial was trained again.
    pub fn confirmed(&self) -> u64 {
        let journal = self.setup.journal();
        let Some(best) = journal.state.best() else { return 0 };
        let is_confirmed = |seed: &&u64| journal.state.confirmed.contains_key(&(best.number, **seed));
        self.setup.fresh.iter().filter(is_confirmed).count() as u64
    }

    /// Whether anything is left to run: a trial, or the best trial with a fresh seed.
    pub fn has_work(&self) -> bool {
        let has_best = self.setup.journal().state.best().is_some();
        self.missing() > 0 || (has_best && self.confirmed() < self.setup.fresh.len() as u64)
    }

    /// The trials of all processes, as far as the journal was read.
    pub fn trials(&self) -> Vec<Trial> {
        self.setup.journal().state.trials.values().cloned().collect()
    }

    /// The number of requested trials that have not ended, those of other shards included.
    pub fn missing(&self) -> u64 {
        let journal = self.setup.journal();
        let ended =
            |number: &u64| journal.state.trials.get(number).is_some_and(|trial| trial.state != TrialState::Running);
        (0..self.setup.plan.trials).filter(|number| !ended(number)).count() as u64
    }

    /// Starts the missing trials, and then the runs of the best trial with fresh seeds.
    ///
    /// # Errors
    /// [`Error::Io`] where a thread cannot be started.
    pub fn start(&self) -> Result<Runs, Error> {
        Runs::start(&self.setup)
    }
}
