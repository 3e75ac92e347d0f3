//! One update: a batch, its targets, the loss's gradient, a step down.
//!
//! Each head has a loss of its own (`losses.rs`); all else is the same for all.

use super::diagnostics::{Diagnostics, norm};
use super::target_memo::TargetMemo;
use super::{Agent, AgentState, LearnReport};
use crate::config::{TargetNetworkKind, TrainConfig};
use crate::error::Error;
use crate::loss::categorical::Support;
use crate::network::buffer::Buffer;
use crate::network::noise::{self, Noise};
use crate::network::{Activations, BackwardScratch, Head, QNetwork, QValues, head};
use crate::optimizer::clip_scale;
use crate::replay::Replay;
use crate::rng::Rng;
use crate::target::TargetKind;
use crate::transition::Batch;

/// Room for one update, allocated once.
pub(super) struct LearnScratch {
    pub(super) batch: Batch,
    /// The online network at the observations: what is descended.
    pub(super) online: Pass,
    /// The target network at the next observations.
    pub(super) target_next: Pass,
    /// What that network has said already, where it would say the same again.
    pub(super) memo: Option<TargetMemo>,
    /// What the target rule needs besides these two.
    pub(super) target_rule: TargetRule,
    pub(super) backward: BackwardScratch,
    pub(super) gradients: Buffer,
    /// Scalar heads: each item's target.
    pub(super) targets: Vec<f32>,
    /// What a distributional head compares, for the action taken and the action chosen; else empty.
    pub(super) distribution: Distribution,
    pub(super) priorities: Vec<f32>,
    /// The share of the target's probability that was clipped to a categorical head's support.
    pub(super) clipped_share: Option<f32>,
}

/// A [`TargetKind`] with the passes that it needs besides the online network's and the target network's at the next
/// observations.
pub(super) enum TargetRule {
    /// An implicit head chooses the next action at levels of their own, still by the target network.
    Max { selection: Option<Pass> },
    /// The online network at the next observations chooses the next action.
    Double { selection: Pass },
    /// The target network at the present observations.
    Munchausen { target_now: Pass },
}

impl TargetRule {
    fn new(network: &QNetwork, config: &TrainConfig) -> Self {
        let acting_levels = match network.architecture().head {
            Head::Implicit { acting_quantiles, .. } => Some(acting_quantiles),
            _ => None,
        };
        let pass = || Pass::new(network, config.batch_size(), acting_levels.unwrap_or(1));
        match config.agent.target {
            TargetKind::Max => Self::Max { selection: acting_levels.is_some().then(pass) },
            TargetKind::Double => Self::Double { selection: pass() },
            TargetKind::Munchausen => Self::Munchausen { target_now: pass() },
        }
    }

    /// The pass that chooses the next action, where `target_next` does not.
    pub(super) fn selection(&self) -> Option<&Pass> {
        match self {
            Self::Max { selection } => selection.as_ref(),
            Self::Double { selection } => Some(selection),
            Self::Munchausen { .. } => None,
        }
    }

    fn pass(&self) -> Option<&Pass> {
        match self {
            Self::Munchausen { target_now } => Some(target_now),
            Self::Max { .. } | Self::Double { .. } => self.selection(),
        }
    }

    /// Runs the passes.
    fn forward(&mut self, network: &QNetwork, (online, target): (&[f32], &[f32]), batch: &Batch, rng: &mut Rng) {
        match self {
            Self::Max { selection: None } => {}
            Self::Max { selection: Some(selection) } => selection.forward(network, target, &batch.next_obs, rng),
            Self::Double { selection } => selection.forward(network, online, &batch.next_obs, rng),
            Self::Munchausen { target_now } => target_now.forward(network, target, &batch.obs, rng),
        }
    }
}

/// One network's pass over the batch: its activations, and its own noise.
pub(super) struct Pass {
    pub(super) activations: Activations,
    levels: usize,
    noise: Noise,
    /// The parameters under noise; empty where there is none.
    perturbed: Buffer,
}

/// Columns of one action, `[atom][stride]`.
#[derive(Default)]
pub(super) struct Distribution {
    pub(super) prediction: Buffer,
    pub(super) target: Buffer,
    /// A categorical target before its projection.
    pub(super) next: Buffer,
    pub(super) levels: Buffer,
    pub(super) gradients: Buffer,
    pub(super) losses: Buffer,
    pub(super) distances: Buffer,
}

impl LearnScratch {
    /// `masked_actions` is how many actions a mask has; 0 where there are no masks.
    pub(super) fn new(network: &QNetwork, config: &TrainConfig, masked_actions: usize) -> Self {
        let batch_size = config.batch_size();
        let architecture = network.architecture();
        let levels =
            if matches!(architecture.head, Head::Implicit { .. }) { config.network.training_quantiles } else { 1 };
        let online = Pass::new(network, batch_size, levels);
        Self {
            batch: Batch::new(batch_size, architecture.inputs).with_action_masks(masked_actions),
            target_next: Pass::new(network, batch_size, levels),
            memo: TargetMemo::new(network, config),
            target_rule: TargetRule::new(network, config),
            backward: network.backward_scratch(&online.activations),
            gradients: Buffer::zeros(network.parameter_count()),
            targets: vec![0.0; batch_size],
            distribution: Distribution::new(&architecture.head, levels, online.activations.stride()),
            priorities: vec![0.0; batch_size],
            clipped_share: None,
            online,
        }
    }

    pub(super) fn flops(&self, network: &QNetwork) -> usize {
        let batch = self.batch.len();
        let passes = [Some(&self.online), Some(&self.target_next), self.target_rule.pass()];
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
    /// [`Error::TooFewTransitions`] where there are fewer transitions than a batch; [`Error::NotFinite`] where the loss or a
    /// parameter is no longer a finite number.
    pub fn learn(&mut self, step: u64) -> Result<LearnReport, Error> {
        let Self { network, config, beta, wants_diagnostics, target_network, state, scratch, .. } = self;
        let AgentState { online, target, replay, sampling, noise: noise_rng, observation_statistics, .. } = state;
        let scratch = &mut scratch.learn;
        let LearnScratch { memo, target_next, target_rule, batch, .. } = &mut *scratch;
        replay.draw(beta.value(step), sampling, batch)?;

        // Without a target network the online one answers in its place.
        let target = if target_network.kind == TargetNetworkKind::None { &*online } else { &*target };
        let answers = &mut target_next.activations;
        let is_recalled = memo.as_mut().is_some_and(|memo| memo.recall(network, target, replay, &batch.ids, answers));
        if !is_recalled || target_rule.selection().is_some() {
            replay.gather_next_obs(batch);
        }
        // Replay keeps what was seen; the network is shown what is known of it by now.
        if let Some(statistics) = observation_statistics {
            statistics.normalize(&mut batch.obs)?;
            statistics.normalize(&mut batch.next_obs)?;
        }
        if !is_recalled {
            target_next.forward(network, target, &batch.next_obs, noise_rng);
            if let Some(memo) = memo {
                memo.remember(&batch.ids, &target_next.activations);
            }
        }
        target_rule.forward(network, (online, target), batch, noise_rng);
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
        let clipped_share = scratch.clipped_share;
        let mut report =
            LearnReport { loss: loss * per_item, mean_q: sum_q * per_item, clipped_share, diagnostics: None };
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
                clipped_share: clipped_share.map(f64::from),
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
            super::blend_target(path, target_network.coefficient(), state);
        }
        if let Some(share) = clipped_share {
            state.clipping.add(share);
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
        activations.copy_inputs(observations);
        activations.levels_mut().iter_mut().for_each(|level| *level = rng.uniform() as f32);
        if network.architecture().noisy {
            noise.draw(rng);
            noise::perturb(network, parameters, noise, perturbed);
            network.forward(perturbed, activations);
        } else {
            network.forward(parameters, activations);
        }
    }

    pub(super) fn q_values(&self) -> QValues<'_> {
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
