//! Adam, RMSProp and gradient descent as PyTorch defines them, one parameter after the other.

use std::collections::BTreeMap;

use quarl::config::{OptimizerConfig, OptimizerKind};
use quarl::engine::Array;

/// An optimizer with its state.
#[derive(Clone)]
pub(crate) struct Optimizer {
    config: OptimizerConfig,
    /// By the names that the CPU engine's state has: one number a parameter, none where the rule does not need it, or a single
    /// number (Adam's betas to the power of its steps).
    pub(crate) moments: BTreeMap<&'static str, Vec<f64>>,
}

impl Optimizer {
    pub(crate) fn new(parameters: usize, config: &OptimizerConfig) -> Self {
        let one_each = |needed: bool| vec![0.0; if needed { parameters } else { 0 }];
        let moments = match config.kind {
            OptimizerKind::Adam => vec![
                ("adam.first_moment", one_each(true)),
                ("adam.second_moment", one_each(true)),
                ("adam.beta1_power", vec![1.0]),
                ("adam.beta2_power", vec![1.0]),
            ],
            OptimizerKind::Rmsprop => vec![
                ("rmsprop.square", one_each(true)),
                ("rmsprop.mean", one_each(config.centered)),
                ("rmsprop.velocity", one_each(config.momentum != 0.0)),
            ],
            OptimizerKind::Sgd => vec![("sgd.velocity", one_each(config.momentum != 0.0))],
        };
        Self { config: config.clone(), moments: moments.into_iter().collect() }
    }

    /// One step down the gradients, clipped to `max_grad_norm` as PyTorch's `clip_grad_norm_` does.
    pub(crate) fn step(&mut self, lr: f64, gradients: &[f64], parameters: &mut [f64]) {
        let OptimizerConfig { kind, beta1, beta2, max_grad_norm, .. } = self.config;
        let scale = max_grad_norm.map_or(1.0, |most| (most / (norm(gradients) + 1e-6)).min(1.0));
        if kind == OptimizerKind::Adam {
            self.change("adam.beta1_power", 0, |power| power * beta1);
            self.change("adam.beta2_power", 0, |power| power * beta2);
        }
        for (i, parameter) in parameters.iter_mut().enumerate() {
            *parameter -= lr * self.direction(i, scale * gradients[i]);
        }
    }

    /// What the learning rate times of which is taken off parameter `i`, whose gradient is `g`.
    fn direction(&mut self, i: usize, g: f64) -> f64 {
        let OptimizerConfig { beta1, beta2, alpha, eps, eps_inside_sqrt, centered, momentum, nesterov, .. } =
            self.config;
        match self.config.kind {
            OptimizerKind::Adam => {
                let m = self.change("adam.first_moment", i, |m| beta1 * m + (1.0 - beta1) * g);
                let v = self.change("adam.second_moment", i, |v| beta2 * v + (1.0 - beta2) * g * g);
                let (power1, power2) = (self.moments["adam.beta1_power"][0], self.moments["adam.beta2_power"][0]);
                (m / (1.0 - power1)) / ((v / (1.0 - power2)).sqrt() + eps)
            }
            OptimizerKind::Rmsprop => {
                let mut variance = self.change("rmsprop.square", i, |v| alpha * v + (1.0 - alpha) * g * g);
                if centered {
                    let mean = self.change("rmsprop.mean", i, |m| alpha * m + (1.0 - alpha) * g);
                    variance = (variance - mean * mean).max(0.0);
                }
                let step = g / if eps_inside_sqrt { (variance + eps).sqrt() } else { variance.sqrt() + eps };
                if momentum == 0.0 { step } else { self.change("rmsprop.velocity", i, |b| momentum * b + step) }
            }
            OptimizerKind::Sgd if momentum == 0.0 => g,
            OptimizerKind::Sgd => {
                let velocity = self.change("sgd.velocity", i, |b| momentum * b + g);
                if nesterov { g + momentum * velocity } else { velocity }
            }
        }
    }

    /// Changes a number that is remembered, and gives the new one.
    fn change(&mut self, name: &str, i: usize, change: impl Fn(f64) -> f64) -> f64 {
        let number = &mut self.moments.get_mut(name).expect("one of this rule's")[i];
        *number = change(*number);
        *number
    }

    /// Settings and moments, named and rounded as the CPU engine's.
    pub(crate) fn arrays(&self) -> BTreeMap<String, Array> {
        let OptimizerConfig { beta1, beta2, alpha, eps, eps_inside_sqrt, centered, momentum, nesterov, .. } =
            self.config;
        let flag = |flag: bool| f64::from(u8::from(flag));
        let (name, settings) = match self.config.kind {
            OptimizerKind::Adam => ("adam.settings", vec![beta1, beta2, eps]),
            OptimizerKind::Rmsprop => {
                ("rmsprop.settings", vec![alpha, eps, flag(eps_inside_sqrt), flag(centered), momentum])
            }
            OptimizerKind::Sgd => ("sgd.settings", vec![momentum, flag(nesterov)]),
        };
        let array = |name: &str, numbers: &[f64]| match name.ends_with("_power") {
            true => Array::F64(numbers.to_vec()),
            false => Array::F32(numbers.iter().map(|x| *x as f32).collect()),
        };
        let mut arrays: BTreeMap<String, Array> =
            self.moments.iter().map(|(name, numbers)| ((*name).to_owned(), array(name, numbers))).collect();
        arrays.insert(name.to_owned(), Array::Settings(settings));
        arrays
    }

    /// Puts back what [`Optimizer::arrays`] gave.
    pub(crate) fn set_arrays(&mut self, arrays: &BTreeMap<String, Array>) {
        for (name, moment) in &mut self.moments {
            *moment = numbers(&arrays[*name]);
        }
    }
}

/// An array's numbers.
pub(crate) fn numbers(array: &Array) -> Vec<f64> {
    match array {
        Array::F32(values) => values.iter().map(|x| f64::from(*x)).collect(),
        Array::F64(values) | Array::Settings(values) => values.clone(),
    }
}

/// The Euclidean norm.
pub(crate) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}
