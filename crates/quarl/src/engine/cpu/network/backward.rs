//! Gradients of a batch that went through the network.

use super::Activation;
use super::buffer::Buffer;
use super::forward::HiddenActivations;
use super::kernels::{self, Finish, LANES, Product};
use super::{Activations, HiddenLayer, Linear, QNetwork, dueling};

/// What a backward pass writes besides the gradients.
#[derive(Clone, Debug)]
pub struct BackwardScratch {
    /// The loss's gradient with respect to the outputs, `[actions][atoms][columns]`: what the caller fills.
    outputs: Buffer,
    /// .. with respect to a dueling network's value and advantages.
    value_and_advantages: Option<Buffer>,
    /// .. with respect to the output of each stream's own hidden layer.
    streams: Vec<Option<Buffer>>,
    /// .. with respect to what the streams see, by way of a stream other than the first; empty where there is one stream.
    other_stream: Buffer,
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
        let in_trunk = self.plan().hidden.len();
        let room = |(at, layer): (usize, &Linear)| {
            let columns = if at < in_trunk { activations.stride } else { columns };
            columns * layer.inputs.next_multiple_of(LANES)
        };
        let seen_by_streams = if self.architecture().dueling { self.architecture().width() * columns } else { 0 };
        BackwardScratch {
            outputs: Buffer::zeros(activations.outputs.len()),
            value_and_advantages: activations.value_and_advantages.as_ref().map(|both| Buffer::zeros(both.len())),
            streams: activations
                .streams
                .iter()
                .map(|pass| pass.as_ref().map(|pass| Buffer::zeros(pass.units.len())))
                .collect(),
            other_stream: Buffer::zeros(seen_by_streams),
            merged: activations.implicit.as_ref().map(|implicit| Buffer::zeros(implicit.merged.len())),
            hidden: activations.trunk.iter().map(|pass| Buffer::zeros(pass.units.len())).collect(),
            observation: Buffer::zeros(activations.inputs.len()),
            transposed: Buffer::zeros(self.plan().linears().enumerate().map(room).max().unwrap_or(0)),
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
        let BackwardScratch {
            outputs,
            value_and_advantages,
            streams,
            other_stream,
            merged,
            hidden,
            observation,
            transposed,
        } = scratch;
        let Activations { batch, stride, inputs, trunk, implicit, .. } = activations;
        let plan = self.plan();
        let deltas = match value_and_advantages {
            Some(both) => {
                dueling::split_gradient(outputs, self.architecture().actions, both);
                &*both
            }
            None => &*outputs,
        };
        let mut pass = Pass { network: self, parameters, gradients, transposed };
        let columns = Columns { items: *batch, stride: *stride };
        let last = trunk.last().map_or(inputs, |pass| &pass.units);
        match (&plan.embedding, implicit, merged) {
            (Some(embedding), Some(implicit), Some(merged)) => {
                let levels = Columns { items: implicit.levels.len(), stride: implicit.levels.len() };
                let streams = StreamDeltas { outputs: deltas, hidden: streams, other: other_stream };
                pass.streams(&activations.streams, &implicit.merged, levels, streams, Finish::Plain, Some(merged));
                // Where the trunk is the observation itself, nobody needs its gradient.
                let trunk_deltas = hidden.last_mut().unwrap_or(observation);
                kernels::merge_gradient(self.path(), last, *stride, &implicit.embedded, merged, trunk_deltas);
                if !trunk.is_empty() {
                    kernels::activation_gradient(self.path(), self.architecture().activation, last, trunk_deltas);
                }
                pass.linear(embedding, &implicit.cosines, merged, levels);
            }
            _ => {
                let streams = StreamDeltas { outputs: deltas, hidden: streams, other: other_stream };
                let trunk_deltas = hidden.last_mut().map(|deltas| &mut **deltas);
                pass.streams(&activations.streams, last, columns, streams, pass.gate(last), trunk_deltas);
                if let Some(trunk_deltas) = hidden.last_mut() {
                    pass.after_gate(last, trunk_deltas);
                }
            }
        }

        for (i, layer) in plan.hidden.iter().enumerate().rev() {
            let (earlier, deltas) = hidden.split_at_mut(i);
            let deltas = &mut deltas[0];
            let inputs = if i == 0 { inputs } else { &trunk[i - 1].units };
            pass.hidden(layer, inputs, &trunk[i], columns, deltas);
            if let Some(earlier) = earlier.last_mut() {
                pass.inputs(&layer.linear, deltas, columns, pass.gate(inputs), earlier);
                pass.after_gate(inputs, earlier);
            }
        }
    }
}

/// Columns of a layer: of `stride` columns the first `items` are anything but padding.
#[derive(Clone, Copy)]
struct Columns {
    items: usize,
    stride: usize,
}

/// The loss's gradient with respect to each part of the streams.
struct StreamDeltas<'a> {
    outputs: &'a [f32],
    hidden: &'a mut [Option<Buffer>],
    other: &'a mut [f32],
}

/// What every part of a backward pass reads and writes.
struct Pass<'a> {
    network: &'a QNetwork,
    parameters: &'a [f32],
    gradients: &'a mut [f32],
    transposed: &'a mut [f32],
}

impl Pass<'_> {
    /// The gradients of the streams' parameters; and that of what they see, before its activation as far as `finish` says,
    /// where somebody needs it: the sum over the streams.
    fn streams(
        &mut self,
        passes: &[Option<HiddenActivations>],
        features: &[f32],
        columns: Columns,
        deltas: StreamDeltas,
        finish: Finish,
        mut input_deltas: Option<&mut [f32]>,
    ) {
        let StreamDeltas { outputs: mut rest, hidden, other } = deltas;
        for (i, stream) in self.network.plan().streams.iter().enumerate() {
            let (mut deltas, others) = rest.split_at(stream.output.outputs * columns.stride);
            rest = others;
            if let (Some(layer), Some(pass), Some(hidden)) = (&stream.hidden, &passes[i], &mut hidden[i]) {
                self.linear(&stream.output, &pass.units, deltas, columns);
                self.inputs(&stream.output, deltas, columns, self.gate(&pass.units), hidden);
                self.after_gate(&pass.units, hidden);
                self.hidden(layer, features, pass, columns, hidden);
                deltas = hidden;
            } else {
                self.linear(&stream.output, features, deltas, columns);
            }
            let Some(sum) = &mut input_deltas else { continue };
            if i == 0 {
                self.inputs(stream.first(), deltas, columns, finish, sum);
                continue;
            }
            self.inputs(stream.first(), deltas, columns, finish, other);
            sum.iter_mut().zip(&*other).for_each(|(sum, delta)| *sum += delta);
        }
    }

    /// A hidden layer's gradients, from that before its activation (`deltas`, which becomes that before its normalisation).
    fn hidden(
        &mut self,
        layer: &HiddenLayer,
        inputs: &[f32],
        pass: &HiddenActivations,
        columns: Columns,
        deltas: &mut [f32],
    ) {
        if let (Some(norm), Some(pass)) = (&layer.norm, &pass.norm) {
            let weight = &self.parameters[norm.weight.clone()];
            // Weight and bias stand beside each other.
            let (weight_gradient, bias_gradient) =
                self.gradients[norm.weight.start..norm.bias.end].split_at_mut(norm.weight.len());
            kernels::layer_norm_gradient(self.network.path(), pass, weight, deltas, weight_gradient, bias_gradient);
        }
        self.linear(&layer.linear, inputs, deltas, columns);
    }

    /// A layer's weight and bias gradients, from its inputs and its outputs' gradient.
    fn linear(&mut self, layer: &Linear, inputs: &[f32], deltas: &[f32], columns: Columns) {
        let (path, Columns { items, stride }) = (self.network.path(), columns);
        let transposed_stride = layer.inputs.next_multiple_of(LANES);
        kernels::transpose(path, inputs, layer.inputs, stride, self.transposed, transposed_stride, stride);
        kernels::product(
            path,
            &mut Product {
                rows: layer.outputs,
                columns: layer.inputs,
                depth: items,
                a: deltas,
                a_transposed: false,
                a_stride: stride,
                b: self.transposed,
                b_stride: transposed_stride,
                c: &mut self.gradients[layer.weight.clone()],
                c_stride: layer.inputs,
                bias: None,
                finish: Finish::Plain,
            },
        );
        kernels::row_sums(path, deltas, stride, &mut self.gradients[layer.bias.clone()]);
    }

    /// What takes a gradient back through the activation that gave `activated`, as far as a product can do it itself;
    /// [`Pass::after_gate`] does the rest.
    fn gate<'b>(&self, activated: &'b [f32]) -> Finish<'b> {
        match self.network.architecture().activation {
            Activation::Relu => Finish::WherePositive(activated),
            Activation::Tanh | Activation::Elu => Finish::Plain,
        }
    }

    /// See [`Pass::gate`].
    fn after_gate(&self, activated: &[f32], deltas: &mut [f32]) {
        match self.network.architecture().activation {
            Activation::Relu => {}
            activation => kernels::activation_gradient(self.network.path(), activation, activated, deltas),
        }
    }

    /// The gradient with respect to a layer's inputs.
    fn inputs(&self, layer: &Linear, deltas: &[f32], columns: Columns, finish: Finish, input_deltas: &mut [f32]) {
        kernels::product(
            self.network.path(),
            &mut Product {
                rows: layer.inputs,
                columns: columns.stride,
                depth: layer.outputs,
                a: &self.parameters[layer.weight.clone()],
                a_transposed: true,
                a_stride: layer.inputs,
                b: deltas,
                b_stride: columns.stride,
                c: input_deltas,
                c_stride: columns.stride,
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
