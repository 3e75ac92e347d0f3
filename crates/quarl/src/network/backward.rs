//! Gradients of a batch that went through the network.

use super::architecture::Activation;
use super::buffer::Buffer;
use super::kernels::{self, Finish, LANES, Product};
use super::{Activations, Linear, QNetwork, dueling};

/// What a backward pass writes besides the gradients.
#[derive(Clone, Debug)]
pub struct BackwardScratch {
    /// The loss's gradient with respect to the outputs, `[actions][atoms][columns]`: what the caller fills.
    outputs: Buffer,
    /// .. with respect to a dueling network's value and advantages.
    streams: Option<Buffer>,
    /// .. with respect to an implicit head's products of trunk and embedding, `[width][columns]`.
    merged: Option<Buffer>,
    /// .. with respect to each hidden layer's output.
    hidden: Vec<Buffer>,
    /// .. with respect to the observation, where an implicit head merges its levels into that.
    observation: Buffer,
    /// A layer's inputs, item-major: `[column][feature]`, room for the largest.
    transposed: Buffer,
}

impl QNetwork {
    /// Room for a backward pass over a batch of the same size.
    pub fn backward_scratch(&self, activations: &Activations) -> BackwardScratch {
        let columns = activations.implicit.as_ref().map_or(activations.stride, |implicit| implicit.levels.len());
        let room = |layer: &Linear, columns: usize| columns * layer.inputs.next_multiple_of(LANES);
        let outer = self.plan().embedding.iter().chain([&self.plan().output]).map(|layer| room(layer, columns));
        let inner = self.plan().hidden.iter().map(|layer| room(layer, activations.stride));
        BackwardScratch {
            outputs: Buffer::zeros(activations.outputs.len()),
            streams: activations.streams.as_ref().map(|streams| Buffer::zeros(streams.len())),
            merged: activations.implicit.as_ref().map(|implicit| Buffer::zeros(implicit.merged.len())),
            hidden: activations.trunk[1..].iter().map(|layer| Buffer::zeros(layer.len())).collect(),
            observation: Buffer::zeros(activations.trunk[0].len()),
            transposed: Buffer::zeros(outer.chain(inner).max().unwrap_or(0)),
        }
    }

    /// The loss's gradient with respect to every parameter that a forward pass reads, from its gradient with respect to the
    /// outputs ([`BackwardScratch::output_deltas`]) and the activations that [`QNetwork::forward`] left.
    pub fn backward(
        &self,
        parameters: &[f32],
        activations: &Activations,
        scratch: &mut BackwardScratch,
        gradients: &mut [f32],
    ) {
        let BackwardScratch { outputs, streams, merged, hidden, observation, transposed } = scratch;
        let Activations { batch, stride, trunk, norms, implicit, .. } = activations;
        let architecture = self.architecture();
        let plan = self.plan();
        let deltas = match streams {
            Some(streams) => {
                dueling::split_gradient(outputs, architecture.actions, streams);
                &*streams
            }
            None => &*outputs,
        };

        match (&plan.embedding, implicit, merged) {
            (Some(embedding), Some(implicit), Some(merged)) => {
                let columns = implicit.levels.len();
                self.layer_gradient(&plan.output, &implicit.merged, deltas, (columns, columns), transposed, gradients);
                self.input_gradient(parameters, &plan.output, deltas, columns, Finish::Plain, merged);
                let last = &trunk[trunk.len() - 1];
                // Where the trunk is the observation itself, nobody needs its gradient.
                let trunk_deltas = hidden.last_mut().unwrap_or(observation);
                kernels::merge_gradient(self.path(), last, *stride, &implicit.embedded, merged, trunk_deltas);
                if !plan.hidden.is_empty() {
                    kernels::activation_gradient(self.path(), architecture.activation, last, trunk_deltas);
                }
                self.layer_gradient(embedding, &implicit.cosines, merged, (columns, columns), transposed, gradients);
            }
            _ => {
                let last = &trunk[trunk.len() - 1];
                self.layer_gradient(&plan.output, last, deltas, (*batch, *stride), transposed, gradients);
                if let Some(trunk_deltas) = hidden.last_mut() {
                    self.hidden_gradient(parameters, &plan.output, deltas, last, trunk_deltas, *stride);
                }
            }
        }

        for (i, layer) in plan.hidden.iter().enumerate().rev() {
            let (earlier, delta) = hidden.split_at_mut(i);
            let delta = &mut delta[0];
            if let Some(norm) = plan.norms.get(i) {
                let weight = &parameters[norm.weight.clone()];
                // Weight and bias stand beside each other.
                let (weight_gradient, bias_gradient) =
                    gradients[norm.weight.start..norm.bias.end].split_at_mut(norm.weight.len());
                kernels::layer_norm_gradient(self.path(), &norms[i], weight, delta, weight_gradient, bias_gradient);
            }
            self.layer_gradient(layer, &trunk[i], delta, (*batch, *stride), transposed, gradients);
            if let Some(earlier) = earlier.last_mut() {
                self.hidden_gradient(parameters, layer, delta, &trunk[i], earlier, *stride);
            }
        }
    }

    /// A layer's weight and bias gradients, from its inputs and its outputs' gradient. Only the first `items` of the columns
    /// are anything but padding.
    fn layer_gradient(
        &self,
        layer: &Linear,
        inputs: &[f32],
        deltas: &[f32],
        (items, columns): (usize, usize),
        transposed: &mut [f32],
        gradients: &mut [f32],
    ) {
        let transposed_stride = layer.inputs.next_multiple_of(LANES);
        kernels::transpose(self.path(), inputs, layer.inputs, columns, transposed, transposed_stride, columns);
        kernels::product(
            self.path(),
            &mut Product {
                rows: layer.outputs,
                columns: layer.inputs,
                depth: items,
                a: deltas,
                a_transposed: false,
                a_stride: columns,
                b: transposed,
                b_stride: transposed_stride,
                c: &mut gradients[layer.weight.clone()],
                c_stride: layer.inputs,
                bias: None,
                finish: Finish::Plain,
            },
        );
        kernels::row_sums(self.path(), deltas, columns, &mut gradients[layer.bias.clone()]);
    }

    /// The gradient with respect to a hidden layer's output before its activation, from that of the layer behind it.
    fn hidden_gradient(
        &self,
        parameters: &[f32],
        layer: &Linear,
        deltas: &[f32],
        activated: &[f32],
        input_deltas: &mut [f32],
        columns: usize,
    ) {
        let activation = self.architecture().activation;
        if activation == Activation::Relu {
            let finish = Finish::WherePositive(activated);
            self.input_gradient(parameters, layer, deltas, columns, finish, input_deltas);
        } else {
            self.input_gradient(parameters, layer, deltas, columns, Finish::Plain, input_deltas);
            kernels::activation_gradient(self.path(), activation, activated, input_deltas);
        }
    }

    /// The gradient with respect to a layer's inputs.
    fn input_gradient(
        &self,
        parameters: &[f32],
        layer: &Linear,
        deltas: &[f32],
        columns: usize,
        finish: Finish,
        input_deltas: &mut [f32],
    ) {
        kernels::product(
            self.path(),
            &mut Product {
                rows: layer.inputs,
                columns,
                depth: layer.outputs,
                a: &parameters[layer.weight.clone()],
                a_transposed: true,
                a_stride: layer.inputs,
                b: deltas,
                b_stride: columns,
                c: input_deltas,
                c_stride: columns,
                bias: None,
                finish,
            },
        );
    }
}

impl BackwardScratch {
    /// The loss's gradient with respect to each output, `[action][atom][stride]`, all zero: for the caller to fill (padding
    /// stays zero).
    pub fn output_deltas(&mut self) -> &mut [f32] {
        self.outputs.fill(0.0);
        &mut self.outputs
    }
}
