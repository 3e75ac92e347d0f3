//! The agent: acts, stores transitions, learns, and updates its target network.
//!
//! The agent decides what to learn from and when; its [`Engine`] does the computation.

mod clipping;
pub(crate) mod config;
pub mod diagnostics;
mod state;

use serde::{Deserialize, Serialize};

use crate::config::settings::invalid;
use crate::config::{AgentConfig, InitialTarget, TargetNetworkConfig, TargetNetworkKind, TrainConfig, TrainingConfig};
use crate::engine::{DrawnBatch, Engine, TargetUpdate, Update, UpdateReport, cpu, initial_parameters};
use crate::env::EnvironmentSpec;
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::exploration::{Exploration, Explorer};
use crate::network::{Architecture, Head, QValues};
use crate::observations::{Observations, ObservationsView};
use crate::policy::Policy;
use crate::replay::Replay;
use crate::rng::Stream;
use crate::schedule::Schedule;
use crate::space::Dtype;
use crate::target::TargetKind;
use crate::transition::{Batch, Transition};
use clipping::ClippingMonitor;
use diagnostics::Diagnostics;
pub use state::AgentState;
use state::Memory;
pub(crate) use state::MemoryRest;

/// The results of one update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnReport {
    /// The weighted mean loss of the batch.
    pub loss: f32,
    /// The mean of Q(s, a) over the batch, before the optimizer step.
    pub mean_q: f32,
    /// The fraction of the target distributions' mass that was clipped to a categorical head's support; `None` for other
    /// heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clipped_share: Option<f32>,
    /// Statistics of the update; `None` unless `training.diagnostics` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

/// A deep Q-learning agent (Mnih et al. 2015).
///
/// [`crate::train::Trainer`] runs the training loop with an agent. A hand-written loop looks like this:
///
/// ```
/// use quarl::agent::Agent;
/// use quarl::config::TrainConfig;
/// use quarl::env;
/// use quarl::exploration::{Exploration, Explorer};
/// use quarl::transition::Transition;
///
/// let config = TrainConfig::preset("textbook").build()?;
/// let mut env = env::make("CartPole-v0")?;
/// let mut agent = Agent::new(&config, env.spec(), 0)?;
/// let mut explorer = Explorer::new(0, 0);
/// let (mut obs, mut next_obs) = ([0.0; 4], [0.0; 4]);
/// env.reset(Some(0), &mut obs)?;
/// for env_steps in 1..=200 {
///     let action = agent.act(&obs, None, Exploration::EpsilonGreedy(0.1), &mut explorer)?;
///     let step = env.step(action, &mut next_obs)?;
///     let discount = if step.end.is_some() { 0.0 } else { 0.98 };
///     agent.observe(Transition {
///         obs: &obs,
///         action,
///         reward: step.reward as f32,
///         discount,
///         next_obs: &next_obs,
///         next_mask: None,
///     })?;
///     if agent.replay_len() >= 32 {
///         let report = agent.learn(env_steps)?;
///         assert!(report.loss >= 0.0);
///     }
///     match step.end {
///         Some(_) => env.reset(None, &mut obs)?,
///         None => obs = next_obs,
///     }
/// }
/// agent.update_target();
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct Agent {
    engine: Box<dyn Engine>,
    /// The settings of `[agent]`, with the batch size in use.
    config: AgentConfig,
    beta: Schedule,
    learning_rate: Schedule,
    wants_diagnostics: bool,
    target_network: TargetNetworkConfig,
    dtype: Dtype,
    /// Everything of the agent, except the engine, that changes during training.
    memory: Memory,
    scratch: Scratch,
}

/// The buffers for acting and for one update, allocated once.
struct Scratch {
    batch: Batch,
    td_errors: Vec<f32>,
    q_values: Vec<f32>,
    observation: Vec<f32>,
    bytes: Observations,
}

impl Agent {
    /// Creates an untrained agent for an environment. Its engine computes on the CPU, with the fastest instruction set
    /// available or the one that the environment variable `QUARL_CPU` names.
    ///
    /// # Errors
    /// [`Error::Setting`] where `config` does not suit the environment, or the replay buffer does not fit into memory;
    /// [`Error::CpuPath`] where `QUARL_CPU` names an instruction set that this machine lacks.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, seed: u64) -> Result<Self, Error> {
        Self::with_engine(config, spec, seed, cpu::fastest()?)
    }

    /// [`Agent::new`] with another engine.
    ///
    /// # Errors
    /// Those of [`Agent::new`] and of the engine's construction.
    pub fn with_engine(
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        seed: u64,
        engine: impl FnOnce(&TrainConfig, &EnvironmentSpec) -> Result<Box<dyn Engine>, Error>,
    ) -> Result<Self, Error> {
        config.validate()?;
        spec.check()?;
        let features = spec.observation_space.len();
        let masked_actions = if spec.has_action_mask { spec.action_space.n } else { 0 };
        if spec.has_action_mask && config.agent.target == TargetKind::Munchausen {
            let message = format!(
                "\"munchausen\" does not support action masks, which {} has (it takes the logarithm of every action's \
                 probability): choose another value",
                spec.id
            );
            return Err(invalid("agent.target", message));
        }
        let mut engine = engine(config, spec)?;
        let mut initialisation = Stream::Initialisation.rng(seed);
        let architecture = engine.architecture().clone();
        let mut initial = || initial_parameters(&architecture, config.network.noisy_sigma, &mut initialisation);
        let online = initial();
        match config.target_network.initial {
            InitialTarget::Random if config.target_network.kind != TargetNetworkKind::None => {
                let target = initial();
                engine.set_parameters(&online, &target);
            }
            InitialTarget::Random | InitialTarget::Online => engine.set_parameters(&online, &online),
        }
        // Normalised observations are floats, whatever the environment's type is.
        let dtype = if config.env.normalize_observation { Dtype::F32 } else { spec.observation_space.dtype };
        let batch_size = config.batch_size();
        Ok(Self {
            scratch: Scratch {
                batch: Batch::new(batch_size, features).with_dtype(dtype).with_action_masks(masked_actions),
                td_errors: vec![0.0; batch_size],
                q_values: vec![0.0; spec.action_space.n],
                observation: vec![0.0; features],
                bytes: Observations::zeros(Dtype::U8, features),
            },
            memory: Memory {
                replay: Replay::new(&config.replay, config.agent.n_step, &spec.observation_space, masked_actions)?,
                sampling: Stream::Replay.rng(seed),
                noise: Stream::Noise.rng(seed),
                observation_statistics: config.env.normalize_observation.then(|| ObservationStatistics::new(features)),
                clipping: ClippingMonitor::default(),
            },
            engine,
            config: AgentConfig { batch_size, ..config.agent.clone() },
            beta: config.replay.beta,
            learning_rate: config.optimizer.lr,
            wants_diagnostics: config.training.diagnostics,
            target_network: config.target_network.clone(),
            dtype,
        })
    }

    /// The engine that computes Q-values and updates.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The network's architecture.
    pub fn architecture(&self) -> &Architecture {
        self.engine.architecture()
    }

    /// The online network's parameters.
    pub fn parameters(&self) -> &[f32] {
        self.engine.parameters()
    }

    /// The current network as a policy, which acts without learning.
    ///
    /// # Errors
    /// [`Error::CpuPath`] for an invalid `QUARL_CPU`.
    pub fn policy(&self) -> Result<Policy, Error> {
        Policy::from_parts(self.architecture(), self.parameters(), self.observation_statistics())
    }

    /// The replay buffer.
    pub fn replay(&self) -> &Replay {
        &self.memory.replay
    }

    /// The number of transitions in the replay buffer.
    pub fn replay_len(&self) -> usize {
        self.memory.replay.len()
    }

    /// The TD errors of the last update, at least 0: the absolute TD error of each item; for a categorical head the
    /// cross-entropy less the target's entropy; for quantile heads the mean absolute TD error over all pairs of quantiles.
    pub fn td_errors(&self) -> &[f32] {
        &self.scratch.td_errors
    }

    /// The batch of the last update.
    pub fn last_batch(&self) -> &Batch {
        &self.scratch.batch
    }

    /// Chooses an action for an observation. A noisy network draws new noise, an implicit head new quantile levels. `mask`
    /// is the action mask, `None` if every action is allowed. `explorer` is the exploration state of the environment.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] and [`Error::MaskLength`] where observation or mask have other lengths than the
    /// environment's.
    pub fn act(
        &mut self,
        observation: &[f32],
        mask: Option<&[bool]>,
        exploration: Exploration,
        explorer: &mut Explorer,
    ) -> Result<usize, Error> {
        self.architecture().check_observation(observation)?;
        let Self { engine, memory: Memory { noise, observation_statistics, .. }, scratch, dtype, .. } = self;
        let Scratch { q_values, observation: normalized, bytes, .. } = scratch;
        let actions = q_values.len();
        explorer.choose(exploration, actions, mask, || {
            let seen = match (observation_statistics, dtype) {
                (None, Dtype::F32) => ObservationsView::F32(observation),
                (None, Dtype::U8) => {
                    bytes.put(0, observation);
                    bytes.view()
                }
                (Some(statistics), _) => {
                    normalized.copy_from_slice(observation);
                    statistics.normalize(normalized)?;
                    ObservationsView::F32(normalized)
                }
            };
            engine.q_values(seen, noise, q_values)?;
            Ok(QValues::new(q_values, actions, 1))
        })
    }

    /// Updates the running mean and variance with an observation, if `env.normalize_observation` is set.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the observation has another length than the environment's.
    pub fn update_observation_statistics(&mut self, observation: &[f32]) -> Result<(), Error> {
        self.architecture().check_observation(observation)?;
        match &mut self.memory.observation_statistics {
            Some(statistics) => statistics.update(observation),
            None => Ok(()),
        }
    }

    /// The mean and variance that normalise observations, if `env.normalize_observation` is set.
    pub fn observation_statistics(&self) -> Option<&ObservationStatistics> {
        self.memory.observation_statistics.as_ref()
    }

    /// Stores a transition in the replay buffer.
    ///
    /// # Errors
    /// [`Error::InvalidAction`] where the action does not exist, and those of [`Replay::push`]; nothing is stored then.
    pub fn observe(&mut self, transition: Transition) -> Result<(), Error> {
        let (action, n) = (transition.action, self.scratch.q_values.len());
        if action >= n {
            return Err(Error::InvalidAction { id: "a transition".to_owned(), action, n });
        }
        let id = self.memory.replay.push(transition)?;
        self.engine.invalidate(id);
        Ok(())
    }

    /// Performs one update: samples a batch and takes one optimizer step. `step` is the environment step, for schedules and
    /// error messages. With a soft update and no interval, the target network is updated as well.
    ///
    /// # Errors
    /// [`Error::TooFewTransitions`] where the buffer holds fewer transitions than a batch; [`Error::NotFinite`] where the
    /// loss or a parameter is no longer finite.
    pub fn learn(&mut self, step: u64) -> Result<LearnReport, Error> {
        let Self { engine, beta, learning_rate, wants_diagnostics, memory, scratch, .. } = self;
        let Memory { replay, sampling, noise, observation_statistics, clipping } = memory;
        let Scratch { batch, td_errors, .. } = scratch;
        replay.draw(beta.value(step), sampling, batch)?;
        // Replay stores raw observations; they are normalised with the current statistics here.
        let batch = DrawnBatch::new(batch, replay, observation_statistics.as_ref())?;
        let report = engine.update(Update {
            batch,
            learning_rate: learning_rate.value(step),
            env_steps: step,
            wants_diagnostics: *wants_diagnostics,
            noise,
            td_errors,
        })?;
        let UpdateReport { loss, mean_q, clipped_share, diagnostics } = report;
        let batch = &scratch.batch;
        let diagnostics = diagnostics.map(|update| Diagnostics::new(&update, clipped_share, batch, td_errors, replay));
        if let Some(share) = clipped_share {
            clipping.add(share);
        }
        replay.update_priorities(&batch.ids, td_errors.iter().copied());
        if self.target_network.follows_updates() {
            self.update_target();
        }
        Ok(LearnReport { loss, mean_q, clipped_share, diagnostics })
    }

    /// Returns a warning, once, if a categorical head's support is too narrow: on average over 1,000 updates, more than 1%
    /// of the targets' probability mass is clipped to the support.
    pub fn take_support_warning(&mut self) -> Option<String> {
        let Head::Categorical { v_min, v_max, .. } = self.architecture().head else { return None };
        let share = 100.0 * self.memory.clipping.take_excess()?;
        Some(format!(
            "{share:.1}% of the targets' probability is clipped to the support from network.v_min = {v_min} to \
             network.v_max = {v_max}: returns outside it cannot be learnt; choose a wider support"
        ))
    }

    /// The number of updates after environment step `step`. With replay: `gradient_steps` every `train_frequency` steps,
    /// after `learning_starts` steps and as soon as the buffer holds a batch. Without replay: one for each new transition;
    /// transitions from before `learning_starts` are discarded.
    pub fn updates_due(&mut self, step: u64, training: &TrainingConfig) -> u64 {
        let replay = &mut self.memory.replay;
        let started = step >= training.learning_starts;
        if let Some(pending) = replay.pending() {
            if !started {
                replay.discard_pending();
            }
            return if started { pending } else { 0 };
        }
        let due = started && replay.len() >= self.config.batch_size && step.is_multiple_of(training.train_frequency);
        if due { training.gradient_steps } else { 0 }
    }

    /// Updates the target network as configured in `[target_network]`: a copy of the online network (hard update), or a
    /// step of tau towards it (soft update, Polyak averaging).
    pub fn update_target(&mut self) {
        let tau = self.target_network.coefficient();
        self.engine.update_target(if tau == 1.0 { TargetUpdate::Hard } else { TargetUpdate::Polyak(tau) });
    }

    /// Floating-point operations of one update, counting matrix products only; `None` if the engine does not know.
    pub fn update_flops(&self) -> Option<u64> {
        self.engine.update_flops()
    }

    /// Replaces the schedules of the learning rate and of the importance-sampling exponent.
    pub(crate) fn set_schedules(&mut self, config: &TrainConfig) {
        (self.learning_rate, self.beta) = (config.optimizer.lr, config.replay.beta);
    }

    /// Invalidates the engine's caches, for measurements: the next update computes everything, with the same result.
    pub fn drop_caches(&mut self) {
        self.engine.invalidate_all();
    }
}
