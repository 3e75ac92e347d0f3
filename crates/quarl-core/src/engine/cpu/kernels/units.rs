//! Kernels between two layers: activations, layer normalisation and the merging of quantile levels, `[unit][item]`.
//!
//! # Safety
//! As in [`super::generic`].

// The unit indexes several arrays of different layouts; iterating over one of them would hide that.
#![allow(clippy::needless_range_loop)]

use super::LayerNormCache;
use super::exp::exp;
use super::lanes::{LANES, Lanes};
use crate::network::Activation;

/// [`super::activate`].
#[inline(always)]
pub(super) unsafe fn activate<V: Lanes>(activation: Activation, values: &mut [f32]) {
    // SAFETY: the length is a multiple of the vector's; the caller guarantees the instruction set.
    unsafe {
        let (zero, one, two) = (V::splat(0.0), V::splat(1.0), V::splat(2.0));
        for at in (0..values.len()).step_by(LANES) {
            let x = V::load_at(values, at);
            let y = match activation {
                Activation::Relu => x.where_positive(x),
                // tanh x = 1 - 2 / (e^2x + 1): its absolute error is a rounding of 1, which is enough for the gradient 1 -
                // y^2.
                Activation::Tanh => one.sub(two.div(exp(x.add(x)).add(one))),
                Activation::Elu => x.max(zero).add(exp(x.min(zero)).sub(one)),
            };
            y.store_at(values, at);
        }
    }
}

/// [`super::activation_gradient`].
#[inline(always)]
pub(super) unsafe fn activation_gradient<V: Lanes>(activation: Activation, outputs: &[f32], deltas: &mut [f32]) {
    // SAFETY: both lengths are the same multiple of the vector's; the caller guarantees the instruction set.
    unsafe {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        for at in (0..deltas.len()).step_by(LANES) {
            let y = V::load_at(outputs, at);
            let delta = V::load_at(deltas, at);
            let delta = match activation {
                Activation::Relu => delta.where_positive(y),
                Activation::Tanh => delta.mul(one.sub(y.mul(y))),
                Activation::Elu => delta.mul(y.min(zero).add(one)),
            };
            delta.store_at(deltas, at);
        }
    }
}

/// [`super::layer_norm`].
#[inline(always)]
pub(super) unsafe fn layer_norm<V: Lanes>(
    cache: &mut LayerNormCache,
    weight: &[f32],
    bias: &[f32],
    values: &mut [f32],
) {
    let (all_normalised, inverse_deviations) = (&mut cache.normalised[..], &mut cache.inverse_deviations[..]);
    let stride = inverse_deviations.len();
    let units = weight.len();
    // SAFETY: the parent has checked the lengths; the caller guarantees the instruction set.
    unsafe {
        let (one, count) = (V::splat(1.0), V::splat(units as f32));
        for column in (0..stride).step_by(LANES) {
            let at = |unit: usize| unit * stride + column;
            let mut sum = V::splat(0.0);
            for unit in 0..units {
                sum = sum.add(V::load_at(values, at(unit)));
            }
            let mean = sum.div(count);
            let mut squares = V::splat(0.0);
            for unit in 0..units {
                let centred = V::load_at(values, at(unit)).sub(mean);
                squares = centred.mul_add(centred, squares);
            }
            let inverse = one.div(squares.div(count).add(V::splat(crate::network::LAYER_NORM_EPS)).sqrt());
            inverse.store_at(inverse_deviations, column);
            for unit in 0..units {
                let normalised = V::load_at(values, at(unit)).sub(mean).mul(inverse);
                normalised.store_at(all_normalised, at(unit));
                normalised.mul_add(V::splat(weight[unit]), V::splat(bias[unit])).store_at(values, at(unit));
            }
        }
    }
}

/// [`super::layer_norm_gradient`].
#[inline(always)]
pub(super) unsafe fn layer_norm_gradient<V: Lanes>(
    cache: &LayerNormCache,
    weight: &[f32],
    deltas: &mut [f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
) {
    let (normalised, inverse_deviations) = (&cache.normalised[..], &cache.inverse_deviations[..]);
    let stride = inverse_deviations.len();
    let units = weight.len();
    // SAFETY: the parent has checked the lengths; the caller guarantees the instruction set.
    unsafe {
        let normalised = |at: usize| V::load_at(normalised, at);
        for unit in 0..units {
            let (mut scaled, mut plain) = (V::splat(0.0), V::splat(0.0));
            for at in (unit * stride..(unit + 1) * stride).step_by(LANES) {
                let delta = V::load_at(deltas, at);
                scaled = delta.mul_add(normalised(at), scaled);
                plain = plain.add(delta);
            }
            weight_gradient[unit] = scaled.sum();
            bias_gradient[unit] = plain.sum();
        }
        let count = V::splat(units as f32);
        for column in (0..stride).step_by(LANES) {
            let at = |unit: usize| unit * stride + column;
            let (mut sum, mut projection) = (V::splat(0.0), V::splat(0.0));
            for unit in 0..units {
                let delta = V::load_at(deltas, at(unit)).mul(V::splat(weight[unit]));
                sum = sum.add(delta);
                projection = delta.mul_add(normalised(at(unit)), projection);
            }
            let (mean, projection) = (sum.div(count), projection.div(count));
            let inverse = V::load_at(inverse_deviations, column);
            for unit in 0..units {
                let delta = V::load_at(deltas, at(unit)).mul(V::splat(weight[unit])).sub(mean);
                delta.sub(normalised(at(unit)).mul(projection)).mul(inverse).store_at(deltas, at(unit));
            }
        }
    }
}

/// [`super::merge`].
#[inline(always)]
pub(super) unsafe fn merge<V: Lanes>(trunk: &[f32], stride: usize, embedded: &[f32], merged: &mut [f32]) {
    let columns = merged.len() / (trunk.len() / stride);
    for (unit, trunk) in trunk.chunks_exact(stride).enumerate() {
        for column in (0..stride).step_by(LANES) {
            // SAFETY: the parent has checked the lengths; the caller guarantees the instruction set.
            unsafe {
                let of_trunk = V::load_at(trunk, column);
                for at in (unit * columns + column..(unit + 1) * columns).step_by(stride) {
                    V::load_at(embedded, at).mul(of_trunk).store_at(merged, at);
                }
            }
        }
    }
}

/// [`super::merge_gradient`].
#[inline(always)]
pub(super) unsafe fn merge_gradient<V: Lanes>(
    trunk: &[f32],
    stride: usize,
    embedded: &[f32],
    deltas: &mut [f32],
    trunk_deltas: &mut [f32],
) {
    let columns = deltas.len() / (trunk.len() / stride);
    for (unit, trunk) in trunk.chunks_exact(stride).enumerate() {
        for column in (0..stride).step_by(LANES) {
            // SAFETY: as in `merge`.
            unsafe {
                let of_trunk = V::load_at(trunk, column);
                let mut sum = V::splat(0.0);
                for at in (unit * columns + column..(unit + 1) * columns).step_by(stride) {
                    let (delta, of_level) = (V::load_at(deltas, at), V::load_at(embedded, at));
                    sum = delta.mul_add(of_level, sum);
                    delta.mul(of_trunk).where_positive(of_level).store_at(deltas, at);
                }
                sum.store_at(trunk_deltas, unit * stride + column);
            }
        }
    }
}
