//! Implicit quantile networks (IQN, Dabney et al. 2018b): a quantile level becomes a vector as long as the trunk's output,
//! `phi_j(tau) = relu(sum over i of cos(pi i tau) w_ij + b_j)`, and the two are multiplied unit by unit
//! (`kernels::merge`).
//!
//! Columns are items at levels: `[..][level][stride]`, one batch behind the other.

/// `cos(pi i tau)` for i = 0, 1, .., `cosines - 1`: `[cosines][levels.len()]`, by `cos((i+1)x) = 2 cos x cos(ix) - cos((i-1)x)`.
///
/// In f64, where the recurrence loses at most some i^2 roundings: nothing of an f32.
pub(super) fn cosines(levels: &[f32], scratch: &mut [f64], embedded: &mut [f32]) {
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
        cosines(&levels, &mut [0.0; 21], &mut embedded);
        for i in 0..64 {
            for (column, level) in levels.iter().enumerate() {
                let expected = libm::cos(std::f64::consts::PI * i as f64 * f64::from(*level));
                assert!((f64::from(embedded[i * 7 + column]) - expected).abs() < 1e-7, "cos(pi {i} {level})");
            }
        }
    }
}
