//! Observation and action spaces: what an environment shows and what it accepts.

use serde::{Deserialize, Serialize};

/// A finite set of actions, `0..n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discrete {
    /// How many actions there are; at least one.
    pub n: usize,
}

impl Discrete {
    /// Whether `action` is one of `0..n`.
    pub fn contains(&self, action: usize) -> bool {
        action < self.n
    }
}

/// How a replay buffer stores one number of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// A 32-bit float.
    F32,
    /// An unsigned byte (pixels).
    U8,
}

/// A box in R^n: every observation is an array of `shape`, each number between its `low` and `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxSpace {
    /// The array's shape; `[4]` for CartPole.
    pub shape: Vec<usize>,
    /// Lower bounds, one for each number; minus infinity where there is none.
    pub low: Vec<f32>,
    /// Upper bounds, one for each number; infinity where there is none.
    pub high: Vec<f32>,
    /// What the numbers are stored as.
    pub dtype: Dtype,
}

impl BoxSpace {
    /// A vector of floats with these bounds.
    ///
    /// # Panics
    /// When `low` and `high` differ in length.
    pub fn vector(low: Vec<f32>, high: Vec<f32>) -> Self {
        assert_eq!(low.len(), high.len(), "a box needs as many lower as upper bounds");
        Self { shape: vec![low.len()], low, high, dtype: Dtype::F32 }
    }

    /// How many numbers one observation has: the product of the shape.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an observation has no numbers at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether observations are images: unsigned bytes in two or more dimensions.
    pub fn is_image(&self) -> bool {
        self.dtype == Dtype::U8 && self.shape.len() >= 2
    }

    /// Whether `observation` has the right length and every number lies within its bounds (NaN never does).
    pub fn contains(&self, observation: &[f32]) -> bool {
        observation.len() == self.len()
            && observation.iter().zip(self.low.iter().zip(&self.high)).all(|(x, (low, high))| low <= x && x <= high)
    }
}
