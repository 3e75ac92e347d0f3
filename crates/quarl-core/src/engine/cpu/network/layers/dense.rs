//! A dense layer: fully connected, with optional layer normalisation and activation.

use super::layer::{Backward, Columns, Features, Forward, Layer, LayerPass, Layout, Tensor};
use super::layer_norm::LayerNorm;
use super::linear::Linear;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, LayerNormCache};
use crate::network::Activation;
use crate::rng::Rng;

/// A dense layer. The output layer of a network has neither normalisation nor activation.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) linear: Linear,
    norm: Option<LayerNorm>,
    activation: Option<Activation>,
}

impl Dense {
    /// A hidden layer; `norm` is the name of its layer normalisation, if it has one.
    pub(crate) fn hidden(
        layout: &mut Layout,
        name: String,
        norm: Option<String>,
        (inputs, units): (usize, usize),
        activation: Activation,
    ) -> Self {
        let linear = Linear::new(layout, name, inputs, units);
        let norm = norm.map(|name| LayerNorm::new(layout, name, units));
        Self { linear, norm, activation: Some(activation) }
    }

    /// An output layer.
    pub(crate) fn output(layout: &mut Layout, name: String, inputs: usize, outputs: usize) -> Self {
        Self { linear: Linear::new(layout, name, inputs, outputs), norm: None, activation: None }
    }

    pub(crate) fn dense_pass(&self, columns: Columns) -> DensePass {
        DensePass {
            units: Buffer::zeros(self.linear.outputs * columns.stride),
            norm: self.norm.as_ref().map(|norm| norm.pass(columns)),
            columns,
            layer: self.clone(),
        }
    }

    /// Whether the ReLU is applied within the matrix product.
    fn is_fused(&self) -> bool {
        self.activation == Some(Activation::Relu) && self.norm.is_none()
    }
}

impl Layer for Dense {
    fn tensors(&self) -> Vec<Tensor> {
        self.linear.tensors().into_iter().chain(self.norm.iter().flat_map(LayerNorm::tensors)).collect()
    }

    fn linears(&self) -> Vec<&Linear> {
        vec![&self.linear]
    }

    fn initialise(&self, parameters: &mut [f32], rng: &mut Rng) {
        self.linear.initialise(parameters, rng);
        if let Some(norm) = &self.norm {
            norm.initialise(parameters);
        }
    }

    fn pass(&self, columns: Columns, _levels: usize) -> Box<dyn LayerPass> {
        Box::new(self.dense_pass(columns))
    }

    fn backward_products(&self, with_inputs: bool) -> usize {
        self.linear.inputs * self.linear.outputs * if with_inputs { 2 } else { 1 }
    }
}

/// A dense layer with the buffers for its outputs.
#[derive(Debug)]
pub(crate) struct DensePass {
    layer: Dense,
    columns: Columns,
    /// The outputs after the activation, `[unit][stride]`.
    units: Buffer,
    norm: Option<LayerNormCache>,
}

impl DensePass {
    /// Computes the gradients of the parameters. `deltas` becomes the gradient with respect to the matrix product.
    pub(crate) fn parameter_gradients(&self, cx: &mut Backward, inputs: Features, deltas: &mut [f32]) {
        if let (Some(norm), Some(pass)) = (&self.layer.norm, &self.norm) {
            norm.backward(cx, pass, deltas);
        }
        self.layer.linear.gradients(cx, inputs.values, self.columns, deltas);
    }

    pub(crate) fn linear(&self) -> &Linear {
        &self.layer.linear
    }
}

impl LayerPass for DensePass {
    fn forward(&mut self, cx: Forward, inputs: Features) {
        let Self { layer, columns, units, norm: norm_pass } = self;
        layer.linear.forward(cx, inputs.values, *columns, layer.is_fused(), units);
        if let (Some(norm), Some(norm_pass)) = (&layer.norm, norm_pass) {
            norm.forward(cx, *columns, norm_pass, units);
        }
        if let (Some(activation), false) = (layer.activation, layer.is_fused()) {
            // The padding stays zero, because each of these functions maps zero to zero.
            kernels::activate(cx.path, activation, units.padded_mut());
        }
    }

    fn outputs(&self) -> Features<'_> {
        Features { values: &self.units, columns: self.columns, activation: self.layer.activation }
    }

    fn outputs_mut(&mut self) -> &mut [f32] {
        &mut self.units
    }

    fn backward(
        &self,
        cx: &mut Backward,
        inputs: Features,
        deltas: &mut [f32],
        input_deltas: Option<&mut [f32]>,
        _scratch: &mut [Buffer],
    ) {
        self.parameter_gradients(cx, inputs, deltas);
        if let Some(input_deltas) = input_deltas {
            self.linear().input_gradients(cx, inputs, deltas, input_deltas);
            inputs.apply_remaining_gradient(cx.path, input_deltas);
        }
    }

    fn transposed_len(&self) -> usize {
        self.linear().transposed_len(self.columns)
    }
}
