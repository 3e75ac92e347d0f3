//! What the larger kernels work on, and the checks that their slices are long enough.

use super::LANES;
use crate::engine::cpu::buffer::Buffer;

/// Whether `len` floats hold a matrix of `rows` rows of `columns`, each row `stride` behind the one before. The last row ends
/// with its columns. A size that does not fit into the address space is never held, whatever it would wrap around to.
pub(super) fn holds(len: usize, rows: usize, columns: usize, stride: usize) -> bool {
    match rows.checked_sub(1) {
        None => true,
        Some(above) => {
            let needed = above.checked_mul(stride).and_then(|start| start.checked_add(columns));
            columns <= stride && needed.is_some_and(|needed| needed <= len)
        }
    }
}

/// What happens to an element of a product before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue<'a> {
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
    pub(crate) epilogue: Epilogue<'a>,
}

impl Product<'_> {
    /// Panics where a slice is too short for the shape: a mistake of this crate, never of its user.
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
            // The gate's rows lie as C's do, so the last vector of one may reach into the next.
            assert!(holds(gate.len(), rows, columns, c_stride) && gate.len() - (rows - 1) * c_stride >= vectors);
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
    pub(super) fn check(&self) {
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

pub(super) fn check_merge(trunk: usize, stride: usize, embedded: usize, merged: usize) {
    assert!(stride > 0 && stride.is_multiple_of(LANES) && trunk > 0 && trunk.is_multiple_of(stride));
    assert!(embedded == merged && merged.is_multiple_of(trunk));
}

pub(super) fn check_layer_norm(pass: &LayerNormPass, units: usize, len: usize) {
    let stride = pass.inverse_deviations.len();
    assert!(stride > 0 && stride.is_multiple_of(LANES) && pass.normalised.len() == len);
    assert!(len.is_multiple_of(stride) && len / stride == units);
}
