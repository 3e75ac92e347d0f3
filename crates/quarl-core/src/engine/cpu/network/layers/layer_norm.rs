//! Layer normalisation (Ba et al. 2016): normalises each item's units to mean 0 and variance 1, then applies a learnt scale
//! and shift.

use std::ops::Range;

use super::layer::{Backward, Columns, Forward, Layout, Tensor};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, LayerNormCache};

/// The place of a layer normalisation in the flat parameter vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerNorm {
    /// The name in a model file: `norm1`, ..
    pub name: String,
    /// The scale of each normalised unit, `[units]`.
    pub weight: Range<usize>,
    /// The shift of each unit, `[units]`; it follows the scale.
    pub bias: Range<usize>,
}

impl LayerNorm {
    pub(crate) fn new(layout: &mut Layout, name: String, units: usize) -> Self {
        Self { name, weight: layout.take(units), bias: layout.take(units) }
    }

    pub(crate) fn tensors(&self) -> [Tensor; 2] {
        [("weight", &self.weight), ("bias", &self.bias)].map(|(part, range)| Tensor {
            name: format!("{}.{part}", self.name),
            shape: vec![range.len()],
            range: range.clone(),
        })
    }

    /// Initialises scale to 1 and shift to 0.
    pub(crate) fn initialise(&self, parameters: &mut [f32]) {
        parameters[self.weight.clone()].fill(1.0);
        parameters[self.bias.clone()].fill(0.0);
    }

    /// Allocates the values that the gradient needs.
    pub(crate) fn pass(&self, columns: Columns) -> LayerNormCache {
        let kept = |len: usize| Buffer::zeros(if columns.is_one() { 0 } else { len });
        LayerNormCache {
            normalised: kept(self.weight.len() * columns.stride),
            inverse_deviations: kept(columns.stride),
        }
    }

    /// Normalises the units in place.
    pub(crate) fn forward(&self, cx: Forward, columns: Columns, cache: &mut LayerNormCache, units: &mut [f32]) {
        let (weight, bias) = (&cx.parameters[self.weight.clone()], &cx.parameters[self.bias.clone()]);
        if columns.is_one() {
            normalise_one(weight, bias, units);
        } else {
            kernels::layer_norm(cx.path, cache, weight, bias, units);
        }
    }

    /// Computes the gradients of scale and shift; `deltas` becomes, in place, the gradient with respect to the units before
    /// the normalisation.
    pub(crate) fn backward(&self, cx: &mut Backward, cache: &LayerNormCache, deltas: &mut [f32]) {
        let weight = &cx.parameters[self.weight.clone()];
        let (weight_gradient, bias_gradient) =
            cx.gradients[self.weight.start..self.bias.end].split_at_mut(self.weight.len());
        kernels::layer_norm_gradient(cx.path, cache, weight, deltas, weight_gradient, bias_gradient);
    }
}

/// Normalises a single observation, summing in plain order.
fn normalise_one(weight: &[f32], bias: &[f32], values: &mut [f32]) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let inverse = 1.0 / (variance + crate::network::LAYER_NORM_EPS).sqrt();
    for ((x, weight), bias) in values.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * inverse * weight + bias;
    }
}
