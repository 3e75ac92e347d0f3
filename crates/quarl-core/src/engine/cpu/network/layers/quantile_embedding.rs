//! The quantile embedding of IQN (Dabney et al. 2018b): maps a quantile level to a vector of the length of the
//! observation's features, `phi_j(tau) = relu(sum over i of cos(pi i tau) w_ij + b_j)`, and multiplies the two element by
//! element.
//!
//! From this layer on, columns are items at quantile levels: `[..][level][stride]`, one batch for each level.

use super::layer::{Backward, Columns, Features, Forward, Layer, LayerPass, Layout, Tensor};
use super::linear::Linear;
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, LANES};
use crate::network::head::midpoints;
use crate::rng::Rng;

/// The embedding layer.
#[derive(Clone, Debug)]
pub(crate) struct QuantileEmbedding {
    /// From the cosines of a level to one unit for each feature.
    linear: Linear,
}

impl QuantileEmbedding {
    pub(crate) fn new(layout: &mut Layout, cosines: usize, features: usize) -> Self {
        Self { linear: Linear::new(layout, "embedding".to_owned(), cosines, features) }
    }
}

impl Layer for QuantileEmbedding {
    fn tensors(&self) -> Vec<Tensor> {
        self.linear.tensors().into()
    }

    fn linears(&self) -> Vec<&Linear> {
        vec![&self.linear]
    }

    fn initialise(&self, parameters: &mut [f32], rng: &mut Rng) {
        self.linear.initialise(parameters, rng);
    }

    fn pass(&self, columns: Columns, levels: usize) -> Box<dyn LayerPass> {
        let merged_columns = self.output_columns(columns.stride, levels);
        let mut level_of_column = Buffer::from_slice(&vec![0.5; merged_columns]);
        if columns.is_one() {
            // By default, acting averages over fixed levels, the midpoints.
            level_of_column.iter_mut().zip(midpoints(levels)).for_each(|(level, middle)| *level = middle);
        }
        let units = self.linear.outputs;
        Box::new(QuantileEmbeddingPass {
            levels: level_of_column,
            used: if columns.is_one() { levels } else { merged_columns },
            recurrence: vec![0.0; 3 * merged_columns],
            cosines: Buffer::zeros(self.linear.inputs * merged_columns),
            repeated: Buffer::zeros(if columns.is_one() { units * LANES } else { 0 }),
            embedded: Buffer::zeros(units * merged_columns),
            merged: Buffer::zeros(units * merged_columns),
            layer: self.clone(),
        })
    }

    fn output_columns(&self, columns: usize, levels: usize) -> usize {
        // The levels of a single observation are columns, padded to whole vectors.
        if columns == 1 { levels.next_multiple_of(LANES) } else { columns * levels }
    }

    fn backward_products(&self, _with_inputs: bool) -> usize {
        self.linear.inputs * self.linear.outputs
    }
}

/// The embedding with its buffers.
#[derive(Debug)]
struct QuantileEmbeddingPass {
    layer: QuantileEmbedding,
    /// The quantile level of each column.
    levels: Buffer,
    /// The number of levels without the padding of a single observation.
    used: usize,
    recurrence: Vec<f64>,
    /// `[cosines][columns]`
    cosines: Buffer,
    /// The features of a single observation, each repeated: `[feature][LANES]`.
    repeated: Buffer,
    /// `[feature][columns]`, after the ReLU.
    embedded: Buffer,
    /// `[feature][columns]`: the products of features and embedding.
    merged: Buffer,
}

impl QuantileEmbeddingPass {
    fn columns(&self) -> Columns {
        Columns { items: self.levels.len(), stride: self.levels.len() }
    }
}

impl LayerPass for QuantileEmbeddingPass {
    fn forward(&mut self, cx: Forward, inputs: Features) {
        let columns = self.columns();
        let Self { layer, levels, recurrence, cosines, repeated, embedded, merged, .. } = self;
        compute_cosines(levels, recurrence, cosines);
        layer.linear.forward(cx, cosines, columns, true, embedded);
        if inputs.columns.is_one() {
            for (row, feature) in repeated.chunks_exact_mut(LANES).zip(inputs.values) {
                row.fill(*feature);
            }
            kernels::merge(cx.path, repeated, LANES, embedded, merged);
        } else {
            kernels::merge(cx.path, inputs.values, inputs.columns.stride, embedded, merged);
        }
    }

    fn outputs(&self) -> Features<'_> {
        Features { values: &self.merged, columns: self.columns(), activation: None }
    }

    fn outputs_mut(&mut self) -> &mut [f32] {
        &mut self.merged
    }

    fn backward(
        &self,
        cx: &mut Backward,
        inputs: Features,
        deltas: &mut [f32],
        input_deltas: Option<&mut [f32]>,
        scratch: &mut [Buffer],
    ) {
        // The kernel always writes the gradient with respect to the features.
        let input_deltas = match input_deltas {
            Some(input_deltas) => input_deltas,
            None => &mut scratch[0],
        };
        kernels::merge_gradient(cx.path, inputs.values, inputs.columns.stride, &self.embedded, deltas, input_deltas);
        if let Some(activation) = inputs.activation {
            kernels::activation_gradient(cx.path, activation, inputs.values, input_deltas);
        }
        self.layer.linear.gradients(cx, &self.cosines, self.columns(), deltas);
    }

    fn gradient_scratch(&self, inputs: Columns) -> Vec<Buffer> {
        vec![Buffer::zeros(self.layer.linear.outputs * inputs.stride)]
    }

    fn transposed_len(&self) -> usize {
        self.layer.linear.transposed_len(self.columns())
    }

    fn levels_mut(&mut self) -> &mut [f32] {
        &mut self.levels[..self.used]
    }

    fn levels(&self) -> &[f32] {
        &self.levels[..self.used]
    }
}

/// `cos(pi i tau)` for i = 0, 1, .., `cosines - 1`: `[cosines][levels.len()]`, by `cos((i+1)x) = 2 cos x cos(ix) -
/// cos((i-1)x)`.
///
/// Computed in f64: the recurrence accumulates about i^2 rounding errors, which is less than the precision of f32.
fn compute_cosines(levels: &[f32], scratch: &mut [f64], embedded: &mut [f32]) {
    let columns = levels.len();
    let (twice_cosine, rest) = scratch.split_at_mut(columns);
    let (mut last, mut next) = rest.split_at_mut(columns);
    for (column, level) in levels.iter().enumerate() {
        let cosine = libm::cos(std::f64::consts::PI * f64::from(*level));
        twice_cosine[column] = 2.0 * cosine;
        // cos(-x) and cos(0).
        last[column] = cosine;
        next[column] = 1.0;
    }
    for row in embedded.chunks_exact_mut(columns) {
        for column in 0..columns {
            let value = next[column];
            row[column] = value as f32;
            last[column] = twice_cosine[column] * value - last[column];
        }
        std::mem::swap(&mut last, &mut next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recurrence_gives_cosines() {
        let levels = [0.0, 0.001, 0.25, 0.5, 0.73, 0.999, 1.0];
        let mut embedded = [0.0; 7 * 64];
        compute_cosines(&levels, &mut [0.0; 21], &mut embedded);
        for i in 0..64 {
            for (column, level) in levels.iter().enumerate() {
                let expected = libm::cos(std::f64::consts::PI * i as f64 * f64::from(*level));
                assert!((f64::from(embedded[i * 7 + column]) - expected).abs() < 1e-7, "cos(pi {i} {level})");
            }
        }
    }
}
