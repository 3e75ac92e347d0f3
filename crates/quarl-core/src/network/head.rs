//! Heads: how a network's outputs represent action values.

use serde::{Deserialize, Serialize};

/// The representation of action values by the network's outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Head {
    /// One number, the Q-value (Mnih et al. 2015).
    #[default]
    Scalar,
    /// The logits of a distribution over fixed returns, the atoms (C51, Bellemare et al. 2017).
    Categorical {
        /// The number of atoms.
        atoms: usize,
        /// The return of the lowest atom.
        v_min: f64,
        /// The return of the highest atom.
        v_max: f64,
    },
    /// Quantiles of the return at the midpoints of `quantiles` equal parts of (0, 1) (QR-DQN, Dabney et al. 2018a).
    Quantile {
        /// The number of quantiles.
        quantiles: usize,
    },
    /// The quantile of the return at any given level (IQN, Dabney et al. 2018b).
    Implicit {
        /// The number of cosines that embed a quantile level.
        cosines: usize,
        /// The number of quantile levels that a Q-value is averaged over when acting.
        acting_quantiles: usize,
    },
}

impl Head {
    /// The number of outputs for each action (for an implicit head: at each quantile level).
    pub fn atoms(&self) -> usize {
        match *self {
            Head::Scalar | Head::Implicit { .. } => 1,
            Head::Categorical { atoms, .. } => atoms,
            Head::Quantile { quantiles } => quantiles,
        }
    }

    /// Whether the outputs are quantiles.
    pub fn is_quantile(&self) -> bool {
        matches!(self, Head::Quantile { .. } | Head::Implicit { .. })
    }
}

/// The returns of a categorical head's atoms: evenly spaced from `v_min` to `v_max`.
pub fn support(atoms: usize, v_min: f64, v_max: f64) -> Vec<f32> {
    let gap = if atoms > 1 { (v_max - v_min) / (atoms - 1) as f64 } else { 0.0 };
    (0..atoms).map(|atom| (v_min + gap * atom as f64) as f32).collect()
}

/// The midpoints of `count` equal parts of (0, 1): the quantile levels of a quantile head, and of an implicit head in
/// evaluation.
pub fn midpoints(count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(move |i| ((i as f64 + 0.5) / count as f64) as f32)
}
