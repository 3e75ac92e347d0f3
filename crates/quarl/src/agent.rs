//! The agent: acts, observes, learns, and copies its online network to its target network.

mod clipping;
pub mod diagnostics;
mod learn;
mod losses;
mod target_memo;

use serde::{Deserialize, Serialize};

use crate::config::{
    AgentConfig, InitialTarget, OptimizerConfig, TargetNetworkConfig, TargetNetworkKind, TrainConfig, TrainingConfig,
};
use crate::env::EnvironmentSpec;
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::network::buffer::Buffer;
use crate::network::kernels::{self, CpuPath};
use crate::network::noise::{self, Noise};
use crate::network::{Head, QNetwork, SingleScratch, init};
use crate::optimizer::Optimizer;
use crate::policy::Exploration;
use crate::replay::Replay;
use crate::rng::{Rng, Stream};
use crate::schedule::Schedule;
use crate::target::TargetKind;
use crate::transition::Transition;
use clipping::ClippingMonitor;
use diagnostics::Diagnostics;
use learn::LearnScratch;

/// What one update saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnReport {
    /// The loss that was descended: the batch's weighted mean.
    pub loss: f32,
    /// The mean of Q(s, a) over the batch, before the update.
    pub mean_q: f32,
    /// The share of the target's probability that was clipped to a categorical head's support; none for other heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clipped_share: Option<f32>,
    /// More numbers, where `training.diagnostics` asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

/// A deep Q-learning agent (Mnih et al. 2015).
///
/// [`crate::train::Trainer`] is its usual loop; this is a loop of one's own:
///
/// ```
/// use quarl::agent::Agent;
/// use quarl::config::presets;
/// use quarl::env;
/// use quarl::network::kernels::CpuPath;
/// use quarl::transition::Transition;
///
/// let config = presets::config("textbook", None)?;
/// let mut env = env::make("CartPole-v0")?;
/// let mut agent = Agent::new(&config, env.spec(), 0, CpuPath::select()?)?;
/// let (mut obs, mut next_obs) = ([0.0; 4], [0.0; 4]);
/// env.reset(Some(0), &mut obs)?;
/// for env_steps in 1..=200 {
///     let action = agent.act(&obs, None, 0.1)?;
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
/// agent.sync_target();
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct Agent {
    network: QNetwork,
    /// `[agent]`, with the batch size that is used.
    config: AgentConfig,
    beta: Schedule,
    wants_diagnostics: bool,
    optimizer_config: OptimizerConfig,
    target_network: TargetNetworkConfig,
    /// Everything that changes while it learns.
    state: AgentState,
    scratch: Scratch,
}

/// Everything of an agent that changes while it learns, as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentState {
    online: Buffer,
    target: Buffer,
    optimizer: Optimizer,
    replay: Replay,
    exploration: Rng,
    sampling: Rng,
    noise: Rng,
    /// What observations are normalised by before the network sees them, if they are.
    observation_statistics: Option<ObservationStatistics>,
    clipping: ClippingMonitor,
}

impl AgentState {
    /// Whether so many updates with batches of this size can follow without another transition.
    pub(crate) fn allows_updates(&self, updates: u64, batch_size: usize) -> bool {
        updates == 0
            || (self.replay.len() >= batch_size && self.replay.waiting().is_none_or(|waiting| waiting >= updates))
    }
}

/// Room for acting and for one update, allocated once.
struct Scratch {
    learn: LearnScratch,
    single: SingleScratch,
    /// Noise for one action, and the parameters that it makes.
    noise: Noise,
    perturbed: Buffer,
    normalized: Vec<f32>,
}

impl Agent {
    /// An untrained agent for an environment.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where `config` cannot be used, or the replay buffer does not fit into memory.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, seed: u64, path: CpuPath) -> Result<Self, Error> {
        config.validate()?;
        let architecture = config.network.architecture(spec.observation_space.len(), spec.action_space.n);
        let network = QNetwork::new(architecture, path);
        let masked_actions = if spec.has_action_mask { spec.action_space.n } else { 0 };
        if spec.has_action_mask && config.agent.target == TargetKind::Munchausen {
            return Err(Error::InvalidValue {
                key: "agent.target".to_owned(),
                value: "munchausen".to_owned(),
                remedy: format!(
                    "{} forbids actions, and the policy's logarithm would count them: choose max or double",
                    spec.id
                ),
            });
        }
        let mut initialisation = Stream::Initialisation.rng(seed);
        let online = init::pytorch_default(&network, config.network.noisy_sigma, &mut initialisation);
        let target = match config.target_network.initial {
            InitialTarget::Random if config.target_network.kind != Some(TargetNetworkKind::None) => {
                init::pytorch_default(&network, config.network.noisy_sigma, &mut initialisation)
            }
            _ => online.clone(),
        };
        let state = AgentState {
            optimizer: Optimizer::new(network.parameter_count(), &config.optimizer),
            replay: Replay::new(&config.replay, config.agent.n_step, &spec.observation_space, masked_actions)?,
            exploration: Stream::Exploration.rng(seed),
            sampling: Stream::Replay.rng(seed),
            noise: Stream::Noise.rng(seed),
            observation_statistics: config
                .env
                .normalize_observation
                .then(|| ObservationStatistics::new(spec.observation_space.len())),
            clipping: ClippingMonitor::default(),
            online,
            target,
        };
        let scratch = Scratch {
            learn: LearnScratch::new(&network, config, masked_actions),
            single: network.single_scratch(),
            noise: Noise::zeros(&network),
            perturbed: Buffer::zeros(if config.network.noisy { network.forward_parameter_count() } else { 0 }),
            normalized: vec![0.0; spec.observation_space.len()],
        };
        Ok(Self {
            network,
            config: AgentConfig { batch_size: config.batch_size(), ..config.agent.clone() },
            beta: config.beta(),
            wants_diagnostics: config.training.diagnostics,
            optimizer_config: config.optimizer.clone(),
            target_network: config.target_network.clone(),
            state,
            scratch,
        })
    }

    /// The network's plan.
    pub fn network(&self) -> &QNetwork {
        &self.network
    }

    /// The online network's parameters.
    pub fn parameters(&self) -> &[f32] {
        &self.state.online
    }

    /// Floating-point operations of one update, counting products only: forward passes of the online and the target network
    /// (and of whatever else the target asks for), and the backward pass.
    pub fn update_flops(&self) -> usize {
        self.scratch.learn.flops(&self.network)
    }

    /// How many transitions there are to learn from.
    pub fn replay_len(&self) -> usize {
        self.state.replay.len()
    }

    /// How far off the last update's items were, one number each, 0 or above: the absolute TD error; for a categorical head
    /// the cross-entropy less the target's entropy; for quantile heads the mean absolute TD error over all pairs.
    pub fn priorities(&self) -> &[f32] {
        self.scratch.learn.priorities()
    }

    /// Everything that changes while it learns.
    pub fn state(&self) -> &AgentState {
        &self.state
    }

    /// Puts back what [`Agent::state`] gave.
    ///
    /// # Errors
    /// [`Error::State`] where the state is of another agent, or contradicts itself; nothing is changed then.
    pub fn set_state(&mut self, state: AgentState) -> Result<(), Error> {
        self.check_state(&state)?;
        self.state = state;
        self.state.replay.reserve();
        self.forget_target_values();
        Ok(())
    }

    /// Whether [`Agent::set_state`] would take `state`.
    pub(crate) fn check_state(&self, state: &AgentState) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the agent".to_owned(), message });
        let expected = self.network.parameter_count();
        if state.online.len() != expected || state.target.len() != expected {
            return refused(format!("{} parameters were saved, this network has {expected}", state.online.len()));
        }
        if !state.optimizer.fits(&self.state.optimizer) {
            return refused("the optimiser's settings or its size are others".to_owned());
        }
        let features = self.network.architecture().inputs;
        if state.observation_statistics.is_some() != self.state.observation_statistics.is_some()
            || state.observation_statistics.as_ref().is_some_and(|statistics| !statistics.fits(features))
        {
            return refused("the statistics of its observations are others".to_owned());
        }
        if !state.replay.fits(&self.state.replay, self.network.architecture().actions) {
            return refused("the replay buffer's size or its actions are others".to_owned());
        }
        Ok(())
    }

    /// The action for an observation, epsilon-greedily. `mask` says which actions are allowed, where not all are.
    ///
    /// # Errors
    /// As [`Agent::explore_with`].
    pub fn act(&mut self, observation: &[f32], mask: Option<&[bool]>, epsilon: f64) -> Result<usize, Error> {
        self.explore(observation, mask, Exploration::EpsilonGreedy(epsilon))
    }

    /// The action for an observation; in a noisy network under fresh noise, and for an implicit head at fresh quantile
    /// levels. `mask` says which actions are allowed, where not all are.
    ///
    /// # Errors
    /// As [`Agent::explore_with`].
    pub fn explore(
        &mut self,
        observation: &[f32],
        mask: Option<&[bool]>,
        exploration: Exploration,
    ) -> Result<usize, Error> {
        let mut rng = self.state.exploration.clone();
        let action = self.explore_with(observation, mask, exploration, &mut rng);
        self.state.exploration = rng;
        action
    }

    /// [`Agent::explore`] with random numbers from elsewhere: one stream for each of several environments.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] and [`Error::MaskLength`] where observation or mask are not of the agent's environment.
    pub fn explore_with(
        &mut self,
        observation: &[f32],
        mask: Option<&[bool]>,
        exploration: Exploration,
        rng: &mut Rng,
    ) -> Result<usize, Error> {
        self.network.check_observation(observation)?;
        let Self { network, state, scratch, .. } = self;
        let AgentState { online, noise: noise_rng, observation_statistics, .. } = state;
        exploration.choose(network.architecture().actions, mask, rng, || {
            let Scratch { single, noise, perturbed, normalized, .. } = scratch;
            let observation = match observation_statistics {
                None => observation,
                Some(statistics) => {
                    normalized.copy_from_slice(observation);
                    statistics.normalize(normalized)?;
                    &*normalized
                }
            };
            if let Head::Implicit { .. } = network.architecture().head {
                single.levels_mut().iter_mut().for_each(|level| *level = noise_rng.uniform() as f32);
            }
            if network.architecture().noisy {
                noise.draw(noise_rng);
                noise::perturb(network, online, noise, perturbed);
                network.q_values(perturbed, observation, single)
            } else {
                network.q_values(online, observation, single)
            }
        })
    }

    /// Takes an observation of any environment into the statistics that observations are normalised by, if they are.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where it is not of the agent's environment.
    pub fn see(&mut self, observation: &[f32]) -> Result<(), Error> {
        self.network.check_observation(observation)?;
        match &mut self.state.observation_statistics {
            Some(statistics) => statistics.update(observation),
            None => Ok(()),
        }
    }

    /// What observations are normalised by before the network sees them, if they are.
    pub fn observation_statistics(&self) -> Option<&ObservationStatistics> {
        self.state.observation_statistics.as_ref()
    }

    /// Stores a transition.
    ///
    /// # Errors
    /// [`Error::InvalidAction`] where there is no such action, and as [`Replay::push`]; nothing is stored then.
    pub fn observe(&mut self, transition: Transition) -> Result<(), Error> {
        let (action, n) = (transition.action, self.network.architecture().actions);
        if action >= n {
            return Err(Error::InvalidAction { id: "a transition".to_owned(), action, n });
        }
        let id = self.state.replay.push(transition)?;
        self.scratch.learn.forget_target_value(id);
        Ok(())
    }

    /// A warning, once: that a categorical head's support is too narrow, because on average over 1,000 updates more than 1%
    /// of the target's probability is clipped to it.
    pub fn take_support_warning(&mut self) -> Option<String> {
        let Head::Categorical { v_min, v_max, .. } = self.network.architecture().head else { return None };
        let share = 100.0 * self.state.clipping.take_excess()?;
        Some(format!(
            "{share:.1}% of the targets' probability is clipped to the support from network.v_min = {v_min} to \
             network.v_max = {v_max}: returns outside it cannot be learnt; choose a wider support"
        ))
    }

    /// How many updates follow environment step `step`. With replay, `gradient_steps` every `train_frequency` steps, once
    /// learning starts and there is a batch; without, one for each transition that has come since, and what came before
    /// learning starts is given up.
    pub fn updates_due(&mut self, step: u64, training: &TrainingConfig) -> u64 {
        let replay = &mut self.state.replay;
        let started = step >= training.learning_starts;
        if let Some(waiting) = replay.waiting() {
            if !started {
                replay.skip_waiting();
            }
            return if started { waiting } else { 0 };
        }
        let due = started && replay.len() >= self.config.batch_size && step.is_multiple_of(training.train_frequency);
        if due { training.gradient_steps } else { 0 }
    }

    /// Moves the target network by tau towards the online one; copies it where tau is 1.
    pub fn sync_target(&mut self) {
        blend_target(self.network.path(), self.target_network.tau, &mut self.state);
        self.forget_target_values();
    }

    /// Forgets what the target network has said so far since its last copy: the next update asks it again about its whole
    /// batch, and comes to the same.
    pub fn forget_target_values(&mut self) {
        self.scratch.learn.forget_target_values(&self.state.replay);
    }
}

fn blend_target(path: CpuPath, tau: f64, state: &mut AgentState) {
    if tau == 1.0 {
        state.target.copy_from_slice(&state.online);
    } else {
        kernels::blend(path, state.target.padded_mut(), state.online.padded(), tau as f32);
    }
}
