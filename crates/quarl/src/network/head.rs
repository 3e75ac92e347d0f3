//! Heads: how a network's output represents what an action is worth, and the numbers that its outputs belong to.

use serde::{Deserialize, Serialize};

/// How the output represents what an action is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Head {
    /// One number: the Q-value itself (Mnih et al. 2015).
    #[default]
    Scalar,
    /// A distribution over returns on fixed atoms, as logits (C51, Bellemare et al. 2017).
    Categorical {
        /// How many atoms.
        atoms: usize,
        /// The lowest atom's return.
        v_min: f64,
        /// The highest atom's return.
        v_max: f64,
    },
    /// The return's quantiles at the middle of `quantiles` equal parts of (0, 1) (QR-DQN, Dabney et al. 2018a).
    Quantile {
        /// How many quantiles.
        quantiles: usize,
    },
    /// The return's quantile at any level that is asked for (IQN, Dabney et al. 2018b).
    Implicit {
        /// How many cosines embed a level.
        cosines: usize,
        /// How many levels a Q-value is averaged over when acting.
        acting_quantiles: usize,
    },
}

impl Head {
    /// Numbers an action has in the network's output (at each level, for an implicit head).
    pub fn atoms(&self) -> usize {
        match *self {
            Head::Scalar | Head::Implicit { .. } => 1,
            Head::Categorical { atoms, .. } => atoms,
            Head::Quantile { quantiles } => quantiles,
        }
    }

    /// Whether its outputs are quantiles.
    pub fn is_quantile(&self) -> bool {
        matches!(self, Head::Quantile { .. } | Head::Implicit { .. })
    }
}

/// The returns that a categorical head's atoms stand for: evenly spaced from `v_min` to `v_max`.
pub fn support(atoms: usize, v_min: f64, v_max: f64) -> Vec<f32> {
    let gap = if atoms > 1 { (v_max - v_min) / (atoms - 1) as f64 } else { 0.0 };
    (0..atoms).map(|atom| (v_min + gap * atom as f64) as f32).collect()
}

/// The middles of `count` equal parts of (0, 1): a quantile head's levels, and an implicit one's in evaluation.
pub fn midpoints(count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| ((i as f64 + 0.5) / count as f64) as f32)
}
