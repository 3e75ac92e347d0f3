//! Stochastic gradient descent with momentum, as PyTorch defines it.

use super::{Part, Step};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, SgdStep};

/// SGD: `p -= lr g`. With momentum: `p -= lr b`, where `b = momentum b + g`. With Nesterov momentum: `p -= lr (g + momentum
/// b)` (Sutskever et al. 2013).
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    momentum: f64,
    nesterov: bool,
    /// The momentum buffer; empty without momentum.
    velocity: Buffer,
}

impl Sgd {
    /// The optimizer for `parameters` parameters; `momentum` is in [0, 1).
    pub fn new(parameters: usize, momentum: f64, nesterov: bool) -> Self {
        Self { momentum, nesterov, velocity: Buffer::zeros(if momentum == 0.0 { 0 } else { parameters }) }
    }

    /// Calls `visit` with each part of the state.
    pub(super) fn visit(&mut self, mut visit: impl FnMut(&str, Part)) {
        visit("sgd.settings", Part::Settings(vec![self.momentum, f64::from(self.nesterov)]));
        visit("sgd.velocity", Part::Moment(&mut self.velocity));
    }

    /// See [`super::Optimizer::step`].
    pub(super) fn step(&mut self, step: Step, parameters: &mut Buffer) -> bool {
        let Step { path, learning_rate, gradient_scale, gradients } = step;
        let nothing = kernels::sgd(
            path,
            &mut SgdStep {
                parameters: parameters.padded_mut(),
                gradients: gradients.padded(),
                velocity: self.velocity.padded_mut(),
                gradient_scale,
                momentum: self.momentum as f32,
                nesterov: self.nesterov,
                lr: learning_rate as f32,
            },
        );
        nothing == 0.0
    }
}
