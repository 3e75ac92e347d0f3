//! The layers' formulas: fully connected with noise, layer normalisation, activations; forward and backward.

use std::collections::BTreeMap;
use std::ops::Range;

use quarl::network::Activation;
use quarl::rng::Rng;

const LAYER_NORM_EPS: f64 = 1e-5;

/// A fully connected layer's places in the parameters, weights as `[outputs][inputs]`.
pub(crate) struct Linear {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
    /// Of the lengths of the weight's rows, with weight normalisation.
    pub(crate) lengths: Option<Range<usize>>,
    /// Of the scales of the weight's and the bias's noise, in a noisy network.
    pub(crate) sigma: Option<(Range<usize>, Range<usize>)>,
}

pub(crate) struct LayerNorm {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

/// One draw of factorised Gaussian noise: `f(eps)` of each noisy layer's inputs and outputs, by the layer's name, with
/// `f(x) = sgn(x) sqrt|x|` (Fortunato et al. 2018).
pub(crate) struct Noise(BTreeMap<String, (Vec<f64>, Vec<f64>)>);

impl Noise {
    /// Draws for one noisy layer after the other, and nothing for others.
    pub(crate) fn draw<'a>(layers: impl Iterator<Item = &'a Linear>, rng: &mut Rng) -> Self {
        let mut draw = |count: usize| -> Vec<f64> {
            (0..count)
                .map(|_| {
                    let eps = rng.normal();
                    // Noise is an input in single precision.
                    f64::from((eps.signum() * eps.abs().sqrt()) as f32)
                })
                .collect()
        };
        let noisy = layers.filter(|layer| layer.sigma.is_some());
        Self(noisy.map(|layer| (layer.name.clone(), (draw(layer.inputs), draw(layer.outputs)))).collect())
    }

    /// What the sigma of the weight from `column` to `row` is multiplied by.
    fn of_weight(&self, layer: &Linear, row: usize, column: usize) -> f64 {
        let (of_inputs, of_outputs) = &self.0[&layer.name];
        of_outputs[row] * of_inputs[column]
    }

    /// What the sigma of the bias of `row` is multiplied by.
    fn of_bias(&self, layer: &Linear, row: usize) -> f64 {
        self.0[&layer.name].1[row]
    }
}

/// A network's parameters under one draw of noise.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a> {
    pub(crate) values: &'a [f64],
    pub(crate) noise: &'a Noise,
}

/// `y = W x + b` with `w = mu + sigma * noise` in a noisy layer; and each output's sum of absolute terms, which its rounding
/// error is in proportion to.
pub(crate) fn linear(parameters: Parameters, layer: &Linear, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut outputs, mut scales) = (Vec::new(), Vec::new());
    for row in 0..layer.outputs {
        let mut y = linear_bias(parameters, layer, row);
        let mut scale = y.abs();
        for (column, x) in x.iter().enumerate() {
            let term = linear_weight(parameters, layer, row, column) * x;
            y += term;
            scale += term.abs();
        }
        outputs.push(y);
        scales.push(scale);
    }
    (outputs, scales)
}

/// Adds the gradients of weights, biases and sigmas; gives that of the inputs.
pub(crate) fn linear_backward(
    parameters: Parameters,
    layer: &Linear,
    x: &[f64],
    of_outputs: &[f64],
    gradients: &mut [f64],
) -> Vec<f64> {
    let mut of_inputs = vec![0.0; layer.inputs];
    for (row, delta) in of_outputs.iter().enumerate() {
        gradients[layer.bias.start + row] += delta;
        if let Some((_, sigma)) = &layer.sigma {
            gradients[sigma.start + row] += delta * parameters.noise.of_bias(layer, row);
        }
        for (column, x) in x.iter().enumerate() {
            let at = row * layer.inputs + column;
            match &layer.lengths {
                None => gradients[layer.weight.start + at] += delta * x,
                // w_i = g v_i / |v|: dw_i/dg = v_i / |v|, dw_i/dv_j = g / |v| (1 where i = j, less v_i v_j / |v|^2).
                Some(lengths) => {
                    let (v, length) = (row_of(parameters, layer, row), row_length(parameters, layer, row));
                    let (g, of_weight) = (parameters.values[lengths.start + row], delta * x);
                    gradients[lengths.start + row] += of_weight * v[column] / length;
                    for (other, v_other) in v.iter().enumerate() {
                        let same = if other == column { 1.0 } else { 0.0 };
                        gradients[layer.weight.start + row * layer.inputs + other] +=
                            of_weight * g / length * (same - v[column] * v_other / (length * length));
                    }
                }
            }
            if let Some((sigma, _)) = &layer.sigma {
                gradients[sigma.start + at] += delta * x * parameters.noise.of_weight(layer, row, column);
            }
            of_inputs[column] += delta * linear_weight(parameters, layer, row, column);
        }
    }
    of_inputs
}

fn row_of<'a>(parameters: Parameters<'a>, layer: &Linear, row: usize) -> &'a [f64] {
    let start = layer.weight.start + row * layer.inputs;
    &parameters.values[start..start + layer.inputs]
}

fn row_length(parameters: Parameters, layer: &Linear, row: usize) -> f64 {
    row_of(parameters, layer, row).iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn linear_weight(parameters: Parameters, layer: &Linear, row: usize, column: usize) -> f64 {
    let Parameters { values, noise } = parameters;
    let at = row * layer.inputs + column;
    let v = values[layer.weight.start + at];
    let mu = match &layer.lengths {
        Some(lengths) => values[lengths.start + row] * v / row_length(parameters, layer, row),
        None => v,
    };
    layer.sigma.as_ref().map_or(mu, |(sigma, _)| mu + values[sigma.start + at] * noise.of_weight(layer, row, column))
}

fn linear_bias(Parameters { values, noise }: Parameters, layer: &Linear, row: usize) -> f64 {
    let mu = values[layer.bias.start + row];
    layer.sigma.as_ref().map_or(mu, |(_, sigma)| mu + values[sigma.start + row] * noise.of_bias(layer, row))
}

pub(crate) fn norm_weight(parameters: Parameters, norm: &LayerNorm, unit: usize) -> f64 {
    parameters.values[norm.weight.start + unit]
}

pub(crate) fn norm_bias(parameters: Parameters, norm: &LayerNorm, unit: usize) -> f64 {
    parameters.values[norm.bias.start + unit]
}

/// `(x - mean) / deviation` and the deviation, `sqrt(variance + eps)` (Ba et al. 2016).
pub(crate) fn normalise(x: &[f64]) -> (Vec<f64>, f64) {
    let mean = mean(x);
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
    let deviation = (variance + LAYER_NORM_EPS).sqrt();
    (x.iter().map(|x| (x - mean) / deviation).collect(), deviation)
}

/// The gradient with respect to x, from that with respect to `n = (x - mean) / deviation`:
/// `(d - mean(d) - n mean(d n)) / deviation`.
pub(crate) fn normalise_backward(delta: &[f64], normalised: &[f64], deviation: f64) -> Vec<f64> {
    let products: Vec<f64> = delta.iter().zip(normalised).map(|(d, n)| d * n).collect();
    let (mean_delta, mean_product) = (mean(delta), mean(&products));
    delta.iter().zip(normalised).map(|(d, n)| (d - mean_delta - n * mean_product) / deviation).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

pub(crate) fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Elu if x > 0.0 => x,
        Activation::Elu => x.exp_m1(),
    }
}

pub(crate) fn activation_slope(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => f64::from(u8::from(x > 0.0)),
        Activation::Tanh => 1.0 - x.tanh().powi(2),
        Activation::Elu if x > 0.0 => 1.0,
        Activation::Elu => x.exp(),
    }
}

/// Whether one of the sums is so near to zero that rounding its terms to f32 can change its sign. A sum of zeros is zero in
/// both.
pub(crate) fn is_near_zero(sums: &[f64], scales: &[f64]) -> bool {
    sums.iter().zip(scales).any(|(sum, scale)| *scale > 0.0 && sum.abs() < 2e-6 * scale)
}
