//! Adam (Kingma & Ba 2015), as PyTorch defines it.

use super::{Part, Step};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, AdamStep};

/// Adam, bias-corrected, with eps outside the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    beta1: f64,
    beta2: f64,
    eps: f64,
    first_moment: Buffer,
    second_moment: Buffer,
    /// beta1^t and beta2^t as running products, which are the same on every platform.
    beta1_power: f64,
    beta2_power: f64,
}

impl Adam {
    /// The optimizer for `parameters` parameters.
    pub fn new(parameters: usize, beta1: f64, beta2: f64, eps: f64) -> Self {
        Self {
            beta1,
            beta2,
            eps,
            first_moment: Buffer::zeros(parameters),
            second_moment: Buffer::zeros(parameters),
            beta1_power: 1.0,
            beta2_power: 1.0,
        }
    }

    /// Calls `visit` with each part of the state.
    pub(super) fn visit(&mut self, mut visit: impl FnMut(&str, Part)) {
        visit("adam.settings", Part::Settings(vec![self.beta1, self.beta2, self.eps]));
        visit("adam.first_moment", Part::Moment(&mut self.first_moment));
        visit("adam.second_moment", Part::Moment(&mut self.second_moment));
        visit("adam.beta1_power", Part::Number(&mut self.beta1_power));
        visit("adam.beta2_power", Part::Number(&mut self.beta2_power));
    }

    /// See [`super::Optimizer::step`].
    pub(super) fn step(&mut self, step: Step, parameters: &mut Buffer) -> bool {
        let Step { path, learning_rate, gradient_scale, gradients } = step;
        self.beta1_power *= self.beta1;
        self.beta2_power *= self.beta2;
        let nothing = kernels::adam(
            path,
            &mut AdamStep {
                parameters: parameters.padded_mut(),
                gradients: gradients.padded(),
                first_moment: self.first_moment.padded_mut(),
                second_moment: self.second_moment.padded_mut(),
                gradient_scale,
                one_minus_beta1: (1.0 - self.beta1) as f32,
                beta2: self.beta2 as f32,
                one_minus_beta2: (1.0 - self.beta2) as f32,
                root_scale: (1.0 / (1.0 - self.beta2_power).sqrt()) as f32,
                eps: self.eps as f32,
                step_size: (learning_rate / (1.0 - self.beta1_power)) as f32,
            },
        );
        nothing == 0.0
    }
}
