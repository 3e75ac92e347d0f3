//! The Q-network: forward and backward over one flat parameter vector.
//!
//! A network here is only a plan: which part of the flat vector is which layer's weight and bias. Parameters, activations
//! and gradients belong to the caller, so the online and the target network share one plan, copying one to the other is a
//! slice copy, and the optimiser is one pass.

pub mod buffer;
pub mod init;
pub mod kernels;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use buffer::Buffer;
use kernels::{CpuPath, Finish, LANES, Product};

/// What a network is made of; enough to build it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// How many numbers an observation has.
    pub inputs: usize,
    /// Units of each hidden layer; a ReLU follows each.
    pub hidden: Vec<usize>,
    /// How many actions there are: one Q-value each.
    pub actions: usize,
}

/// A fully connected layer's place in the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Its name in a model file, PyTorch style: `l1`, `l2`, ..
    pub name: String,
    /// How many numbers go in.
    pub inputs: usize,
    /// How many numbers come out.
    pub outputs: usize,
    /// Where the weight is, `[outputs][inputs]` as in PyTorch.
    pub weight: Range<usize>,
    /// Where the bias is, `[outputs]`.
    pub bias: Range<usize>,
}

/// A multilayer perceptron from observations to one Q-value an action.
#[derive(Clone, Debug)]
pub struct QNetwork {
    architecture: Architecture,
    layers: Vec<Linear>,
    path: CpuPath,
}

/// Every layer's output for one batch, *feature-major*: `[feature][item]`, rows padded to whole vectors.
#[derive(Clone, Debug)]
pub struct Activations {
    /// How many items the batch has.
    batch: usize,
    /// From one feature to the next: the batch, padded to a multiple of 16.
    stride: usize,
    /// The inputs, then each layer's output.
    layers: Vec<Buffer>,
}

/// What a backward pass writes besides the gradients.
#[derive(Clone, Debug)]
pub struct BackwardScratch {
    /// The loss's gradient with respect to each layer's output (before the ReLU); the last is what the caller fills.
    deltas: Vec<Buffer>,
    /// Each layer's inputs, item-major: `[item][feature]`.
    transposed_inputs: Vec<Buffer>,
}

/// Q-values of a batch, wherever they are kept: item b's value of action a is at `a * stride + b`.
#[derive(Clone, Copy, Debug)]
pub struct QValues<'a> {
    values: &'a [f32],
    actions: usize,
    stride: usize,
    /// Which actions are allowed, `[item][action]`; empty where all are.
    allowed: &'a [bool],
}

impl<'a> QValues<'a> {
    /// A view of `values`, `[actions][stride]`.
    ///
    /// # Panics
    /// When `values` is shorter than that.
    pub fn new(values: &'a [f32], actions: usize, stride: usize) -> Self {
        assert!(actions > 0 && values.len() >= actions * stride, "Q-values need [actions][stride] numbers");
        Self { values, actions, stride, allowed: &[] }
    }

    /// The same, with only some actions allowed: `[item][action]`; without a mask, or with an empty one, all are.
    ///
    /// # Panics
    /// When the mask is not a whole number of items.
    pub fn masked(self, mask: Option<&'a [bool]>) -> Self {
        let allowed = mask.unwrap_or(&[]);
        assert!(allowed.len().is_multiple_of(self.actions), "a mask has one entry an action");
        Self { allowed, ..self }
    }

    /// The value of `action` for `item`.
    #[inline]
    pub fn get(&self, item: usize, action: usize) -> f32 {
        self.values[action * self.stride + item]
    }

    /// The allowed action with the highest value for `item`; the lowest such action where several are equal, and action 0
    /// where none is allowed.
    #[inline]
    pub fn argmax(&self, item: usize) -> usize {
        if !self.allowed.is_empty() {
            let allowed = &self.allowed[item * self.actions..(item + 1) * self.actions];
            let better = |best: Option<usize>, a: usize| match best {
                Some(best) if self.get(item, a) <= self.get(item, best) => Some(best),
                _ => Some(a),
            };
            return (0..self.actions).filter(|a| allowed[*a]).fold(None, better).unwrap_or(0);
        }
        (1..self.actions).fold(0, |best, a| if self.get(item, a) > self.get(item, best) { a } else { best })
    }
}

impl QNetwork {
    /// The plan of a network, computed on `path`.
    ///
    /// # Panics
    /// When a layer would have no units.
    pub fn new(architecture: Architecture, path: CpuPath) -> Self {
        let sizes: Vec<usize> = std::iter::once(architecture.inputs)
            .chain(architecture.hidden.iter().copied())
            .chain([architecture.actions])
            .collect();
        assert!(sizes.iter().all(|size| *size > 0), "every layer needs at least one unit: {architecture:?}");
        let mut at = 0;
        let mut take = |len: usize| {
            at += len;
            at - len..at
        };
        let layers = sizes
            .windows(2)
            .enumerate()
            .map(|(i, size)| Linear {
                name: format!("l{}", i + 1),
                inputs: size[0],
                outputs: size[1],
                weight: take(size[0] * size[1]),
                bias: take(size[1]),
            })
            .collect();
        Self { architecture, layers, path }
    }

    /// What it is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its layers, from the observation on.
    pub fn layers(&self) -> &[Linear] {
        &self.layers
    }

    /// The instruction set it computes with.
    pub fn path(&self) -> CpuPath {
        self.path
    }

    /// How many parameters it has.
    pub fn parameter_count(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.end)
    }

    /// Floating-point operations of one forward pass over `batch` items, counting products only.
    pub fn forward_flops(&self, batch: usize) -> usize {
        self.layers.iter().map(|layer| 2 * batch * layer.inputs * layer.outputs).sum()
    }

    /// Room for a batch's activations.
    pub fn activations(&self, batch: usize) -> Activations {
        let stride = batch.next_multiple_of(LANES);
        let sizes = std::iter::once(self.architecture.inputs).chain(self.layers.iter().map(|layer| layer.outputs));
        Activations { batch, stride, layers: sizes.map(|size| Buffer::zeros(size * stride)).collect() }
    }

    /// Room for a backward pass over a batch of the same size.
    pub fn backward_scratch(&self, activations: &Activations) -> BackwardScratch {
        BackwardScratch {
            deltas: self.layers.iter().map(|layer| Buffer::zeros(layer.outputs * activations.stride)).collect(),
            transposed_inputs: self
                .layers
                .iter()
                .map(|layer| Buffer::zeros(activations.stride * layer.inputs.next_multiple_of(LANES)))
                .collect(),
        }
    }

    /// Q-values of the inputs in `activations`; every layer's output is kept there for [`QNetwork::backward`].
    pub fn forward(&self, parameters: &[f32], activations: &mut Activations) {
        let stride = activations.stride;
        for (i, layer) in self.layers.iter().enumerate() {
            let (inputs, outputs) = activations.layers.split_at_mut(i + 1);
            let is_last = i + 1 == self.layers.len();
            kernels::product(
                self.path,
                &mut Product {
                    rows: layer.outputs,
                    columns: stride,
                    depth: layer.inputs,
                    a: &parameters[layer.weight.clone()],
                    a_transposed: false,
                    a_stride: layer.inputs,
                    b: &inputs[i],
                    b_stride: stride,
                    c: &mut outputs[0],
                    c_stride: stride,
                    bias: Some(&parameters[layer.bias.clone()]),
                    finish: if is_last { Finish::Plain } else { Finish::Relu },
                },
            );
        }
    }

    /// The loss's gradient with respect to every parameter, from its gradient with respect to the Q-values
    /// ([`BackwardScratch::output_deltas`]) and the activations that [`QNetwork::forward`] left.
    pub fn backward(
        &self,
        parameters: &[f32],
        activations: &Activations,
        scratch: &mut BackwardScratch,
        gradients: &mut [f32],
    ) {
        let stride = activations.stride;
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let (earlier, delta) = scratch.deltas.split_at_mut(i);
            let delta = &delta[0];
            let input = &activations.layers[i];
            let transposed = &mut scratch.transposed_inputs[i];
            let transposed_stride = layer.inputs.next_multiple_of(LANES);
            kernels::transpose(self.path, input, layer.inputs, stride, transposed, transposed_stride, stride);
            kernels::product(
                self.path,
                &mut Product {
                    rows: layer.outputs,
                    columns: layer.inputs,
                    depth: activations.batch,
                    a: delta,
                    a_transposed: false,
                    a_stride: stride,
                    b: transposed,
                    b_stride: transposed_stride,
                    c: &mut gradients[layer.weight.clone()],
                    c_stride: layer.inputs,
                    bias: None,
                    finish: Finish::Plain,
                },
            );
            kernels::row_sums(self.path, delta, stride, &mut gradients[layer.bias.clone()]);
            if let Some(earlier) = earlier.last_mut() {
                kernels::product(
                    self.path,
                    &mut Product {
                        rows: layer.inputs,
                        columns: stride,
                        depth: layer.outputs,
                        a: &parameters[layer.weight.clone()],
                        a_transposed: true,
                        a_stride: layer.inputs,
                        b: delta,
                        b_stride: stride,
                        c: earlier,
                        c_stride: stride,
                        bias: None,
                        finish: Finish::WherePositive(input),
                    },
                );
            }
        }
    }

    /// One observation's Q-values. `scratch` comes from [`QNetwork::single_scratch`]; the values are its last row.
    pub fn q_values<'a>(&self, parameters: &[f32], observation: &[f32], scratch: &'a mut [Buffer]) -> QValues<'a> {
        for (i, layer) in self.layers.iter().enumerate() {
            let (inputs, outputs) = scratch.split_at_mut(i);
            kernels::affine(
                self.path,
                &parameters[layer.weight.clone()],
                &parameters[layer.bias.clone()],
                inputs.last().map_or(observation, |input| input),
                i + 1 < self.layers.len(),
                &mut outputs[0],
            );
        }
        QValues::new(&scratch[scratch.len() - 1], self.architecture.actions, 1)
    }

    /// Room for [`QNetwork::q_values`].
    pub fn single_scratch(&self) -> Vec<Buffer> {
        self.layers.iter().map(|layer| Buffer::zeros(layer.outputs)).collect()
    }
}

impl Activations {
    /// Puts a batch of observations, `[item][feature]`, in the first layer's place.
    pub fn set_inputs(&mut self, observations: &[f32]) {
        let inputs = observations.len() / self.batch;
        for (item, observation) in observations.chunks_exact(inputs).enumerate() {
            for (feature, x) in observation.iter().enumerate() {
                self.layers[0][feature * self.stride + item] = *x;
            }
        }
    }

    /// The Q-values that the last forward pass left.
    pub fn q_values(&self) -> QValues<'_> {
        let values = &self.layers[self.layers.len() - 1];
        QValues::new(values, values.len() / self.stride, self.stride)
    }
}

impl BackwardScratch {
    /// The loss's gradient with respect to each Q-value, `[action][item]`, all zero: for the caller to fill.
    pub fn output_deltas(&mut self) -> &mut [f32] {
        let last = self.deltas.len() - 1;
        self.deltas[last].fill(0.0);
        &mut self.deltas[last]
    }
}
