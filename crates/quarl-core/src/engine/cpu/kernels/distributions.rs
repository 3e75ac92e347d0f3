//! Kernels of distributional heads: softmax and the quantile Huber loss, one item in each lane.
//!
//! # Safety
//! As in [`super::generic`].

use super::QuantileHuber;
use super::exp::exp;
use super::lanes::{LANES, Lanes};

/// [`super::softmax`].
#[inline(always)]
pub(super) unsafe fn softmax<V: Lanes>(logits: &[f32], stride: usize, probabilities: &mut [f32]) {
    let atoms = logits.len() / stride;
    // SAFETY: the parent has checked the lengths; the caller guarantees the instruction set.
    unsafe {
        for column in (0..stride).step_by(LANES) {
            let logit = |atom: usize| V::load_at(logits, atom * stride + column);
            let mut largest = logit(0);
            for atom in 1..atoms {
                largest = largest.max(logit(atom));
            }
            let mut sum = V::splat(0.0);
            for atom in 0..atoms {
                let weight = exp(logit(atom).sub(largest));
                weight.store_at(probabilities, atom * stride + column);
                sum = sum.add(weight);
            }
            for atom in 0..atoms {
                let at = atom * stride + column;
                V::load_at(probabilities, at).div(sum).store_at(probabilities, at);
            }
        }
    }
}

/// [`super::quantile_huber`].
#[inline(always)]
pub(super) unsafe fn quantile_huber<V: Lanes>(huber: &mut QuantileHuber) {
    let stride = huber.losses.len();
    let (predictions, targets) = (huber.predictions.len() / stride, huber.targets.len() / stride);
    // SAFETY: the parent has checked the lengths; the caller guarantees the instruction set.
    unsafe {
        let (zero, one, half) = (V::splat(0.0), V::splat(1.0), V::splat(0.5));
        let per_target = one.div(V::splat(targets as f32));
        for column in (0..stride).step_by(LANES) {
            let (mut loss, mut distance) = (zero, zero);
            for i in 0..predictions {
                let at = i * stride + column;
                let (prediction, level) = (V::load_at(huber.predictions, at), V::load_at(huber.levels, at));
                // |level - 1| less level: the change of the weight where the error is negative.
                let change = one.sub(level).sub(level);
                let (mut row_loss, mut row_slope) = (zero, zero);
                for j in 0..targets {
                    let error = V::load_at(huber.targets, j * stride + column).sub(prediction);
                    let negative = zero.sub(error);
                    let weight = level.add(change.where_positive(negative));
                    let clipped = error.max(V::splat(-1.0)).min(one);
                    // Huber with delta 1: e^2 / 2 inside, |e| - 1/2 outside.
                    let huber = clipped.mul(error.sub(half.mul(clipped)));
                    row_loss = weight.mul_add(huber, row_loss);
                    row_slope = weight.mul_add(clipped, row_slope);
                    distance = distance.add(error.max(negative));
                }
                loss = row_loss.mul_add(per_target, loss);
                zero.sub(row_slope.mul(per_target)).store_at(huber.gradients, at);
            }
            loss.store_at(huber.losses, column);
            let pairs = V::splat((predictions as u64 * targets as u64) as f32);
            distance.div(pairs).store_at(huber.distances, column);
        }
    }
}
