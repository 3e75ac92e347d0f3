//! The loss of Q-values against TD targets: squared error or Huber.

use crate::network::QValues;

/// The loss of one Q-value against its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// The squared error, without a factor 1/2, as PyTorch's `MSELoss`.
    Mse,
    /// The Huber loss (Huber 1964) with delta 1: half the squared error up to 1, the absolute error less 1/2 beyond;
    /// PyTorch's `SmoothL1Loss`.
    #[default]
    Huber,
}

impl Loss {
    /// The loss and its derivative with respect to the prediction, for `error = prediction - target`.
    #[inline]
    pub fn value_and_gradient(self, error: f32) -> (f32, f32) {
        match self {
            Self::Mse => (error * error, 2.0 * error),
            Self::Huber if error.abs() <= 1.0 => (0.5 * error * error, error),
            Self::Huber => (error.abs() - 0.5, error.signum()),
        }
    }
}

/// The weighted loss of a batch: the Q-values of `actions` against `targets`. `gradient` has the layout of the Q-values,
/// `[action][stride]`.
pub fn of_batch(
    loss: Loss,
    q_values: QValues,
    actions: &[usize],
    weights: &[f32],
    targets: &[f32],
    gradient: &mut [f32],
    td_errors: &mut [f32],
) -> f32 {
    let per_item = 1.0 / targets.len() as f32;
    let mut sum = 0.0;
    for (item, target) in targets.iter().enumerate() {
        let action = actions[item];
        let td_error = target - q_values.get(item, action);
        let (item_loss, item_gradient) = loss.value_and_gradient(-td_error);
        gradient[action * q_values.stride() + item] = weights[item] * item_gradient * per_item;
        td_errors[item] = td_error.abs();
        sum += weights[item] * item_loss;
    }
    sum
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

    #[test]
    fn a_batch_by_hand() {
        // Two actions, two items, stride 3: Q(0, a) = (1, 5), Q(1, a) = (2, 4). Taken: 1 and 0; errors 2 and -0.5.
        let q = [1.0, 2.0, 0.0, 5.0, 4.0, 0.0];
        let (mut gradient, mut td_errors) = ([0.0; 6], [0.0; 2]);
        let targets = [7.0, 1.5];
        let sum = of_batch(
            Loss::Huber,
            QValues::new(&q, 2, 3),
            &[1, 0],
            &[0.5, 2.0],
            &targets,
            &mut gradient,
            &mut td_errors,
        );
        assert_eq!(sum, 0.5 * 1.5 + 2.0 * 0.125);
        assert_eq!(td_errors, [2.0, 0.5]);
        assert_eq!(gradient, [0.0, 2.0 * 0.5 / 2.0, 0.0, -0.5 / 2.0, 0.0, 0.0]);
    }
}
