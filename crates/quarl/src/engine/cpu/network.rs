//! The Q-network: forward and backward over one flat parameter vector.
//!
//! A network here is only a plan: which part of the flat vector is which layer's weight and bias. Parameters, activations
//! and gradients belong to the caller, so the online and the target network share one plan, copying one to the other is a
//! slice copy, and the optimiser is one pass.
//!
//! The parts, as an observation meets them: [`Architecture`] says what there is, [`plan`] where its parameters are; a
//! trunk of hidden layers; `implicit`: quantile levels, merged in behind the trunk; one stream, or two in a dueling
//! network, which `dueling` combines into outputs; and [`head`], which makes outputs into Q-values. [`noise`] perturbs the
//! parameters beforehand, so that no layer knows of it. Noise and quantile levels are inputs, never hidden state.

mod acting;
mod backward;
mod dueling;
mod forward;
mod head;
mod implicit;
pub mod init;
pub mod noise;
pub mod plan;

pub use acting::SingleScratch;
pub use backward::BackwardScratch;
pub use forward::Activations;
pub use plan::{HiddenLayer, LayerNorm, Linear, Plan, Stream, Tensor};

use super::{buffer, kernels};
use crate::network::{Activation, Architecture, Head, QValues};
use kernels::CpuPath;

/// A multilayer perceptron from observations to what each action is worth.
#[derive(Clone, Debug)]
pub struct QNetwork {
    architecture: Architecture,
    plan: Plan,
    path: CpuPath,
}

impl QNetwork {
    /// The plan of a network, computed on `path`.
    ///
    /// # Panics
    /// When a layer would have no units.
    pub fn new(architecture: Architecture, path: CpuPath) -> Self {
        let plan = Plan::new(&architecture);
        Self { architecture, plan, path }
    }

    /// What it is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Where its parameters are.
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

    /// How many of them, from the first on, a forward pass reads: all but the scales of the noise.
    pub fn forward_parameter_count(&self) -> usize {
        self.plan.forward_len
    }

    /// Floating-point operations of one forward pass over `batch` items at `levels` quantile levels each (1 where the head
    /// has none), counting products only.
    pub fn forward_flops(&self, batch: usize, levels: usize) -> usize {
        let trunk = self.plan.hidden.len();
        let columns = |at: usize| if at < trunk { batch } else { batch * levels };
        self.plan.linears().enumerate().map(|(at, layer)| 2 * columns(at) * layer.inputs * layer.outputs).sum()
    }

    /// Floating-point operations of one backward pass: each layer's weight gradient, and the gradient of its inputs, which
    /// neither the embedding of levels nor the layers that see the observation itself need.
    pub fn backward_flops(&self, batch: usize, levels: usize) -> usize {
        let product = |layer: &Linear, columns: usize| 2 * columns * layer.inputs * layer.outputs;
        let observation: usize = match (self.plan.hidden.first(), &self.plan.embedding) {
            (Some(first), _) => product(&first.linear, batch),
            // The products of levels and observation do need it.
            (None, Some(_)) => 0,
            (None, None) => self.plan.streams.iter().map(|stream| product(stream.first(), batch)).sum(),
        };
        let embedding = self.plan.embedding.as_ref().map_or(0, |layer| product(layer, batch * levels));
        2 * self.forward_flops(batch, levels) - observation - embedding
    }
}
