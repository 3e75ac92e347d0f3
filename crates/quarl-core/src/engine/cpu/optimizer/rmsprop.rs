//! RMSProp (Tieleman & Hinton 2012), as PyTorch defines it.

use super::{Part, Step};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, RmsPropStep};

/// The settings of RMSProp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropSettings {
    /// The decay of the mean squared gradient, in [0, 1).
    pub alpha: f64,
    /// The number added to the root of the mean squared gradient, or under it.
    pub eps: f64,
    /// Whether eps is added under the root, as in Nature DQN.
    pub eps_inside_sqrt: bool,
    /// Whether the squared mean gradient is subtracted, so that the gradient is divided by its standard deviation (Graves
    /// 2013).
    pub centered: bool,
    /// The momentum, in [0, 1).
    pub momentum: f64,
}

/// RMSProp: `p -= lr g / (sqrt(E[g^2]) + eps)`. Centred: `E[g^2] - E[g]^2` under the root. With momentum: `p -= lr b`,
/// where `b = momentum b + g / (..)`.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsProp {
    settings: RmsPropSettings,
    square: Buffer,
    /// The mean gradient; empty unless centred.
    mean: Buffer,
    /// The momentum buffer; empty without momentum.
    velocity: Buffer,
}

impl RmsProp {
    /// The optimizer for `parameters` parameters.
    pub fn new(parameters: usize, settings: RmsPropSettings) -> Self {
        let only_if = |needed: bool| Buffer::zeros(if needed { parameters } else { 0 });
        Self {
            settings,
            square: Buffer::zeros(parameters),
            mean: only_if(settings.centered),
            velocity: only_if(settings.momentum != 0.0),
        }
    }

    /// Calls `visit` with each part of the state.
    pub(super) fn visit(&mut self, mut visit: impl FnMut(&str, Part)) {
        let RmsPropSettings { alpha, eps, eps_inside_sqrt, centered, momentum } = self.settings;
        let settings = vec![alpha, eps, f64::from(eps_inside_sqrt), f64::from(centered), momentum];
        visit("rmsprop.settings", Part::Settings(settings));
        visit("rmsprop.square", Part::Moment(&mut self.square));
        visit("rmsprop.mean", Part::Moment(&mut self.mean));
        visit("rmsprop.velocity", Part::Moment(&mut self.velocity));
    }

    /// See [`super::Optimizer::step`].
    pub(super) fn step(&mut self, step: Step, parameters: &mut Buffer) -> bool {
        let Step { path, learning_rate, gradient_scale, gradients } = step;
        let RmsPropSettings { alpha, eps, eps_inside_sqrt, momentum, .. } = self.settings;
        let nothing = kernels::rmsprop(
            path,
            &mut RmsPropStep {
                parameters: parameters.padded_mut(),
                gradients: gradients.padded(),
                square: self.square.padded_mut(),
                mean: self.mean.padded_mut(),
                velocity: self.velocity.padded_mut(),
                gradient_scale,
                alpha: alpha as f32,
                one_minus_alpha: (1.0 - alpha) as f32,
                eps_inside: if eps_inside_sqrt { eps as f32 } else { 0.0 },
                eps_outside: if eps_inside_sqrt { 0.0 } else { eps as f32 },
                momentum: momentum as f32,
                lr: learning_rate as f32,
            },
        );
        nothing == 0.0
    }
}
