//! Noisy networks (Fortunato et al. 2018): weights and biases with learnt, factorised Gaussian noise.
//!
//! The effective parameters of a noisy layer are `w = mu + sigma * f(eps_out) f(eps_in)^T` and `b = mu + sigma *
//! f(eps_out)`, where
//! `f(x) = sgn(x) sqrt|x|`.

use std::ops::Range;

use super::layer::{Layout, Tensor};
use super::linear::Linear;
use super::reparametrisation::Reparametrisation;
use crate::rng::Rng;

/// The noise scales sigma: for each fully connected part, in the layout of its weight and bias.
#[derive(Debug)]
pub(crate) struct Noisy {
    layers: Vec<(Linear, Range<usize>)>,
}

impl Noisy {
    pub(crate) fn new(layout: &mut Layout, linears: Vec<Linear>) -> Self {
        let mut sigma = |linear: &Linear| layout.take(linear.weight.len() + linear.bias.len());
        Self {
            layers: linears
                .into_iter()
                .map(|linear| {
                    let sigma = sigma(&linear);
                    (linear, sigma)
                })
                .collect(),
        }
    }

    /// Calls `visit(linear, start of its sigmas, row, (f(eps) of its inputs, f(eps) of this output))`.
    fn for_each_row(&self, noise: &[f32], mut visit: impl FnMut(&Linear, usize, usize, (&[f32], f32))) {
        let mut values = noise;
        for (linear, sigma) in &self.layers {
            let (of_inputs, rest) = values.split_at(linear.inputs);
            let (of_outputs, rest) = rest.split_at(linear.outputs);
            values = rest;
            for (row, of_output) in of_outputs.iter().enumerate() {
                visit(linear, sigma.start, row, (of_inputs, *of_output));
            }
        }
    }
}

impl Reparametrisation for Noisy {
    fn tensors(&self) -> Vec<Tensor> {
        let of_layer = |(linear, sigma): &(Linear, Range<usize>)| {
            let bias = sigma.start + linear.weight.len();
            [
                Tensor {
                    name: format!("{}.weight_sigma", linear.name),
                    shape: vec![linear.outputs, linear.inputs],
                    range: sigma.start..bias,
                },
                Tensor {
                    name: format!("{}.bias_sigma", linear.name),
                    shape: vec![linear.outputs],
                    range: bias..sigma.end,
                },
            ]
        };
        self.layers.iter().flat_map(of_layer).collect()
    }

    /// Initialises every sigma to `noisy_sigma`/sqrt(inputs).
    fn initialise(&self, noisy_sigma: f64, parameters: &mut [f32]) {
        for (linear, sigma) in &self.layers {
            let bound = 1.0 / (linear.inputs as f64).sqrt();
            parameters[sigma.clone()].fill((noisy_sigma * bound) as f32);
        }
    }

    fn draws(&self) -> usize {
        self.layers.iter().map(|(linear, _)| linear.inputs + linear.outputs).sum()
    }

    fn draw(&self, rng: &mut Rng, noise: &mut [f32]) {
        for value in noise {
            let normal = rng.normal();
            *value = normal.abs().sqrt().copysign(normal) as f32;
        }
    }

    fn apply(&self, parameters: &[f32], noise: &[f32], effective: &mut [f32]) {
        self.for_each_row(noise, |linear, sigma, row, (of_inputs, of_output)| {
            let weights = linear.weight.start + row * linear.inputs..linear.weight.start + (row + 1) * linear.inputs;
            let sigmas = &parameters[sigma + row * linear.inputs..sigma + (row + 1) * linear.inputs];
            for ((weight, sigma), of_input) in effective[weights].iter_mut().zip(sigmas).zip(of_inputs) {
                *weight += sigma * (of_output * of_input);
            }
            effective[linear.bias.start + row] += parameters[sigma + linear.weight.len() + row] * of_output;
        });
    }

    /// The gradients of the mus equal those of the effective parameters; the gradients of the sigmas are written behind
    /// them.
    fn gradients_from_effective(&self, _parameters: &[f32], noise: &[f32], gradients: &mut [f32]) {
        let Some((_, first)) = self.layers.first() else { return };
        let behind = first.start;
        let (of_mu, of_sigma) = gradients.split_at_mut(behind);
        self.for_each_row(noise, |linear, sigma, row, (of_inputs, of_output)| {
            let weights = linear.weight.start + row * linear.inputs..linear.weight.start + (row + 1) * linear.inputs;
            let sigma = sigma - behind;
            let sigmas = &mut of_sigma[sigma + row * linear.inputs..sigma + (row + 1) * linear.inputs];
            for ((gradient, of_weight), of_input) in sigmas.iter_mut().zip(&of_mu[weights]).zip(of_inputs) {
                *gradient = of_weight * (of_output * of_input);
            }
            of_sigma[sigma + linear.weight.len() + row] = of_mu[linear.bias.start + row] * of_output;
        });
    }
}
