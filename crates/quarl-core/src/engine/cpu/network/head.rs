//! Conversion of a network's outputs to Q-values, for each head.
//!
//! Outputs are `[action][atom][stride]`, Q-values `[action][stride]`; the quantile levels of an implicit head take the
//! place of atoms. Acting and Double DQN's action selection use Q-values only, independent of the head.

use super::layers::layer::Columns;
use super::{Architecture, Head, QValues};
use crate::engine::cpu::buffer::Buffer;
use crate::engine::cpu::kernels::{self, CpuPath};
use crate::network::head::support;

/// The buffers for the Q-values of a batch, or of one observation.
#[derive(Debug)]
pub(super) struct HeadPass {
    /// A categorical head's probabilities, in the layout of the outputs; otherwise empty.
    probabilities: Buffer,
    /// The returns of a categorical head's atoms; otherwise empty.
    support: Vec<f32>,
    /// `[action][stride]`; empty for a scalar head, whose outputs are the Q-values.
    q_values: Buffer,
    actions: usize,
    stride: usize,
    /// The number of quantiles of each action in the outputs of one observation, without padding.
    quantiles: usize,
}

impl HeadPass {
    /// Allocates the buffers for observations of `columns`, whose outputs have `output_columns`.
    pub(super) fn new(architecture: &Architecture, columns: Columns, output_columns: Columns) -> Self {
        let Architecture { actions, head, .. } = *architecture;
        let outputs = actions * head.atoms() * output_columns.stride;
        let (probabilities, atoms) = match head {
            Head::Categorical { atoms, v_min, v_max } => {
                // Acting on one observation needs only the mean.
                (if columns.is_one() { 0 } else { outputs }, support(atoms, v_min, v_max))
            }
            Head::Scalar | Head::Quantile { .. } | Head::Implicit { .. } => (0, Vec::new()),
        };
        Self {
            probabilities: Buffer::zeros(probabilities),
            support: atoms,
            q_values: Buffer::zeros(if head == Head::Scalar { 0 } else { actions * columns.stride }),
            actions,
            stride: columns.stride,
            quantiles: match head {
                Head::Implicit { acting_quantiles, .. } => acting_quantiles,
                Head::Scalar | Head::Categorical { .. } | Head::Quantile { .. } => head.atoms(),
            },
        }
    }

    /// Computes the Q-values of a batch.
    pub(super) fn of_batch(&mut self, path: CpuPath, head: &Head, outputs: &[f32]) {
        let Self { probabilities, support, q_values, actions, stride, .. } = self;
        let (stride, block) = (*stride, outputs.len() / *actions);
        match head {
            Head::Scalar => {}
            Head::Categorical { .. } => {
                for action in 0..*actions {
                    let range = action * block..(action + 1) * block;
                    let probabilities = &mut probabilities[range.clone()];
                    kernels::softmax(path, &outputs[range], stride, probabilities);
                    let q_values = &mut q_values[action * stride..(action + 1) * stride];
                    q_values.fill(0.0);
                    for (value, row) in support.iter().zip(probabilities.chunks_exact(stride)) {
                        for (q, probability) in q_values.iter_mut().zip(row) {
                            *q += value * probability;
                        }
                    }
                }
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                let per_quantile = 1.0 / (block / stride) as f32;
                for (q_values, quantiles) in q_values.chunks_exact_mut(stride).zip(outputs.chunks_exact(block)) {
                    q_values.fill(0.0);
                    for row in quantiles.chunks_exact(stride) {
                        for (q, quantile) in q_values.iter_mut().zip(row) {
                            *q += quantile;
                        }
                    }
                    for q in q_values {
                        *q *= per_quantile;
                    }
                }
            }
        }
    }

    /// Computes the Q-values of one observation.
    pub(super) fn of_one(&mut self, head: &Head, outputs: &[f32]) {
        let Self { support, q_values, actions, quantiles, .. } = self;
        let per_action = outputs.chunks_exact(outputs.len() / *actions);
        match head {
            Head::Scalar => {}
            Head::Categorical { .. } => {
                q_values.iter_mut().zip(per_action).for_each(|(q, logits)| *q = expectation(logits, support));
            }
            Head::Quantile { .. } | Head::Implicit { .. } => {
                for (q, of_action) in q_values.iter_mut().zip(per_action) {
                    *q = of_action[..*quantiles].iter().sum::<f32>() / *quantiles as f32;
                }
            }
        }
    }

    /// The Q-values computed last; `outputs` are the outputs that they were computed from.
    pub(super) fn q_values<'a>(&'a self, outputs: &'a [f32]) -> QValues<'a> {
        let values = if self.q_values.is_empty() { outputs } else { &self.q_values };
        QValues::new(values, self.actions, self.stride)
    }

    pub(super) fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }
}

/// The mean of a distribution over `support`, from its logits.
fn expectation(logits: &[f32], support: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (logit, value) in logits.iter().zip(support) {
        let weight = libm::expf(logit - largest);
        sum += weight;
        weighted += weight * value;
    }
    weighted / sum
}
