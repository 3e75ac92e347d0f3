//! The Q-network in plain loops: one observation at one quantile level, forward and backward.

use std::f64::consts::PI;

use quarl::engine::{Tensor, parameter_layout};
use quarl::network::{Activation, Architecture, Head};

use super::layers::{
    LayerNorm, Linear, Parameters, activate, activation_slope, is_near_zero, linear, linear_backward, norm_bias,
    norm_weight, normalise, normalise_backward,
};

/// A network: what it is made of, and where its parameters are.
pub(crate) struct Network {
    pub(crate) architecture: Architecture,
    /// The names and places of all parameters.
    pub(crate) tensors: Vec<Tensor>,
    trunk: Vec<HiddenLayer>,
    embedding: Option<Linear>,
    streams: Vec<Stream>,
}

struct HiddenLayer {
    linear: Linear,
    norm: Option<LayerNorm>,
}

struct Stream {
    hidden: Option<HiddenLayer>,
    output: Linear,
}

impl Network {
    pub(crate) fn new(architecture: Architecture) -> Self {
        // Field by field: whoever adds one is asked what it means here.
        let Architecture {
            inputs: _,
            observation_shape: _,
            hidden,
            actions: _,
            activation: _,
            layer_norm,
            dueling,
            dueling_hidden,
            noisy,
            weight_norm,
            head,
        } = &architecture;
        let tensors = parameter_layout(&architecture);
        let tensor = |name: &str, part: &str| {
            let name = format!("{name}.{part}");
            tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no {name}")).clone()
        };
        let range = |name: &str, part: &str| tensor(name, part).range;
        let linear = |name: &str| Linear {
            name: name.to_owned(),
            inputs: tensor(name, "weight").shape[1],
            outputs: tensor(name, "weight").shape[0],
            weight: range(name, "weight"),
            bias: range(name, "bias"),
            lengths: weight_norm.then(|| range(name, "weight_g")),
            sigma: noisy.then(|| (range(name, "weight_sigma"), range(name, "bias_sigma"))),
        };
        let layer = |name: &str, norm: &str| HiddenLayer {
            linear: linear(name),
            norm: layer_norm.then(|| LayerNorm { weight: range(norm, "weight"), bias: range(norm, "bias") }),
        };
        let stream = |name: &str| Stream {
            hidden: dueling_hidden.map(|_| layer(&format!("{name}_hidden"), &format!("{name}_norm"))),
            output: linear(name),
        };
        let trunk = (1..=hidden.len()).map(|i| layer(&format!("l{i}"), &format!("norm{i}"))).collect();
        let embedding = matches!(head, Head::Implicit { .. }).then(|| linear("embedding"));
        let streams = match dueling {
            true => vec![stream("value"), stream("advantage")],
            false => vec![Stream { hidden: None, output: linear(&format!("l{}", hidden.len() + 1)) }],
        };
        Self { trunk, embedding, streams, tensors, architecture }
    }

    /// How many parameters it has.
    pub(crate) fn parameter_count(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.range.len()).sum()
    }

    /// All fully connected layers, in the order in which an observation meets them.
    pub(crate) fn linears(&self) -> impl Iterator<Item = &Linear> {
        let streams = self.streams.iter();
        let of_streams =
            streams.flat_map(|Stream { hidden, output }| hidden.iter().map(|layer| &layer.linear).chain([output]));
        self.trunk.iter().map(|layer| &layer.linear).chain(&self.embedding).chain(of_streams)
    }
}

/// A forward pass, with all that the backward pass needs.
pub(crate) struct Pass {
    trunk: Vec<HiddenPass>,
    embedding: Option<EmbeddingPass>,
    streams: Vec<StreamPass>,
    /// `[action * atoms + atom]`
    pub(crate) outputs: Vec<f64>,
    /// Whether a ReLU's input is so near to zero that rounding to f32 decides whether a gradient passes.
    pub(crate) is_at_kink: bool,
}

struct HiddenPass {
    inputs: Vec<f64>,
    /// `(x - mean) / deviation` of the linear layer's outputs, and the deviation; where the layer is normalised.
    normalised: Option<(Vec<f64>, f64)>,
    before_activation: Vec<f64>,
    units: Vec<f64>,
}

struct EmbeddingPass {
    cosines: Vec<f64>,
    trunk: Vec<f64>,
    /// Before the ReLU.
    embedded: Vec<f64>,
}

struct StreamPass {
    hidden: Option<HiddenPass>,
    /// What the output layer sees.
    inputs: Vec<f64>,
}

impl Network {
    /// The outputs for an observation; `level` is read by an implicit head only.
    pub(crate) fn forward(&self, parameters: Parameters, observation: &[f64], level: f64) -> Pass {
        let mut is_at_kink = false;
        let mut features = observation.to_vec();
        let mut trunk = Vec::new();
        for layer in &self.trunk {
            let pass = self.hidden(parameters, layer, &features, &mut is_at_kink);
            features.clone_from(&pass.units);
            trunk.push(pass);
        }
        // phi_j(tau) = relu(sum_i cos(pi i tau) w_ij + b_j), multiplied with the trunk's output (Dabney et al. 2018b).
        let mut embedding = None;
        if let Some(layer) = &self.embedding {
            let cosines: Vec<f64> = (0..layer.inputs).map(|i| (PI * i as f64 * level).cos()).collect();
            let (embedded, scales) = linear(parameters, layer, &cosines);
            is_at_kink |= is_near_zero(&embedded, &scales);
            let merged = features.iter().zip(&embedded).map(|(x, phi)| x * phi.max(0.0)).collect();
            embedding = Some(EmbeddingPass { cosines, trunk: features, embedded });
            features = merged;
        }
        let mut streams = Vec::new();
        let mut outputs = Vec::new();
        for Stream { hidden, output } in &self.streams {
            let hidden = hidden.as_ref().map(|layer| self.hidden(parameters, layer, &features, &mut is_at_kink));
            let inputs = hidden.as_ref().map_or(&features, |pass| &pass.units).clone();
            outputs.push(linear(parameters, output, &inputs).0);
            streams.push(StreamPass { hidden, inputs });
        }
        Pass { trunk, embedding, streams, outputs: self.combine(outputs), is_at_kink }
    }

    /// Adds the gradient of a loss to `gradients`, from its gradient with respect to a pass's outputs.
    pub(crate) fn backward(&self, parameters: Parameters, pass: &Pass, of_outputs: &[f64], gradients: &mut [f64]) {
        let mut of_features = vec![0.0; self.architecture.width()];
        for ((stream, pass), of_stream) in self.streams.iter().zip(&pass.streams).zip(self.separate(of_outputs)) {
            let mut delta = linear_backward(parameters, &stream.output, &pass.inputs, &of_stream, gradients);
            if let (Some(layer), Some(pass)) = (&stream.hidden, &pass.hidden) {
                delta = self.hidden_backward(parameters, layer, pass, &delta, gradients);
            }
            of_features.iter_mut().zip(delta).for_each(|(sum, delta)| *sum += delta);
        }
        if let (Some(layer), Some(pass)) = (&self.embedding, &pass.embedding) {
            let mut of_embedded = vec![0.0; layer.outputs];
            for unit in 0..layer.outputs {
                if pass.embedded[unit] > 0.0 {
                    of_embedded[unit] = of_features[unit] * pass.trunk[unit];
                    of_features[unit] *= pass.embedded[unit];
                } else {
                    of_features[unit] = 0.0;
                }
            }
            linear_backward(parameters, layer, &pass.cosines, &of_embedded, gradients);
        }
        for (layer, pass) in self.trunk.iter().zip(&pass.trunk).rev() {
            of_features = self.hidden_backward(parameters, layer, pass, &of_features, gradients);
        }
    }

    /// A hidden layer: linear, normalised where the network has layer normalisation, activated.
    fn hidden(&self, parameters: Parameters, layer: &HiddenLayer, inputs: &[f64], is_at_kink: &mut bool) -> HiddenPass {
        let (mut x, mut scales) = linear(parameters, &layer.linear, inputs);
        let mut normalised = None;
        if let Some(norm) = &layer.norm {
            let (units, deviation) = normalise(&x);
            for unit in 0..x.len() {
                let (scaled, bias) =
                    (norm_weight(parameters, norm, unit) * units[unit], norm_bias(parameters, norm, unit));
                x[unit] = scaled + bias;
                scales[unit] = scaled.abs() + bias.abs();
            }
            normalised = Some((units, deviation));
        }
        let activation = self.architecture.activation;
        *is_at_kink |= activation == Activation::Relu && is_near_zero(&x, &scales);
        let units = x.iter().map(|x| activate(activation, *x)).collect();
        HiddenPass { inputs: inputs.to_vec(), normalised, before_activation: x, units }
    }

    /// The gradient with respect to the layer's inputs.
    fn hidden_backward(
        &self,
        parameters: Parameters,
        layer: &HiddenLayer,
        pass: &HiddenPass,
        of_units: &[f64],
        gradients: &mut [f64],
    ) -> Vec<f64> {
        let slope = |unit: usize| activation_slope(self.architecture.activation, pass.before_activation[unit]);
        let mut delta: Vec<f64> = (0..of_units.len()).map(|unit| of_units[unit] * slope(unit)).collect();
        if let (Some(norm), Some((normalised, deviation))) = (&layer.norm, &pass.normalised) {
            for unit in 0..delta.len() {
                gradients[norm.weight.start + unit] += delta[unit] * normalised[unit];
                gradients[norm.bias.start + unit] += delta[unit];
                delta[unit] *= norm_weight(parameters, norm, unit);
            }
            delta = normalise_backward(&delta, normalised, *deviation);
        }
        linear_backward(parameters, &layer.linear, &pass.inputs, &delta, gradients)
    }

    /// The streams' outputs as the network's: one stream as it is; of two, `V + A - mean of A` (Wang et al. 2016).
    fn combine(&self, streams: Vec<Vec<f64>>) -> Vec<f64> {
        let (actions, atoms) = (self.architecture.actions, self.architecture.head.atoms());
        let [value, advantages] = &streams[..] else { return streams.concat() };
        let mut outputs = vec![0.0; actions * atoms];
        for atom in 0..atoms {
            let mean = (0..actions).map(|action| advantages[action * atoms + atom]).sum::<f64>() / actions as f64;
            for action in 0..actions {
                outputs[action * atoms + atom] = value[atom] + advantages[action * atoms + atom] - mean;
            }
        }
        outputs
    }

    /// The gradient with respect to each stream's outputs.
    fn separate(&self, of_outputs: &[f64]) -> Vec<Vec<f64>> {
        let (actions, atoms) = (self.architecture.actions, self.architecture.head.atoms());
        if !self.architecture.dueling {
            return vec![of_outputs.to_vec()];
        }
        let (mut of_value, mut of_advantages) = (vec![0.0; atoms], vec![0.0; actions * atoms]);
        for action in 0..actions {
            for atom in 0..atoms {
                let delta = of_outputs[action * atoms + atom];
                of_value[atom] += delta;
                of_advantages[action * atoms + atom] += delta;
                for other in 0..actions {
                    of_advantages[other * atoms + atom] -= delta / actions as f64;
                }
            }
        }
        vec![of_value, of_advantages]
    }
}
