//! The Q-network on the CPU: forward and backward pass over one flat parameter vector.
//!
//! A [`QNetwork`] only describes the [layers](LayerStack) and their places in the flat vector. Parameters, activations and
//! gradients belong to the caller. Online and target network therefore share one description, a hard update is a slice
//! copy, and an optimizer step is one loop.
//!
//! `layers` has one file for each layer: `dense` (of `linear` and `layer_norm`), `quantile_embedding`, `dueling`; `noisy`
//! and `weight_norm` are reparametrisations of all of them. `head` converts outputs to Q-values. Noise and quantile levels
//! are explicit inputs.

mod activations;
mod backward;
mod head;
mod layers;

use std::sync::Arc;

pub use activations::{Activations, SingleScratch};
pub use backward::BackwardScratch;
pub use layers::{LayerStack, Linear, Tensor};

use super::kernels::CpuPath;
use crate::network::{Architecture, Head, QValues};
use crate::rng::Rng;

/// A network from observations to the outputs of its head.
#[derive(Clone, Debug)]
pub struct QNetwork {
    architecture: Architecture,
    layers: Arc<LayerStack>,
    path: CpuPath,
}

impl QNetwork {
    /// Creates the description of a network that is computed on `path`.
    ///
    /// # Panics
    /// When a layer has no units.
    pub fn new(architecture: Architecture, path: CpuPath) -> Self {
        let layers = Arc::new(LayerStack::new(&architecture));
        Self { architecture, layers, path }
    }

    /// The architecture.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The layers and the places of their parameters.
    pub fn layers(&self) -> &LayerStack {
        &self.layers
    }

    /// The instruction set.
    pub fn path(&self) -> CpuPath {
        self.path
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.layers.len
    }

    /// The number of parameters, from the first on, that a forward pass reads: all except those of reparametrisations.
    pub fn forward_parameter_count(&self) -> usize {
        self.layers.forward_len
    }

    /// Whether a forward pass needs [`QNetwork::effective_parameters`].
    pub fn is_reparametrised(&self) -> bool {
        self.architecture.is_reparametrised()
    }

    /// No noise: one zero for each random number of a forward pass. For a noisy network these numbers are `f(eps)` of each
    /// layer's inputs, then of its outputs, in the order of the layers.
    pub fn no_noise(&self) -> Vec<f32> {
        vec![0.0; self.layers.reparametrisations.iter().map(|each| each.draws()).sum()]
    }

    /// Draws the noise of a forward pass.
    pub fn draw_noise(&self, rng: &mut Rng, noise: &mut [f32]) {
        let mut values = noise;
        for each in &self.layers.reparametrisations {
            let (own, rest) = values.split_at_mut(each.draws());
            each.draw(rng, own);
            values = rest;
        }
    }

    /// Computes the effective parameters of a forward pass; `effective` has [`QNetwork::forward_parameter_count`] entries.
    pub fn effective_parameters(&self, parameters: &[f32], noise: &[f32], effective: &mut [f32]) {
        effective.copy_from_slice(&parameters[..self.forward_parameter_count()]);
        let mut values = noise;
        for each in &self.layers.reparametrisations {
            let (own, rest) = values.split_at(each.draws());
            each.apply(parameters, own, effective);
            values = rest;
        }
    }

    /// Converts gradients in place: from those with respect to the effective parameters to those with respect to all
    /// parameters.
    pub fn gradients_from_effective(&self, parameters: &[f32], noise: &[f32], gradients: &mut [f32]) {
        let mut values = noise;
        for each in self.layers.reparametrisations.iter().rev() {
            let (rest, own) = values.split_at(values.len() - each.draws());
            each.gradients_from_effective(parameters, own, gradients);
            values = rest;
        }
    }

    /// Floating-point operations of one forward pass over `batch` items with `levels` quantile levels each (1 for heads
    /// without quantile levels), counting matrix products only.
    pub fn forward_flops(&self, batch: usize, levels: usize) -> usize {
        let (mut columns, mut flops) = (batch, 0);
        for layer in &self.layers.layers {
            columns = layer.output_columns(columns, levels);
            flops += 2 * columns * layer.forward_products();
        }
        flops
    }

    /// Floating-point operations of one backward pass: each layer's weight gradient, and the gradient of its inputs where
    /// an earlier layer needs it.
    pub fn backward_flops(&self, batch: usize, levels: usize) -> usize {
        let (mut columns, mut flops) = (batch, 0);
        for (i, layer) in self.layers.layers.iter().enumerate() {
            columns = layer.output_columns(columns, levels);
            flops += 2 * columns * layer.backward_products(i > 0);
        }
        flops
    }
}
