//! One update: forward passes, TD targets, the gradient of the loss, and the backward pass.
//!
//! The loss depends on the head ([`crate::loss`]), the bootstrap on the target rule ([`crate::target`]); everything else is
//! common to all variants.

use super::buffer::Buffer;
use super::kernels::{self, QuantileHuber};
use super::network::{Activations, BackwardScratch, QNetwork};
use super::target_cache::TargetCache;
use crate::config::{AgentConfig, TrainConfig};
use crate::engine::DrawnBatch;
use crate::error::Error;
use crate::loss::categorical::{self, Support};
use crate::loss::{Loss, quantile, scalar};
use crate::network::{Head, QValues, head};
use crate::observations::ObservationsView;
use crate::rng::Rng;
use crate::target::{self, ExtraPass, Network, TargetRule, Values};
use crate::transition::Batch;

/// The forward pass of one network over a batch: its activations and its own noise.
pub(super) struct ForwardPass {
    pub(super) activations: Activations,
    levels: usize,
    noise: Vec<f32>,
    /// The effective parameters, if the network is reparametrised.
    effective: Buffer,
}

impl ForwardPass {
    fn new(network: &QNetwork, batch: usize, levels: usize) -> Self {
        let is_reparametrised = network.is_reparametrised();
        Self {
            activations: network.activations(batch, levels),
            levels,
            noise: network.no_noise(),
            effective: Buffer::zeros(if is_reparametrised { network.forward_parameter_count() } else { 0 }),
        }
    }

    /// Runs the network on these observations, with new noise and new quantile levels.
    fn forward(&mut self, network: &QNetwork, parameters: &[f32], observations: ObservationsView, rng: &mut Rng) {
        let Self { activations, noise, effective, .. } = self;
        activations.copy_inputs(observations);
        activations.levels_mut().iter_mut().for_each(|level| *level = rng.uniform() as f32);
        if network.is_reparametrised() {
            network.draw_noise(rng, noise);
            network.effective_parameters(parameters, noise, effective);
            network.forward(effective, activations);
        } else {
            network.forward(parameters, activations);
        }
    }

    fn q_values(&self) -> QValues<'_> {
        self.activations.q_values()
    }

    /// The return distribution of each action: a categorical head's probabilities, or quantiles.
    fn distributions(&self, head: Head) -> &[f32] {
        match head {
            Head::Categorical { .. } => self.activations.probabilities(),
            Head::Scalar | Head::Quantile { .. } | Head::Implicit { .. } => self.activations.outputs(),
        }
    }
}

/// The buffers of an update, allocated once.
pub(super) struct UpdateScratch {
    /// The online network at the observations; it is trained.
    pub(super) online: ForwardPass,
    /// The target network at the next observations.
    target_next: ForwardPass,
    /// The cache of the target network's outputs for stored transitions, if it is used.
    pub(super) cache: Option<TargetCache>,
    /// The target rule's extra forward pass; for an implicit head without one, the target network at the quantile levels
    /// that select the next action.
    extra: Option<ForwardPass>,
    backward: BackwardScratch,
    pub(super) gradients: Buffer,
    /// The TD target of each item, for a scalar head.
    targets: Vec<f32>,
    /// Arrays of the action taken, for distributional heads; empty for a scalar head.
    distribution: Distribution,
}

/// Arrays of one action for each item, `[atom][stride]`.
#[derive(Default)]
struct Distribution {
    /// The target distribution: probabilities, or quantile samples.
    target: Buffer,
    /// The categorical target before its projection.
    bootstrap: Buffer,
    /// The predicted quantiles of the action taken.
    prediction: Buffer,
    levels: Buffer,
    gradients: Buffer,
    losses: Buffer,
    distances: Buffer,
}

impl Distribution {
    fn new(head: Head, levels: usize, stride: usize) -> Self {
        let columns = |atoms: usize| Buffer::zeros(atoms * stride);
        match head {
            Head::Scalar => Self::default(),
            Head::Categorical { atoms, .. } => {
                Self { target: columns(atoms), bootstrap: columns(atoms), ..Self::default() }
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                let count = head.atoms() * levels;
                let mut midpoints = columns(count);
                for (row, level) in midpoints.chunks_exact_mut(stride).zip(head::midpoints(count)) {
                    row.fill(level);
                }
                Self {
                    target: columns(count),
                    prediction: columns(count),
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

/// The loss of a batch. Its gradient with respect to the outputs is in [`BackwardScratch`].
pub(super) struct BatchLoss {
    /// The weighted sum of the items' losses.
    pub(super) sum: f32,
    /// The fraction of the targets' mass that was clipped to a categorical head's support.
    pub(super) clipped_share: Option<f32>,
}

impl UpdateScratch {
    pub(super) fn new(network: &QNetwork, config: &TrainConfig, rule: &TargetRule) -> Self {
        let batch_size = config.batch_size();
        let head = network.architecture().head;
        let (levels, acting_levels) = match head {
            Head::Implicit { acting_quantiles, .. } => (config.network.training_quantiles, acting_quantiles),
            Head::Scalar | Head::Categorical { .. } | Head::Quantile { .. } => (1, 1),
        };
        let is_implicit = matches!(head, Head::Implicit { .. });
        let online = ForwardPass::new(network, batch_size, levels);
        let needs_extra = rule.extra_pass().is_some() || is_implicit;
        let extra_levels = rule.extra_levels(levels, acting_levels);
        Self {
            target_next: ForwardPass::new(network, batch_size, levels),
            cache: TargetCache::new(network, config),
            extra: needs_extra.then(|| ForwardPass::new(network, batch_size, extra_levels)),
            backward: network.backward_scratch(&online.activations),
            gradients: Buffer::zeros(network.parameter_count()),
            targets: vec![0.0; batch_size],
            distribution: Distribution::new(head, levels, online.activations.stride()),
            online,
        }
    }

    /// Floating-point operations of one update, counting matrix products only.
    pub(super) fn flops(&self, network: &QNetwork) -> usize {
        let batch = self.targets.len();
        let passes = [Some(&self.online), Some(&self.target_next), self.extra.as_ref()];
        passes.into_iter().flatten().map(|pass| network.forward_flops(batch, pass.levels)).sum::<usize>()
            + network.backward_flops(batch, self.online.levels)
    }

    /// Runs all forward passes.
    pub(super) fn forward(
        &mut self,
        network: &QNetwork,
        rule: &TargetRule,
        (online, target): (&[f32], &[f32]),
        batch: &mut DrawnBatch,
        rng: &mut Rng,
    ) -> Result<(), Error> {
        let Self { cache, target_next, extra, .. } = self;
        let is_recalled = cache.as_mut().is_some_and(|cache| {
            cache.lookup(network, target, batch.replay(), &batch.get().ids, &mut target_next.activations)
        });
        if !is_recalled {
            let batch = batch.with_next_observations()?;
            target_next.forward(network, target, batch.next_obs.view(), rng);
            if let Some(cache) = cache {
                cache.store(&batch.ids, &target_next.activations);
            }
        }
        match (extra, rule.extra_pass()) {
            (None, _) => {}
            // An implicit head selects the next action at quantile levels of its own, with the target network.
            (Some(extra), None) => {
                extra.forward(network, target, batch.with_next_observations()?.next_obs.view(), rng);
            }
            (Some(extra), Some(ExtraPass::OnlineAtNext)) => {
                extra.forward(network, online, batch.with_next_observations()?.next_obs.view(), rng);
            }
            (Some(extra), Some(ExtraPass::TargetAtPresent)) => {
                extra.forward(network, target, batch.get().obs.view(), rng);
            }
        }
        self.online.forward(network, online, batch.get().obs.view(), rng);
        Ok(())
    }

    /// Which number of the forward passes and the loss is the first that is not finite.
    pub(super) fn first_not_finite(&self, network: &QNetwork, rule: &TargetRule) -> String {
        const NAMES: [&str; 2] = ["online", "target"];
        let extra_name = NAMES[usize::from(rule.extra_pass() != Some(ExtraPass::OnlineAtNext))];
        let passes =
            [(NAMES[0], Some(&self.online)), (NAMES[1], Some(&self.target_next)), (extra_name, self.extra.as_ref())];
        let mut largest = 0.0_f32;
        for (name, pass) in passes.into_iter().filter_map(|(name, pass)| Some((name, pass?))) {
            if let Some(layer) = pass.activations.first_layer_not_finite() {
                return format!("the output of layer {} of the {name} network", network.layers().name(layer));
            }
            largest = pass.activations.outputs().iter().fold(largest, |largest, x| largest.max(x.abs()));
        }
        format!("the loss (of network outputs up to {largest:.1e} in size)")
    }

    /// The loss of the batch, and its gradient with respect to the online network's outputs.
    pub(super) fn loss(
        &mut self,
        network: &QNetwork,
        rule: &TargetRule,
        loss: Loss,
        batch: &Batch,
        td_errors: &mut [f32],
    ) -> BatchLoss {
        let Self { online, target_next, extra, backward, targets, distribution, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = batch;
        let head = network.architecture().head;
        let values = {
            let extra_values = extra.as_ref().map(ForwardPass::q_values);
            let present = rule.extra_pass() == Some(ExtraPass::TargetAtPresent);
            let target_next = target_next.q_values().with_masks(next_masks);
            Values {
                target_next,
                selection: match extra_values {
                    Some(selection) if !present => selection.with_masks(next_masks),
                    _ => target_next,
                },
                target_present: extra_values.filter(|_| present),
            }
        };
        let at_next = |which: Network| match (which, &*extra) {
            (Network::Online, Some(pass)) => pass.distributions(head),
            _ => target_next.distributions(head),
        };
        let stride = online.activations.stride();
        let shape = (actions.len(), stride);
        let gradient = backward.output_deltas();
        let Distribution { target, bootstrap, prediction, levels, gradients, losses, distances } = distribution;
        match head {
            Head::Scalar => {
                target::td_targets(rule, &values, rewards, discounts, actions, targets);
                let q_values = online.q_values();
                let sum = scalar::of_batch(loss, q_values, actions, weights, targets, gradient, td_errors);
                BatchLoss { sum, clipped_share: None }
            }
            Head::Categorical { atoms, v_min, v_max } => {
                let support = Support { atoms, v_min: v_min as f32, v_max: v_max as f32 };
                target::bootstrap_distributions(rule, &values, at_next, shape, bootstrap);
                let clipped = categorical::project(support, rewards, discounts, bootstrap, stride, target);
                let outputs = (online.activations.outputs(), online.activations.probabilities());
                let sum = categorical::of_batch(outputs, stride, actions, weights, target, gradient, td_errors);
                BatchLoss { sum, clipped_share: Some(clipped / actions.len() as f32) }
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                target::bootstrap_distributions(rule, &values, at_next, shape, target);
                quantile::targets(rule, &values, rewards, discounts, actions, stride, target);
                for (item, action) in actions.iter().enumerate() {
                    gather(online.activations.outputs(), stride, item, *action, prediction);
                }
                let random_levels = online.activations.levels();
                kernels::quantile_huber(
                    network.path(),
                    &mut QuantileHuber {
                        predictions: prediction,
                        levels: if random_levels.is_empty() { levels } else { random_levels },
                        targets: target,
                        gradients,
                        losses,
                        distances,
                    },
                );
                td_errors.copy_from_slice(&distances[..td_errors.len()]);
                let sum = quantile::of_batch(losses, gradients, actions, weights, gradient);
                BatchLoss { sum, clipped_share: None }
            }
        }
    }

    /// The gradient of the loss with respect to every parameter of the online network.
    pub(super) fn backward(&mut self, network: &QNetwork, online: &[f32]) {
        let Self { backward, gradients, online: ForwardPass { activations, noise, effective, .. }, .. } = self;
        let parameters = if network.is_reparametrised() { effective } else { online };
        network.backward(parameters, activations, backward, gradients);
        network.gradients_from_effective(online, noise, gradients);
    }

    /// The online network's Q-values of the batch.
    pub(super) fn q_values(&self) -> QValues<'_> {
        self.online.q_values()
    }
}

/// Copies the column of `item` and `action` from `[action][atom][stride]` to `[atom][stride]`.
fn gather(from: &[f32], stride: usize, item: usize, action: usize, to: &mut [f32]) {
    for (at, value) in (item..to.len()).step_by(stride).zip(from[action * to.len()..].iter().skip(item).step_by(stride))
    {
        to[at] = *value;
    }
}

/// The target rule of a configuration.
pub(super) fn target_rule(config: &AgentConfig) -> TargetRule {
    TargetRule::new(config.target).with_munchausen(config.munchausen())
}
