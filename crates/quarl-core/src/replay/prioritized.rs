//! Prioritised sampling (Schaul et al. 2016, proportional variant): transitions with a large TD error are sampled more
//! often.

use serde::{Deserialize, Serialize};

use super::sum_tree::SumTree;
use crate::rng::Rng;

/// Samples transition i with probability `P(i) = p_i / sum of p`, where `p_i = (priority_i + eps)^alpha`. Its
/// importance-sampling weight is `(N P(i))^-beta`, divided by the largest weight of the batch.
///
/// A new transition enters with the largest `priority + eps` so far (1 at first), so that it is likely to be sampled soon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prioritized {
    alpha: f64,
    eps: f64,
    /// The largest priority so far, eps included, before the exponent.
    largest: f64,
    tree: SumTree,
}

impl Prioritized {
    /// Creates an empty sampler for `capacity` transitions. `alpha` is in [0, 1] (0 is uniform), `eps` above 0.
    pub fn new(capacity: usize, alpha: f64, eps: f64) -> Self {
        Self { alpha, eps, largest: 1.0, tree: SumTree::new(capacity) }
    }

    /// The exponent, the constant, and the largest priority so far.
    pub(super) fn numbers(&self) -> (f64, f64, f64) {
        (self.alpha, self.eps, self.largest)
    }

    /// A sampler for `capacity` transitions, of which the first ones have these weights; `None` where they are not positive
    /// numbers.
    pub(super) fn of(capacity: usize, (alpha, eps, largest): (f64, f64, f64), weights: &[f64]) -> Option<Self> {
        if weights.len() > capacity || !weights.iter().all(|weight| weight.is_finite() && *weight > 0.0) {
            return None;
        }
        let mut all = Vec::new();
        all.try_reserve_exact(capacity).ok()?;
        all.extend_from_slice(weights);
        all.resize(capacity, 0.0);
        Some(Self { alpha, eps, largest, tree: SumTree::from(all) })
    }

    /// Adds a new transition at place `id`.
    pub fn insert(&mut self, id: usize) {
        self.tree.set(id, libm::pow(self.largest, self.alpha));
    }

    /// Sets the priority of a transition (its absolute TD error). A priority that is not finite is replaced by the largest
    /// f32.
    pub fn update(&mut self, id: usize, priority: f32) {
        // f64::min returns the other number where one is NaN.
        let priority = f64::from(priority).min(f64::from(f32::MAX)) + self.eps;
        self.largest = self.largest.max(priority);
        self.tree.set(id, libm::pow(priority, self.alpha));
    }

    /// The weight p of transition `id`, with the exponent alpha applied.
    pub fn weight(&self, id: usize) -> f64 {
        self.tree.get(id)
    }

    /// Stratified sampling: draws one of `len` transitions from each of `ids.len()` equal parts of the total weight, and
    /// computes importance-sampling weights with exponent `beta`.
    ///
    /// # Panics
    /// When the buffer is empty.
    pub fn sample(&self, len: usize, beta: f64, rng: &mut Rng, ids: &mut [usize], weights: &mut [f32]) {
        let total = self.tree.total();
        let part = total / ids.len() as f64;
        // The item with the smallest p has the largest weight: (N P(i))^-beta / max = (p_min / p_i)^beta, because N and the
        // total cancel. This needs one power for each item.
        let mut smallest = f64::INFINITY;
        for (i, id) in ids.iter_mut().enumerate() {
            let found = self.tree.find((i as f64 + rng.uniform()) * part);
            *id = found.expect("there is a transition to draw");
            debug_assert!(*id < len);
            smallest = smallest.min(self.tree.get(*id));
        }
        for (id, weight) in ids.iter().zip(weights) {
            *weight = libm::pow(smallest / self.tree.get(*id), beta) as f32;
        }
    }

    /// Whether this sampler, read from a file, is compatible with `fresh`, a new one, for `len` stored transitions.
    pub(super) fn fits(&self, fresh: &Self, len: usize) -> bool {
        (self.alpha, self.eps) == (fresh.alpha, fresh.eps)
            && self.largest.is_finite()
            && self.largest >= 1.0
            && self.tree.len() == fresh.tree.len()
            && self.tree.total().is_finite()
            && self.tree.weights().take(len).all(|weight| weight > 0.0)
            && self.tree.weights().skip(len).all(|weight| weight == 0.0)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_1_SQRT_2;

    use super::*;

    fn with(alpha: f64, priorities: &[f32]) -> Prioritized {
        let mut sampler = Prioritized::new(priorities.len(), alpha, 1e-6);
        for (id, priority) in priorities.iter().enumerate() {
            sampler.insert(id);
            sampler.update(id, *priority);
        }
        sampler
    }

    #[test]
    fn weights_are_those_worked_out_by_hand() {
        // p = 1, 2, 4, 9 (alpha 1; eps does not show): P = 1/16, 2/16, 4/16, 9/16, and N P = 1/4, 1/2, 1, 9/4. A batch of
        // 16 has a part for each unit, so every item is in it; the largest weight is item 0's.
        let sampler = with(1.0, &[1.0, 2.0, 4.0, 9.0]);
        for (beta, expected) in [
            (0.0, [1.0, 1.0, 1.0, 1.0]),
            (0.5, [1.0, FRAC_1_SQRT_2, 0.5, 0.333_333]), // (1/4)^-1/2 = 2, then 1.414, 1, 2/3; divided by 2
            (1.0, [1.0, 0.5, 0.25, 0.111_111]),          // 4, 2, 1, 4/9; divided by 4
        ] {
            let (mut ids, mut weights) = ([0; 16], [0.0; 16]);
            sampler.sample(4, beta, &mut Rng::from_seed(0), &mut ids, &mut weights);
            for (i, (id, weight)) in ids.into_iter().zip(weights).enumerate() {
                // A part's border moves by the few eps that were added.
                assert_eq!(id, [0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3][i]);
                assert!((weight - expected[id]).abs() < 1e-5, "beta {beta}: item {id} weighs {weight}");
            }
        }
    }

    #[test]
    fn a_batch_without_the_rarest_item_is_divided_by_its_own_largest_weight() {
        let sampler = with(1.0, &[1e-3, 1e3]);
        let (mut ids, mut weights) = ([0; 2], [0.0; 2]);
        sampler.sample(2, 1.0, &mut Rng::from_seed(0), &mut ids, &mut weights);
        assert_eq!((ids, weights), ([1, 1], [1.0, 1.0]));
    }

    #[test]
    fn alpha_is_the_exponent_of_the_priority_with_eps() {
        let sampler = with(0.6, &[0.0, 1.0, 32.0]);
        // (1e-6)^0.6 = 10^-3.6; 32^0.6 = 2^3.
        for (id, expected) in [(0, 2.511_886e-4), (1, 1.0), (2, 8.0)] {
            assert!((sampler.weight(id) / expected - 1.0).abs() < 1e-6, "{id}: {}", sampler.weight(id));
        }
        let uniform = with(0.0, &[0.0, 1.0, 32.0]);
        assert_eq!([0, 1, 2].map(|id| uniform.weight(id)), [1.0; 3]);
    }

    #[test]
    fn new_items_enter_at_the_largest_priority_ever_seen() {
        let mut sampler = Prioritized::new(3, 0.5, 1e-6);
        sampler.insert(0);
        assert_eq!(sampler.weight(0), 1.0);
        sampler.update(0, 0.25);
        sampler.insert(1);
        assert_eq!(sampler.weight(1), 1.0, "nothing above 1 has been seen");
        sampler.update(1, 16.0);
        sampler.update(1, 0.0);
        sampler.insert(2);
        assert!((sampler.weight(2) - 4.0).abs() < 1e-6, "16 was seen, if it is no longer there");
    }

    #[test]
    fn what_is_not_a_number_counts_as_large_and_keeps_the_total_finite() {
        let sampler = with(1.0, &[f32::NAN, f32::INFINITY, 1.0]);
        assert_eq!(sampler.weight(0), sampler.weight(1));
        assert!(sampler.weight(0) > 1e38 && sampler.tree.total().is_finite());
    }

    #[test]
    fn each_stratum_has_the_frequencies_of_the_weights_within_it() {
        let priorities = [3.0, 1.0, 0.5, 2.0, 0.25, 4.0, 1.5];
        let sampler = with(1.0, &priorities);
        const STRATA: usize = 4;
        const BATCHES: u32 = 30_000;
        let mut counts = [[0_u32; 7]; STRATA];
        let (mut ids, mut weights) = ([0; STRATA], [0.0; STRATA]);
        let mut rng = Rng::from_seed(3);
        for _ in 0..BATCHES {
            sampler.sample(7, 0.4, &mut rng, &mut ids, &mut weights);
            for (stratum, id) in ids.iter().enumerate() {
                counts[stratum][*id] += 1;
            }
        }
        // An item's share of a stratum: how much of it lies there, laid end to end.
        let part = sampler.tree.total() / STRATA as f64;
        for (stratum, counts) in counts.iter().enumerate() {
            let (low, high) = (stratum as f64 * part, (stratum + 1) as f64 * part);
            let (mut begin, mut chi_squared) = (0.0, 0.0);
            for (item, count) in counts.iter().enumerate() {
                let end = begin + sampler.weight(item);
                let expected = f64::from(BATCHES) * (end.min(high) - begin.max(low)).max(0.0) / part;
                if expected < 1.0 {
                    assert!(*count < 10, "item {item} in stratum {stratum}: {count}");
                } else {
                    chi_squared += (f64::from(*count) - expected).powi(2) / expected;
                }
                begin = end;
            }
            // At most six degrees of freedom: exceeded less than once in 10,000 times.
            assert!(chi_squared < 27.9, "stratum {stratum}: {chi_squared}");
        }
    }

    #[test]
    fn equal_priorities_and_a_single_item_weigh_one() {
        for count in [1, 2, 7, 8, 9, 100] {
            let sampler = with(0.6, &vec![0.3; count]);
            let (mut ids, mut weights) = (vec![0; count], vec![0.0; count]);
            sampler.sample(count, 0.7, &mut Rng::from_seed(0), &mut ids, &mut weights);
            assert!(weights.iter().all(|weight| *weight == 1.0));
            assert!(ids.iter().all(|id| *id < count));
        }
    }
}
