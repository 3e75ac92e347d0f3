//! From a network's outputs to Q-values: what each head means by its numbers.
//!
//! Outputs are `[action][atom][stride]`, Q-values `[action][stride]`. Acting and Double's selection see Q-values only and
//! never ask how a head represents them.

use crate::engine::cpu::kernels::{self, CpuPath};
use crate::network::Head;

/// Q-values of a batch's outputs. `probabilities` is as long as `outputs` and written by a categorical head alone; a scalar
/// head's outputs are Q-values as they are. For an implicit head the levels count as atoms.
pub(super) fn q_values(
    path: CpuPath,
    head: &Head,
    outputs: &[f32],
    (actions, stride): (usize, usize),
    probabilities: &mut [f32],
    q_values: &mut [f32],
) {
    let block = outputs.len() / actions;
    match head {
        Head::Scalar => {}
        Head::Categorical { atoms, v_min, v_max } => {
            let gap = if *atoms > 1 { (v_max - v_min) / (atoms - 1) as f64 } else { 0.0 };
            for action in 0..actions {
                let range = action * block..(action + 1) * block;
                let probabilities = &mut probabilities[range.clone()];
                kernels::softmax(path, &outputs[range], stride, probabilities);
                let q_values = &mut q_values[action * stride..(action + 1) * stride];
                q_values.fill(0.0);
                for (atom, row) in probabilities.chunks_exact(stride).enumerate() {
                    let value = (v_min + gap * atom as f64) as f32;
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
