//! Noisy networks (Fortunato et al. 2018): weights and biases with learnt, factorised Gaussian noise.
//!
//! A noisy layer computes with `w = mu + sigma * f(eps_out) f(eps_in)^T` and `b = mu + sigma * f(eps_out)`, where
//! `f(x) = sgn(x) sqrt|x|`. Here that is a transformation of the flat vector: [`perturb`] makes from it the parameters of an
//! ordinary network, and [`add_sigma_gradients`] takes their gradients back.

use serde::{Deserialize, Serialize};

use super::QNetwork;
use super::plan::Linear;
use crate::rng::Rng;

/// One draw of noise: for each noisy layer `f(eps)` of its inputs, then of its outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    values: Vec<f32>,
}

impl Noise {
    /// No noise (all zero) for a network.
    pub fn zeros(network: &QNetwork) -> Self {
        Self { values: vec![0.0; noisy_layers(network).map(|layer| layer.inputs + layer.outputs).sum()] }
    }

    /// `f(eps)` of each noisy layer's inputs, then of its outputs, in the layers' order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Draws anew.
    pub fn draw(&mut self, rng: &mut Rng) {
        for value in &mut self.values {
            let normal = rng.normal();
            *value = libm::sqrt(normal.abs()).copysign(normal) as f32;
        }
    }
}

fn noisy_layers(network: &QNetwork) -> impl Iterator<Item = &Linear> {
    network.plan().linears().filter(|layer| layer.sigma.is_some())
}

/// The parameters that a forward pass reads, with the noise in them: `perturbed` has
/// [`QNetwork::forward_parameter_count`] entries.
pub fn perturb(network: &QNetwork, parameters: &[f32], noise: &Noise, perturbed: &mut [f32]) {
    perturbed.copy_from_slice(&parameters[..network.forward_parameter_count()]);
    for_each_row(network, noise, |layer, sigma, row, (of_inputs, of_output)| {
        let weights = layer.weight.start + row * layer.inputs..layer.weight.start + (row + 1) * layer.inputs;
        let sigmas = &parameters[sigma + row * layer.inputs..sigma + (row + 1) * layer.inputs];
        for ((weight, sigma), of_input) in perturbed[weights].iter_mut().zip(sigmas).zip(of_inputs) {
            *weight += sigma * (of_output * of_input);
        }
        perturbed[layer.bias.start + row] += parameters[sigma + layer.weight.len() + row] * of_output;
    });
}

/// Writes the sigmas' gradients behind those of the perturbed parameters, which are the mus' gradients as they are.
pub fn add_sigma_gradients(network: &QNetwork, noise: &Noise, gradients: &mut [f32]) {
    let (of_mu, of_sigma) = gradients.split_at_mut(network.forward_parameter_count());
    let behind = of_mu.len();
    for_each_row(network, noise, |layer, sigma, row, (of_inputs, of_output)| {
        let weights = layer.weight.start + row * layer.inputs..layer.weight.start + (row + 1) * layer.inputs;
        let sigma = sigma - behind;
        let sigmas = &mut of_sigma[sigma + row * layer.inputs..sigma + (row + 1) * layer.inputs];
        for ((gradient, of_weight), of_input) in sigmas.iter_mut().zip(&of_mu[weights]).zip(of_inputs) {
            *gradient = of_weight * (of_output * of_input);
        }
        of_sigma[sigma + layer.weight.len() + row] = of_mu[layer.bias.start + row] * of_output;
    });
}

/// Calls `visit(layer, where its sigmas start, row, (f(eps) of its inputs, f(eps) of this output))`.
fn for_each_row(network: &QNetwork, noise: &Noise, mut visit: impl FnMut(&Linear, usize, usize, (&[f32], f32))) {
    let mut values = noise.values.as_slice();
    for layer in noisy_layers(network) {
        let Some(sigma) = &layer.sigma else { continue };
        let (of_inputs, rest) = values.split_at(layer.inputs);
        let (of_outputs, rest) = rest.split_at(layer.outputs);
        values = rest;
        for (row, of_output) in of_outputs.iter().enumerate() {
            visit(layer, sigma.start, row, (of_inputs, *of_output));
        }
    }
}
