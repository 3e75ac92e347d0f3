//! From Q-values to an action.

use crate::network::QValues;
use crate::rng::Rng;

/// Epsilon-greedy: with probability `epsilon` any allowed action, each as likely (the greedy one too), else the greedy one
/// of them. Without a mask, all actions are allowed. The Q-values are only computed where they are needed.
pub fn epsilon_greedy<'a>(
    epsilon: f64,
    actions: usize,
    mask: Option<&'a [bool]>,
    rng: &mut Rng,
    q_values: impl FnOnce() -> QValues<'a>,
) -> usize {
    if epsilon > 0.0 && rng.uniform() < epsilon {
        random(actions, mask, rng)
    } else {
        q_values().masked(mask).argmax(0)
    }
}

/// Any allowed action, each as likely; any action at all where none is allowed.
pub fn random(actions: usize, mask: Option<&[bool]>, rng: &mut Rng) -> usize {
    let allowed = mask.map_or(actions, |mask| mask.iter().filter(|allowed| **allowed).count());
    match mask {
        Some(mask) if allowed > 0 => {
            let nth = rng.below(allowed);
            mask.iter().enumerate().filter(|(_, allowed)| **allowed).nth(nth).map_or(0, |(action, _)| action)
        }
        _ => rng.below(actions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_ties_go_to_the_lowest_action() {
        let mut rng = Rng::from_seed(0);
        let q = [1.0, 3.0, 3.0, f32::NEG_INFINITY];
        assert_eq!(epsilon_greedy(0.0, 4, None, &mut rng, || QValues::new(&q, 4, 1)), 1);
        assert_eq!(epsilon_greedy(0.0, 4, None, &mut rng, || QValues::new(&[0.0; 4], 4, 1)), 0);
    }

    #[test]
    fn random_actions_include_the_greedy_one() {
        let mut rng = Rng::from_seed(0);
        let mut counts = [0.0_f64; 2];
        for _ in 0..10_000 {
            counts[epsilon_greedy(0.5, 2, None, &mut rng, || QValues::new(&[0.0, 1.0], 2, 1))] += 1.0;
        }
        // Action 0 only when exploring: a quarter of the time; 5 standard deviations are 217.
        assert!((counts[0] - 2500.0).abs() < 217.0, "{counts:?}");
    }

    #[test]
    fn forbidden_actions_are_never_taken_and_allowed_ones_are_equally_likely() {
        let mut rng = Rng::from_seed(0);
        let q = [9.0, 1.0, 8.0, 2.0];
        let mask = [false, true, false, true];
        assert_eq!(epsilon_greedy(0.0, 4, Some(&mask), &mut rng, || QValues::new(&q, 4, 1)), 3);
        let mut counts = [0.0_f64; 4];
        for _ in 0..10_000 {
            counts[epsilon_greedy(1.0, 4, Some(&mask), &mut rng, || QValues::new(&q, 4, 1))] += 1.0;
        }
        // 5 standard deviations are 250.
        assert!(counts[0] == 0.0 && counts[2] == 0.0 && (counts[1] - 5000.0).abs() < 250.0, "{counts:?}");
    }
}
