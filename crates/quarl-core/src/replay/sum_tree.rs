//! A sum tree: samples an item with probability proportional to its weight in logarithmic time.

use serde::{Deserialize, Serialize};

/// Children of a node: eight f64 fill one cache line, so one level costs one memory access.
const WIDTH: usize = 8;

/// The weights of eight items, or the sums of eight nodes of the level below.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Node([f64; WIDTH]);

impl Node {
    const ZERO: Self = Self([0.0; WIDTH]);

    /// The sum of the children, always in the same order, so that it depends on nothing but the children.
    #[inline]
    fn sum(&self) -> f64 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    }

    /// The child that contains `mass`, and the remaining mass within that child. Rounding may leave more mass than the
    /// children have; then the last child with a positive weight is returned.
    #[inline]
    fn child(&self, mut mass: f64) -> Option<(usize, f64)> {
        let mut last = None;
        for (child, weight) in self.0.into_iter().enumerate() {
            if weight > 0.0 {
                if mass < weight {
                    return Some((child, mass));
                }
                last = Some((child, weight));
            }
            mass -= weight;
        }
        last
    }
}

/// Weights of a fixed number of items, all 0 at first, and their sums.
///
/// Only the weights are saved: the sums follow from them bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f64>")]
pub struct SumTree {
    items: usize,
    /// The level of the items first, the root (one node) last.
    levels: Vec<Vec<Node>>,
}

impl SumTree {
    /// Creates a tree of `items` items (at least one), each with weight 0.
    pub fn new(items: usize) -> Self {
        let mut levels = Vec::new();
        let mut nodes = items.div_ceil(WIDTH).max(1);
        levels.push(vec![Node::ZERO; nodes]);
        while nodes > 1 {
            nodes = nodes.div_ceil(WIDTH);
            levels.push(vec![Node::ZERO; nodes]);
        }
        Self { items, levels }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Whether the tree has no items.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// The weight of an item.
    ///
    /// # Panics
    /// When there is no such item.
    #[inline]
    pub fn get(&self, item: usize) -> f64 {
        self.levels[0][item / WIDTH].0[item % WIDTH]
    }

    /// The sum of all weights.
    #[inline]
    pub fn total(&self) -> f64 {
        self.levels[self.levels.len() - 1][0].sum()
    }

    /// Sets the weight of an item (at least 0, finite), and recomputes every sum that contains it from its parts. Adding
    /// differences to the old sums would accumulate rounding errors.
    ///
    /// # Panics
    /// When there is no such item.
    #[inline]
    pub fn set(&mut self, item: usize, weight: f64) {
        debug_assert!(weight >= 0.0 && weight.is_finite(), "weight {weight}");
        assert!(item < self.items, "item {item} of {}", self.items);
        let (mut at, mut value) = (item, weight);
        for level in &mut self.levels {
            let node = &mut level[at / WIDTH];
            node.0[at % WIDTH] = value;
            value = node.sum();
            at /= WIDTH;
        }
    }

    /// The item that contains `mass` (from 0 to below the total) when the weights are laid end to end in order; `None`
    /// where all weights are 0. An item of weight 0 is never returned.
    #[inline]
    pub fn find(&self, mut mass: f64) -> Option<usize> {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let (child, rest) = level[at].child(mass)?;
            (at, mass) = (at * WIDTH + child, rest);
        }
        Some(at)
    }

    /// The weights of all items.
    pub fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        self.levels[0].iter().flat_map(|node| node.0).take(self.items)
    }
}

impl From<Vec<f64>> for SumTree {
    fn from(weights: Vec<f64>) -> Self {
        let mut tree = Self::new(weights.len());
        for (item, weight) in weights.into_iter().enumerate() {
            tree.levels[0][item / WIDTH].0[item % WIDTH] = weight;
        }
        for level in 1..tree.levels.len() {
            let (below, here) = tree.levels.split_at_mut(level);
            for (at, node) in below[level - 1].iter().enumerate() {
                here[0][at / WIDTH].0[at % WIDTH] = node.sum();
            }
        }
        tree
    }
}

impl From<SumTree> for Vec<f64> {
    fn from(tree: SumTree) -> Self {
        tree.weights().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    /// The definition: subtract one weight after the other.
    fn naive_find(weights: &[f64], mut mass: f64) -> Option<usize> {
        for (item, weight) in weights.iter().enumerate() {
            if mass < *weight {
                return Some(item);
            }
            mass -= weight;
        }
        None
    }

    fn assert_sums(tree: &SumTree) {
        for level in 1..tree.levels.len() {
            for (at, node) in tree.levels[level - 1].iter().enumerate() {
                assert_eq!(tree.levels[level][at / WIDTH].0[at % WIDTH].to_bits(), node.sum().to_bits());
            }
        }
    }

    proptest! {
        #[test]
        fn every_parent_is_the_sum_of_its_children_and_every_search_finds_what_a_scan_finds(
            items in 1_usize..600,
            updates in prop::collection::vec((any::<prop::sample::Index>(), 0_u32..5), 1..300),
            masses in prop::collection::vec(0.0_f64..1.0, 1..50),
        ) {
            // Quarters of whole numbers add up exactly, in any order: tree and scan have to agree to the last bit.
            let mut tree = SumTree::new(items);
            let mut weights = vec![0.0; items];
            for (index, weight) in updates {
                let (item, weight) = (index.index(items), f64::from(weight) / 4.0);
                tree.set(item, weight);
                weights[item] = weight;
            }
            assert_sums(&tree);
            prop_assert!(tree.weights().eq(weights.iter().copied()));
            let total: f64 = weights.iter().sum();
            prop_assert_eq!(tree.total(), total);
            for mass in masses {
                prop_assert_eq!(tree.find(mass * total), naive_find(&weights, mass * total));
            }
            let mut before = 0.0;
            for (item, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
                prop_assert_eq!(tree.find(before), Some(item), "an item begins where those before it end");
                before += weight;
            }
        }

        #[test]
        fn weights_of_any_size_leave_sums_that_are_their_parts(
            items in 1_usize..200,
            updates in prop::collection::vec((any::<prop::sample::Index>(), -300_i32..300, 0.1_f64..1.0), 1..300),
        ) {
            let mut tree = SumTree::new(items);
            for (index, exponent, factor) in updates {
                tree.set(index.index(items), factor * 10_f64.powi(exponent));
            }
            assert_sums(&tree);
            for mass in [0.0, tree.total() * 0.5, tree.total().next_down(), tree.total()] {
                let found = tree.find(mass).unwrap();
                prop_assert!(tree.get(found) > 0.0, "an item without weight was found");
            }
            let read_back = SumTree::from(tree.weights().collect::<Vec<_>>());
            prop_assert!(read_back == tree, "sums follow from the weights");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_weighs_anything() {
        for items in [1, 8, 9, 1000] {
            let mut tree = SumTree::new(items);
            assert_eq!((tree.total(), tree.find(0.0)), (0.0, None));
            tree.set(items - 1, 2.0);
            assert_eq!((tree.total(), tree.find(0.0), tree.find(1.9)), (2.0, Some(items - 1), Some(items - 1)));
            tree.set(items - 1, 0.0);
            assert_eq!((tree.total(), tree.find(0.0)), (0.0, None));
        }
    }

    #[test]
    fn single_draws_have_the_frequencies_of_the_weights() {
        let mut tree = SumTree::new(37);
        for item in 0..37 {
            tree.set(item, f64::from(item as u32 % 5));
        }
        let mut rng = Rng::from_seed(0);
        let mut counts = [0_u32; 37];
        const DRAWS: u32 = 100_000;
        for _ in 0..DRAWS {
            counts[tree.find(rng.uniform() * tree.total()).unwrap()] += 1;
        }
        let mut chi_squared = 0.0;
        for (item, count) in counts.into_iter().enumerate() {
            let expected = f64::from(DRAWS) * tree.get(item) / tree.total();
            if expected == 0.0 {
                assert_eq!(count, 0, "item {item} weighs nothing");
            } else {
                chi_squared += (f64::from(count) - expected).powi(2) / expected;
            }
        }
        // 29 items weigh something; with 28 degrees of freedom chi-squared exceeds 63.2 once in 6,000 times.
        assert!(chi_squared < 63.2, "{chi_squared}: {counts:?}");
    }
}
