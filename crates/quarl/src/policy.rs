//! From Q-values to an action.

use crate::network::QValues;
use crate::rng::Rng;

/// Epsilon-greedy: with probability `epsilon` any action, each as likely (the greedy one too), else the greedy one. The
/// Q-values are only computed where they are needed.
pub fn epsilon_greedy<'a>(
    epsilon: f64,
    actions: usize,
    rng: &mut Rng,
    q_values: impl FnOnce() -> QValues<'a>,
) -> usize {
    if epsilon > 0.0 && rng.uniform() < epsilon { rng.below(actions) } else { q_values().argmax(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_ties_go_to_the_lowest_action() {
        let mut rng = Rng::from_seed(0);
        let q = [1.0, 3.0, 3.0, f32::NEG_INFINITY];
        assert_eq!(epsilon_greedy(0.0, 4, &mut rng, || QValues::new(&q, 4, 1)), 1);
        assert_eq!(epsilon_greedy(0.0, 4, &mut rng, || QValues::new(&[0.0; 4], 4, 1)), 0);
    }

    #[test]
    fn random_actions_include_the_greedy_one() {
        let mut rng = Rng::from_seed(0);
        let mut counts = [0.0_f64; 2];
        for _ in 0..10_000 {
            counts[epsilon_greedy(0.5, 2, &mut rng, || QValues::new(&[0.0, 1.0], 2, 1))] += 1.0;
        }
        // Action 0 only when exploring: a quarter of the time; 5 standard deviations are 217.
        assert!((counts[0] - 2500.0).abs() < 217.0, "{counts:?}");
    }
}
