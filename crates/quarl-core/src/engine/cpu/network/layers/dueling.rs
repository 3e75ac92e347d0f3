//! The output of a dueling network: two streams, `Q = V + A - mean of A` (Wang et al. 2016), for every atom and column.
//!
//! The streams' outputs are in one array, `[1 + actions][block]`, the value first. The outputs of the layer are
//! `[actions][block]`. A block holds the atoms of one action times the columns.

use super::dense::{Dense, DensePass};
use super::layer::{Backward, Columns, Features, Forward, Layer, LayerPass, Layout, Tensor};
use super::linear::Linear;
use crate::engine::cpu::buffer::Buffer;
use crate::network::Architecture;
use crate::rng::Rng;

/// The two streams.
#[derive(Clone, Debug)]
pub(crate) struct Dueling {
    /// The value stream and the advantage stream.
    streams: [Stream; 2],
    actions: usize,
}

/// A hidden layer (absent in old model files) and an output layer.
#[derive(Clone, Debug)]
struct Stream {
    hidden: Option<Dense>,
    output: Dense,
}

impl Dueling {
    pub(crate) fn new(layout: &mut Layout, architecture: &Architecture, features: usize) -> Self {
        let Architecture { actions, layer_norm, dueling_hidden, activation, head, .. } = *architecture;
        let mut stream = |name: &str, outputs: usize| {
            let hidden = dueling_hidden.map(|units| {
                let norm = layer_norm.then(|| format!("{name}_norm"));
                Dense::hidden(layout, format!("{name}_hidden"), norm, (features, units), activation)
            });
            let output = Dense::output(layout, name.to_owned(), dueling_hidden.unwrap_or(features), outputs);
            Stream { hidden, output }
        };
        let atoms = head.atoms();
        Self { streams: [stream("value", atoms), stream("advantage", actions * atoms)], actions }
    }

    fn layers(&self) -> impl Iterator<Item = &Dense> {
        self.streams.iter().flat_map(|Stream { hidden, output }| hidden.iter().chain([output]))
    }
}

impl Layer for Dueling {
    fn tensors(&self) -> Vec<Tensor> {
        self.layers().flat_map(Layer::tensors).collect()
    }

    fn linears(&self) -> Vec<&Linear> {
        self.layers().flat_map(Layer::linears).collect()
    }

    fn initialise(&self, parameters: &mut [f32], rng: &mut Rng) {
        self.layers().for_each(|layer| layer.initialise(parameters, rng));
    }

    fn pass(&self, columns: Columns, _levels: usize) -> Box<dyn LayerPass> {
        let [value, advantage] = &self.streams;
        let outputs = |stream: &Stream| stream.output.linear.outputs * columns.stride;
        Box::new(DuelingPass {
            streams: [value, advantage].map(|Stream { hidden, output }| StreamPass {
                hidden: hidden.as_ref().map(|layer| layer.dense_pass(columns)),
                output: output.linear.clone(),
            }),
            both: Buffer::zeros(outputs(value) + outputs(advantage)),
            outputs: Buffer::zeros(outputs(advantage)),
            actions: self.actions,
            columns,
        })
    }

    fn backward_products(&self, with_inputs: bool) -> usize {
        let stream = |Stream { hidden, output }: &Stream| match hidden {
            Some(hidden) => hidden.backward_products(with_inputs) + output.backward_products(true),
            None => output.backward_products(with_inputs),
        };
        self.streams.iter().map(stream).sum()
    }
}

/// The streams with the buffers for their outputs.
#[derive(Debug)]
struct DuelingPass {
    streams: [StreamPass; 2],
    /// The outputs of both streams.
    both: Buffer,
    outputs: Buffer,
    actions: usize,
    columns: Columns,
}

/// A stream with the buffers for its hidden layer.
#[derive(Debug)]
struct StreamPass {
    hidden: Option<DensePass>,
    output: Linear,
}

impl StreamPass {
    /// The first layer of the stream.
    fn first(&self) -> &Linear {
        self.hidden.as_ref().map_or(&self.output, DensePass::linear)
    }
}

impl LayerPass for DuelingPass {
    fn forward(&mut self, cx: Forward, inputs: Features) {
        let Self { streams, both, outputs, actions, .. } = self;
        let mut rest: &mut [f32] = both;
        for StreamPass { hidden, output } in streams {
            let (part, others) = rest.split_at_mut(output.outputs * inputs.columns.stride);
            rest = others;
            let seen = match hidden {
                Some(hidden) => {
                    hidden.forward(cx, inputs);
                    hidden.outputs()
                }
                None => inputs,
            };
            output.forward(cx, seen.values, seen.columns, false, part);
        }
        combine(both, *actions, outputs);
    }

    fn outputs(&self) -> Features<'_> {
        Features { values: &self.outputs, columns: self.columns, activation: None }
    }

    fn outputs_mut(&mut self) -> &mut [f32] {
        &mut self.outputs
    }

    fn backward(
        &self,
        cx: &mut Backward,
        inputs: Features,
        deltas: &mut [f32],
        mut input_deltas: Option<&mut [f32]>,
        scratch: &mut [Buffer],
    ) {
        let [both, other, hidden_deltas @ ..] = scratch else { return };
        split_gradient(deltas, self.actions, both);
        let mut rest: &mut [f32] = both;
        for (i, stream) in self.streams.iter().enumerate() {
            let (deltas, others) = rest.split_at_mut(stream.output.outputs * self.columns.stride);
            rest = others;
            let deltas = match (&stream.hidden, hidden_deltas.get_mut(i)) {
                (Some(hidden), Some(hidden_deltas)) => {
                    let seen = hidden.outputs();
                    stream.output.gradients(cx, seen.values, seen.columns, deltas);
                    stream.output.input_gradients(cx, seen, deltas, hidden_deltas);
                    seen.apply_remaining_gradient(cx.path, hidden_deltas);
                    hidden.parameter_gradients(cx, inputs, hidden_deltas);
                    &mut **hidden_deltas
                }
                _ => {
                    stream.output.gradients(cx, inputs.values, inputs.columns, deltas);
                    deltas
                }
            };
            // The gradient with respect to the common input is the sum of the two streams' gradients.
            let Some(sum) = &mut input_deltas else { continue };
            if i == 0 {
                stream.first().input_gradients(cx, inputs, deltas, sum);
            } else {
                stream.first().input_gradients(cx, inputs, deltas, other);
                sum.iter_mut().zip(&**other).for_each(|(sum, delta)| *sum += delta);
            }
        }
        if let Some(sum) = input_deltas {
            inputs.apply_remaining_gradient(cx.path, sum);
        }
    }

    fn gradient_scratch(&self, inputs: Columns) -> Vec<Buffer> {
        let hidden = self.streams.iter().flat_map(|stream| &stream.hidden);
        let seen = self.streams[0].first().inputs * inputs.stride;
        [self.both.len(), seen]
            .into_iter()
            .chain(hidden.map(|hidden| hidden.outputs().values.len()))
            .map(Buffer::zeros)
            .collect()
    }

    fn transposed_len(&self) -> usize {
        let linears = self
            .streams
            .iter()
            .flat_map(|StreamPass { hidden, output }| hidden.iter().map(DensePass::linear).chain([output]));
        linears.map(|linear| linear.transposed_len(self.columns)).max().unwrap_or(0)
    }
}

/// Combines values and advantages into outputs.
fn combine(streams: &[f32], actions: usize, outputs: &mut [f32]) {
    let block = outputs.len() / actions;
    let (value, advantages) = streams.split_at(block);
    let per_action = 1.0 / actions as f32;
    // The first action's place temporarily holds value less mean advantage, which every action adds its advantage to.
    let (base, others) = outputs.split_at_mut(block);
    base.copy_from_slice(&advantages[..block]);
    for advantage in advantages.chunks_exact(block).skip(1) {
        for (sum, advantage) in base.iter_mut().zip(advantage) {
            *sum += advantage;
        }
    }
    for (base, value) in base.iter_mut().zip(value) {
        *base = value - *base * per_action;
    }
    for (output, advantage) in others.chunks_exact_mut(block).zip(advantages.chunks_exact(block).skip(1)) {
        for ((output, base), advantage) in output.iter_mut().zip(&*base).zip(advantage) {
            *output = base + advantage;
        }
    }
    for (base, advantage) in base.iter_mut().zip(advantages) {
        *base += advantage;
    }
}

/// From the gradient with respect to the outputs to the gradient with respect to values and advantages.
fn split_gradient(output_deltas: &[f32], actions: usize, stream_deltas: &mut [f32]) {
    let block = output_deltas.len() / actions;
    let per_action = 1.0 / actions as f32;
    let (value, advantages) = stream_deltas.split_at_mut(block);
    value.copy_from_slice(&output_deltas[..block]);
    for delta in output_deltas.chunks_exact(block).skip(1) {
        for (sum, delta) in value.iter_mut().zip(delta) {
            *sum += delta;
        }
    }
    for (advantage, delta) in advantages.chunks_exact_mut(block).zip(output_deltas.chunks_exact(block)) {
        for ((advantage, delta), sum) in advantage.iter_mut().zip(delta).zip(&*value) {
            *advantage = delta - sum * per_action;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_three_advantages_by_hand() {
        // Two columns: V = 10, 20; A = (1, 2, 6), (0, 0, 3); means 3 and 1.
        let streams = [10.0, 20.0, 1.0, 0.0, 2.0, 0.0, 6.0, 3.0];
        let mut outputs = [0.0; 6];
        combine(&streams, 3, &mut outputs);
        let expected = [8.0, 19.0, 9.0, 19.0, 13.0, 22.0];
        for (output, expected) in outputs.iter().zip(expected) {
            assert!((output - expected).abs() < 1e-5, "{outputs:?}");
        }
    }

    #[test]
    fn gradients_by_hand() {
        // One column; the loss depends on the second action only: V gets the whole gradient, each advantage its part.
        let mut deltas = [f32::NAN; 4];
        split_gradient(&[0.0, 3.0, 0.0], 3, &mut deltas);
        assert_eq!(deltas, [3.0, -1.0, 2.0, -1.0]);
    }
}
