//! What a study searches, and whether its directory can be used.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::journal::{Entry, FORMAT, Header, JOURNAL, Journal, Planned};
use super::pruner::Pruner;
use super::sampler::Sampler;
use super::space::Space;
use super::study::{Setup, Study};
use crate::StopFlag;
use crate::config::TrainConfig;
use crate::config::settings::invalid;
use crate::engine;
use crate::env::{Environment, EnvironmentSpec};
use crate::error::Error;
use crate::experiment::{self, Shard};
use crate::memory;
use crate::run::{Contents, listed};
use crate::train::{self, EnvironmentRole};

/// The number of evaluations that is assumed if a run's length and its evaluations have different units.
const UNKNOWN_EVALUATIONS: u64 = 9;

/// The plan of a study. [`Plan::open`] makes a [`Study`] of it.
#[derive(Clone)]
pub struct Plan {
    /// The directory, the configuration and the environment.
    pub(super) base: experiment::Plan,
    pub(super) config: TrainConfig,
    pub(super) space: Space,
    pub(super) out: PathBuf,
    pub(super) trials: u64,
    pub(super) seeds_per_trial: u64,
    pub(super) jobs: usize,
    pub(super) sampler: Sampler,
    pub(super) pruner: Pruner,
    pub(super) score_episodes: u64,
    pub(super) confirmations: u64,
    pub(super) shard: Shard,
    pub(super) stop: StopFlag,
}

impl Plan {
    /// Plans a study that varies `config` over `space`, in the directory `out`. The configuration's seed is that of the
    /// first run of every trial and of the sampler.
    pub fn new(config: TrainConfig, space: Space, out: impl Into<PathBuf>) -> Self {
        let out = out.into();
        Self {
            base: experiment::Plan::new(config.clone(), &out),
            config,
            space,
            out,
            trials: 100,
            seeds_per_trial: 1,
            jobs: 1,
            sampler: Sampler::default(),
            pruner: Pruner::default(),
            score_episodes: 20,
            confirmations: 10,
            shard: Shard::ALL,
            stop: StopFlag::default(),
        }
    }

    /// Sets the number of trials. Default: 100.
    pub fn trials(self, trials: u64) -> Self {
        Self { trials, ..self }
    }

    /// Sets the number of runs of each trial, which have successive seeds, the same for all trials. Default: 1.
    pub fn seeds_per_trial(self, seeds_per_trial: u64) -> Self {
        Self { seeds_per_trial, ..self }
    }

    /// Sets the number of runs in parallel. Default: 1.
    pub fn jobs(self, jobs: usize) -> Self {
        Self { jobs: jobs.max(1), ..self }
    }

    /// Sets the sampler.
    pub fn sampler(self, sampler: Sampler) -> Self {
        Self { sampler, ..self }
    }

    /// Sets the pruner.
    pub fn pruner(self, pruner: Pruner) -> Self {
        Self { pruner, ..self }
    }

    /// Sets the number of greedy episodes whose mean return is a run's score. Default: 20.
    pub fn score_episodes(self, score_episodes: u64) -> Self {
        Self { score_episodes, ..self }
    }

    /// Sets the number of fresh seeds with which the best trial is trained again at the end. Default: 10.
    pub fn confirmations(self, confirmations: u64) -> Self {
        Self { confirmations, ..self }
    }

    /// Runs only the trials of this shard.
    pub fn shard(self, shard: Shard) -> Self {
        Self { shard, ..self }
    }

    /// Stops all runs when `stop` is requested.
    pub fn stop_flag(self, stop: StopFlag) -> Self {
        Self { base: self.base.stop_flag(stop.clone()), stop, ..self }
    }

    /// Notes the command that made this plan in the results, so that they say how to repeat them.
    pub fn command(self, command: String) -> Self {
        Self { base: self.base.command(command), ..self }
    }

    /// Trains on environments that `factory` creates; see [`experiment::Plan::environment`].
    pub fn environment<E: Environment + 'static>(
        self,
        factory: impl Fn(EnvironmentRole) -> Result<E, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { base: self.base.environment(factory), ..self }
    }

    /// Creates the directory, or checks that it holds a study of this plan, and reads its journal.
    ///
    /// # Errors
    /// Those of the configuration and the environment; [`Error::Setting`] for a shard that does not exist, no trial or no
    /// seed, and where a pruner has no evaluations to compare; [`Error::Occupied`] where the directory
    /// holds another study or anything else; [`Error::File`] for a damaged journal; [`Error::Io`].
    pub fn open(mut self) -> Result<Study, Error> {
        self.check()?;
        let spec = self.base.specification()?;
        train::resolve(&mut self.config, &spec)?;
        engine::check_observations(&self.config, &spec)?;
        let seeds: Vec<u64> = self.successive(0, self.seeds_per_trial)?;
        let fresh: Vec<u64> = self.successive(self.seeds_per_trial, self.confirmations)?;
        let at_once =
            self.jobs.min(usize::try_from(self.trials.saturating_mul(self.seeds_per_trial)).unwrap_or(usize::MAX));
        memory::check(&self.config, &spec, at_once)?;
        let rungs = self.rungs()?;
        let existing = self.existing()?;
        let header = match existing {
            Some(header) => header,
            None => self.header(self.score_range(&spec)?),
        };
        fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
        let mut journal = Journal::at(&self.out, seeds.clone());
        let planned = Planned { trials: self.trials, confirmations: self.confirmations };
        journal.locked(|journal| {
            match &journal.state.header {
                None => journal.append(Entry::Study(header.clone()))?,
                // Another process may have been first.
                Some(header) => self.check_same(&header.clone())?,
            }
            if journal.state.planned == Some(planned) { Ok(()) } else { journal.append(Entry::Plan(planned)) }
        })?;
        journal.take_news();
        let header = journal.state.header.clone().unwrap_or(header);
        self.base = self.base.with_config(self.config.clone());
        let score_range = header.score_range;
        let setup = Setup { spec, score_range, seeds, fresh, rungs, journal: Mutex::new(journal), plan: self };
        Ok(Study { setup: Arc::new(setup) })
    }

    fn check(&self) -> Result<(), Error> {
        self.config.validate()?;
        self.shard.check()?;
        for (key, value) in [
            ("trials", self.trials),
            ("seeds per trial", self.seeds_per_trial),
            ("episodes of a score", self.score_episodes),
        ] {
            if value == 0 {
                return Err(invalid(key, "0 is too few: at least 1 is needed".to_owned()));
            }
        }
        Ok(())
    }

    /// `count` successive seeds, `after` seeds after the first.
    fn successive(&self, after: u64, count: u64) -> Result<Vec<u64>, Error> {
        let first = self.config.training.seed;
        let last = first
            .checked_add(after)
            .and_then(|first| first.checked_add(count))
            .filter(|last| i64::try_from(*last).is_ok());
        match last {
            Some(last) => Ok((first + after..last).collect()),
            None => {
                let message = format!("{first} leaves no {} larger seeds: lower it", after + count);
                Err(Error::Setting { key: "training.seed".to_owned(), message })
            }
        }
    }

    /// The rungs at which the pruner compares trials.
    fn rungs(&self) -> Result<Vec<f64>, Error> {
        let (training, evaluation) = (&self.config.training, &self.config.evaluation);
        let evaluations = match (training.steps, evaluation.every_steps, training.episodes, evaluation.every_episodes) {
            (Some(steps), Some(every), _, _) => steps / every,
            (_, _, Some(episodes), Some(every)) => episodes / every,
            (_, None, _, None) => 0,
            _ => UNKNOWN_EVALUATIONS,
        };
        let rungs = self.pruner.rungs(evaluations);
        if rungs.is_empty() && self.pruner != Pruner::None {
            let unit = if training.steps.is_some() { "every_steps" } else { "every_episodes" };
            let message = format!(
                "pruning compares evaluations during the runs, and a run has {evaluations}: set it so that a run has at least \
                 3, or choose no pruner"
            );
            return Err(Error::Setting { key: format!("evaluation.{unit}"), message });
        }
        Ok(rungs)
    }

    /// The returns of the scores 0 and 1: random play and the environment's threshold, if it has one that is above.
    fn score_range(&self, spec: &EnvironmentSpec) -> Result<Option<[f64; 2]>, Error> {
        let Some(threshold) = spec.reward_threshold else { return Ok(None) };
        let random = self.base.random_return()?;
        Ok(Some([random, threshold]).filter(|[low, high]| low < high && low.is_finite() && high.is_finite()))
    }

    fn header(&self, score_range: Option<[f64; 2]>) -> Header {
        Header {
            format: FORMAT,
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.config.to_toml(),
            space: self.space.to_toml(),
            seeds_per_trial: self.seeds_per_trial,
            sampler: self.sampler,
            pruner: self.pruner,
            score_episodes: self.score_episodes,
            score_range,
        }
    }

    /// The header of the study in the directory, if it holds one; an error if it holds anything else.
    fn existing(&self) -> Result<Option<Header>, Error> {
        match Contents::of(&self.out)? {
            Contents::Nothing => Ok(None),
            Contents::Study => {
                let header = Journal::header(&self.out)?;
                header.map(|header| self.check_same(&header).map(|()| header)).transpose()
            }
            contents => Err(contents.occupied(&self.out)),
        }
    }

    /// Refuses a study with other settings.
    fn check_same(&self, header: &Header) -> Result<(), Error> {
        let here = self.header(header.score_range);
        let origin = self.out.join(JOURNAL).display().to_string();
        let config = TrainConfig::from_toml(&origin, &header.config)?;
        let mut differences = config.differences(&self.config);
        match Space::parse(&origin, &header.space, &config) {
            Ok(space) => differences.extend(space.differences(&self.space)),
            Err(error) => differences.push(error.to_string()),
        }
        let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        for (what, there, here) in [
            ("the number of seeds per trial", header.seeds_per_trial.to_string(), here.seeds_per_trial.to_string()),
            ("the number of episodes of a score", header.score_episodes.to_string(), here.score_episodes.to_string()),
            ("the sampler", name(&header.sampler), name(&here.sampler)),
            ("the pruner", name(&header.pruner), name(&here.pruner)),
        ] {
            if there != here {
                differences.push(format!("{what} is {there} there and {here} here"));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        let message = format!(
            "holds a study with other settings: {}; choose another directory, or use the same settings to continue it",
            listed(&differences)
        );
        Err(Error::Occupied { path: self.out.clone(), message })
    }
}
