//! The arithmetic that training spends its time in, for each instruction set, bit for bit the same on all of them.
//!
//! Layout: weights are PyTorch's `[out][in]`; activations are *feature-major*, `[feature][item]`, so that a row is one
//! feature over the whole batch and its length, padded to a multiple of 16, fills whole vectors. Then the forward product
//! (W x), the backward product (W^T dy) and the weight gradient (dy x^T) are one kernel, `product`; only x^T needs a
//! transposition.
//!
//! This is the one module with `unsafe` code. The functions here are safe: they check every length, then call the wrapper
//! of the chosen path.
#![allow(unsafe_code)]

mod distributions;
mod exp;
mod generic;
mod lanes;
#[cfg(test)]
mod tests;
mod units;

use serde::{Deserialize, Serialize};

use super::architecture::Activation;
use super::buffer::Buffer;
use crate::error::Error;
pub(crate) use lanes::LANES;

/// Which instruction set the kernels use. Results are the same on every path; only the time differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuPath {
    /// AVX-512F: 16 floats a register.
    Avx512,
    /// AVX2 with FMA: 8 floats a register.
    Avx2,
    /// AArch64's NEON: 4 floats a register.
    Neon,
    /// No vector instructions; works everywhere, and slowly.
    Scalar,
}

impl CpuPath {
    /// All paths, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Scalar];

    /// Its name, as `QUARL_CPU` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            Self::Scalar => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// The paths that this machine has, the fastest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|path| path.is_available()).collect()
    }

    /// The path to use: what the environment variable `QUARL_CPU` names, else the fastest that the machine has.
    ///
    /// # Errors
    /// [`Error::CpuPath`] where the variable names no path, or one that this machine lacks.
    pub fn select() -> Result<Self, Error> {
        match std::env::var("QUARL_CPU") {
            Ok(wanted) if !wanted.is_empty() => Self::parse(&wanted),
            _ => Ok(Self::available()[0]),
        }
    }

    /// The path of this name, if this machine has it.
    ///
    /// # Errors
    /// As [`CpuPath::select`].
    pub fn parse(wanted: &str) -> Result<Self, Error> {
        let available = || Self::available().iter().map(|path| path.name()).collect::<Vec<_>>().join(", ");
        let error = |what: &str| Error::CpuPath {
            wanted: wanted.to_owned(),
            remedy: format!("{what}; this machine has {}", available()),
        };
        match Self::ALL.into_iter().find(|path| path.name() == wanted) {
            None => Err(error("no such path")),
            Some(path) if !path.is_available() => Err(error("this machine's processor lacks it")),
            Some(path) => Ok(path),
        }
    }
}

/// What happens to an element of a product before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// Nothing.
    Plain,
    /// `max(x, 0)`.
    Relu,
    /// Zero where this array, laid out as the result, is not positive: the gradient through a ReLU.
    WherePositive(&'a [f32]),
}

/// `C[i][j] = bias[i] + sum over k of A[i][k] * B[k][j]`, k in ascending order, fused.
pub(crate) struct Product<'a> {
    /// Rows of A and C.
    pub(crate) rows: usize,
    /// Columns of C to store. B's rows are padded to whole vectors.
    pub(crate) columns: usize,
    /// Columns of A, rows of B.
    pub(crate) depth: usize,
    /// `[rows][depth]`, or `[depth][rows]` if `a_transposed`.
    pub(crate) a: &'a [f32],
    pub(crate) a_transposed: bool,
    /// From one stored row of A to the next.
    pub(crate) a_stride: usize,
    /// `[depth][b_stride]`.
    pub(crate) b: &'a [f32],
    pub(crate) b_stride: usize,
    /// `[rows][c_stride]`.
    pub(crate) c: &'a mut [f32],
    pub(crate) c_stride: usize,
    /// What each row starts from; zero if there is none.
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) finish: Finish<'a>,
}

impl Product<'_> {
    /// Panics where a slice is too short for the shape: a mistake of this crate, never of its user.
    fn check(&self) {
        let vectors = self.columns.div_ceil(LANES) * LANES;
        let (stored_rows, stored_columns) =
            if self.a_transposed { (self.depth, self.rows) } else { (self.rows, self.depth) };
        assert!(self.rows > 0 && self.depth > 0 && self.columns > 0);
        assert!(stored_columns <= self.a_stride && self.a.len() >= (stored_rows - 1) * self.a_stride + stored_columns);
        assert!(vectors <= self.b_stride && self.b.len() >= (self.depth - 1) * self.b_stride + vectors);
        assert!(self.columns <= self.c_stride && self.c.len() >= (self.rows - 1) * self.c_stride + self.columns);
        assert!(self.bias.is_none_or(|bias| bias.len() >= self.rows));
        if let Finish::WherePositive(gate) = self.finish {
            assert!(gate.len() >= (self.rows - 1) * self.c_stride + vectors);
        }
    }
}

/// One step of Adam over all parameters. The slices have one length, a multiple of 16.
pub(crate) struct AdamPass<'a> {
    pub(crate) parameters: &'a mut [f32],
    pub(crate) gradients: &'a [f32],
    pub(crate) first_moment: &'a mut [f32],
    pub(crate) second_moment: &'a mut [f32],
    /// What the gradients are multiplied by first (clipping).
    pub(crate) gradient_scale: f32,
    pub(crate) one_minus_beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) one_minus_beta2: f32,
    /// `1 / sqrt(1 - beta2^t)`.
    pub(crate) root_scale: f32,
    pub(crate) eps: f32,
    /// `lr / (1 - beta1^t)`.
    pub(crate) step_size: f32,
}

/// Added to the variance before its root is taken, as PyTorch's `LayerNorm` does.
pub(crate) const LAYER_NORM_EPS: f32 = 1e-5;

/// What a layer normalisation keeps for its gradient.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormPass {
    /// The normalised values, before weight and bias, `[unit][stride]`.
    pub(crate) normalised: Buffer,
    /// One over each item's standard deviation, `[stride]`.
    pub(crate) inverse_deviations: Buffer,
}

/// The quantile Huber loss of each item (Dabney et al. 2018a, delta 1): summed over predictions, averaged over targets.
/// All arrays are `[..][stride]`, the stride a multiple of 16.
pub(crate) struct QuantileHuberPass<'a> {
    /// The predicted quantiles of the action taken.
    pub(crate) predictions: &'a [f32],
    /// Each prediction's quantile level, in (0, 1).
    pub(crate) levels: &'a [f32],
    /// Samples of the target distribution.
    pub(crate) targets: &'a [f32],
    /// The loss's gradient with respect to each prediction.
    pub(crate) gradients: &'a mut [f32],
    /// Each item's loss, `[stride]`.
    pub(crate) losses: &'a mut [f32],
    /// Each item's mean absolute TD error over all pairs, `[stride]`.
    pub(crate) distances: &'a mut [f32],
}

impl QuantileHuberPass<'_> {
    /// Panics where the slices do not fit together: a mistake of this crate, never of its user.
    fn check(&self) {
        let stride = self.losses.len();
        assert!(stride > 0 && stride.is_multiple_of(LANES) && self.distances.len() == stride);
        assert!(self.predictions.len().is_multiple_of(stride) && self.targets.len().is_multiple_of(stride));
        assert!(!self.predictions.is_empty() && !self.targets.is_empty());
        assert!(self.levels.len() == self.predictions.len() && self.gradients.len() == self.predictions.len());
    }
}

/// One step of RMSProp over all parameters. The slices have one length, a multiple of 16, or none where they are not used.
pub(crate) struct RmsPropPass<'a> {
    pub(crate) parameters: &'a mut [f32],
    pub(crate) gradients: &'a [f32],
    pub(crate) square: &'a mut [f32],
    /// The mean gradient; empty unless centred.
    pub(crate) mean: &'a mut [f32],
    /// Empty without momentum.
    pub(crate) velocity: &'a mut [f32],
    pub(crate) gradient_scale: f32,
    pub(crate) alpha: f32,
    pub(crate) one_minus_alpha: f32,
    /// Added under the root and after it; one of them is zero.
    pub(crate) eps_inside: f32,
    pub(crate) eps_outside: f32,
    pub(crate) momentum: f32,
    pub(crate) lr: f32,
}

/// One step of gradient descent over all parameters. The slices have one length, a multiple of 16.
pub(crate) struct SgdPass<'a> {
    pub(crate) parameters: &'a mut [f32],
    pub(crate) gradients: &'a [f32],
    /// Empty without momentum.
    pub(crate) velocity: &'a mut [f32],
    pub(crate) gradient_scale: f32,
    pub(crate) momentum: f32,
    pub(crate) nesterov: bool,
    pub(crate) lr: f32,
}

/// Compiles each kernel for each path, and gives it one safe door.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident[$($tile:ident),*]($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? { $($check:stmt)* })*) => {
        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            use super::{Activation, AdamPass, LayerNormPass, Product, QuantileHuberPass, generic, lanes::Avx512};
            pub(super) const ROWS_OF_4: usize = 6;
            pub(super) const ROWS_OF_2: usize = 8;
            pub(super) const ROWS_OF_1: usize = 16;
            pub(super) const CHAINS: usize = 16;
            $(#[target_feature(enable = "avx512f")]
            pub(super) unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                // SAFETY: the caller has seen that the processor has AVX-512F, and has checked the lengths.
                unsafe { generic::$name::<Avx512, $({ $tile }),*>($($arg),*) }
            })*
        }
        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            use super::{Activation, AdamPass, LayerNormPass, Product, QuantileHuberPass, generic, lanes::Avx2};
            pub(super) const ROWS_OF_4: usize = 0;
            pub(super) const ROWS_OF_2: usize = 0;
            pub(super) const ROWS_OF_1: usize = 6;
            pub(super) const CHAINS: usize = 6;
            $(#[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                // SAFETY: the caller has seen that the processor has AVX2 and FMA, and has checked the lengths.
                unsafe { generic::$name::<Avx2, $({ $tile }),*>($($arg),*) }
            })*
        }
        #[cfg(target_arch = "aarch64")]
        mod neon {
            use super::{Activation, AdamPass, LayerNormPass, Product, QuantileHuberPass, generic, lanes::Neon};
            pub(super) const ROWS_OF_4: usize = 0;
            pub(super) const ROWS_OF_2: usize = 0;
            pub(super) const ROWS_OF_1: usize = 6;
            pub(super) const CHAINS: usize = 6;
            $(pub(super) unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                // SAFETY: NEON is part of AArch64; the caller has checked the lengths.
                unsafe { generic::$name::<Neon, $({ $tile }),*>($($arg),*) }
            })*
        }
        mod scalar {
            use super::{Activation, AdamPass, LayerNormPass, Product, QuantileHuberPass, generic, lanes::Scalar};
            pub(super) const ROWS_OF_4: usize = 0;
            pub(super) const ROWS_OF_2: usize = 0;
            pub(super) const ROWS_OF_1: usize = 2;
            pub(super) const CHAINS: usize = 2;
            $(pub(super) unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                // SAFETY: this path needs no instruction set; the caller has checked the lengths.
                unsafe { generic::$name::<Scalar, $({ $tile }),*>($($arg),*) }
            })*
        }
        $($(#[$doc])* pub(crate) fn $name(path: CpuPath, $($arg: $type),*) $(-> $ret)? {
            $($check)*
            // SAFETY: anyone can name a path, so the processor is asked each time (a test of a bit); the lengths have just
            // been checked.
            match path {
                #[cfg(target_arch = "x86_64")]
                CpuPath::Avx512 => unsafe {
                    assert!(path.is_available(), "this machine's processor lacks AVX-512");
                    avx512::$name($($arg),*)
                },
                #[cfg(target_arch = "x86_64")]
                CpuPath::Avx2 => unsafe {
                    assert!(path.is_available(), "this machine's processor lacks AVX2 or FMA");
                    avx2::$name($($arg),*)
                },
                #[cfg(target_arch = "aarch64")]
                CpuPath::Neon => unsafe { neon::$name($($arg),*) },
                _ => unsafe { scalar::$name($($arg),*) },
            }
        })*
    };
}

kernels! {
    /// The matrix product behind forward, backward and weight gradients; see [`Product`].
    fn product[ROWS_OF_4, ROWS_OF_2, ROWS_OF_1](product: &mut Product) {
        product.check()
    }

    /// `target[j][i] = source[i][j]` for `rows` times `columns`, where `columns` is a multiple of 16.
    fn transpose[](source: &[f32], rows: usize, source_stride: usize, target: &mut [f32], target_stride: usize, columns: usize) {
        assert!(rows > 0 && columns > 0 && columns.is_multiple_of(LANES))
        assert!(columns <= source_stride && source.len() >= (rows - 1) * source_stride + columns)
        assert!(rows <= target_stride && target.len() >= (columns - 1) * target_stride + rows)
    }

    /// The sum of each row of `source` (`[sums.len()][stride]`, the stride a multiple of 16): bias gradients.
    fn row_sums[](source: &[f32], stride: usize, sums: &mut [f32]) {
        assert!(stride > 0 && stride.is_multiple_of(LANES) && source.len() >= sums.len() * stride)
    }

    /// `output = weight * input + bias`, with `weight` as `[output][input]`: one observation through one layer.
    fn affine[](weight: &[f32], bias: &[f32], input: &[f32], relu: bool, output: &mut [f32]) {
        assert!(!input.is_empty() && weight.len() >= output.len() * input.len() && bias.len() >= output.len())
    }

    /// The sum of the squares of `values` (length a multiple of 16).
    fn sum_of_squares[](values: &[f32]) -> f32 {
        assert!(values.len().is_multiple_of(LANES))
    }

    /// One step of Adam; see [`AdamPass`]. Returns zero if all new parameters are finite, else NaN.
    fn adam[](pass: &mut AdamPass) -> f32 {
        assert!(pass.parameters.len().is_multiple_of(LANES) && pass.gradients.len() == pass.parameters.len())
        assert!(pass.first_moment.len() == pass.parameters.len() && pass.second_moment.len() == pass.parameters.len())
    }

    /// One step of RMSProp; see [`RmsPropPass`]. Returns zero if all new parameters are finite, else NaN.
    fn rmsprop[](pass: &mut crate::network::kernels::RmsPropPass) -> f32 {
        assert!(pass.parameters.len().is_multiple_of(LANES) && pass.gradients.len() == pass.parameters.len())
        assert!(pass.square.len() == pass.parameters.len())
        assert!(pass.mean.is_empty() || pass.mean.len() == pass.parameters.len())
        assert!(pass.velocity.is_empty() || pass.velocity.len() == pass.parameters.len())
    }

    /// One step of gradient descent; see [`SgdPass`]. Returns zero if all new parameters are finite, else NaN.
    fn sgd[](pass: &mut crate::network::kernels::SgdPass) -> f32 {
        assert!(pass.parameters.len().is_multiple_of(LANES) && pass.gradients.len() == pass.parameters.len())
        assert!(pass.velocity.is_empty() || pass.velocity.len() == pass.parameters.len())
    }

    /// `target += tau * (source - target)` (lengths equal, a multiple of 16).
    fn blend[](target: &mut [f32], source: &[f32], tau: f32) {
        assert!(target.len() == source.len() && target.len().is_multiple_of(LANES))
    }

    /// `values` through an activation, in place (length a multiple of 16).
    fn activate[](activation: Activation, values: &mut [f32]) {
        assert!(values.len().is_multiple_of(LANES))
    }

    /// From the gradient with respect to an activation's output to that with respect to its input, in place; `outputs` is
    /// what came out (lengths equal, a multiple of 16).
    fn activation_gradient[](activation: Activation, outputs: &[f32], deltas: &mut [f32]) {
        assert!(outputs.len() == deltas.len() && deltas.len().is_multiple_of(LANES))
    }

    /// Normalises each item of `values` (`[unit][stride]`) over its units, then scales and shifts each unit (Ba et al. 2016).
    fn layer_norm[](pass: &mut LayerNormPass, weight: &[f32], bias: &[f32], values: &mut [f32]) {
        check_layer_norm(pass, weight.len(), values.len())
        assert!(bias.len() == weight.len())
    }

    /// From the gradient with respect to a layer normalisation's output to that with respect to its input, in place.
    fn layer_norm_gradient[](
        pass: &LayerNormPass,
        weight: &[f32],
        deltas: &mut [f32],
        weight_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        check_layer_norm(pass, weight.len(), deltas.len())
        assert!(weight_gradient.len() == weight.len() && bias_gradient.len() == weight.len())
    }

    /// `merged = embedded * trunk`: `[unit][level][stride]` times `[unit][stride]`, repeated for each level.
    fn merge[](trunk: &[f32], stride: usize, embedded: &[f32], merged: &mut [f32]) {
        check_merge(trunk.len(), stride, embedded.len(), merged.len())
    }

    /// From the gradient with respect to [`merge`]'s result (`deltas`, which becomes that of the embedding before its ReLU)
    /// to that with respect to the trunk, summed over levels in their order.
    fn merge_gradient[](
        trunk: &[f32],
        stride: usize,
        embedded: &[f32],
        deltas: &mut [f32],
        trunk_deltas: &mut [f32],
    ) {
        check_merge(trunk.len(), stride, embedded.len(), deltas.len())
        assert!(trunk_deltas.len() == trunk.len())
    }

    /// Each item's probabilities from its logits, both `[atom][stride]`, the stride a multiple of 16.
    fn softmax[](logits: &[f32], stride: usize, probabilities: &mut [f32]) {
        assert!(stride > 0 && stride.is_multiple_of(LANES) && !logits.is_empty())
        assert!(logits.len().is_multiple_of(stride) && probabilities.len() == logits.len())
    }

    /// See [`QuantileHuberPass`].
    fn quantile_huber[](pass: &mut QuantileHuberPass) {
        pass.check()
    }

    /// [`CpuPath::multiply_adds`].
    fn multiply_add_loop[CHAINS](repetitions: u64) -> f32 {}
}

fn check_merge(trunk: usize, stride: usize, embedded: usize, merged: usize) {
    assert!(stride > 0 && stride.is_multiple_of(LANES) && trunk > 0 && trunk.is_multiple_of(stride));
    assert!(embedded == merged && merged.is_multiple_of(trunk));
}

fn check_layer_norm(pass: &LayerNormPass, units: usize, len: usize) {
    let stride = pass.inverse_deviations.len();
    assert!(stride > 0 && stride.is_multiple_of(LANES) && len == units * stride && pass.normalised.len() == len);
}

impl CpuPath {
    /// The path's independent multiply-adds, `repetitions` times: what the processor can do at most. One repetition is
    /// [`CpuPath::multiply_add_flops`] operations. The result only keeps the work from being optimised away.
    ///
    /// # Panics
    /// When this machine lacks the path.
    pub fn multiply_adds(self, repetitions: u64) -> f32 {
        assert!(self.is_available(), "this machine's processor lacks {}", self.name());
        multiply_add_loop(self, repetitions)
    }

    /// Floating-point operations of one repetition of [`CpuPath::multiply_adds`].
    pub fn multiply_add_flops(self) -> u64 {
        let chains = match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::CHAINS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::CHAINS,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::CHAINS,
            _ => scalar::CHAINS,
        };
        (chains * LANES * 2) as u64
    }
}
