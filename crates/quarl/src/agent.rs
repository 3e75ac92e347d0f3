//! The agent: acts, observes, learns, and copies its online network to its target network.

use serde::{Deserialize, Serialize};

use crate::config::{AgentConfig, InitialTarget, OptimizerConfig, TrainConfig};
use crate::env::EnvironmentSpec;
use crate::error::Error;
use crate::network::buffer::Buffer;
use crate::network::kernels::{self, CpuPath};
use crate::network::{Activations, Architecture, BackwardScratch, QNetwork, init};
use crate::optimizer::{Adam, clip_scale};
use crate::policy::epsilon_greedy;
use crate::replay::Replay;
use crate::rng::{Rng, Stream};
use crate::target::{self, TargetKind};
use crate::transition::{Batch, Transition};

/// What one update saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnReport {
    /// The loss that was descended: the batch's weighted mean.
    pub loss: f32,
    /// The mean of Q(s, a) over the batch, before the update.
    pub mean_q: f32,
}

/// A deep Q-learning agent (Mnih et al. 2015).
pub struct Agent {
    network: QNetwork,
    config: AgentConfig,
    optimizer_config: OptimizerConfig,
    tau: f64,
    /// Everything that changes while it learns.
    state: AgentState,
    scratch: Scratch,
}

/// Everything of an agent that changes while it learns, as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentState {
    online: Buffer,
    target: Buffer,
    optimizer: Adam,
    replay: Replay,
    exploration: Rng,
    sampling: Rng,
}

/// Room for one update, allocated once.
struct Scratch {
    batch: Batch,
    online: Activations,
    online_next: Activations,
    target_next: Activations,
    backward: BackwardScratch,
    gradients: Buffer,
    targets: Vec<f32>,
    td_errors: Vec<f32>,
    single: Vec<Buffer>,
}

impl Agent {
    /// An untrained agent for an environment; `config` has been validated.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where the replay buffer does not fit into memory.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, seed: u64, path: CpuPath) -> Result<Self, Error> {
        let architecture = Architecture {
            inputs: spec.observation_space.len(),
            hidden: config.network.hidden.clone(),
            actions: spec.action_space.n,
        };
        let network = QNetwork::new(architecture, path);
        let mut initialisation = Stream::Initialisation.rng(seed);
        let online = init::pytorch_default(&network, &mut initialisation);
        let target = match config.target_network.initial {
            InitialTarget::Random => init::pytorch_default(&network, &mut initialisation),
            InitialTarget::Online => online.clone(),
        };
        let features = network.architecture().inputs;
        let OptimizerConfig { beta1, beta2, eps, .. } = config.optimizer;
        let state = AgentState {
            optimizer: Adam::new(network.parameter_count(), beta1, beta2, eps),
            replay: if spec.has_action_mask {
                Replay::new(config.replay.capacity, features)?.with_action_masks(spec.action_space.n)?
            } else {
                Replay::new(config.replay.capacity, features)?
            },
            exploration: Stream::Exploration.rng(seed),
            sampling: Stream::Replay.rng(seed),
            online,
            target,
        };
        let activations = network.activations(config.agent.batch_size);
        let scratch = Scratch {
            batch: if spec.has_action_mask {
                Batch::new(config.agent.batch_size, features).with_action_masks(spec.action_space.n)
            } else {
                Batch::new(config.agent.batch_size, features)
            },
            online: activations.clone(),
            online_next: activations.clone(),
            target_next: activations.clone(),
            backward: network.backward_scratch(&activations),
            gradients: Buffer::zeros(network.parameter_count()),
            targets: vec![0.0; config.agent.batch_size],
            td_errors: vec![0.0; config.agent.batch_size],
            single: network.single_scratch(),
        };
        Ok(Self {
            network,
            config: config.agent.clone(),
            optimizer_config: config.optimizer.clone(),
            tau: config.target_network.tau,
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

    /// Floating-point operations of one update, counting products only: each layer forward for the target and the online
    /// network, its weight gradient, and its inputs' gradient (which the first layer needs none of).
    pub fn update_flops(&self) -> usize {
        let batch = self.config.batch_size;
        let first = &self.network.layers()[0];
        4 * self.network.forward_flops(batch) - 2 * batch * first.inputs * first.outputs
    }

    /// How many transitions there are to learn from.
    pub fn replay_len(&self) -> usize {
        self.state.replay.len()
    }

    /// The TD errors of the last update, target less prediction, one an item.
    pub fn td_errors(&self) -> &[f32] {
        &self.scratch.td_errors
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
        if !state.replay.fits(&self.state.replay, self.network.architecture().actions) {
            return refused("the replay buffer's size or its actions are others".to_owned());
        }
        Ok(())
    }

    /// The action for an observation, epsilon-greedily; `mask` says which are allowed, where not all are.
    pub fn act(&mut self, observation: &[f32], mask: Option<&[bool]>, epsilon: f64) -> usize {
        let mut exploration = self.state.exploration.clone();
        let action = self.act_with(observation, mask, epsilon, &mut exploration);
        self.state.exploration = exploration;
        action
    }

    /// [`Agent::act`] with random numbers from elsewhere: one stream for each of several environments.
    pub fn act_with(&mut self, observation: &[f32], mask: Option<&[bool]>, epsilon: f64, rng: &mut Rng) -> usize {
        let Self { network, state, scratch, .. } = self;
        epsilon_greedy(epsilon, network.architecture().actions, mask, rng, || {
            network.q_values(&state.online, observation, &mut scratch.single)
        })
    }

    /// Stores a transition.
    pub fn observe(&mut self, transition: Transition) {
        self.state.replay.push(transition);
    }

    /// One update: draws a batch and descends its loss by one step. `step` is the environment step, for schedules and
    /// messages.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or a parameter is no longer a finite number.
    ///
    /// # Panics
    /// When there are fewer transitions than a batch.
    pub fn learn(&mut self, step: u64) -> Result<LearnReport, Error> {
        let Self { network, config, state, scratch, .. } = self;
        let batch = &mut scratch.batch;
        state.replay.sample(&mut state.sampling, batch);

        scratch.target_next.set_inputs(&batch.next_obs);
        network.forward(&state.target, &mut scratch.target_next);
        let next_mask = Some(&*batch.next_masks);
        let q_target_next = scratch.target_next.q_values().masked(next_mask);
        match config.target {
            TargetKind::Max => target::max(&batch.rewards, &batch.discounts, q_target_next, &mut scratch.targets),
            TargetKind::Double => {
                scratch.online_next.set_inputs(&batch.next_obs);
                network.forward(&state.online, &mut scratch.online_next);
                let q_online_next = scratch.online_next.q_values().masked(next_mask);
                target::double(&batch.rewards, &batch.discounts, q_online_next, q_target_next, &mut scratch.targets);
            }
        }

        scratch.online.set_inputs(&batch.obs);
        network.forward(&state.online, &mut scratch.online);
        let q_online = scratch.online.q_values();
        let deltas = scratch.backward.output_deltas();
        let stride = deltas.len() / network.architecture().actions;
        let per_item = 1.0 / batch.len() as f32;
        let (mut loss, mut sum_q) = (0.0, 0.0);
        for item in 0..batch.len() {
            let action = batch.actions[item];
            let q = q_online.get(item, action);
            let td_error = scratch.targets[item] - q;
            let (item_loss, gradient) = config.loss.value_and_gradient(-td_error);
            deltas[action * stride + item] = batch.weights[item] * gradient * per_item;
            scratch.td_errors[item] = td_error;
            loss += batch.weights[item] * item_loss;
            sum_q += q;
        }
        let report = LearnReport { loss: loss * per_item, mean_q: sum_q * per_item };
        if !report.loss.is_finite() {
            return Err(Error::NotFinite { what: "the loss".to_owned(), step });
        }

        network.backward(&state.online, &scratch.online, &mut scratch.backward, &mut scratch.gradients);
        let path = network.path();
        let gradient_scale =
            self.optimizer_config.max_grad_norm.map_or(1.0, |max_norm| clip_scale(path, &scratch.gradients, max_norm));
        let lr = self.optimizer_config.lr.value(step);
        if !state.optimizer.step(path, lr, gradient_scale, &mut state.online, &scratch.gradients) {
            return Err(Error::NotFinite { what: "a parameter".to_owned(), step });
        }
        Ok(report)
    }

    /// Moves the target network by tau towards the online one; copies it where tau is 1.
    pub fn sync_target(&mut self) {
        let Self { network, state, tau, .. } = self;
        if *tau == 1.0 {
            state.target.copy_from_slice(&state.online);
        } else {
            kernels::blend(network.path(), state.target.padded_mut(), state.online.padded(), *tau as f32);
        }
    }
}
