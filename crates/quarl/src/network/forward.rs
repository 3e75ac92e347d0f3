//! A batch through the network.

use super::architecture::{Activation, Head};
use super::buffer::Buffer;
use super::kernels::{self, Finish, LANES, LayerNormPass, Product};
use super::{Linear, QNetwork, QValues, dueling, head, implicit};

/// Every layer's output for one batch, *feature-major*: `[feature][item]`, rows padded to whole vectors.
#[derive(Clone, Debug)]
pub struct Activations {
    /// How many items the batch has.
    pub(super) batch: usize,
    /// From one feature to the next: the batch, padded to a multiple of 16.
    pub(super) stride: usize,
    /// The inputs, then each hidden layer's output, after its activation.
    pub(super) trunk: Vec<Buffer>,
    /// What each hidden layer's normalisation keeps; empty where there is none.
    pub(super) norms: Vec<LayerNormPass>,
    /// An implicit head's levels and what becomes of them.
    pub(super) implicit: Option<ImplicitActivations>,
    /// A dueling network's value and advantages, `[1 + actions][atoms][columns]`.
    pub(super) streams: Option<Buffer>,
    /// `[actions][atoms][columns]`.
    pub(super) outputs: Buffer,
    /// A categorical head's probabilities, laid out as the outputs; else empty.
    probabilities: Buffer,
    /// `[actions][stride]`; empty for a scalar head, whose outputs are these.
    q_values: Buffer,
    actions: usize,
}

/// What an implicit head keeps: columns are `[level][stride]`.
#[derive(Clone, Debug)]
pub(super) struct ImplicitActivations {
    /// Each column's quantile level.
    pub(super) levels: Buffer,
    recurrence: Vec<f64>,
    /// `[cosines][columns]`.
    pub(super) cosines: Buffer,
    /// `[width][columns]`, after its ReLU.
    pub(super) embedded: Buffer,
    /// `[width][columns]`: what goes into the output layer.
    pub(super) merged: Buffer,
}

impl QNetwork {
    /// Room for a batch's activations; for an implicit head, at `levels` quantile levels an item (else give 1).
    pub fn activations(&self, batch: usize, levels: usize) -> Activations {
        let stride = batch.next_multiple_of(LANES);
        let architecture = self.architecture();
        let columns = stride * levels;
        let trunk_sizes = std::iter::once(architecture.inputs).chain(architecture.hidden.iter().copied());
        let norms = self.plan().norms.iter().map(|norm| LayerNormPass {
            normalised: Buffer::zeros(norm.weight.len() * stride),
            inverse_deviations: Buffer::zeros(stride),
        });
        let implicit = self.plan().embedding.as_ref().map(|embedding| ImplicitActivations {
            levels: Buffer::from_slice(&vec![0.5; columns]),
            recurrence: vec![0.0; 3 * columns],
            cosines: Buffer::zeros(embedding.inputs * columns),
            embedded: Buffer::zeros(embedding.outputs * columns),
            merged: Buffer::zeros(embedding.outputs * columns),
        });
        let outputs = architecture.actions * architecture.head.atoms() * columns;
        let is_categorical = matches!(architecture.head, Head::Categorical { .. });
        let has_q_values = architecture.head != Head::Scalar;
        Activations {
            batch,
            stride,
            trunk: trunk_sizes.map(|size| Buffer::zeros(size * stride)).collect(),
            norms: norms.collect(),
            implicit,
            streams: architecture.dueling.then(|| Buffer::zeros(architecture.outputs() * columns)),
            outputs: Buffer::zeros(outputs),
            probabilities: Buffer::zeros(if is_categorical { outputs } else { 0 }),
            q_values: Buffer::zeros(if has_q_values { architecture.actions * stride } else { 0 }),
            actions: architecture.actions,
        }
    }

    /// The outputs and Q-values for the inputs (and levels) in `activations`; every layer's output is kept there for
    /// [`QNetwork::backward`]. Of `parameters` the first [`QNetwork::forward_parameter_count`] are read.
    pub fn forward(&self, parameters: &[f32], activations: &mut Activations) {
        let Activations { stride, trunk, norms, implicit, streams, outputs, probabilities, q_values, actions, .. } =
            activations;
        let architecture = self.architecture();
        let is_fused = architecture.activation == Activation::Relu && !architecture.layer_norm;
        for (i, layer) in self.plan().hidden.iter().enumerate() {
            let (inputs, output) = trunk.split_at_mut(i + 1);
            let output = &mut output[0];
            let finish = if is_fused { Finish::Relu } else { Finish::Plain };
            self.linear(parameters, layer, &inputs[i], output, *stride, finish);
            if let Some(norm) = self.plan().norms.get(i) {
                let (weight, bias) = (&parameters[norm.weight.clone()], &parameters[norm.bias.clone()]);
                kernels::layer_norm(self.path(), &mut norms[i], weight, bias, output);
            }
            if !is_fused {
                kernels::activate(self.path(), architecture.activation, output);
            }
        }

        let last = &trunk[trunk.len() - 1];
        let mut columns = *stride;
        let features = match (&self.plan().embedding, implicit) {
            (Some(layer), Some(implicit)) => {
                columns = implicit.levels.len();
                implicit::cosines(&implicit.levels, &mut implicit.recurrence, &mut implicit.cosines);
                self.linear(parameters, layer, &implicit.cosines, &mut implicit.embedded, columns, Finish::Relu);
                kernels::merge(self.path(), last, *stride, &implicit.embedded, &mut implicit.merged);
                &implicit.merged
            }
            _ => last,
        };
        match streams {
            Some(streams) => {
                self.linear(parameters, &self.plan().output, features, streams, columns, Finish::Plain);
                dueling::combine(streams, *actions, outputs);
            }
            None => self.linear(parameters, &self.plan().output, features, outputs, columns, Finish::Plain),
        }
        head::q_values(self.path(), &architecture.head, outputs, (*actions, *stride), probabilities, q_values);
    }

    /// One fully connected layer over `columns` columns.
    pub(super) fn linear(
        &self,
        parameters: &[f32],
        layer: &Linear,
        inputs: &[f32],
        outputs: &mut [f32],
        columns: usize,
        finish: Finish,
    ) {
        kernels::product(
            self.path(),
            &mut Product {
                rows: layer.outputs,
                columns,
                depth: layer.inputs,
                a: &parameters[layer.weight.clone()],
                a_transposed: false,
                a_stride: layer.inputs,
                b: inputs,
                b_stride: columns,
                c: outputs,
                c_stride: columns,
                bias: Some(&parameters[layer.bias.clone()]),
                finish,
            },
        );
    }
}

impl Activations {
    /// Puts a batch of observations, `[item][feature]`, in the first layer's place.
    pub fn set_inputs(&mut self, observations: &[f32]) {
        let inputs = observations.len() / self.batch;
        for (item, observation) in observations.chunks_exact(inputs).enumerate() {
            for (feature, x) in observation.iter().enumerate() {
                self.trunk[0][feature * self.stride + item] = *x;
            }
        }
    }

    /// An implicit head's quantile levels, `[level][stride]`, each in [0, 1]; empty for any other head.
    pub fn levels(&self) -> &[f32] {
        self.implicit.as_ref().map_or(&[], |implicit| &implicit.levels)
    }

    /// [`Activations::levels`], for the caller to choose before a forward pass. (The padding behind the items of each level
    /// may hold any level.)
    pub fn levels_mut(&mut self) -> &mut [f32] {
        self.implicit.as_mut().map_or(&mut [], |implicit| &mut implicit.levels)
    }

    /// From one feature to the next: the batch, padded to a multiple of 16.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// What the last forward pass gave: `[action][atom][stride]`; a categorical head's are logits, and an implicit head's
    /// levels count as atoms.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Puts what is known already in the place of what a forward pass would give, for a scalar head.
    pub(crate) fn set_output(&mut self, action: usize, item: usize, value: f32) {
        self.outputs[action * self.stride + item] = value;
    }

    /// A categorical head's probabilities, laid out as the outputs; empty for any other head.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The Q-values that the last forward pass left.
    pub fn q_values(&self) -> QValues<'_> {
        let values = if self.q_values.is_empty() { &self.outputs } else { &self.q_values };
        QValues::new(values, self.actions, self.stride)
    }
}
