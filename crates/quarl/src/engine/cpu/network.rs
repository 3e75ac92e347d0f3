//! The Q-network on the processor: forward and backward over one flat parameter vector.
//!
//! A network here is only a [plan](Plan): which layers there are, and which part of the flat vector is whose. Parameters,
//! activations and gradients belong to the caller, so the online and the target network share one plan, copying one to the
//! other is a slice copy, and the optimizer is one pass.
//!
//! `layers` has one file for each layer: `dense` (of `linear` and `layer_norm`), `quantile_embedding`, `dueling`; `noisy` is a
//! reparametrisation of all of them. `head` makes Q-values of the outputs. Noise and quantile levels are inputs, never hidden
//! state.

mod activations;
mod backward;
mod head;
mod layers;

use std::sync::Arc;

pub use activations::{Activations, SingleScratch};
pub use backward::BackwardScratch;
pub use layers::{Linear, Plan, Tensor};

use super::kernels::CpuPath;
use crate::network::{Architecture, Head, QValues};
use crate::rng::Rng;

/// A network from observations to what each action is worth.
#[derive(Clone, Debug)]
pub struct QNetwork {
    architecture: Architecture,
    plan: Arc<Plan>,
    path: CpuPath,
}

impl QNetwork {
    /// The plan of a network, computed on `path`.
    ///
    /// # Panics
    /// When a layer would have no units.
    pub fn new(architecture: Architecture, path: CpuPath) -> Self {
        let plan = Arc::new(Plan::new(&architecture));
        Self { architecture, plan, path }
    }

    /// What it is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its layers and where their parameters are.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The instruction set it computes with.
    pub fn path(&self) -> CpuPath {
        self.path
    }

    /// How many parameters it has.
    pub fn parameter_count(&self) -> usize {
        self.plan.len
    }

    /// How many of them, from the first on, a forward pass reads: all but those of reparametrisations.
    pub fn forward_parameter_count(&self) -> usize {
        self.plan.forward_len
    }

    /// Whether a pass computes with parameters that first have to be made by [`QNetwork::effective_parameters`].
    pub fn is_reparametrised(&self) -> bool {
        self.architecture.is_reparametrised()
    }

    /// No noise: as many zeros as a pass uses random numbers. For a noisy network these are `f(eps)` of each layer's inputs,
    /// then of its outputs, in the layers' order.
    pub fn no_noise(&self) -> Vec<f32> {
        vec![0.0; self.plan.reparametrisations.iter().map(|each| each.draws()).sum()]
    }

    /// Draws noise for a pass.
    pub fn draw_noise(&self, rng: &mut Rng, noise: &mut [f32]) {
        let mut values = noise;
        for each in &self.plan.reparametrisations {
            let (own, rest) = values.split_at_mut(each.draws());
            each.draw(rng, own);
            values = rest;
        }
    }

    /// What a pass computes with: `effective` has [`QNetwork::forward_parameter_count`] entries.
    pub fn effective_parameters(&self, parameters: &[f32], noise: &[f32], effective: &mut [f32]) {
        effective.copy_from_slice(&parameters[..self.forward_parameter_count()]);
        let mut values = noise;
        for each in &self.plan.reparametrisations {
            let (own, rest) = values.split_at(each.draws());
            each.apply(parameters, own, effective);
            values = rest;
        }
    }

    /// Takes the gradients of a pass back, in place: from those with respect to the effective parameters to those with
    /// respect to all parameters.
    pub fn take_gradients_back(&self, parameters: &[f32], noise: &[f32], gradients: &mut [f32]) {
        let mut values = noise;
        for each in self.plan.reparametrisations.iter().rev() {
            let (rest, own) = values.split_at(values.len() - each.draws());
            each.take_back(parameters, own, gradients);
            values = rest;
        }
    }

    /// Floating-point operations of one forward pass over `batch` items at `levels` quantile levels each (1 where the head
    /// has none), counting products only.
    pub fn forward_flops(&self, batch: usize, levels: usize) -> usize {
        let (mut columns, mut flops) = (batch, 0);
        for layer in &self.plan.layers {
            columns = layer.output_columns(columns, levels);
            flops += 2 * columns * layer.forward_products();
        }
        flops
    }

    /// Floating-point operations of one backward pass: each layer's weight gradient, and the gradient of its inputs where
    /// somebody needs it.
    pub fn backward_flops(&self, batch: usize, levels: usize) -> usize {
        let (mut columns, mut flops) = (batch, 0);
        for (i, layer) in self.plan.layers.iter().enumerate() {
            columns = layer.output_columns(columns, levels);
            flops += 2 * columns * layer.backward_products(i > 0);
        }
        flops
    }
}
