//! How wrong a prediction is, and which way to change it: losses as pure functions of one item.

pub mod categorical;
pub mod quantile;

use serde::{Deserialize, Serialize};

/// The loss of one Q-value against its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// The squared error, without a half, as PyTorch's `MSELoss`.
    Mse,
    /// Half the squared error up to 1, the absolute error less a half beyond (Huber 1964, delta 1); PyTorch's
    /// `SmoothL1Loss`.
    #[default]
    Huber,
}

impl Loss {
    /// Loss and its derivative with respect to the prediction, for `error = prediction - target`.
    #[inline]
    pub fn value_and_gradient(self, error: f32) -> (f32, f32) {
        match self {
            Self::Mse => (error * error, 2.0 * error),
            Self::Huber if error.abs() <= 1.0 => (0.5 * error * error, error),
            Self::Huber => (error.abs() - 0.5, error.signum()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_gradients_by_hand() {
        assert_eq!(Loss::Mse.value_and_gradient(-3.0), (9.0, -6.0));
        assert_eq!(Loss::Mse.value_and_gradient(0.5), (0.25, 1.0));
        assert_eq!(Loss::Huber.value_and_gradient(-3.0), (2.5, -1.0));
        assert_eq!(Loss::Huber.value_and_gradient(0.5), (0.125, 0.5));
        assert_eq!(Loss::Huber.value_and_gradient(1.0), (0.5, 1.0));
    }
}
