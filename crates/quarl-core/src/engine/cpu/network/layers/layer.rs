//! The trait of layers: parameters in the flat vector, and forward and backward passes.
//!
//! A [`Layer`] describes the places of its parameters in the flat vector. A [`LayerPass`] is the same layer with buffers
//! for the outputs of one batch, which the backward pass reads. Features are *feature-major*, `[feature][column]`, rows
//! padded to whole vectors; for a single observation there is one column and no padding.

use std::fmt::Debug;
use std::ops::Range;

use super::linear::Linear;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::CpuPath;
use crate::engine::cpu::kernels::{self, Epilogue, LANES};
use crate::network::Activation;
use crate::rng::Rng;

/// The columns of a feature array: `stride` columns, of which the first `items` are not padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) items: usize,
    pub(crate) stride: usize,
}

impl Columns {
    /// A single observation.
    pub(crate) const ONE: Self = Self { items: 1, stride: 1 };

    /// The columns of a batch, padded to whole vectors.
    pub(crate) fn of_batch(items: usize) -> Self {
        Self { items, stride: items.next_multiple_of(LANES) }
    }

    /// Whether this is a single observation.
    pub(crate) fn is_one(self) -> bool {
        self == Self::ONE
    }
}

/// The inputs of a layer, and the activation that produced them.
#[derive(Clone, Copy)]
pub(crate) struct Features<'a> {
    /// `[feature][stride]`
    pub(crate) values: &'a [f32],
    pub(crate) columns: Columns,
    /// The activation that produced these values, if a gradient has to be propagated through it.
    pub(crate) activation: Option<Activation>,
}

impl<'a> Features<'a> {
    /// The part of the gradient through the activation that a matrix product applies while it stores its result;
    /// [`Features::apply_remaining_gradient`] applies the rest.
    pub(crate) fn gradient_epilogue(&self) -> Epilogue<'a> {
        match self.activation {
            Some(Activation::Relu) => Epilogue::WherePositive(self.values),
            Some(Activation::Tanh | Activation::Elu) | None => Epilogue::Plain,
        }
    }

    /// See [`Features::gradient_epilogue`].
    pub(crate) fn apply_remaining_gradient(&self, path: CpuPath, deltas: &mut [f32]) {
        match self.activation {
            Some(Activation::Relu) | None => {}
            Some(activation) => kernels::activation_gradient(path, activation, self.values, deltas),
        }
    }
}

/// The inputs of every layer's forward pass.
#[derive(Clone, Copy)]
pub(crate) struct Forward<'a> {
    pub(crate) path: CpuPath,
    pub(crate) parameters: &'a [f32],
}

/// The inputs and outputs of every layer's backward pass.
pub(crate) struct Backward<'a> {
    pub(crate) path: CpuPath,
    pub(crate) parameters: &'a [f32],
    /// The gradient with respect to each parameter.
    pub(crate) gradients: &'a mut [f32],
    /// A buffer for a layer's inputs, item-major: `[column][feature]`.
    pub(crate) transposed: &'a mut [f32],
}

/// A named tensor of a model file, and its place in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The name, in PyTorch's style: `l1.weight`.
    pub name: String,
    /// The dimensions, the last one contiguous.
    pub shape: Vec<usize>,
    /// The place in the flat vector.
    pub range: Range<usize>,
}

/// Allocates places in the flat vector, from its beginning.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn take(&mut self, len: usize) -> Range<usize> {
        self.len += len;
        self.len - len..self.len
    }
}

/// A layer of a network.
pub(crate) trait Layer: Debug + Send + Sync {
    /// The parameters by name.
    fn tensors(&self) -> Vec<Tensor>;

    /// The fully connected parts, in the order of the flat vector.
    fn linears(&self) -> Vec<&Linear>;

    /// Draws the initial parameters.
    fn initialise(&self, parameters: &mut [f32], rng: &mut Rng);

    /// Allocates the buffers for `columns`, with `levels` quantile levels if this is the layer that merges them in.
    fn pass(&self, columns: Columns, levels: usize) -> Box<dyn LayerPass>;

    /// The number of output columns for `columns` input columns.
    fn output_columns(&self, columns: usize, _levels: usize) -> usize {
        columns
    }

    /// Multiply-adds of a forward pass for each output column.
    fn forward_products(&self) -> usize {
        self.linears().iter().map(|linear| linear.inputs * linear.outputs).sum()
    }

    /// Multiply-adds of a backward pass for each output column, with or without the gradient of the inputs.
    fn backward_products(&self, with_inputs: bool) -> usize;
}

/// A layer with buffers for the outputs of a batch.
pub(crate) trait LayerPass: Debug + Send + Sync {
    /// Computes the outputs.
    fn forward(&mut self, cx: Forward, inputs: Features);

    /// The outputs of the last forward pass.
    fn outputs(&self) -> Features<'_>;

    /// [`LayerPass::outputs`], mutably.
    fn outputs_mut(&mut self) -> &mut [f32];

    /// Computes the gradients of the parameters and, if `input_deltas` is given, the gradient with respect to the inputs
    /// *before* their activation. `deltas` is the gradient of the loss with respect to the outputs before *their*
    /// activation, and may be overwritten. `scratch` has the buffers of [`LayerPass::gradient_scratch`].
    fn backward(
        &self,
        cx: &mut Backward,
        inputs: Features,
        deltas: &mut [f32],
        input_deltas: Option<&mut [f32]>,
        scratch: &mut [Buffer],
    );

    /// Allocates further buffers of the backward pass, for inputs with these columns.
    fn gradient_scratch(&self, _inputs: Columns) -> Vec<Buffer> {
        Vec::new()
    }

    /// The length that [`Backward::transposed`] must have.
    fn transposed_len(&self) -> usize;

    /// The quantile levels that this layer merges in, `[level][stride]`; empty for other layers.
    fn levels_mut(&mut self) -> &mut [f32] {
        &mut []
    }

    /// [`LayerPass::levels_mut`], immutably.
    fn levels(&self) -> &[f32] {
        &[]
    }
}
