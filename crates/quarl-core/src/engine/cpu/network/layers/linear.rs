//! The product of a fully connected layer: `y = W x + b`, for a batch or one observation.

use std::ops::Range;

use super::layer::{Backward, Columns, Features, Forward, Layout, Tensor};
use crate::engine::cpu::kernels::{self, Epilogue, LANES, Product};
use crate::rng::Rng;

/// The place of a fully connected layer in the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// The name in a model file, in PyTorch's style: `l1`, `l2`, ..
    pub name: String,
    /// The number of inputs.
    pub inputs: usize,
    /// The number of outputs.
    pub outputs: usize,
    /// The place of the weight, `[outputs][inputs]` as in PyTorch.
    pub weight: Range<usize>,
    /// The place of the bias, `[outputs]`; it follows the weight.
    pub bias: Range<usize>,
}

impl Linear {
    pub(crate) fn new(layout: &mut Layout, name: String, inputs: usize, outputs: usize) -> Self {
        let (weight, bias) = (layout.take(outputs * inputs), layout.take(outputs));
        Self { name, inputs, outputs, weight, bias }
    }

    pub(crate) fn tensors(&self) -> [Tensor; 2] {
        [
            Tensor {
                name: format!("{}.weight", self.name),
                shape: vec![self.outputs, self.inputs],
                range: self.weight.clone(),
            },
            Tensor { name: format!("{}.bias", self.name), shape: vec![self.outputs], range: self.bias.clone() },
        ]
    }

    /// PyTorch's default initialisation of `Linear`: weights and biases uniform in +-1/sqrt(inputs) (He et al. 2015 with a
    /// = sqrt(5)).
    pub(crate) fn initialise(&self, parameters: &mut [f32], rng: &mut Rng) {
        let bound = 1.0 / (self.inputs as f64).sqrt();
        for parameter in &mut parameters[self.weight.start..self.bias.end] {
            *parameter = rng.uniform_in(-bound, bound) as f32;
        }
    }

    /// Computes the outputs, with a ReLU if `relu` is true.
    pub(crate) fn forward(&self, cx: Forward, inputs: &[f32], columns: Columns, relu: bool, outputs: &mut [f32]) {
        let (weight, bias) = (&cx.parameters[self.weight.clone()], &cx.parameters[self.bias.clone()]);
        if columns.is_one() {
            return kernels::affine(cx.path, weight, bias, inputs, relu, outputs);
        }
        kernels::product(
            cx.path,
            &mut Product {
                rows: self.outputs,
                columns: columns.stride,
                depth: self.inputs,
                a: weight,
                a_transposed: false,
                a_stride: self.inputs,
                b: inputs,
                b_stride: columns.stride,
                c: outputs,
                c_stride: columns.stride,
                bias: Some(bias),
                epilogue: if relu { Epilogue::Relu } else { Epilogue::Plain },
            },
        );
    }

    /// Computes the gradients of weight and bias from the inputs and the gradient with respect to the outputs.
    pub(crate) fn gradients(&self, cx: &mut Backward, inputs: &[f32], columns: Columns, deltas: &[f32]) {
        let Backward { path, gradients, transposed, .. } = cx;
        let Columns { items, stride } = columns;
        let transposed_stride = self.inputs.next_multiple_of(LANES);
        kernels::transpose(*path, inputs, self.inputs, stride, transposed, transposed_stride, stride);
        kernels::product(
            *path,
            &mut Product {
                rows: self.outputs,
                columns: self.inputs,
                depth: items,
                a: deltas,
                a_transposed: false,
                a_stride: stride,
                b: transposed,
                b_stride: transposed_stride,
                c: &mut gradients[self.weight.clone()],
                c_stride: self.inputs,
                bias: None,
                epilogue: Epilogue::Plain,
            },
        );
        kernels::row_sums(*path, deltas, stride, &mut gradients[self.bias.clone()]);
    }

    /// Computes the gradient with respect to the inputs, with the part of their activation that
    /// [`Features::gradient_epilogue`] covers.
    pub(crate) fn input_gradients(&self, cx: &Backward, inputs: Features, deltas: &[f32], input_deltas: &mut [f32]) {
        let stride = inputs.columns.stride;
        kernels::product(
            cx.path,
            &mut Product {
                rows: self.inputs,
                columns: stride,
                depth: self.outputs,
                a: &cx.parameters[self.weight.clone()],
                a_transposed: true,
                a_stride: self.inputs,
                b: deltas,
                b_stride: stride,
                c: input_deltas,
                c_stride: stride,
                bias: None,
                epilogue: inputs.gradient_epilogue(),
            },
        );
    }

    /// The length of the item-major buffer for its inputs.
    pub(crate) fn transposed_len(&self, columns: Columns) -> usize {
        columns.stride * self.inputs.next_multiple_of(LANES)
    }
}
