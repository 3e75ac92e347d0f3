//! The arguments of the larger kernels, and checks of their lengths.

use super::LANES;
use crate::engine::cpu::buffer::Buffer;

/// Whether `len` floats hold a matrix of `rows` rows of `columns`, with a distance of `stride` between rows. The last row
/// ends with its columns. A size that overflows the address space is never held.
pub(super) fn holds(len: usize, rows: usize, columns: usize, stride: usize) -> bool {
    match rows.checked_sub(1) {
        None => true,
        Some(above) => {
            let needed = above.checked_mul(stride).and_then(|start| start.checked_add(columns));
            columns <= stride && needed.is_some_and(|needed| needed <= len)
        }
    }
}

/// The operation on an element of a product before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue<'a> {
    /// No operation.
    Plain,
    /// `max(x, 0)`.
    Relu,
    /// Zero where this array, in the layout of the result, is not positive: the gradient of a ReLU.
    WherePositive(&'a [f32]),
}

/// `C[i][j] = bias[i] + sum over k of A[i][k] * B[k][j]`, k in ascending order, with fused multiply-adds.
pub(crate) struct Product<'a> {
    /// Rows of A and C.
    pub(crate) rows: usize,
    /// Columns of C to store. Rows of B are padded to whole vectors.
    pub(crate) columns: usize,
    /// Columns of A, rows of B.
    pub(crate) depth: usize,
    /// `[rows][depth]`, or `[depth][rows]` if `a_transposed`.
    pub(crate) a: &'a [f32],
    pub(crate) a_transposed: bool,
    /// The distance between two stored rows of A.
    pub(crate) a_stride: usize,
    /// `[depth][b_stride]`.
    pub(crate) b: &'a [f32],
    pub(crate) b_stride: usize,
    /// `[rows][c_stride]`.
    pub(crate) c: &'a mut [f32],
    pub(crate) c_stride: usize,
    /// The initial value of each row; zero without a bias.
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) epilogue: Epilogue<'a>,
}

impl Product<'_> {
    /// Panics where a slice is too short for the shape, which is a defect of this crate.
    pub(super) fn check(&self) {
        let Self { rows, columns, depth, a_stride, b_stride, c_stride, .. } = *self;
        assert!(rows > 0 && depth > 0 && columns > 0);
        // Whole vectors of B (and of the gate) are read. Where rounding up overflows, no slice is long enough.
        let vectors = columns.checked_next_multiple_of(LANES).unwrap_or(usize::MAX);
        let (stored_rows, stored_columns) = if self.a_transposed { (depth, rows) } else { (rows, depth) };
        assert!(holds(self.a.len(), stored_rows, stored_columns, a_stride));
        assert!(holds(self.b.len(), depth, vectors, b_stride));
        assert!(holds(self.c.len(), rows, columns, c_stride));
        assert!(self.bias.is_none_or(|bias| bias.len() >= rows));
        if let Epilogue::WherePositive(gate) = self.epilogue {
            // The gate has the row distance of C, so the last vector of one row may reach into the next.
            assert!(holds(gate.len(), rows, columns, c_stride) && gate.len() - (rows - 1) * c_stride >= vectors);
        }
    }
}

/// One step of Adam over all parameters. The slices have the same length, a multiple of 16.
pub(crate) struct AdamStep<'a> {
    pub(crate) parameters: &'a mut [f32],
    pub(crate) gradients: &'a [f32],
    pub(crate) first_moment: &'a mut [f32],
    pub(crate) second_moment: &'a mut [f32],
    /// The factor of all gradients (gradient-norm clipping).
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

/// The values of a layer normalisation that its gradient needs.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormCache {
    /// The normalised values before scale and shift, `[unit][stride]`.
    pub(crate) normalised: Buffer,
    /// The inverse standard deviation of each item, `[stride]`.
    pub(crate) inverse_deviations: Buffer,
}

/// The quantile Huber loss of each item (Dabney et al. 2018a, delta 1): summed over predictions, averaged over targets. All
/// arrays are `[..][stride]`, the stride a multiple of 16.
pub(crate) struct QuantileHuber<'a> {
    /// The predicted quantiles of the action taken.
    pub(crate) predictions: &'a [f32],
    /// The quantile level of each prediction, in (0, 1).
    pub(crate) levels: &'a [f32],
    /// Samples of the target distribution.
    pub(crate) targets: &'a [f32],
    /// The gradient of the loss with respect to each prediction.
    pub(crate) gradients: &'a mut [f32],
    /// The loss of each item, `[stride]`.
    pub(crate) losses: &'a mut [f32],
    /// The mean absolute TD error of each item over all pairs, `[stride]`.
    pub(crate) distances: &'a mut [f32],
}

impl QuantileHuber<'_> {
    /// Panics where the lengths of the slices do not match, which is a defect of this crate.
    pub(super) fn check(&self) {
        let stride = self.losses.len();
        assert!(stride > 0 && stride.is_multiple_of(LANES) && self.distances.len() == stride);
        assert!(self.predictions.len().is_multiple_of(stride) && self.targets.len().is_multiple_of(stride));
        assert!(!self.predictions.is_empty() && !self.targets.is_empty());
        assert!(self.levels.len() == self.predictions.len() && self.gradients.len() == self.predictions.len());
    }
}

/// One step of RMSProp over all parameters. The slices have the same length, a multiple of 16, or are empty where they are
/// not used.
pub(crate) struct RmsPropStep<'a> {
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
    /// Added under the root and after it; one of the two is zero.
    pub(crate) eps_inside: f32,
    pub(crate) eps_outside: f32,
    pub(crate) momentum: f32,
    pub(crate) lr: f32,
}

/// One step of SGD over all parameters. The slices have the same length, a multiple of 16.
pub(crate) struct SgdStep<'a> {
    pub(crate) parameters: &'a mut [f32],
    pub(crate) gradients: &'a [f32],
    /// Empty without momentum.
    pub(crate) velocity: &'a mut [f32],
    pub(crate) gradient_scale: f32,
    pub(crate) momentum: f32,
    pub(crate) nesterov: bool,
    pub(crate) lr: f32,
}

pub(super) fn check_merge(trunk: usize, stride: usize, embedded: usize, merged: usize) {
    assert!(stride > 0 && stride.is_multiple_of(LANES) && trunk > 0 && trunk.is_multiple_of(stride));
    assert!(embedded == merged && merged.is_multiple_of(trunk));
}

pub(super) fn check_layer_norm(cache: &LayerNormCache, units: usize, len: usize) {
    let stride = cache.inverse_deviations.len();
    assert!(stride > 0 && stride.is_multiple_of(LANES) && cache.normalised.len() == len);
    assert!(len.is_multiple_of(stride) && len / stride == units);
}
