//! What is exported: the layers of a greedy forward pass with their effective parameters.

use std::cell::Cell;

use crate::engine::{TrainedNetwork, parameter_layout};
use crate::error::Error;
use crate::model::Model;
use crate::network::head::{midpoints, support};
use crate::network::{Activation, Head};

/// A fully connected layer, with optional layer normalisation and activation.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[outputs][inputs]`
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// Scale and shift of the layer normalisation.
    pub(super) norm: Option<[Vec<f32>; 2]>,
    pub(super) activation: Option<Activation>,
}

/// The way from outputs to Q-values.
#[derive(Debug)]
pub(super) enum Reading {
    /// Outputs are Q-values.
    Values,
    /// Outputs are logits; the numbers are the returns of the atoms.
    Categorical(Vec<f32>),
    /// A Q-value is the mean of its quantiles.
    Quantiles,
    /// A Q-value is the mean over quantile levels, each of which has an embedding: `[levels][features]`.
    Implicit(Vec<f32>),
}

/// The network of a greedy agent.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) env: String,
    pub(super) inputs: usize,
    pub(super) actions: usize,
    /// The number of outputs of each action.
    pub(super) atoms: usize,
    /// Mean and standard deviation of observations.
    pub(super) normalisation: Option<[Vec<f64>; 2]>,
    pub(super) trunk: Vec<Layer>,
    /// The number of features that the trunk gives.
    pub(super) features: usize,
    /// The value stream of a dueling network; empty otherwise.
    pub(super) value: Vec<Layer>,
    /// The advantage stream of a dueling network; otherwise the output layer.
    pub(super) output: Vec<Layer>,
    pub(super) reading: Reading,
}

impl Network {
    pub(super) fn new(model: &Model) -> Result<Self, Error> {
        model.check()?;
        let architecture = &model.architecture;
        let network = TrainedNetwork::new(architecture, &model.parameters)?;
        let (effective, tensors) = (network.effective_parameters(), parameter_layout(architecture));
        let exported = Cell::new(0);
        let shaped = |name: &str| -> Option<(&[usize], Vec<f32>)> {
            let found = tensors.iter().find(|tensor| tensor.name == name)?;
            let values = effective.get(found.range.clone())?.to_vec();
            exported.set(exported.get() + values.len());
            Some((&found.shape, values))
        };
        let tensor = |name: &str| shaped(name).map(|(_, values)| values);
        let refused = |message: String| Error::State { what: "the model".to_owned(), message };
        let missing = |name: &str| refused(format!("it has no parameters for its layer {name}"));
        let layer = |name: &str, norm: &str, activation: Option<Activation>| -> Result<Layer, Error> {
            let (Some(([outputs, inputs], weight)), Some(bias)) =
                (shaped(&format!("{name}.weight")), tensor(&format!("{name}.bias")))
            else {
                return Err(missing(name));
            };
            let scale = tensor(&format!("{norm}.weight"));
            Ok(Layer {
                name: name.to_owned(),
                inputs: *inputs,
                outputs: *outputs,
                weight,
                bias,
                norm: scale.zip(tensor(&format!("{norm}.bias"))).map(|(scale, shift)| [scale, shift]),
                activation,
            })
        };
        let hidden = Some(architecture.activation);
        let trunk: Result<Vec<Layer>, Error> =
            (1..=architecture.hidden.len()).map(|i| layer(&format!("l{i}"), &format!("norm{i}"), hidden)).collect();
        let stream = |name: &str| -> Result<Vec<Layer>, Error> {
            let first = architecture
                .dueling_hidden
                .map(|_| layer(&format!("{name}_hidden"), &format!("{name}_norm"), hidden))
                .transpose()?;
            Ok(first.into_iter().chain([layer(name, "", None)?]).collect())
        };
        let (value, output) = match architecture.dueling {
            true => (stream("value")?, stream("advantage")?),
            false => (Vec::new(), vec![layer(&format!("l{}", architecture.hidden.len() + 1), "", None)?]),
        };
        let reading = match architecture.head {
            Head::Scalar => Reading::Values,
            Head::Quantile { .. } => Reading::Quantiles,
            Head::Categorical { atoms, v_min, v_max } => Reading::Categorical(support(atoms, v_min, v_max)),
            Head::Implicit { acting_quantiles, .. } => {
                let embedding = layer("embedding", "", None)?;
                Reading::Implicit(midpoints(acting_quantiles).flat_map(|level| embed(&embedding, level)).collect())
            }
        };
        // A layer that is not exported above would be left out without notice.
        if exported.get() != effective.len() {
            return Err(refused("its network has a layer that cannot be exported".to_owned()));
        }
        let normalisation = model
            .observation_statistics
            .as_ref()
            .map(|statistics| [statistics.mean().to_vec(), statistics.deviations().collect()]);
        Ok(Self {
            env: model.env.clone(),
            inputs: architecture.inputs,
            actions: architecture.actions,
            atoms: architecture.head.atoms(),
            normalisation,
            trunk: trunk?,
            features: architecture.width(),
            value,
            output,
            reading,
        })
    }

    /// All layers, in the order of the forward pass.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.trunk.iter().chain(&self.value).chain(&self.output)
    }

    /// Whether a layer has this activation.
    pub(super) fn uses(&self, activation: Activation) -> bool {
        self.layers().any(|layer| layer.activation == Some(activation))
    }
}

/// The embedding of a quantile level: `relu(sum over i of cos(pi i level) w_ij + b_j)`.
fn embed(layer: &Layer, level: f32) -> Vec<f32> {
    let cosine = |i: usize| libm::cos(std::f64::consts::PI * i as f64 * f64::from(level));
    let cosines: Vec<f64> = (0..layer.inputs).map(cosine).collect();
    let unit = |(row, bias): (&[f32], &f32)| {
        let sum: f64 = row.iter().zip(&cosines).map(|(weight, cosine)| f64::from(*weight) * cosine).sum();
        (sum + f64::from(*bias)).max(0.0) as f32
    };
    layer.weight.chunks_exact(layer.inputs).zip(&layer.bias).map(unit).collect()
}

/// Numbers as literals, eight a line, with a suffix (`f` in C).
pub(super) fn literals<T: std::fmt::Debug>(numbers: &[T], suffix: &str) -> String {
    let line = |line: &[T]| line.iter().map(|x| format!("{x:?}{suffix}")).collect::<Vec<_>>().join(", ");
    numbers.chunks(8).map(|eight| format!("    {},\n", line(eight))).collect()
}
