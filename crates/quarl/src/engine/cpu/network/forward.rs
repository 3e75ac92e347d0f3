//! A batch through the network.

use super::buffer::Buffer;
use super::kernels::{self, Finish, LANES, LayerNormPass, Product};
use super::{Activation, Head};
use super::{HiddenLayer, Linear, QNetwork, QValues, dueling, head, implicit};
use crate::error::Error;
use crate::observations::ObservationsView;

/// Every layer's output for one batch, *feature-major*: `[feature][item]`, rows padded to whole vectors.
#[derive(Clone, Debug)]
pub struct Activations {
    /// How many items the batch has.
    pub(super) batch: usize,
    /// From one feature to the next: the batch, padded to a multiple of 16.
    pub(super) stride: usize,
    /// The observations.
    pub(super) inputs: Buffer,
    /// The trunk's hidden layers.
    pub(super) trunk: Vec<HiddenActivations>,
    /// An implicit head's levels and what becomes of them.
    pub(super) implicit: Option<ImplicitActivations>,
    /// Each stream's own hidden layer, in a dueling network.
    pub(super) streams: Vec<Option<HiddenActivations>>,
    /// A dueling network's value and advantages, `[1 + actions][atoms][columns]`.
    pub(super) value_and_advantages: Option<Buffer>,
    /// `[actions][atoms][columns]`.
    pub(super) outputs: Buffer,
    /// A categorical head's probabilities, laid out as the outputs; else empty.
    probabilities: Buffer,
    /// `[actions][stride]`; empty for a scalar head, whose outputs are these.
    q_values: Buffer,
    actions: usize,
}

/// What a hidden layer keeps, `[unit][columns]`.
#[derive(Clone, Debug)]
pub(super) struct HiddenActivations {
    /// After the activation.
    pub(super) units: Buffer,
    /// What the normalisation keeps, where there is one.
    pub(super) norm: Option<LayerNormPass>,
}

impl HiddenActivations {
    pub(super) fn new(layer: &HiddenLayer, columns: usize) -> Self {
        let len = layer.linear.outputs * columns;
        let norm = layer
            .norm
            .as_ref()
            .map(|_| LayerNormPass { normalised: Buffer::zeros(len), inverse_deviations: Buffer::zeros(columns) });
        Self { units: Buffer::zeros(len), norm }
    }
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
            inputs: Buffer::zeros(architecture.inputs * stride),
            trunk: self.plan().hidden.iter().map(|layer| HiddenActivations::new(layer, stride)).collect(),
            implicit,
            streams: self
                .plan()
                .streams
                .iter()
                .map(|stream| stream.hidden.as_ref().map(|layer| HiddenActivations::new(layer, columns)))
                .collect(),
            value_and_advantages: architecture.dueling.then(|| Buffer::zeros(architecture.outputs() * columns)),
            outputs: Buffer::zeros(outputs),
            probabilities: Buffer::zeros(if is_categorical { outputs } else { 0 }),
            q_values: Buffer::zeros(if has_q_values { architecture.actions * stride } else { 0 }),
            actions: architecture.actions,
        }
    }

    /// The outputs and Q-values for the inputs (and levels) in `activations`; every layer's output is kept there for
    /// [`QNetwork::backward`]. Of `parameters` the first [`QNetwork::forward_parameter_count`] are read.
    ///
    /// # Panics
    /// When parameters or activations are of another network.
    pub fn forward(&self, parameters: &[f32], activations: &mut Activations) {
        let Activations {
            stride,
            inputs,
            trunk,
            implicit,
            streams,
            value_and_advantages,
            outputs,
            probabilities,
            q_values,
            actions,
            ..
        } = activations;
        let mut features: &Buffer = inputs;
        for (layer, pass) in self.plan().hidden.iter().zip(trunk) {
            self.hidden(parameters, layer, features, *stride, pass);
            features = &pass.units;
        }
        let mut columns = *stride;
        if let (Some(layer), Some(implicit)) = (&self.plan().embedding, implicit) {
            columns = implicit.levels.len();
            implicit::cosines(&implicit.levels, &mut implicit.recurrence, &mut implicit.cosines);
            self.linear(parameters, layer, &implicit.cosines, &mut implicit.embedded, columns, Finish::Relu);
            kernels::merge(self.path(), features, *stride, &implicit.embedded, &mut implicit.merged);
            features = &implicit.merged;
        }
        let mut rest: &mut [f32] = value_and_advantages.as_mut().unwrap_or(&mut *outputs);
        for (stream, pass) in self.plan().streams.iter().zip(streams) {
            let (part, others) = rest.split_at_mut(stream.output.outputs * columns);
            rest = others;
            let features = match (&stream.hidden, pass) {
                (Some(layer), Some(pass)) => {
                    self.hidden(parameters, layer, features, columns, pass);
                    &pass.units
                }
                _ => features,
            };
            self.linear(parameters, &stream.output, features, part, columns, Finish::Plain);
        }
        if let Some(value_and_advantages) = value_and_advantages {
            dueling::combine(value_and_advantages, *actions, outputs);
        }
        head::q_values(self.path(), &self.architecture().head, outputs, (*actions, *stride), probabilities, q_values);
    }

    /// One hidden layer over `columns` columns.
    pub(super) fn hidden(
        &self,
        parameters: &[f32],
        layer: &HiddenLayer,
        inputs: &[f32],
        columns: usize,
        pass: &mut HiddenActivations,
    ) {
        let HiddenActivations { units, norm: norm_pass } = pass;
        let activation = self.architecture().activation;
        let is_fused = activation == Activation::Relu && layer.norm.is_none();
        let finish = if is_fused { Finish::Relu } else { Finish::Plain };
        self.linear(parameters, &layer.linear, inputs, units, columns, finish);
        if let (Some(norm), Some(norm_pass)) = (&layer.norm, norm_pass) {
            let (weight, bias) = (&parameters[norm.weight.clone()], &parameters[norm.bias.clone()]);
            kernels::layer_norm(self.path(), norm_pass, weight, bias, units);
        }
        if !is_fused {
            kernels::activate(self.path(), activation, units);
        }
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
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where they are not as many numbers as the batch's observations have.
    pub fn set_inputs(&mut self, observations: &[f32]) -> Result<(), Error> {
        let expected = self.batch * (self.inputs.len() / self.stride);
        if observations.len() != expected {
            let id = format!("a batch of {}", self.batch);
            return Err(Error::ObservationLength { id, expected, actual: observations.len() });
        }
        self.copy_inputs(ObservationsView::F32(observations));
        Ok(())
    }

    /// [`Activations::set_inputs`] for observations whose length is known to be right.
    pub(crate) fn copy_inputs(&mut self, observations: ObservationsView) {
        match observations {
            ObservationsView::F32(values) => self.transpose(values, |x| *x),
            ObservationsView::U8(values) => self.transpose(values, |x| f32::from(*x)),
        }
    }

    fn transpose<T>(&mut self, observations: &[T], float: impl Fn(&T) -> f32) {
        let inputs = observations.len() / self.batch;
        for (item, observation) in observations.chunks_exact(inputs).enumerate() {
            for (feature, x) in observation.iter().enumerate() {
                self.inputs[feature * self.stride + item] = float(x);
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
