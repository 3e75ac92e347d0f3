//! Each head's loss of a batch, and its gradient: a number against a number, a distribution against a distribution, or
//! quantiles against samples.

use super::learn::{Distribution, LearnScratch, TargetRule};
use crate::config::AgentConfig;
use crate::loss::categorical::{self, Support};
use crate::network::QNetwork;
use crate::network::kernels::{self, QuantileHuberPass};
use crate::target;
use crate::transition::Batch;

/// Copies the column of `item` under `action` out of `[action][atom][stride]`.
fn gather(from: &[f32], stride: usize, item: usize, action: usize, to: &mut [f32]) {
    for (at, value) in (item..to.len()).step_by(stride).zip(from[action * to.len()..].iter().skip(item).step_by(stride))
    {
        to[at] = *value;
    }
}

impl LearnScratch {
    /// The loss's sum over items, for Q-values; its gradient goes into the backward scratch.
    pub(super) fn scalar_loss(&mut self, config: &AgentConfig) -> f32 {
        let Self { batch, online, target_next, target_rule, backward, targets, priorities, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = &*batch;
        let q_target_next = target_next.q_values().with_masks(next_masks);
        match &*target_rule {
            TargetRule::Max { .. } => target::max(rewards, discounts, q_target_next, targets),
            TargetRule::Double { selection } => {
                let q_online_next = selection.q_values().with_masks(next_masks);
                target::double(rewards, discounts, q_online_next, q_target_next, targets);
            }
            TargetRule::Munchausen { target_now } => {
                let q_target = (target_now.q_values(), q_target_next);
                target::munchausen(config.munchausen(), rewards, discounts, actions, q_target, targets);
            }
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
    pub(super) fn categorical_loss(&mut self, support: Support) -> f32 {
        let Self { batch, online, target_next, target_rule, backward, distribution, priorities, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = &*batch;
        let Distribution { prediction, target, next, .. } = distribution;
        let stride = online.activations.stride();
        let q_selector = target_rule.selection().unwrap_or(target_next).q_values().with_masks(next_masks);
        for item in 0..rewards.len() {
            gather(target_next.activations.probabilities(), stride, item, q_selector.argmax(item), next);
        }
        let clipped = categorical::project(support, rewards, discounts, next, stride, target);
        self.clipped_share = Some(clipped / rewards.len() as f32);

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
    pub(super) fn quantile_loss(&mut self, network: &QNetwork, config: &AgentConfig) -> f32 {
        let Self { batch, online, target_next, target_rule, backward, distribution, priorities, .. } = self;
        let Batch { rewards, discounts, actions, weights, next_masks, .. } = &*batch;
        let Distribution { prediction, target, levels, gradients, losses, distances, .. } = distribution;
        let stride = online.activations.stride();
        let block = prediction.len();
        let next = target_next.activations.outputs();
        let q_target_next = target_next.q_values().with_masks(next_masks);
        let q_selector = target_rule.selection().unwrap_or(target_next).q_values().with_masks(next_masks);
        let munchausen = config.munchausen();
        for item in 0..rewards.len() {
            gather(online.activations.outputs(), stride, item, actions[item], prediction);
            let bonus = match &*target_rule {
                TargetRule::Max { .. } | TargetRule::Double { .. } => {
                    gather(next, stride, item, q_selector.argmax(item), target);
                    0.0
                }
                TargetRule::Munchausen { target_now } => {
                    (item..block).step_by(stride).for_each(|at| target[at] = 0.0);
                    for action in (0..q_target_next.actions()).filter(|a| q_target_next.is_allowed(item, *a)) {
                        let (probability, log) =
                            target::policy_and_log(munchausen.temperature, q_target_next, item, action);
                        for at in (item..block).step_by(stride) {
                            target[at] += probability * (next[action * block + at] - log);
                        }
                    }
                    target::munchausen_bonus(munchausen, target_now.q_values(), item, actions[item])
                }
            };
            for at in (item..block).step_by(stride) {
                let bootstrap = if discounts[item] == 0.0 { 0.0 } else { discounts[item] * target[at] };
                target[at] = rewards[item] + bonus + bootstrap;
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
