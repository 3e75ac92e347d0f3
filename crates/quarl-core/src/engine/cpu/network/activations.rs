//! The activations of a forward pass, for a batch or one observation.

use super::head::HeadPass;
use super::layers::layer::{Columns, Features, Forward, LayerPass};
use super::{Head, QNetwork, QValues};
use crate::engine::cpu::buffer::Buffer;
use crate::error::Error;
use crate::observations::ObservationsView;

/// The outputs of every layer for one batch, *feature-major*: `[feature][item]`, rows padded to whole vectors.
#[derive(Debug)]
pub struct Activations {
    pub(super) columns: Columns,
    /// The observations; empty for a single observation.
    pub(super) inputs: Buffer,
    pub(super) passes: Vec<Box<dyn LayerPass>>,
    head: HeadPass,
}

impl QNetwork {
    /// Allocates the activations of a batch, with `levels` quantile levels for each item (1 for heads without quantile
    /// levels).
    pub fn activations(&self, batch: usize, levels: usize) -> Activations {
        self.room(Columns::of_batch(batch), levels)
    }

    fn room(&self, columns: Columns, levels: usize) -> Activations {
        let mut next = columns;
        let mut passes = Vec::new();
        for layer in &self.layers().layers {
            passes.push(layer.pass(next, levels));
            let after = layer.output_columns(next.stride, levels);
            next = if after == next.stride { next } else { Columns { items: after, stride: after } };
        }
        let inputs = self.architecture().inputs * columns.stride;
        Activations {
            columns,
            // A single observation is read from the caller's slice.
            inputs: Buffer::zeros(if columns.is_one() { 0 } else { inputs }),
            head: HeadPass::new(self.architecture(), columns, next),
            passes,
        }
    }

    /// Computes the outputs for the inputs (and quantile levels) in `activations`, which keeps the outputs of every layer
    /// for [`QNetwork::backward`]. Of `parameters`, the first [`QNetwork::forward_parameter_count`] are read.
    ///
    /// # Panics
    /// When parameters or activations belong to another network.
    pub fn forward(&self, parameters: &[f32], activations: &mut Activations) {
        let Activations { columns, inputs, passes, head } = activations;
        let inputs = Features { values: inputs, columns: *columns, activation: None };
        self.run(parameters, inputs, passes);
        head.of_batch(self.path(), &self.architecture().head, outputs(passes));
    }

    fn run(&self, parameters: &[f32], inputs: Features, passes: &mut [Box<dyn LayerPass>]) {
        let cx = Forward { path: self.path(), parameters };
        for i in 0..passes.len() {
            let (before, rest) = passes.split_at_mut(i);
            rest[0].forward(cx, before.last().map_or(inputs, |pass| pass.outputs()));
        }
    }
}

fn outputs(passes: &[Box<dyn LayerPass>]) -> &[f32] {
    passes.last().map_or(&[], |pass| pass.outputs().values)
}

impl Activations {
    /// Copies a batch of observations, `[item][feature]`, into the inputs.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where their total length is not that of the batch.
    pub fn set_inputs(&mut self, observations: &[f32]) -> Result<(), Error> {
        let Columns { items, stride } = self.columns;
        let expected = items * (self.inputs.len() / stride);
        if observations.len() != expected {
            let id = format!("a batch of {items}");
            return Err(Error::ObservationLength { id, expected, actual: observations.len() });
        }
        self.copy_inputs(ObservationsView::F32(observations));
        Ok(())
    }

    /// [`Activations::set_inputs`] for observations of a correct length.
    pub(crate) fn copy_inputs(&mut self, observations: ObservationsView) {
        match observations {
            ObservationsView::F32(values) => self.transpose(values, |x| *x),
            ObservationsView::U8(values) => self.transpose(values, |x| f32::from(*x)),
        }
    }

    fn transpose<T>(&mut self, observations: &[T], float: impl Fn(&T) -> f32) {
        let Columns { items, stride } = self.columns;
        let features = observations.len() / items;
        for (item, observation) in observations.chunks_exact(features).enumerate() {
            for (feature, x) in observation.iter().enumerate() {
                self.inputs[feature * stride + item] = float(x);
            }
        }
    }

    /// The quantile levels of an implicit head, `[level][stride]`, each in [0, 1]; empty for other heads.
    pub fn levels(&self) -> &[f32] {
        self.passes.iter().map(|pass| pass.levels()).find(|levels| !levels.is_empty()).unwrap_or(&[])
    }

    /// [`Activations::levels`], to be set before a forward pass. The padding behind the items of each level may have any
    /// level.
    pub fn levels_mut(&mut self) -> &mut [f32] {
        self.passes.iter_mut().map(|pass| pass.levels_mut()).find(|levels| !levels.is_empty()).unwrap_or(&mut [])
    }

    /// The distance between two features: the batch size, padded to a multiple of 16.
    pub fn stride(&self) -> usize {
        self.columns.stride
    }

    /// The outputs of the last forward pass, `[action][atom][stride]`. Those of a categorical head are logits. The quantile
    /// levels of an implicit head take the place of atoms.
    pub fn outputs(&self) -> &[f32] {
        outputs(&self.passes)
    }

    /// Sets an output of a scalar head to a cached value.
    pub(crate) fn set_output(&mut self, action: usize, item: usize, value: f32) {
        let stride = self.columns.stride;
        if let Some(last) = self.passes.last_mut() {
            last.outputs_mut()[action * stride + item] = value;
        }
    }

    /// A categorical head's probabilities, in the layout of the outputs; empty for other heads.
    pub fn probabilities(&self) -> &[f32] {
        self.head.probabilities()
    }

    /// The place of the first layer whose output is not finite.
    pub(crate) fn first_layer_not_finite(&self) -> Option<usize> {
        self.passes.iter().position(|pass| pass.outputs().values.iter().any(|x| !x.is_finite()))
    }

    /// The Q-values of the last forward pass.
    pub fn q_values(&self) -> QValues<'_> {
        self.head.q_values(self.outputs())
    }
}

/// The buffers of a forward pass of one observation.
#[derive(Debug)]
pub struct SingleScratch(Activations);

impl SingleScratch {
    /// The quantile levels that an implicit head's Q-values are averaged over: midpoints by default. Empty for other heads.
    pub fn levels_mut(&mut self) -> &mut [f32] {
        self.0.levels_mut()
    }
}

impl QNetwork {
    /// Allocates the buffers of [`QNetwork::q_values`].
    pub fn single_scratch(&self) -> SingleScratch {
        let levels = match self.architecture().head {
            Head::Implicit { acting_quantiles, .. } => acting_quantiles,
            Head::Scalar | Head::Categorical { .. } | Head::Quantile { .. } => 1,
        };
        SingleScratch(self.room(Columns::ONE, levels))
    }

    /// The Q-values of one observation, computed without a batch's padding.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] and [`Error::State`] where observation or parameters do not have this network's
    /// lengths.
    pub fn q_values<'a>(
        &self,
        parameters: &[f32],
        observation: &[f32],
        scratch: &'a mut SingleScratch,
    ) -> Result<QValues<'a>, Error> {
        self.architecture().check_observation(observation)?;
        if parameters.len() < self.forward_parameter_count() {
            return Err(Error::State {
                what: "the network's parameters".to_owned(),
                message: format!("the network has {}, {} were given", self.forward_parameter_count(), parameters.len()),
            });
        }
        let SingleScratch(Activations { columns, passes, head, .. }) = scratch;
        self.run(parameters, Features { values: observation, columns: *columns, activation: None }, passes);
        head.of_one(&self.architecture().head, outputs(passes));
        Ok(head.q_values(outputs(passes)))
    }
}
