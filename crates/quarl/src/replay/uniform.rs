//! Uniform sampling: every transition as likely as any other.

use crate::rng::Rng;

/// Fills `ids` with different numbers below `len`, every subset as likely as any other (Floyd's algorithm: one draw an
/// item).
///
/// # Panics
/// When there are fewer than `ids.len()`.
pub(super) fn sample(len: usize, rng: &mut Rng, ids: &mut [usize]) {
    let size = ids.len();
    assert!(size <= len, "cannot draw {size} different transitions from {len}");
    for i in 0..size {
        let newest = len - size + i;
        let drawn = rng.below(newest + 1);
        ids[i] = if ids[..i].contains(&drawn) { newest } else { drawn };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_never_repeats_a_transition_and_every_pair_is_as_likely() {
        let mut rng = Rng::from_seed(1);
        let mut counts = [[0_u32; 5]; 5];
        let mut ids = [0; 2];
        for _ in 0..20_000 {
            sample(5, &mut rng, &mut ids);
            let (low, high) = (ids[0].min(ids[1]), ids[0].max(ids[1]));
            assert_ne!(low, high);
            counts[low][high] += 1;
        }
        // Ten pairs, 2000 expected each; chi-squared with 9 degrees of freedom exceeds 33.7 once in 10,000 times.
        let pairs = (0..5).flat_map(|low| (low + 1..5).map(move |high| (low, high)));
        let chi_squared: f64 = pairs.map(|(l, h)| (f64::from(counts[l][h]) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi_squared < 33.7, "{chi_squared}: {counts:?}");
    }
}
