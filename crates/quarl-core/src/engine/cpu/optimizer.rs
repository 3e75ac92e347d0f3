//! Optimizers: gradient descent rules that update the parameters.

mod adam;
mod rmsprop;
mod sgd;

use std::collections::BTreeMap;

pub use adam::Adam;
pub use rmsprop::{RmsProp, RmsPropSettings};
pub use sgd::Sgd;

use super::buffer::Buffer;
use super::kernels::{self, CpuPath};
use crate::config::{OptimizerConfig, OptimizerKind};
use crate::engine::Array;

/// An optimizer with its state.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Adam.
    Adam(Adam),
    /// RMSProp.
    RmsProp(RmsProp),
    /// Stochastic gradient descent.
    Sgd(Sgd),
}

/// The inputs of an optimizer step.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The instruction set.
    pub path: CpuPath,
    /// The learning rate.
    pub learning_rate: f64,
    /// The factor of all gradients (gradient-norm clipping).
    pub gradient_scale: f32,
    /// The gradient of the loss with respect to each parameter.
    pub gradients: &'a Buffer,
}

/// A part of an optimizer's state, for saving and restoring.
pub(super) enum Part<'a> {
    /// Settings: compared when a state is restored, never changed.
    Settings(Vec<f64>),
    /// A number that changes.
    Number(&'a mut f64),
    /// One number for each parameter.
    Moment(&'a mut Buffer),
}

impl Optimizer {
    /// The optimizer of `config`, for `parameters` parameters.
    pub fn new(parameters: usize, config: &OptimizerConfig) -> Self {
        match config.kind {
            OptimizerKind::Adam => Self::Adam(Adam::new(parameters, config.beta1, config.beta2, config.eps)),
            OptimizerKind::Rmsprop => {
                let settings = RmsPropSettings {
                    alpha: config.alpha,
                    eps: config.eps,
                    eps_inside_sqrt: config.eps_inside_sqrt,
                    centered: config.centered,
                    momentum: config.momentum,
                };
                Self::RmsProp(RmsProp::new(parameters, settings))
            }
            OptimizerKind::Sgd => Self::Sgd(Sgd::new(parameters, config.momentum, config.nesterov)),
        }
    }

    /// The settings and the accumulated state, by name.
    pub fn arrays(&self) -> BTreeMap<String, Array> {
        let mut arrays = BTreeMap::new();
        self.clone().visit(|name, part| {
            let array = match part {
                Part::Settings(settings) => Array::Settings(settings),
                Part::Number(number) => Array::F64(vec![*number]),
                Part::Moment(moment) => Array::F32(moment.to_vec()),
            };
            arrays.insert(name.to_owned(), array);
        });
        arrays
    }

    /// Restores [`Optimizer::arrays`] of an optimizer with the same settings.
    pub fn set_arrays(&mut self, arrays: &BTreeMap<String, Array>) {
        self.visit(|name, part| match (part, arrays.get(name)) {
            (Part::Number(number), Some(Array::F64(saved))) => saved.iter().for_each(|saved| *number = *saved),
            (Part::Moment(moment), Some(Array::F32(saved))) => moment.copy_from_slice(saved),
            _ => {}
        });
    }

    fn visit(&mut self, visit: impl FnMut(&str, Part)) {
        match self {
            Self::Adam(adam) => adam.visit(visit),
            Self::RmsProp(rmsprop) => rmsprop.visit(visit),
            Self::Sgd(sgd) => sgd.visit(visit),
        }
    }

    /// Updates the parameters. Returns false where a parameter is no longer finite.
    #[must_use]
    pub fn step(&mut self, step: Step, parameters: &mut Buffer) -> bool {
        match self {
            Self::Adam(adam) => adam.step(step, parameters),
            Self::RmsProp(rmsprop) => rmsprop.step(step, parameters),
            Self::Sgd(sgd) => sgd.step(step, parameters),
        }
    }
}

/// The factor that scales gradients to a global norm of at most `max_norm`, as PyTorch's `clip_grad_norm_`.
pub fn clip_scale(path: CpuPath, gradients: &Buffer, max_norm: f64) -> f32 {
    let mut sum_of_squares = f64::from(kernels::sum_of_squares(path, gradients.padded()));
    if sum_of_squares.is_infinite() {
        // The squares of finite gradients can overflow f32; an infinite norm would make all gradients zero.
        sum_of_squares = gradients.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    }
    let norm = sum_of_squares.sqrt();
    (max_norm / (norm + 1e-6)).min(1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_whose_squares_overflow_are_still_clipped_to_the_norm() {
        let gradients = Buffer::from_slice(&[3e30, -4e30]);
        for path in CpuPath::available() {
            let scale = clip_scale(path, &gradients, 10.0);
            assert!((f64::from(scale) * 5e30 - 10.0).abs() < 1e-5, "{scale}");
        }
    }

    #[test]
    fn gradients_within_the_norm_are_left_alone() {
        let gradients = Buffer::from_slice(&[3.0, -4.0]);
        assert_eq!(clip_scale(CpuPath::Scalar, &gradients, 5.1), 1.0);
        assert!((clip_scale(CpuPath::Scalar, &gradients, 2.5) - 0.5).abs() < 1e-6);
    }
}
