//! What a layer is: parameters in the flat vector, and passes over a batch or one observation.
//!
//! A [`Layer`] is a description: which part of the flat parameter vector is whose. A [`LayerPass`] is the same layer with
//! room for the outputs of one batch, which it keeps for the backward pass. Features are *feature-major*,
//! `[feature][column]`, rows padded to whole vectors; a pass over one observation has one column and no padding.

use std::fmt::Debug;
use std::ops::Range;

use super::linear::Linear;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::CpuPath;
use crate::engine::cpu::kernels::{self, Epilogue, LANES};
use crate::network::Activation;
use crate::rng::Rng;

/// Columns of features: of `stride` columns the first `items` are anything but padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) items: usize,
    pub(crate) stride: usize,
}

impl Columns {
    /// One observation's.
    pub(crate) const ONE: Self = Self { items: 1, stride: 1 };

    /// A batch's, padded to whole vectors.
    pub(crate) fn of_batch(items: usize) -> Self {
        Self { items, stride: items.next_multiple_of(LANES) }
    }

    /// Whether these are one observation's.
    pub(crate) fn is_one(self) -> bool {
        self == Self::ONE
    }
}

/// What a layer sees: features, and the activation that they come from.
#[derive(Clone, Copy)]
pub(crate) struct Features<'a> {
    /// `[feature][stride]`
    pub(crate) values: &'a [f32],
    pub(crate) columns: Columns,
    /// The function that gave these values, if a gradient has to be taken back through one.
    pub(crate) activation: Option<Activation>,
}

impl<'a> Features<'a> {
    /// What takes a gradient back through the activation as far as a matrix product can do it while storing its result;
    /// [`Features::finish_gradient`] does the rest.
    pub(crate) fn gradient_epilogue(&self) -> Epilogue<'a> {
        match self.activation {
            Some(Activation::Relu) => Epilogue::WherePositive(self.values),
            Some(Activation::Tanh | Activation::Elu) | None => Epilogue::Plain,
        }
    }

    /// See [`Features::gradient_epilogue`].
    pub(crate) fn finish_gradient(&self, path: CpuPath, deltas: &mut [f32]) {
        match self.activation {
            Some(Activation::Relu) | None => {}
            Some(activation) => kernels::activation_gradient(path, activation, self.values, deltas),
        }
    }
}

/// What every layer of a forward pass reads.
#[derive(Clone, Copy)]
pub(crate) struct Forward<'a> {
    pub(crate) path: CpuPath,
    pub(crate) parameters: &'a [f32],
}

/// What every layer of a backward pass reads and writes.
pub(crate) struct Backward<'a> {
    pub(crate) path: CpuPath,
    pub(crate) parameters: &'a [f32],
    /// The gradient with respect to each parameter.
    pub(crate) gradients: &'a mut [f32],
    /// Room for a layer's inputs, item-major: `[column][feature]`.
    pub(crate) transposed: &'a mut [f32],
}

/// A named part of the flat vector, as a model file keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// PyTorch style: `l1.weight`.
    pub name: String,
    /// Its dimensions, the last one contiguous.
    pub shape: Vec<usize>,
    /// Where it is.
    pub range: Range<usize>,
}

/// Hands out the flat vector from its beginning.
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
    /// Its parameters by name.
    fn tensors(&self) -> Vec<Tensor>;

    /// Its fully connected parts, in the order of the flat vector.
    fn linears(&self) -> Vec<&Linear>;

    /// Writes its first parameters.
    fn initialise(&self, parameters: &mut [f32], rng: &mut Rng);

    /// Room for passes over features of these columns, at `levels` quantile levels where it is the layer that merges them in.
    fn pass(&self, columns: Columns, levels: usize) -> Box<dyn LayerPass>;

    /// How many columns its outputs have for so many columns of inputs.
    fn output_columns(&self, columns: usize, _levels: usize) -> usize {
        columns
    }

    /// Multiply-adds of a forward pass for each column of its outputs.
    fn forward_products(&self) -> usize {
        self.linears().iter().map(|linear| linear.inputs * linear.outputs).sum()
    }

    /// Multiply-adds of a backward pass for each column of its outputs, with or without the gradient of its inputs.
    fn backward_products(&self, with_inputs: bool) -> usize;
}

/// A layer with room for the outputs of a batch.
pub(crate) trait LayerPass: Debug + Send + Sync {
    /// Computes the outputs.
    fn forward(&mut self, cx: Forward, inputs: Features);

    /// The outputs of the last forward pass.
    fn outputs(&self) -> Features<'_>;

    /// [`LayerPass::outputs`], to write others in their place.
    fn outputs_mut(&mut self) -> &mut [f32];

    /// The gradients of its parameters and, where somebody needs it, that of its inputs *before* their activation. `deltas` is
    /// the loss's gradient with respect to its outputs before *their* activation, and may be overwritten. `scratch` is what
    /// [`LayerPass::gradient_scratch`] gave.
    fn backward(
        &self,
        cx: &mut Backward,
        inputs: Features,
        deltas: &mut [f32],
        input_deltas: Option<&mut [f32]>,
        scratch: &mut [Buffer],
    );

    /// What a backward pass writes besides, for inputs of these columns.
    fn gradient_scratch(&self, _inputs: Columns) -> Vec<Buffer> {
        Vec::new()
    }

    /// Room that [`Backward::transposed`] has to have.
    fn transposed_len(&self) -> usize;

    /// The quantile levels that it merges in, `[level][stride]`; empty for most.
    fn levels_mut(&mut self) -> &mut [f32] {
        &mut []
    }

    /// [`LayerPass::levels_mut`], to read.
    fn levels(&self) -> &[f32] {
        &[]
    }
}
