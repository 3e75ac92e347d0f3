//! Weight normalisation (Salimans & Kingma 2016): each row of a weight is `w = g v / |v|`, so that length and direction are
//! learnt separately.
//!
//! The flat vector holds `v` in the place of the weight, and `g` behind the layers, one for each row.

use std::ops::Range;

use super::layer::{Layout, Tensor};
use super::linear::Linear;
use super::reparametrisation::Reparametrisation;

/// The row lengths g: for each fully connected part, one for each output.
#[derive(Debug)]
pub(crate) struct WeightNorm {
    layers: Vec<(Linear, Range<usize>)>,
}

impl WeightNorm {
    pub(crate) fn new(layout: &mut Layout, linears: Vec<Linear>) -> Self {
        let with_lengths = |linear: Linear| {
            let lengths = layout.take(linear.outputs);
            (linear, lengths)
        };
        Self { layers: linears.into_iter().map(with_lengths).collect() }
    }

    /// The place of each row of a weight, and of its length `g`.
    fn rows(&self) -> impl Iterator<Item = (Range<usize>, usize)> {
        self.layers.iter().flat_map(|(linear, lengths)| {
            (0..linear.outputs).map(move |row| {
                let start = linear.weight.start + row * linear.inputs;
                (start..start + linear.inputs, lengths.start + row)
            })
        })
    }
}

/// The Euclidean length of a row, never 0.
fn length(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE)
}

impl Reparametrisation for WeightNorm {
    fn tensors(&self) -> Vec<Tensor> {
        let of_layer = |(linear, lengths): &(Linear, Range<usize>)| Tensor {
            name: format!("{}.weight_g", linear.name),
            shape: vec![linear.outputs],
            range: lengths.clone(),
        };
        self.layers.iter().map(of_layer).collect()
    }

    /// Initialises `g = |v|`, so that the network starts as without weight normalisation.
    fn initialise(&self, _noisy_sigma: f64, parameters: &mut [f32]) {
        for (row, g) in self.rows() {
            parameters[g] = length(&parameters[row]);
        }
    }

    fn apply(&self, parameters: &[f32], _noise: &[f32], effective: &mut [f32]) {
        for (row, g) in self.rows() {
            let scale = parameters[g] / length(&parameters[row.clone()]);
            effective[row].iter_mut().for_each(|weight| *weight *= scale);
        }
    }

    /// `dL/dg = dL/dw . v / |v|` and `dL/dv = g / |v| (dL/dw - dL/dg v / |v|)`.
    fn gradients_from_effective(&self, parameters: &[f32], _noise: &[f32], gradients: &mut [f32]) {
        for (row, g) in self.rows() {
            let v = &parameters[row.clone()];
            let per_length = 1.0 / length(v);
            let of_w = &mut gradients[row];
            let of_g = of_w.iter().zip(v).map(|(gradient, v)| gradient * v).sum::<f32>() * per_length;
            for (gradient, v) in of_w.iter_mut().zip(v) {
                *gradient = parameters[g] * per_length * (*gradient - of_g * v * per_length);
            }
            gradients[g] = of_g;
        }
    }
}
