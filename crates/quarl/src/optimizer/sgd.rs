//! Stochastic gradient descent, with momentum, as PyTorch defines it.

use serde::{Deserialize, Serialize};

use crate::network::buffer::Buffer;
use crate::network::kernels::{self, CpuPath, SgdPass};

/// `p -= lr g`; with momentum `p -= lr b` where `b = momentum b + g`; Nesterov's looks ahead, `p -= lr (g + momentum b)`
/// (Sutskever et al. 2013).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    momentum: f64,
    nesterov: bool,
    /// The momentum buffer; empty without momentum.
    velocity: Buffer,
}

impl Sgd {
    /// For `parameters` parameters; `momentum` is in [0, 1).
    pub fn new(parameters: usize, momentum: f64, nesterov: bool) -> Self {
        Self { momentum, nesterov, velocity: Buffer::zeros(if momentum == 0.0 { 0 } else { parameters }) }
    }

    /// Whether this, read back from somewhere, can take the place of `fresh`.
    pub(super) fn fits(&self, fresh: &Self) -> bool {
        (self.momentum, self.nesterov) == (fresh.momentum, fresh.nesterov)
            && self.velocity.len() == fresh.velocity.len()
    }

    /// As [`super::Optimizer::step`].
    pub(super) fn step(
        &mut self,
        path: CpuPath,
        lr: f64,
        scale: f32,
        parameters: &mut Buffer,
        gradients: &Buffer,
    ) -> bool {
        let nothing = kernels::sgd(
            path,
            &mut SgdPass {
                parameters: parameters.padded_mut(),
                gradients: gradients.padded(),
                velocity: self.velocity.padded_mut(),
                gradient_scale: scale,
                momentum: self.momentum as f32,
                nesterov: self.nesterov,
                lr: lr as f32,
            },
        );
        nothing == 0.0
    }
}
