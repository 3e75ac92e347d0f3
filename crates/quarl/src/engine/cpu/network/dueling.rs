//! Dueling networks: `Q = V + A - mean of A` (Wang et al. 2016), for every atom and column.
//!
//! Streams are `[1 + actions][block]`, the value first; outputs are `[actions][block]`. A block is whatever one action has:
//! its atoms times the columns.

/// Values and advantages into outputs.
pub(super) fn combine(streams: &[f32], actions: usize, outputs: &mut [f32]) {
    let block = outputs.len() / actions;
    let (value, advantages) = streams.split_at(block);
    let per_action = 1.0 / actions as f32;
    // The first action's place holds value less mean advantage for a moment, for all to add their own to.
    let (base, others) = outputs.split_at_mut(block);
    base.copy_from_slice(&advantages[..block]);
    for advantage in advantages.chunks_exact(block).skip(1) {
        for (sum, advantage) in base.iter_mut().zip(advantage) {
            *sum += advantage;
        }
    }
    for (base, value) in base.iter_mut().zip(value) {
        *base = value - *base * per_action;
    }
    for (output, advantage) in others.chunks_exact_mut(block).zip(advantages.chunks_exact(block).skip(1)) {
        for ((output, base), advantage) in output.iter_mut().zip(&*base).zip(advantage) {
            *output = base + advantage;
        }
    }
    for (base, advantage) in base.iter_mut().zip(advantages) {
        *base += advantage;
    }
}

/// From the loss's gradient with respect to the outputs to that with respect to values and advantages.
pub(super) fn split_gradient(output_deltas: &[f32], actions: usize, stream_deltas: &mut [f32]) {
    let block = output_deltas.len() / actions;
    let per_action = 1.0 / actions as f32;
    let (value, advantages) = stream_deltas.split_at_mut(block);
    value.copy_from_slice(&output_deltas[..block]);
    for delta in output_deltas.chunks_exact(block).skip(1) {
        for (sum, delta) in value.iter_mut().zip(delta) {
            *sum += delta;
        }
    }
    for (advantage, delta) in advantages.chunks_exact_mut(block).zip(output_deltas.chunks_exact(block)) {
        for ((advantage, delta), sum) in advantage.iter_mut().zip(delta).zip(&*value) {
            *advantage = delta - sum * per_action;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_three_advantages_by_hand() {
        // Two columns: V = 10, 20; A = (1, 2, 6), (0, 0, 3); means 3 and 1.
        let streams = [10.0, 20.0, 1.0, 0.0, 2.0, 0.0, 6.0, 3.0];
        let mut outputs = [0.0; 6];
        combine(&streams, 3, &mut outputs);
        let expected = [8.0, 19.0, 9.0, 19.0, 13.0, 22.0];
        for (output, expected) in outputs.iter().zip(expected) {
            assert!((output - expected).abs() < 1e-5, "{outputs:?}");
        }
    }

    #[test]
    fn gradients_by_hand() {
        // One column; the loss falls on the second action alone: V gets all of it, each advantage its part.
        let mut deltas = [f32::NAN; 4];
        split_gradient(&[0.0, 3.0, 0.0], 3, &mut deltas);
        assert_eq!(deltas, [3.0, -1.0, 2.0, -1.0]);
    }
}
