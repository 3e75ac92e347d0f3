//! One update: a batch, its targets, the loss's gradient, a step down.
//!
//! Each head makes the loss of its outputs' kind: a number against a number, a distribution against a distribution, or
//! quantiles against samples. All else is the same for all.

use super::diagnostics::{Diagnostics, norm};
use super::target_memo::TargetMemo;
use super::{Agent, AgentState, LearnReport};
use crate::config::{AgentConfig, TargetNetworkKind, TrainConfig};
use crate::error::Error;
use crate::loss::categorical::{self, Support};
use crate::network::buffer::Buffer;
use crate::network::kernels::{self, QuantileHuberPass};
use crate::network::noise::{self, Noise};
use crate::network::{Activations, BackwardScratch, Head, QNetwork, QValues, head};
use crate::optimizer::clip_scale;
use crate::replay::Replay;
use crate::rng::Rng;
use crate::target::{self, TargetKind};
use crate::transition::Batch;

/// Room for one update, allocated once.
pub(super) struct LearnScratch {
    batch: Batch,
    /// The online network at the observations: what is descended.
    online: Pass,
    /// The target network at the next observations.
    target_next: Pass,
    /// What that network has said already, where it would say the same again.
    pub(super) memo: Option<TargetMemo>,
    /// Chooses the next action where `target_next` does not: Double's online network at the next observations; an implicit
    /// head's own levels for choosing.
    selection: Option<Pass>,
    /// Munchausen's target network at the present observations.
    target_now: Option<Pass>,
    backward: BackwardScratch,
    gradients: Buffer,
    /// Scalar heads: each item's target.
    targets: Vec<f32>,
    /// What a distributional head compares, for the action taken and the action chosen; else empty.
    distribution: Distribution,
    priorities: Vec<f32>,
}

/// One network's pass over the batch: its activations, and its own noise.
struct Pass {
    activations: Activations,
    levels: usize,
    noise: Noise,
    /// The parameters under noise; empty where there is none.
    perturbed: Buffer,
}

/// Columns of one action, `[atom][stride]`.
#[derive(Default)]
struct Distribution {
    prediction: Buffer,
    target: Buffer,
    /// A categorical target before its projection.
    next: Buffer,
    levels: Buffer,
    gradients: Buffer,
    losses: Buffer,
    distances: Buffer,
}

impl LearnScratch {
    /// `masked_actions` is how many actions a mask has; 0 where there are no masks.
    pub(super) fn new(network: &QNetwork, config: &TrainConfig, masked_actions: usize) -> Self {
        let batch_size = config.batch_size();
        let architecture = network.architecture();
        let implicit = matches!(architecture.head, Head::Implicit { .. });
        let (levels, acting_levels) = match architecture.head {
            Head::Implicit { acting_quantiles, .. } => (config.network.quantiles, acting_quantiles),
            _ => (1, 1),
        };
        let online = Pass::new(network, batch_size, levels);
        let needs_selection =
            config.agent.target == TargetKind::Double || (implicit && config.agent.target == TargetKind::Max);
        let needs_now = config.agent.target == TargetKind::Munchausen;
        Self {
            batch: Batch::new(batch_size, architecture.inputs).with_action_masks(masked_actions),
            target_next: Pass::new(network, batch_size, levels),
            memo: TargetMemo::new(network, config),
            selection: needs_selection.then(|| Pass::new(network, batch_size, acting_levels)),
            target_now: needs_now.then(|| Pass::new(network, batch_size, acting_levels)),
            backward: network.backward_scratch(&online.activations),
            gradients: Buffer::zeros(network.parameter_count()),
            targets: vec![0.0; batch_size],
            distribution: Distribution::new(&architecture.head, levels, online.activations.stride()),
            priorities: vec![0.0; batch_size],
            online,
        }
    }

    pub(super) fn flops(&self, network: &QNetwork) -> usize {
        let batch = self.batch.len();
        let passes = [Some(&self.online), Some(&self.target_next), self.selection.as_ref(), self.target_now.as_ref()];
        passes.into_iter().flatten().map(|pass| network.forward_flops(batch, pass.levels)).sum::<usize>()
            + network.backward_flops(batch, self.online.levels)
    }

    pub(super) fn forget_target_value(&mut self, id: usize) {
        if let Some(memo) = &mut self.memo {
            memo.forget(id);
        }
    }

    pub(super) fn forget_target_values(&mut self, replay: &Replay) {
        if let Some(memo) = &mut self.memo {
            memo.forget_all(replay);
        }
    }

    pub(super) fn priorities(&self) -> &[f32] {
        &self.priorities
    }
}

impl Agent {
    /// One update: draws a batch and descends its loss by one step. `step` is the environment step, for schedules and
    /// messages.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or a parameter is no longer a finite number.
    ///
    /// # Panics
    /// When there are fewer transitions than a batch.
    pub fn learn(&mut self, step: u64) -> Result<LearnReport, Error> {
        let Self { network, config, beta, wants_diagnostics, target_network, state, scratch, .. } = self;
        let AgentState { online, target, replay, sampling, noise: noise_rng, observation_statistics, .. } = state;
        let scratch = &mut scratch.learn;
        replay.sample(beta.value(step), sampling, &mut scratch.batch);
        // Replay keeps what was seen; the network is shown what is known of it by now.
        if let Some(statistics) = observation_statistics {
            statistics.normalize(&mut scratch.batch.obs);
            statistics.normalize(&mut scratch.batch.next_obs);
        }

        // Without a target network the online one answers in its place.
        let target = if target_network.kind == Some(TargetNetworkKind::None) { &*online } else { &*target };
        let LearnScratch { memo, target_next, batch, .. } = &mut *scratch;
        let answers = &mut target_next.activations;
        if !memo.as_mut().is_some_and(|memo| memo.recall(network, target, replay, &batch.ids, answers)) {
            target_next.forward(network, target, &batch.next_obs, noise_rng);
            if let Some(memo) = memo {
                memo.remember(&batch.ids, &target_next.activations);
            }
        }
        if let Some(selection) = &mut scratch.selection {
            let parameters = if config.target == TargetKind::Double { &*online } else { target };
            selection.forward(network, parameters, &scratch.batch.next_obs, noise_rng);
        }
        if let Some(target_now) = &mut scratch.target_now {
            target_now.forward(network, target, &scratch.batch.obs, noise_rng);
        }
        scratch.online.forward(network, online, &scratch.batch.obs, noise_rng);

        let loss = match network.architecture().head {
            Head::Scalar => scratch.scalar_loss(config),
            Head::Categorical { atoms, v_min, v_max } => {
                scratch.categorical_loss(Support { atoms, v_min: v_min as f32, v_max: v_max as f32 })
            }
            Head::Quantile { .. } | Head::Implicit { .. } => scratch.quantile_loss(network, config),
        };
        let q_online = scratch.online.activations.q_values();
        let batch = &scratch.batch;
        let sum_q: f32 = batch.actions.iter().enumerate().map(|(item, action)| q_online.get(item, *action)).sum();
        let per_item = 1.0 / batch.len() as f32;
        let mut report = LearnReport { loss: loss * per_item, mean_q: sum_q * per_item, diagnostics: None };
        if !report.loss.is_finite() {
            return Err(Error::NotFinite { what: "the loss".to_owned(), step });
        }

        let Pass { activations, noise, perturbed, .. } = &scratch.online;
        let parameters = if network.architecture().noisy { perturbed } else { &*online };
        network.backward(parameters, activations, &mut scratch.backward, &mut scratch.gradients);
        if network.architecture().noisy {
            noise::add_sigma_gradients(network, noise, &mut scratch.gradients);
        }
        if *wants_diagnostics {
            let q_online = scratch.online.activations.q_values();
            report.diagnostics = Some(Diagnostics {
                grad_norm: norm(scratch.gradients.iter().copied()),
                target_drift: norm(online.iter().zip(target.iter()).map(|(online, target)| online - target)),
                ..Diagnostics::of_batch(&scratch.batch, &scratch.priorities, q_online, replay)
            });
        }
        let path = network.path();
        let gradient_scale =
            self.optimizer_config.max_grad_norm.map_or(1.0, |max_norm| clip_scale(path, &scratch.gradients, max_norm));
        let lr = self.optimizer_config.lr.value(step);
        if !state.optimizer.step(path, lr, gradient_scale, &mut state.online, &scratch.gradients) {
            return Err(Error::NotFinite { what: "a parameter".to_owned(), step });
        }
        if target_network.follows_updates() {
            super::blend_target(path, target_network.tau, state);
        }
        state.replay.update_priorities(&scratch.batch.ids, scratch.priorities.iter().copied());
        Ok(report)
    }
}

impl Pass {
    fn new(network: &QNetwork, batch: usize, levels: usize) -> Self {
        let is_noisy = network.architecture().noisy;
        Self {
            activations: network.activations(batch, levels),
            levels,
            noise: Noise::zeros(network),
            perturbed: Buffer::zeros(if is_noisy { network.forward_parameter_count() } else { 0 }),
        }
    }

    /// The network at these observations, under noise and at levels of its own draw.
    fn forward(&mut self, network: &QNetwork, parameters: &[f32], observations: &[f32], rng: &mut Rng) {
        let Self { activations, noise, perturbed, .. } = self;
        activations.set_inputs(observations);
        activations.levels_mut().iter_mut().for_each(|level| *level = rng.uniform() as f32);
        if network.architecture().noisy {
            noise.draw(rng);
            noise::perturb(network, parameters, noise, perturbed);
            network.forward(perturbed, activations);
        } else {
            network.forward(parameters, activations);
        }
    }

    fn q_values(&self) -> QValues<'_> {
        self.activations.q_values()
    }
}

impl Distribution {
    fn new(head: &Head, levels: usize, stride: usize) -> Self {
        let columns = |atoms: usize| Buffer::zeros(atoms * stride);
        match *head {
            Head::Scalar => Self::default(),
            Head::Categorical { atoms, .. } => {
                Self { prediction: columns(atoms), target: columns(atoms), next: columns(atoms), ..Self::default() }
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                let count = head.atoms() * levels;
                let mut midpoints = columns(count);
                for (row, level) in midpoints.chunks_exact_mut(stride).zip(head::midpoints(count)) {
                    row.fill(level);
                }
                Self {
                    prediction: columns(count),
                    target: columns(count),
                    levels: midpoints,
                    gradients: columns(count),
                    losses: columns(1),
                    distances: columns(1),
                    ..Self::default()
                }
            }
        }
    }
}

/// Copies the column of `item` under `action` out of `[action][atom][stride]`.
fn gather(from: &[f32], stride: usize, item: usize, action: usize, to: &mut [f32]) {
    for (at, value) in (item..to.len()).step_by(stride).zip(from[action * to.len()..].iter().skip(item).step_by(stride))
    {
        to[at] = *value;
    }
}

impl LearnScratch {
    /// The loss's sum over items, for Q-values; its gradient goes into the backward scratch.
    fn scalar_loss(&mut self, config: &AgentConfig) -> f32 {
        let Self { batch, online, target_next, selection, target_now, backward, targets, priorities, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = &*batch;
        let q_target_next = target_next.q_values().masked(Some(next_masks));
        match (config.target, &selection, &target_now) {
            (TargetKind::Double, Some(selection), _) => {
                let q_online_next = selection.q_values().masked(Some(next_masks));
                target::double(rewards, discounts, q_online_next, q_target_next, targets);
            }
            (TargetKind::Munchausen, _, Some(now)) => {
                let q_target = (now.q_values(), q_target_next);
                target::munchausen(config.munchausen(), rewards, discounts, actions, q_target, targets);
            }
            _ => target::max(rewards, discounts, q_target_next, targets),
        }
        let q_online = online.q_values();
        let stride = online.activations.stride();
        let deltas = backward.output_deltas();
        let per_item = 1.0 / targets.len() as f32;
        let mut loss = 0.0;
        for (item, target) in targets.iter().enumerate() {
            let action = actions[item];
            let td_error = target - q_online.get(item, action);
            let (item_loss, gradient) = config.loss.value_and_gradient(-td_error);
            deltas[action * stride + item] = weights[item] * gradient * per_item;
            priorities[item] = td_error.abs();
            loss += weights[item] * item_loss;
        }
        loss
    }

    /// The loss's sum over items, for distributions over fixed atoms (C51): the cross-entropy from the projected target.
    fn categorical_loss(&mut self, support: Support) -> f32 {
        let Self { batch, online, target_next, selection, backward, distribution, priorities, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = &*batch;
        let Distribution { prediction, target, next, .. } = distribution;
        let stride = online.activations.stride();
        let chooser = selection.as_ref().unwrap_or(target_next).q_values().masked(Some(next_masks));
        for item in 0..rewards.len() {
            gather(target_next.activations.probabilities(), stride, item, chooser.argmax(item), next);
        }
        categorical::project(support, rewards, discounts, next, stride, target);

        let deltas = backward.output_deltas();
        let block = prediction.len();
        let per_item = 1.0 / rewards.len() as f32;
        let mut loss = 0.0;
        for item in 0..rewards.len() {
            let action = actions[item];
            gather(online.activations.outputs(), stride, item, action, prediction);
            let probabilities = &online.activations.probabilities()[action * block..(action + 1) * block];
            let cross_entropy = categorical::cross_entropy(prediction, probabilities, target, stride, item);
            // The softmax and the cross-entropy together: prediction less target.
            for at in (item..block).step_by(stride) {
                deltas[action * block + at] = weights[item] * per_item * (probabilities[at] - target[at]);
            }
            priorities[item] = (cross_entropy - categorical::entropy(target, stride, item)).max(0.0);
            loss += weights[item] * cross_entropy;
        }
        loss
    }

    /// The loss's sum over items, for quantiles (QR-DQN, IQN): the quantile Huber loss against samples of the target.
    fn quantile_loss(&mut self, network: &QNetwork, config: &AgentConfig) -> f32 {
        let Self { batch, online, target_next, selection, target_now, backward, distribution, priorities, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = &*batch;
        let Distribution { prediction, target, levels, gradients, losses, distances, .. } = distribution;
        let stride = online.activations.stride();
        let block = prediction.len();
        let next = target_next.activations.outputs();
        let q_target_next = target_next.q_values().masked(Some(next_masks));
        let chooser = selection.as_ref().unwrap_or(target_next).q_values().masked(Some(next_masks));
        for item in 0..rewards.len() {
            gather(online.activations.outputs(), stride, item, actions[item], prediction);
            if discounts[item] == 0.0 {
                (item..block).step_by(stride).for_each(|at| target[at] = 0.0);
            } else if config.target == TargetKind::Munchausen {
                let temperature = config.munchausen().temperature;
                (item..block).step_by(stride).for_each(|at| target[at] = 0.0);
                for action in (0..q_target_next.actions()).filter(|action| q_target_next.is_allowed(item, *action)) {
                    let (probability, log) = target::policy_and_log(temperature, q_target_next, item, action);
                    for at in (item..block).step_by(stride) {
                        target[at] += probability * (next[action * block + at] - log);
                    }
                }
            } else {
                gather(next, stride, item, chooser.argmax(item), target);
            }
            let bonus = target_now
                .as_ref()
                .map_or(0.0, |now| target::munchausen_bonus(config.munchausen(), now.q_values(), item, actions[item]));
            for at in (item..block).step_by(stride) {
                target[at] = rewards[item] + bonus + discounts[item] * target[at];
            }
        }
        let random_levels = online.activations.levels();
        kernels::quantile_huber(
            network.path(),
            &mut QuantileHuberPass {
                predictions: prediction,
                levels: if random_levels.is_empty() { levels } else { random_levels },
                targets: target,
                gradients,
                losses,
                distances,
            },
        );

        let deltas = backward.output_deltas();
        let per_item = 1.0 / rewards.len() as f32;
        let mut loss = 0.0;
        for item in 0..rewards.len() {
            let scale = weights[item] * per_item;
            for at in (item..block).step_by(stride) {
                deltas[actions[item] * block + at] = scale * gradients[at];
            }
            priorities[item] = distances[item];
            loss += weights[item] * losses[item];
        }
        loss
    }
}
