//! SIMD kernels: the arithmetic of training, for each instruction set, with the same results, bit for bit, on all of them.
//!
//! Layout: weights are PyTorch's `[out][in]`; activations are *feature-major*, `[feature][item]`, so that a row holds one
//! feature of the whole batch, and its length, padded to a multiple of 16, fills whole vectors. With this layout the
//! forward product (W x), the backward product (W^T dy) and the weight gradient (dy x^T) are one kernel, `product`; only
//! x^T needs a transposition.
//!
//! This is the only module with `unsafe` code. The functions here are safe: they check every length, then call the
//! implementation of the chosen path.
#![allow(unsafe_code)]

mod arguments;
mod distributions;
mod exp;
mod generic;
mod lanes;
mod optimizers;
mod path;
#[cfg(test)]
mod tests;
mod units;

use crate::network::Activation;
use arguments::holds;
pub(crate) use arguments::{AdamStep, Epilogue, LayerNormCache, Product, QuantileHuber, RmsPropStep, SgdStep};
pub(crate) use lanes::LANES;
pub use path::CpuPath;
pub(crate) use path::Implementation;

/// Compiles each kernel for each instruction set, and defines its safe function.
macro_rules! kernels {
    ($($kernel:tt)*) => {
        #[cfg(target_arch = "x86_64")]
        compiled! { avx512, lanes::Avx512, target_feature(enable = "avx512f"), [6, 8, 16], 16, $($kernel)* }
        #[cfg(target_arch = "x86_64")]
        compiled! { avx2, lanes::Avx2, target_feature(enable = "avx2,fma"), [0, 0, 6], 6, $($kernel)* }
        #[cfg(target_arch = "x86_64")]
        compiled! { scalar_fma, lanes::Scalar<true>, target_feature(enable = "fma"), [0, 0, 6], 6, $($kernel)* }
        #[cfg(target_arch = "aarch64")]
        compiled! { neon, lanes::Neon, target_feature(enable = "neon"), [0, 0, 6], 6, $($kernel)* }
        compiled! { scalar, lanes::Scalar<false>, inline(never), [0, 0, 2], 2, $($kernel)* }
        safe_functions! { $($kernel)* }
    };
}

/// One module with every kernel over one `Lanes` type, compiled for its instruction set. The bracketed numbers are the rows
/// of a product's tiles with four, two and one vectors (0: no such tile); the last number is the count of independent
/// multiply-add chains that keeps the processor busy.
macro_rules! compiled {
    (
        $module:ident, $lanes:ty, $instructions:meta, [$rows_of_4:literal, $rows_of_2:literal, $rows_of_1:literal], $chains:literal,
        $($(#[$doc:meta])* fn $name:ident[$($tile:ident),*]($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? { $($check:stmt)* })*
    ) => {
        mod $module {
            use super::*;
            pub(super) const ROWS_OF_4: usize = $rows_of_4;
            pub(super) const ROWS_OF_2: usize = $rows_of_2;
            pub(super) const ROWS_OF_1: usize = $rows_of_1;
            pub(super) const CHAINS: usize = $chains;
            $(#[$instructions]
            pub(super) unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                // SAFETY: the caller has checked that the processor has these instructions, and has checked the lengths.
                unsafe { generic::$name::<$lanes, $({ $tile }),*>($($arg),*) }
            })*
        }
    };
}

/// The safe functions: they check the lengths and that the processor has the instructions.
macro_rules! safe_functions {
    ($($(#[$doc:meta])* fn $name:ident[$($tile:ident),*]($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? { $($check:stmt)* })*) => {
        $($(#[$doc])* pub(crate) fn $name(path: impl Into<Implementation>, $($arg: $type),*) $(-> $ret)? {
            let implementation = path.into();
            $($check)*
            // A caller can pass any path, so the processor is checked each time (one bit test).
            assert!(implementation.is_available(), "this machine's processor lacks {implementation:?}");
            // SAFETY: the processor has the instructions; the lengths have just been checked.
            unsafe {
                match implementation {
                    #[cfg(target_arch = "x86_64")]
                    Implementation::Avx512 => avx512::$name($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Implementation::Avx2 => avx2::$name($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Implementation::ScalarFma => scalar_fma::$name($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    Implementation::Neon => neon::$name($($arg),*),
                    _ => scalar::$name($($arg),*),
                }
            }
        })*
    };
}

kernels! {
    /// The matrix product of forward pass, backward pass and weight gradients; see [`Product`].
    fn product[ROWS_OF_4, ROWS_OF_2, ROWS_OF_1](product: &mut Product) {
        product.check()
    }

    /// `target[j][i] = source[i][j]` for `rows` times `columns`, where `columns` is a multiple of 16.
    fn transpose[](source: &[f32], rows: usize, source_stride: usize, target: &mut [f32], target_stride: usize, columns: usize) {
        assert!(rows > 0 && columns > 0 && columns.is_multiple_of(LANES))
        assert!(holds(source.len(), rows, columns, source_stride) && holds(target.len(), columns, rows, target_stride))
    }

    /// The sum of each row of `source` (`[sums.len()][stride]`, the stride a multiple of 16); used for bias gradients.
    fn row_sums[](source: &[f32], stride: usize, sums: &mut [f32]) {
        assert!(stride > 0 && stride.is_multiple_of(LANES) && holds(source.len(), sums.len(), stride, stride))
    }

    /// `output = weight * input + bias`, with `weight` as `[output][input]`: one layer for one observation.
    fn affine[](weight: &[f32], bias: &[f32], input: &[f32], relu: bool, output: &mut [f32]) {
        assert!(!input.is_empty() && holds(weight.len(), output.len(), input.len(), input.len()))
        assert!(bias.len() >= output.len())
    }

    /// The sum of the squares of `values` (length a multiple of 16).
    fn sum_of_squares[](values: &[f32]) -> f32 {
        assert!(values.len().is_multiple_of(LANES))
    }

    /// One step of Adam; see [`AdamStep`]. Returns zero if all new parameters are finite, else NaN.
    fn adam[](step: &mut AdamStep) -> f32 {
        assert!(step.parameters.len().is_multiple_of(LANES) && step.gradients.len() == step.parameters.len())
        assert!(step.first_moment.len() == step.parameters.len() && step.second_moment.len() == step.parameters.len())
    }

    /// One step of RMSProp; see [`RmsPropStep`]. Returns zero if all new parameters are finite, else NaN.
    fn rmsprop[](step: &mut RmsPropStep) -> f32 {
        assert!(step.parameters.len().is_multiple_of(LANES) && step.gradients.len() == step.parameters.len())
        assert!(step.square.len() == step.parameters.len())
        assert!(step.mean.is_empty() || step.mean.len() == step.parameters.len())
        assert!(step.velocity.is_empty() || step.velocity.len() == step.parameters.len())
    }

    /// One step of SGD; see [`SgdStep`]. Returns zero if all new parameters are finite, else NaN.
    fn sgd[](step: &mut SgdStep) -> f32 {
        assert!(step.parameters.len().is_multiple_of(LANES) && step.gradients.len() == step.parameters.len())
        assert!(step.velocity.is_empty() || step.velocity.len() == step.parameters.len())
    }

    /// Polyak averaging: `target += tau * (source - target)` (equal lengths, a multiple of 16).
    fn polyak_update[](target: &mut [f32], source: &[f32], tau: f32) {
        assert!(target.len() == source.len() && target.len().is_multiple_of(LANES))
    }

    /// Applies an activation to `values` in place (length a multiple of 16).
    fn activate[](activation: Activation, values: &mut [f32]) {
        assert!(values.len().is_multiple_of(LANES))
    }

    /// From the gradient with respect to an activation's output to the gradient with respect to its input, in place;
    /// `outputs` are the activation's outputs (equal lengths, a multiple of 16).
    fn activation_gradient[](activation: Activation, outputs: &[f32], deltas: &mut [f32]) {
        assert!(outputs.len() == deltas.len() && deltas.len().is_multiple_of(LANES))
    }

    /// Normalises each item of `values` (`[unit][stride]`) over its units, then scales and shifts each unit (Ba et al.
    /// 2016).
    fn layer_norm[](cache: &mut LayerNormCache, weight: &[f32], bias: &[f32], values: &mut [f32]) {
        arguments::check_layer_norm(cache, weight.len(), values.len())
        assert!(bias.len() == weight.len())
    }

    /// From the gradient with respect to a layer normalisation's output to the gradient with respect to its input, in
    /// place.
    fn layer_norm_gradient[](
        cache: &LayerNormCache,
        weight: &[f32],
        deltas: &mut [f32],
        weight_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        arguments::check_layer_norm(cache, weight.len(), deltas.len())
        assert!(weight_gradient.len() == weight.len() && bias_gradient.len() == weight.len())
    }

    /// `merged = embedded * trunk`: `[unit][level][stride]` times `[unit][stride]`, the latter repeated for each level.
    fn merge[](trunk: &[f32], stride: usize, embedded: &[f32], merged: &mut [f32]) {
        arguments::check_merge(trunk.len(), stride, embedded.len(), merged.len())
    }

    /// The gradient of [`merge`] with respect to the trunk, summed over levels in order. `deltas` is the gradient with
    /// respect to the result; it becomes the gradient with respect to the embedding before its ReLU.
    fn merge_gradient[](
        trunk: &[f32],
        stride: usize,
        embedded: &[f32],
        deltas: &mut [f32],
        trunk_deltas: &mut [f32],
    ) {
        arguments::check_merge(trunk.len(), stride, embedded.len(), deltas.len())
        assert!(trunk_deltas.len() == trunk.len())
    }

    /// Each item's softmax probabilities from its logits, both `[atom][stride]`, the stride a multiple of 16.
    fn softmax[](logits: &[f32], stride: usize, probabilities: &mut [f32]) {
        assert!(stride > 0 && stride.is_multiple_of(LANES) && !logits.is_empty())
        assert!(logits.len().is_multiple_of(stride) && probabilities.len() == logits.len())
    }

    /// The quantile Huber loss; see [`QuantileHuber`].
    fn quantile_huber[](huber: &mut QuantileHuber) {
        huber.check()
    }

    /// [`CpuPath::multiply_adds`].
    fn multiply_add_loop[CHAINS](repetitions: u64) -> f32 {}
}

impl CpuPath {
    /// Runs independent multiply-adds `repetitions` times, for measuring the processor's peak. One repetition is
    /// [`CpuPath::multiply_add_flops`] operations. The result only prevents the compiler from removing the work.
    ///
    /// # Panics
    /// When this machine lacks the path.
    pub fn multiply_adds(self, repetitions: u64) -> f32 {
        multiply_add_loop(self, repetitions)
    }

    /// Floating-point operations of one repetition of [`CpuPath::multiply_adds`].
    pub fn multiply_add_flops(self) -> u64 {
        let chains = match Implementation::from(self) {
            #[cfg(target_arch = "x86_64")]
            Implementation::Avx512 => avx512::CHAINS,
            #[cfg(target_arch = "x86_64")]
            Implementation::Avx2 => avx2::CHAINS,
            #[cfg(target_arch = "x86_64")]
            Implementation::ScalarFma => scalar_fma::CHAINS,
            #[cfg(target_arch = "aarch64")]
            Implementation::Neon => neon::CHAINS,
            _ => scalar::CHAINS,
        };
        (chains * LANES * 2) as u64
    }
}
