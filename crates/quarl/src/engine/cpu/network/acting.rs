//! One observation through the network: what acting needs, without a batch's padding.

use super::buffer::Buffer;
use super::forward::HiddenActivations;
use super::kernels::{self, Finish, LANES};
use super::{Activation, Head};
use super::{HiddenLayer, Linear, QNetwork, QValues, dueling, implicit};
use crate::error::Error;

/// Room for one observation's way through the network.
#[derive(Clone, Debug)]
pub struct SingleScratch {
    /// The output of each of the trunk's hidden layers.
    trunk: Vec<Buffer>,
    /// An implicit head's levels, one behind the other, and what becomes of them.
    implicit: Option<ImplicitScratch>,
    /// Each stream's own hidden layer, in a dueling network.
    streams: Vec<Option<HiddenActivations>>,
    /// A dueling network's value and advantages, `[1 + actions][atoms]`, or `[1 + actions][levels]`; else empty.
    value_and_advantages: Buffer,
    /// `[actions][atoms]`, or `[actions][levels]`.
    outputs: Buffer,
    /// A categorical head's atoms.
    support: Vec<f32>,
    q_values: Vec<f32>,
}

#[derive(Clone, Debug)]
struct ImplicitScratch {
    /// As many as are averaged over, then padding to whole vectors.
    levels: Buffer,
    count: usize,
    recurrence: Vec<f64>,
    cosines: Buffer,
    /// The observation's own column, repeated: `[width][LANES]`.
    trunk: Buffer,
    embedded: Buffer,
    merged: Buffer,
}

impl QNetwork {
    /// Room for [`QNetwork::q_values`].
    pub fn single_scratch(&self) -> SingleScratch {
        let architecture = self.architecture();
        let (mut columns, mut implicit) = (1, None);
        if let (Some(embedding), Head::Implicit { acting_quantiles, .. }) = (&self.plan().embedding, architecture.head)
        {
            columns = acting_quantiles.next_multiple_of(LANES);
            let mut levels = Buffer::from_slice(&vec![0.5; columns]);
            levels
                .iter_mut()
                .zip(crate::network::head::midpoints(acting_quantiles))
                .for_each(|(level, middle)| *level = middle);
            implicit = Some(ImplicitScratch {
                levels,
                count: acting_quantiles,
                recurrence: vec![0.0; 3 * columns],
                cosines: Buffer::zeros(embedding.inputs * columns),
                trunk: Buffer::zeros(embedding.outputs * LANES),
                embedded: Buffer::zeros(embedding.outputs * columns),
                merged: Buffer::zeros(embedding.outputs * columns),
            });
        }
        let support = match architecture.head {
            Head::Categorical { atoms, v_min, v_max } => crate::network::head::support(atoms, v_min, v_max),
            _ => Vec::new(),
        };
        SingleScratch {
            trunk: architecture.hidden.iter().map(|units| Buffer::zeros(*units)).collect(),
            implicit,
            streams: self
                .plan()
                .streams
                .iter()
                .map(|stream| stream.hidden.as_ref().map(|layer| HiddenActivations::new(layer, columns)))
                .collect(),
            value_and_advantages: Buffer::zeros(if architecture.dueling {
                architecture.outputs() * columns
            } else {
                0
            }),
            outputs: Buffer::zeros(architecture.actions * architecture.head.atoms() * columns),
            support,
            q_values: vec![0.0; architecture.actions],
        }
    }

    /// One observation's Q-values.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] and [`Error::State`] where observation or parameters are not those of this network.
    pub fn q_values<'a>(
        &self,
        parameters: &[f32],
        observation: &[f32],
        scratch: &'a mut SingleScratch,
    ) -> Result<QValues<'a>, Error> {
        self.check_observation(observation)?;
        if parameters.len() < self.forward_parameter_count() {
            return Err(Error::State {
                what: "the network's parameters".to_owned(),
                message: format!("it has {}, {} were given", self.forward_parameter_count(), parameters.len()),
            });
        }
        let architecture = self.architecture();
        let plan = self.plan();
        let SingleScratch { trunk, implicit, streams, value_and_advantages, outputs, support, q_values } = scratch;
        let mut features = observation;
        for (layer, units) in plan.hidden.iter().zip(trunk) {
            self.hidden_of_one(parameters, layer, features, units);
            features = units;
        }
        let mut columns = 1;
        if let Some(implicit) = implicit {
            self.merge_levels(parameters, features, implicit);
            columns = implicit.levels.len();
            features = &implicit.merged;
        }
        let mut rest: &mut [f32] = if architecture.dueling { value_and_advantages } else { outputs };
        for (stream, pass) in plan.streams.iter().zip(streams) {
            let (part, others) = rest.split_at_mut(stream.output.outputs * columns);
            rest = others;
            let features = match (&stream.hidden, pass) {
                (Some(layer), Some(pass)) if columns > 1 => {
                    self.hidden(parameters, layer, features, columns, pass);
                    &pass.units
                }
                (Some(layer), Some(pass)) => {
                    self.hidden_of_one(parameters, layer, features, &mut pass.units);
                    &pass.units
                }
                _ => features,
            };
            if columns > 1 {
                self.linear(parameters, &stream.output, features, part, columns, Finish::Plain);
            } else {
                self.affine(parameters, &stream.output, features, false, part);
            }
        }
        if architecture.dueling {
            dueling::combine(value_and_advantages, architecture.actions, outputs);
        }
        let per_action = outputs.chunks_exact(architecture.head.atoms() * columns);
        match (&architecture.head, implicit) {
            (Head::Scalar, _) => return Ok(QValues::new(outputs, architecture.actions, 1)),
            (Head::Categorical { .. }, _) => {
                q_values.iter_mut().zip(per_action).for_each(|(q, logits)| *q = expectation(logits, support));
            }
            (_, implicit) => {
                let count = implicit.as_ref().map_or(architecture.head.atoms(), |implicit| implicit.count);
                q_values
                    .iter_mut()
                    .zip(per_action)
                    .for_each(|(q, quantiles)| *q = quantiles[..count].iter().sum::<f32>() / count as f32);
            }
        }
        Ok(QValues::new(q_values, architecture.actions, 1))
    }

    /// Whether this is one observation, as far as its length says.
    pub(crate) fn check_observation(&self, observation: &[f32]) -> Result<(), Error> {
        let (expected, actual) = (self.architecture().inputs, observation.len());
        if actual == expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: "the network".to_owned(), expected, actual })
    }

    /// One hidden layer. The padding behind the last unit stays zero, for each of these functions makes zero of zero.
    fn hidden_of_one(&self, parameters: &[f32], layer: &HiddenLayer, inputs: &[f32], units: &mut Buffer) {
        let activation = self.architecture().activation;
        let is_fused = activation == Activation::Relu && layer.norm.is_none();
        self.affine(parameters, &layer.linear, inputs, is_fused, units);
        if let Some(norm) = &layer.norm {
            layer_norm(&parameters[norm.weight.clone()], &parameters[norm.bias.clone()], units);
        }
        if !is_fused {
            kernels::activate(self.path(), activation, units.padded_mut());
        }
    }

    fn affine(&self, parameters: &[f32], layer: &Linear, inputs: &[f32], relu: bool, outputs: &mut [f32]) {
        let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
        kernels::affine(self.path(), weight, bias, inputs, relu, outputs);
    }

    /// The trunk's output, multiplied by every level's embedding.
    fn merge_levels(&self, parameters: &[f32], features: &[f32], scratch: &mut ImplicitScratch) {
        let ImplicitScratch { levels, recurrence, cosines, trunk, embedded, merged, .. } = scratch;
        let Some(embedding) = &self.plan().embedding else { return };
        let columns = levels.len();
        implicit::cosines(levels, recurrence, cosines);
        self.linear(parameters, embedding, cosines, embedded, columns, Finish::Relu);
        for (row, feature) in trunk.chunks_exact_mut(LANES).zip(features) {
            row.fill(*feature);
        }
        kernels::merge(self.path(), trunk, LANES, embedded, merged);
    }
}

impl SingleScratch {
    /// The levels that an implicit head's Q-values are averaged over: midpoints unless the caller writes others. Empty for
    /// any other head.
    pub fn levels_mut(&mut self) -> &mut [f32] {
        self.implicit.as_mut().map_or(&mut [], |implicit| &mut implicit.levels[..implicit.count])
    }
}

/// One item's layer normalisation, summed in plain order.
fn layer_norm(weight: &[f32], bias: &[f32], values: &mut [f32]) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let inverse = 1.0 / (variance + kernels::LAYER_NORM_EPS).sqrt();
    for ((x, weight), bias) in values.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * inverse * weight + bias;
    }
}

/// The mean of a distribution over `support`, from its logits.
fn expectation(logits: &[f32], support: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (logit, value) in logits.iter().zip(support) {
        let weight = libm::expf(logit - largest);
        sum += weight;
        weighted += weight * value;
    }
    weighted / sum
}
