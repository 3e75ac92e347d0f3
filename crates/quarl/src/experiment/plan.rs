//! What an experiment runs, and whether its directory can be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::comparison::{self, Variant};
use super::{Experiment, run_path};
use crate::StopFlag;
use crate::atomic_write::atomic_write;
use crate::config::TrainConfig;
use crate::config::settings::invalid;
use crate::engine;
use crate::env::{self, Environment, EnvironmentSpec, MakeOptions, wrappers};
use crate::error::Error;
use crate::memory;
use crate::run::lock::Lock;
use crate::run::{self, Contents, RUNS, Status, listed};
use crate::train::{self, EnvironmentRole, Trainer, TrainerBuilder};

type Factory = Arc<dyn Fn(EnvironmentRole) -> Result<Box<dyn Environment>, Error> + Send + Sync>;

/// A share of the runs, for dividing them among machines: shard 2 of 3 has every third run, from the second one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The number of this shard, from 1.
    pub index: u64,
    /// The number of shards.
    pub count: u64,
}

impl Shard {
    /// All runs.
    pub const ALL: Self = Self { index: 1, count: 1 };

    /// # Errors
    /// [`Error::Setting`] for a shard that does not exist.
    pub(crate) fn check(self) -> Result<(), Error> {
        if (1..=self.count).contains(&self.index) {
            return Ok(());
        }
        let Self { index, count } = self;
        let message =
            format!("{index}/{count} does not exist: choose a number from 1 to the number of shards, such as 1/3");
        Err(invalid("shard", message))
    }

    /// Whether the run at this position among all runs, counted from 0, belongs to this shard.
    pub(crate) fn contains(self, position: u64) -> bool {
        position % self.count == self.index - 1
    }
}

/// The plan of an experiment: a configuration, the number of seeds, and a directory.
///
/// [`Plan::open`] makes an [`Experiment`] of it, whose runs are then started. See the [module](crate::experiment) for an example.
#[derive(Clone)]
pub struct Plan {
    pub(super) config: TrainConfig,
    pub(super) runs: u64,
    pub(super) jobs: usize,
    pub(super) out: PathBuf,
    pub(super) shard: Shard,
    retry_failed: bool,
    pub(super) tensorboard: bool,
    pub(crate) command: Option<String>,
    pub(super) stop: StopFlag,
    /// Creates environments, if they are not the library's.
    factory: Option<Factory>,
    /// The specification of the environment, after it was created once.
    pub(super) spec: Option<EnvironmentSpec>,
}

impl Plan {
    /// Plans one run of this configuration in the directory `out`. The configuration's seed is that of the first run.
    pub fn new(config: TrainConfig, out: impl Into<PathBuf>) -> Self {
        Self {
            config,
            runs: 1,
            jobs: 1,
            out: out.into(),
            shard: Shard::ALL,
            retry_failed: false,
            tensorboard: false,
            command: None,
            stop: StopFlag::default(),
            factory: None,
            spec: None,
        }
    }

    /// Sets the number of runs, which have successive seeds.
    pub fn runs(self, runs: u64) -> Self {
        Self { runs, ..self }
    }

    /// Sets the number of runs in parallel.
    pub fn jobs(self, jobs: usize) -> Self {
        Self { jobs, ..self }
    }

    /// Runs only a share of the runs; others, possibly on other machines that share the directory, run the rest.
    pub fn shard(self, shard: Shard) -> Self {
        Self { shard, ..self }
    }

    /// Sets whether failed runs are run again even if the same error would occur again.
    pub fn retry_failed(self, retry_failed: bool) -> Self {
        Self { retry_failed, ..self }
    }

    /// Sets whether runs are also logged for TensorBoard ([`RunWriter::log_to_tensorboard`](run::RunWriter::log_to_tensorboard)).
    pub fn tensorboard(self, tensorboard: bool) -> Self {
        Self { tensorboard, ..self }
    }

    /// Sets the command that repeats a comparison, for its results.
    pub fn command(self, command: String) -> Self {
        Self { command: Some(command), ..self }
    }

    /// Stops all runs when `stop` is requested.
    pub fn stop_flag(self, stop: StopFlag) -> Self {
        Self { stop, ..self }
    }

    /// Trains on environments that `factory` creates, instead of the one that `env.id` names, as
    /// [`TrainerBuilder::environment`] does. Every run's thread calls it, and [`Plan::open`] calls it once.
    pub fn environment<E: Environment + 'static>(
        self,
        factory: impl Fn(EnvironmentRole) -> Result<E, Error> + Send + Sync + 'static,
    ) -> Self {
        let factory: Factory = Arc::new(move |role| Ok(Box::new(factory(role)?)));
        Self { factory: Some(factory), ..self }
    }

    /// Creates the directory, or checks that it holds an experiment of this plan, and determines the missing runs of its shard.
    ///
    /// # Errors
    /// Those of the configuration and the environment; [`Error::Setting`] for a shard that does not exist; [`Error::Occupied`] where the directory holds an experiment with
    /// another configuration, or anything else; [`Error::Io`] where reading or writing fails.
    pub fn open(mut self) -> Result<Experiment, Error> {
        self.config.validate()?;
        self.check_seeds()?;
        self.shard.check()?;
        let spec = self.specification()?;
        train::resolve(&mut self.config, &spec)?;
        engine::check_observations(&self.config, &spec)?;
        memory::check(&self.config, &spec, self.jobs_at_once())?;
        self.spec = Some(spec.clone());
        // Checked before locking, so that not even a lock file is written into a directory that is refused.
        self.can_continue()?;
        fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
        let lock = Lock::wait(&self.out)?;
        if !self.can_continue()? {
            let runs = self.out.join(RUNS);
            fs::create_dir_all(&runs).map_err(Error::io("create", &runs))?;
            atomic_write(&self.out.join(run::CONFIG), self.config.to_commented_toml().as_bytes())?;
        }
        drop(lock);
        let mut missing = Vec::new();
        for seed in self.seeds() {
            if self.shard.contains(seed - self.config.training.seed) && self.outcome(seed)?.is_none() {
                missing.push(seed);
            }
        }
        Ok(Experiment { plan: self, missing, threshold: spec.reward_threshold })
    }

    /// The plan of one variant of a comparison, in a subdirectory of this plan's directory.
    pub(super) fn variant(&self, variant: &Variant) -> Self {
        // The comparison divides the runs of all variants.
        let shard = Shard::ALL;
        Self { config: variant.config.clone(), out: self.out.join(&variant.name), shard, ..self.clone() }
    }

    /// Checks, before the first run, that a comparison can be written into the directory.
    ///
    /// # Errors
    /// [`Error::Occupied`] where it holds anything but experiments, or a variant with another configuration; those of the
    /// environments.
    pub(super) fn check_variants(&self, plans: &[Self]) -> Result<(), Error> {
        let mut names = match Contents::of(&self.out)? {
            Contents::Nothing => return Ok(()),
            Contents::Several { names, .. } | Contents::Other { names } => names,
            contents => return Err(contents.occupied(&self.out)),
        };
        names.retain(|name| {
            let is_variant = matches!(Contents::of(&self.out.join(name)), Ok(Contents::Experiment | Contents::Nothing));
            !is_variant && !comparison::is_own_file(name)
        });
        if !names.is_empty() {
            return Err(Contents::Other { names }.occupied(&self.out));
        }
        for plan in plans {
            let mut plan = plan.clone();
            let spec = plan.specification()?;
            train::resolve(&mut plan.config, &spec)?;
            plan.can_continue()?;
        }
        Ok(())
    }

    /// The number of runs in parallel, at most the number of runs.
    fn jobs_at_once(&self) -> usize {
        self.jobs.min(usize::try_from(self.runs).unwrap_or(usize::MAX)).max(1)
    }

    /// The seeds of all runs.
    pub(super) fn seeds(&self) -> std::ops::Range<u64> {
        let first = self.config.training.seed;
        first..first.saturating_add(self.runs)
    }

    /// Refuses more runs than there are seeds from the first one on.
    fn check_seeds(&self) -> Result<(), Error> {
        let (first, largest) = (self.config.training.seed, i64::MAX as u64);
        if first.checked_add(self.runs.saturating_sub(1)).is_some_and(|last| last <= largest) {
            return Ok(());
        }
        let message =
            format!("{} runs from seed {first} on need seeds above the largest seed, {largest}: lower it", self.runs);
        Err(Error::Setting { key: "training.seed".to_owned(), message })
    }

    /// The configuration of the run with this seed.
    pub(super) fn run_config(&self, seed: u64) -> TrainConfig {
        let mut config = self.config.clone();
        config.training.seed = seed;
        config
    }

    /// The same plan for another configuration.
    pub(crate) fn with_config(&self, config: TrainConfig) -> Self {
        Self { config, ..self.clone() }
    }

    /// The builder of the run with this configuration.
    pub(crate) fn trainer(&self, config: TrainConfig, stop: StopFlag) -> TrainerBuilder {
        let builder = Trainer::builder(config).stop_flag(stop);
        match self.factory.clone() {
            Some(factory) => builder.environment(move |role| factory(role)),
            None => builder,
        }
    }

    /// The specification of the environment with its wrappers.
    pub(crate) fn specification(&self) -> Result<EnvironmentSpec, Error> {
        if let Some(spec) = &self.spec {
            return Ok(spec.clone());
        }
        Ok(self.evaluation_environment()?.spec().clone())
    }

    /// The evaluation environment with its wrappers.
    pub(crate) fn evaluation_environment(&self) -> Result<Box<dyn Environment>, Error> {
        match &self.factory {
            Some(factory) => wrappers::wrap(factory(EnvironmentRole::Evaluation)?, &self.config.env),
            None => {
                let options = MakeOptions { stop: self.stop.clone(), ..MakeOptions::default() };
                env::make_configured(&self.config.env, &options)
            }
        }
    }

    /// The final status of the run with this seed; `None` if it has to be run.
    pub(super) fn outcome(&self, seed: u64) -> Result<Option<Status>, Error> {
        let dir = run_path(&self.out, seed);
        match run::status(&dir)? {
            Status::Incomplete => Ok(None),
            Status::Failed(_) if self.retry_failed => Ok(None),
            status => {
                let Ok(existing) = self.read_existing(&dir) else { return Ok(None) };
                self.check_same(&dir, &existing, seed).map(|()| Some(status))
            }
        }
    }

    /// Whether the directory holds an experiment of this plan; false if it holds nothing; an error if it holds anything
    /// else.
    fn can_continue(&self) -> Result<bool, Error> {
        match Contents::of(&self.out)? {
            Contents::Nothing => Ok(false),
            Contents::Experiment => {
                let existing = self.read_existing(&self.out)?;
                self.check_same(&self.out, &existing, existing.training.seed).map(|()| true)
            }
            contents => Err(contents.occupied(&self.out)),
        }
    }

    /// The configuration in a directory. Earlier versions did not write the values that depend on the environment.
    fn read_existing(&self, dir: &Path) -> Result<TrainConfig, Error> {
        let mut existing = run::read_config(dir)?;
        if let Some(spec) = self.spec.as_ref().filter(|spec| spec.id == existing.env.id) {
            train::resolve(&mut existing, spec)?;
        }
        Ok(existing)
    }

    /// Refuses a directory with another configuration.
    fn check_same(&self, dir: &Path, existing: &TrainConfig, seed: u64) -> Result<(), Error> {
        let differences = existing.differences(&self.run_config(seed));
        if differences.is_empty() {
            return Ok(());
        }
        let message = format!(
            "holds an experiment with other settings: {}; choose another directory, or use the same settings to continue it",
            listed(&differences)
        );
        Err(Error::Occupied { path: dir.to_owned(), message })
    }
}
