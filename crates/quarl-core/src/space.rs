//! Observation and action spaces.

use serde::{Deserialize, Serialize};

/// A finite set of actions, `0..n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discrete {
    /// The number of actions, at least 1.
    pub n: usize,
}

impl Discrete {
    /// Whether `action` is in `0..n`.
    pub fn contains(&self, action: usize) -> bool {
        action < self.n
    }
}

/// The type in which a replay buffer stores each number of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// A 32-bit float.
    F32,
    /// An unsigned byte (pixels).
    U8,
}

/// A box in R^n: every observation is an array of shape `shape`, and each number lies between its `low` and `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxSpace {
    /// The array's shape; `[4]` for CartPole.
    pub shape: Vec<usize>,
    /// Lower bounds, one for each number; minus infinity where a number is unbounded below.
    pub low: Vec<f32>,
    /// Upper bounds, one for each number; infinity where a number is unbounded above.
    pub high: Vec<f32>,
    /// The type in which replay stores the numbers.
    pub dtype: Dtype,
}

impl BoxSpace {
    /// A one-dimensional box of floats with these bounds.
    ///
    /// # Panics
    /// When `low` and `high` differ in length.
    pub fn vector(low: Vec<f32>, high: Vec<f32>) -> Self {
        assert_eq!(low.len(), high.len(), "a box needs as many lower as upper bounds");
        Self { shape: vec![low.len()], low, high, dtype: Dtype::F32 }
    }

    /// The number of numbers in one observation: the product of the shape.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an observation has no numbers at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether observations are images: unsigned bytes with two or more dimensions.
    pub fn is_image(&self) -> bool {
        self.dtype == Dtype::U8 && self.shape.len() >= 2
    }

    /// Whether `observation` has the right length and every number lies within its bounds. NaN lies within no bounds.
    pub fn contains(&self, observation: &[f32]) -> bool {
        observation.len() == self.len()
            && observation.iter().zip(self.low.iter().zip(&self.high)).all(|(x, (low, high))| low <= x && x <= high)
    }
}
