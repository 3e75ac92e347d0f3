//! Builds a run from a configuration, environments, an engine and a stop flag.

use super::Trainer;
use super::progress::{Phase, Progress, Slot};
use crate::accumulator::Accumulator;
use crate::agent::Agent;
use crate::config::{StepLimit, TrainConfig};
use crate::engine::{Engine, EngineFactory, cpu};
use crate::env::{self, Environment, EnvironmentSpec, MakeOptions, wrappers};
use crate::error::Error;
use crate::evaluate::step_limit;
use crate::exploration::Explorer;
use crate::memory;
use crate::model::Model;
use crate::stop::StopFlag;

/// The purpose of an environment within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentRole {
    /// A training environment, with its index among `training.num_envs`.
    Training(usize),
    /// The evaluation environment.
    Evaluation,
}

type Factory = Box<dyn FnMut(EnvironmentRole) -> Result<Box<dyn Environment>, Error>>;

/// Builds a [`Trainer`]. See [`Trainer::builder`].
pub struct TrainerBuilder {
    config: TrainConfig,
    factory: Option<Factory>,
    engine: Option<EngineFactory>,
    initial: Option<Model>,
    stop: StopFlag,
}

impl TrainerBuilder {
    pub(super) fn new(config: TrainConfig) -> Self {
        Self { config, factory: None, engine: None, initial: None, stop: StopFlag::default() }
    }

    /// Trains on environments that `factory` creates, instead of the one that `env.id` names. `factory` is called once for
    /// each training environment and once for the evaluation environment; all of them have to have the same spaces. The
    /// wrappers of `[env]` are put around them, and `env.id` becomes their id.
    ///
    /// ```
    /// use quarl::config::TrainConfig;
    /// use quarl::env::{CartPole, TimeLimit, classic_control::ClassicControl};
    /// use quarl::train::Trainer;
    ///
    /// let mut config = TrainConfig::preset("dqn").build()?;
    /// config.training.steps = Some(100);
    /// let short = |_role| TimeLimit::new(ClassicControl::<CartPole>::new(), 50);
    /// let mut trainer = Trainer::builder(config).environment(short).build()?;
    /// (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
    /// assert_eq!(trainer.env_steps(), 100);
    /// # Ok::<(), quarl::Error>(())
    /// ```
    pub fn environment<E: Environment + 'static>(
        mut self,
        mut factory: impl FnMut(EnvironmentRole) -> Result<E, Error> + 'static,
    ) -> Self {
        self.factory = Some(Box::new(move |role| Ok(Box::new(factory(role)?))));
        self
    }

    /// Uses the engine that `factory` creates instead of the CPU engine ([`cpu::fastest`]).
    pub fn engine(
        self,
        factory: impl FnOnce(&TrainConfig, &EnvironmentSpec) -> Result<Box<dyn Engine>, Error> + 'static,
    ) -> Self {
        Self { engine: Some(Box::new(factory)), ..self }
    }

    /// Starts from the parameters of a model, in both networks, and from its observation statistics, instead of random parameters.
    /// Its network has to be that of the configuration. Everything else starts as in any other run: the replay buffer is empty.
    pub fn initial_model(self, model: Model) -> Self {
        Self { initial: Some(model), ..self }
    }

    /// Stops the run when `stop` is requested: the trainer then yields no more events. Calls of environments in Python are
    /// cancelled.
    pub fn stop_flag(self, stop: StopFlag) -> Self {
        Self { stop, ..self }
    }

    /// Builds the run.
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid configuration, [`Error::CpuPath`] for an invalid `QUARL_CPU`, [`Error::State`] where the
    /// initial model has another network, and errors of the environments.
    pub fn build(self) -> Result<Trainer, Error> {
        let Self { mut config, factory, engine, initial, stop } = self;
        config.validate()?;
        let is_cpu_engine = engine.is_none();
        let engine = engine.map_or_else(cpu::fastest, Ok)?;
        let (envs, evaluation_env) = match factory {
            Some(factory) => own_environments(&config, factory)?,
            None => {
                let options = MakeOptions { stop: stop.clone(), ..MakeOptions::default() };
                (
                    env::make_several(&config.env, config.training.num_envs, &options)?,
                    env::make_configured(&config.env, &options)?,
                )
            }
        };
        let spec = envs[0].spec();
        for other in envs[1..].iter().chain([&evaluation_env]) {
            check_alike(spec, other.spec())?;
        }
        resolve(&mut config, spec)?;
        if is_cpu_engine {
            // Checked before the memory requirements: lowering a size would not make images learnable.
            cpu::check_observations(&config, spec)?;
            memory::check(&config, spec, 1)?;
        }
        let mut agent = Agent::with_engine(&config, spec, config.training.seed, engine)?;
        if let Some(model) = initial {
            agent.set_model(&model)?;
        }
        let features = spec.observation_space.len();
        let slots = (0..envs.len() as u64).map(|i| Slot {
            accumulator: Accumulator::new(config.agent.n_step, config.agent.gamma, features),
            observation: vec![0.0; features],
            episode: None,
            chosen: None,
            explorer: Explorer::new(config.training.seed, i),
            started: false,
            lost: None,
        });
        let progress = Progress {
            slots: slots.collect(),
            turn: 0,
            phase: Phase::Step,
            env_steps: 0,
            episodes: 0,
            best: None,
            evaluations_without_improvement: 0,
            stopped_early: None,
            episodes_lost: 0,
            workers_lost_in_a_row: 0,
            warnings: config.warnings(),
            warnings_yielded: 0,
        };
        let next_observation = vec![0.0; features];
        Ok(Trainer {
            config,
            envs,
            evaluation_env,
            agent,
            progress,
            next_observation,
            evaluation: None,
            failure: None,
            has_failed: false,
            stop,
        })
    }
}

/// Sets the values of a configuration that depend on the environment: its id, and the step limit of greedy episodes.
///
/// # Errors
/// [`Error::Setting`] where a setting was chosen for another environment.
#[doc(hidden)]
pub fn resolve(config: &mut TrainConfig, spec: &EnvironmentSpec) -> Result<(), Error> {
    spec.check()?;
    config.network.check_support(&config.env.id, &spec.id)?;
    config.env.id.clone_from(&spec.id);
    config.evaluation.max_episode_steps = StepLimit::Steps(step_limit(config.evaluation.max_episode_steps, spec));
    Ok(())
}

/// The training environments and the evaluation environment of a run.
type Environments = (Vec<Box<dyn Environment>>, Box<dyn Environment>);

fn own_environments(config: &TrainConfig, mut factory: Factory) -> Result<Environments, Error> {
    let mut make = |role| wrappers::wrap(factory(role)?, &config.env);
    let envs = (0..config.training.num_envs).map(|i| make(EnvironmentRole::Training(i))).collect::<Result<_, _>>()?;
    Ok((envs, make(EnvironmentRole::Evaluation)?))
}

fn check_alike(first: &EnvironmentSpec, other: &EnvironmentSpec) -> Result<(), Error> {
    let differences = [
        (first.observation_space.shape != other.observation_space.shape, "observations"),
        (first.action_space != other.action_space, "actions"),
        (first.has_action_mask != other.has_action_mask, "action masks"),
    ];
    match differences.into_iter().find(|(differs, _)| *differs) {
        None => Ok(()),
        Some((_, what)) => Err(Error::UnlikeEnvironments { id: other.id.clone(), first: first.id.clone(), what }),
    }
}
