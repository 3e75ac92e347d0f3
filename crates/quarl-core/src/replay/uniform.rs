//! Uniform sampling without replacement.

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// Up to this batch size, comparing an id with all earlier ones is faster than marking ids in a bit set.
const SMALL_BATCH: usize = 64;

/// Samples batches uniformly, without replacement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Uniform {
    /// One bit for each place of the buffer: whether the batch being drawn contains it. All zero between draws; empty until
    /// the first large batch.
    #[serde(skip)]
    drawn: Vec<u64>,
}

impl PartialEq for Uniform {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Uniform {
    /// Fills `ids` with distinct numbers below `len`; every subset is equally likely (Floyd's algorithm: one random number
    /// for each item, linear time). `capacity` is the maximum of `len`.
    ///
    /// # Panics
    /// When `len` is less than `ids.len()`.
    pub(super) fn sample(&mut self, len: usize, capacity: usize, rng: &mut Rng, ids: &mut [usize]) {
        let size = ids.len();
        assert!(size <= len && len <= capacity, "cannot draw {size} different transitions from {len}");
        if size <= SMALL_BATCH {
            for i in 0..size {
                let newest = len - size + i;
                let drawn = rng.below(newest + 1);
                ids[i] = if ids[..i].contains(&drawn) { newest } else { drawn };
            }
            return;
        }
        self.drawn.resize(capacity.div_ceil(64), 0);
        let bit = |id: usize| 1_u64 << (id % 64);
        for (newest, id) in (len - size..).zip(&mut *ids) {
            let drawn = rng.below(newest + 1);
            *id = if self.drawn[drawn / 64] & bit(drawn) != 0 { newest } else { drawn };
            self.drawn[*id / 64] |= bit(*id);
        }
        for id in ids {
            self.drawn[*id / 64] = 0;
        }
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
            Uniform::default().sample(5, 5, &mut rng, &mut ids);
            let (low, high) = (ids[0].min(ids[1]), ids[0].max(ids[1]));
            assert_ne!(low, high);
            counts[low][high] += 1;
        }
        // Ten pairs, 2000 expected each; chi-squared with 9 degrees of freedom exceeds 33.7 once in 10,000 times.
        let pairs = (0..5).flat_map(|low| (low + 1..5).map(move |high| (low, high)));
        let chi_squared: f64 = pairs.map(|(l, h)| (f64::from(counts[l][h]) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi_squared < 33.7, "{chi_squared}: {counts:?}");
    }

    #[test]
    fn batches_of_any_size_are_those_of_floyds_algorithm() {
        let mut sampler = Uniform::default();
        let (mut rng, mut same) = (Rng::from_seed(3), Rng::from_seed(3));
        for (len, size) in [(64, 64), (65, 65), (1000, 65), (1000, 1000), (700, 350), (200, 1), (1000, 999)] {
            let mut ids = vec![0; size];
            sampler.sample(len, 1000, &mut rng, &mut ids);
            let mut expected: Vec<usize> = Vec::new();
            for newest in len - size..len {
                let drawn = same.below(newest + 1);
                expected.push(if expected.contains(&drawn) { newest } else { drawn });
            }
            assert_eq!(ids, expected, "{size} of {len}");
        }
    }

    #[test]
    fn a_batch_of_a_million_is_drawn_in_linear_time() {
        // Comparing each with all those before it would take hours in a debug build.
        let mut ids = vec![0; 1 << 20];
        Uniform::default().sample(1 << 20, 1 << 20, &mut Rng::from_seed(0), &mut ids);
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(0..1 << 20));
    }
}
