//! Kernels of the optimizers, each one loop over gradients, moments and parameters.

use super::lanes::{LANES, Lanes};
use super::{AdamStep, RmsPropStep, SgdStep};

/// Moments below this number are set to zero. It is far above subnormal numbers (1.2e-38), and far too small to change a
/// step.
const SMALLEST_MOMENT: f32 = 1e-30;

/// [`super::adam`]: one loop over gradients, both moments and parameters. Square root and division are the processor's:
/// they are exact, hence the same everywhere, and as fast as Newton iterations with multiply-adds (measured).
///
/// The moments of a unit that is never active decay towards zero. Below [`SMALLEST_MOMENT`] they are set to zero: as
/// subnormal numbers they would slow every operation down (measured: a step takes five times as long after some hundred
/// steps), and they are too small to change a parameter.
#[inline(always)]
pub(super) unsafe fn adam<V: Lanes>(step: &mut AdamStep) -> f32 {
    // SAFETY: all four slices have the same length, a multiple of the vector's; the caller guarantees the instruction set.
    unsafe {
        let gradient_scale = V::splat(step.gradient_scale);
        let one_minus_beta1 = V::splat(step.one_minus_beta1);
        let (beta2, one_minus_beta2) = (V::splat(step.beta2), V::splat(step.one_minus_beta2));
        let (root_scale, eps, step_size) = (V::splat(step.root_scale), V::splat(step.eps), V::splat(step.step_size));
        let smallest = V::splat(SMALLEST_MOMENT);
        let zero = V::splat(0.0);
        let mut nothing = zero;
        for at in (0..step.parameters.len()).step_by(LANES) {
            let gradient = V::load_at(step.gradients, at).mul(gradient_scale);
            let old = V::load_at(step.first_moment, at);
            let moment = gradient.sub(old).mul_add(one_minus_beta1, old).flush_below(smallest);
            let square = V::load_at(step.second_moment, at).mul(beta2);
            let square = gradient.mul(gradient).mul_add(one_minus_beta2, square).flush_below(smallest);
            let denominator = square.sqrt().mul_add(root_scale, eps);
            let update = moment.mul(step_size).div(denominator);
            moment.store_at(step.first_moment, at);
            square.store_at(step.second_moment, at);
            let updated = V::load_at(step.parameters, at).sub(update);
            updated.store_at(step.parameters, at);
            nothing = updated.mul_add(zero, nothing);
        }
        nothing.sum()
    }
}

/// [`super::rmsprop`]: one loop over gradients and moments. Averages below [`SMALLEST_MOMENT`] are set to zero, as in Adam.
#[inline(always)]
pub(super) unsafe fn rmsprop<V: Lanes>(step: &mut RmsPropStep) -> f32 {
    // SAFETY: the slices have one length, a multiple of the vector's, and empty ones are not touched; the caller
    // guarantees the instruction set.
    unsafe {
        let (centered, with_momentum) = (!step.mean.is_empty(), !step.velocity.is_empty());
        let gradient_scale = V::splat(step.gradient_scale);
        let (alpha, one_minus_alpha) = (V::splat(step.alpha), V::splat(step.one_minus_alpha));
        let (eps_inside, eps_outside) = (V::splat(step.eps_inside), V::splat(step.eps_outside));
        let (momentum, lr) = (V::splat(step.momentum), V::splat(step.lr));
        let (smallest, zero) = (V::splat(SMALLEST_MOMENT), V::splat(0.0));
        let mut nothing = zero;
        for at in (0..step.parameters.len()).step_by(LANES) {
            let gradient = V::load_at(step.gradients, at).mul(gradient_scale);
            let square = V::load_at(step.square, at).mul(alpha);
            let square = gradient.mul(gradient).mul_add(one_minus_alpha, square).flush_below(smallest);
            square.store_at(step.square, at);
            let mut under_root = square;
            if centered {
                let old = V::load_at(step.mean, at);
                let mean = gradient.sub(old).mul_add(one_minus_alpha, old).flush_below(smallest);
                mean.store_at(step.mean, at);
                // Rounding can make it negative.
                let variance = square.sub(mean.mul(mean));
                under_root = variance.where_positive(variance);
            }
            let mut update = gradient.div(under_root.add(eps_inside).sqrt().add(eps_outside));
            if with_momentum {
                update = V::load_at(step.velocity, at).mul_add(momentum, update).flush_below(smallest);
                update.store_at(step.velocity, at);
            }
            let updated = V::load_at(step.parameters, at).sub(update.mul(lr));
            updated.store_at(step.parameters, at);
            nothing = updated.mul_add(zero, nothing);
        }
        nothing.sum()
    }
}

/// [`super::sgd`].
#[inline(always)]
pub(super) unsafe fn sgd<V: Lanes>(step: &mut SgdStep) -> f32 {
    // SAFETY: the slices have one length, a multiple of the vector's, and an empty one is not touched; the caller
    // guarantees the instruction set.
    unsafe {
        let with_momentum = !step.velocity.is_empty();
        let gradient_scale = V::splat(step.gradient_scale);
        let (momentum, lr) = (V::splat(step.momentum), V::splat(step.lr));
        let (smallest, zero) = (V::splat(SMALLEST_MOMENT), V::splat(0.0));
        let mut nothing = zero;
        for at in (0..step.parameters.len()).step_by(LANES) {
            let gradient = V::load_at(step.gradients, at).mul(gradient_scale);
            let mut update = gradient;
            if with_momentum {
                let velocity = V::load_at(step.velocity, at).mul_add(momentum, gradient).flush_below(smallest);
                velocity.store_at(step.velocity, at);
                update = if step.nesterov { velocity.mul_add(momentum, gradient) } else { velocity };
            }
            let updated = V::load_at(step.parameters, at).sub(update.mul(lr));
            updated.store_at(step.parameters, at);
            nothing = updated.mul_add(zero, nothing);
        }
        nothing.sum()
    }
}
