//! Quantiles of returns (QR-DQN and IQN, Dabney et al. 2018a and b): the quantile Huber loss, one pair at a time.
//!
//! Training runs the vectorised pass over whole batches ([`crate::network::kernels`]); this is what it computes.

/// The quantile Huber loss of one prediction against one sample of the target (delta 1), and its derivative with respect to
/// the prediction, for `error = target - prediction`: `|level - 1 if error < 0| * huber(error)`.
pub fn value_and_gradient(level: f32, error: f32) -> (f32, f32) {
    let weight = if error < 0.0 { 1.0 - level } else { level };
    let clipped = error.clamp(-1.0, 1.0);
    (weight * clipped * (error - 0.5 * clipped), -weight * clipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;

    #[test]
    fn by_hand() {
        // Under the target by 3 at level 0.9; over it by 0.5.
        assert_eq!(value_and_gradient(0.9, 3.0), (0.9 * 2.5, -0.9));
        let (value, gradient) = value_and_gradient(0.75, -0.5);
        assert_eq!((value, gradient), (0.25 * 0.125, 0.25 * 0.5));
    }

    #[test]
    fn the_median_is_half_the_scalar_huber_loss() {
        for error in [-4.0_f32, -1.0, -0.3, 0.0, 0.2, 1.0, 7.5] {
            let (value, gradient) = Loss::Huber.value_and_gradient(-error);
            assert_eq!(value_and_gradient(0.5, error), (0.5 * value, 0.5 * gradient), "{error}");
        }
    }
}
