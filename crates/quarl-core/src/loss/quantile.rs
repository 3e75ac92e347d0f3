//! The quantile Huber loss of QR-DQN and IQN (Dabney et al. 2018a and b).
//!
//! The CPU engine sums over all pairs of predicted quantiles and target samples with a vectorised kernel
//! (`engine/cpu/kernels/distributions.rs`). [`value_and_gradient`] defines that kernel, and the kernel's tests compare it
//! with this function.

use crate::target::{TargetRule, Values};

/// The quantile Huber loss (delta 1) of one predicted quantile against one target sample, `|level - 1 if error < 0| *
/// huber(error)`, and its derivative with respect to the prediction, for `error = target - prediction`.
#[doc(hidden)] // for the tests
pub fn value_and_gradient(level: f32, error: f32) -> (f32, f32) {
    let weight = if error < 0.0 { 1.0 - level } else { level };
    let clipped = error.clamp(-1.0, 1.0);
    (weight * clipped * (error - 0.5 * clipped), -weight * clipped)
}

/// Target samples of each item: `reward + bonus + discount * bootstrap`, where `samples` holds the bootstraps,
/// `[quantile][stride]`. Where the discount is 0 the bootstrap is not evaluated.
pub fn targets(
    rule: &TargetRule,
    values: &Values,
    rewards: &[f32],
    discounts: &[f32],
    actions: &[usize],
    stride: usize,
    samples: &mut [f32],
) {
    for (item, (reward, discount)) in rewards.iter().zip(discounts).enumerate() {
        let reward = reward + rule.bonus(values, item, actions[item]);
        for sample in samples[item..].iter_mut().step_by(stride) {
            *sample = reward + if *discount == 0.0 { 0.0 } else { discount * *sample };
        }
    }
}

/// The loss of a batch from each item's loss, `[stride]`, and from its gradient with respect to the quantiles of the action
/// taken, `[quantile][stride]`. `gradient` is `[action][quantile][stride]`.
pub fn of_batch(losses: &[f32], gradients: &[f32], actions: &[usize], weights: &[f32], gradient: &mut [f32]) -> f32 {
    let (block, stride) = (gradients.len(), losses.len());
    let per_item = 1.0 / actions.len() as f32;
    let mut sum = 0.0;
    for (item, action) in actions.iter().enumerate() {
        let scale = weights[item] * per_item;
        for at in (item..block).step_by(stride) {
            gradient[action * block + at] = scale * gradients[at];
        }
        sum += weights[item] * losses[item];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;

    #[test]
    fn by_hand() {
        // A prediction 3 below the target at level 0.9; a prediction 0.5 above the target.
        assert_eq!(value_and_gradient(0.9, 3.0), (0.9 * 2.5, -0.9));
        let (value, gradient) = value_and_gradient(0.75, -0.5);
        assert_eq!((value, gradient), (0.25 * 0.125, 0.25 * 0.5));
    }

    #[test]
    fn the_median_is_half_the_scalar_huber_loss() {
        for error in [-4.0_f32, -1.0, -0.3, 0.0, 0.2, 1.0, 7.5] {
            let (value, gradient) = Loss::Huber.value_and_gradient(-error);
            assert_eq!(value_and_gradient(0.5, error), (0.5 * value, 0.5 * gradient), "{error}");
        }
    }
}
