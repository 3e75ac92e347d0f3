//! What a Q-value is told to become: temporal-difference targets, as pure functions.
//!
//! Shapes: rewards, discounts and targets have one entry an item; Q-values are [`QValues`], one an item and action.
//!
//! ```
//! use quarl::network::QValues;
//! use quarl::target;
//!
//! // Two items, two actions; the second item's episode is over, so that its discount is 0.
//! let q_target_next = [1.0, 9.0, 2.0, 8.0]; // [action][item]
//! let mut targets = [0.0; 2];
//! target::max(&[1.0, -1.0], &[0.5, 0.0], QValues::new(&q_target_next, 2, 2), &mut targets);
//! assert_eq!(targets, [1.0 + 0.5 * 2.0, -1.0]);
//! ```

use serde::{Deserialize, Serialize};

use crate::network::QValues;

/// How the next observation's value is taken from its Q-values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// The target network's largest Q-value (Mnih et al. 2015).
    Max,
    /// The target network's Q-value of the action that the online network prefers (van Hasselt et al. 2016).
    Double,
    /// The target network's softmax policy's mean, its entropy added; and the log of that policy, clipped, added to the
    /// reward (Vieillard et al. 2020).
    Munchausen,
}

/// `target = reward + discount * bootstrap`; where the discount is 0 there is no bootstrap, whatever its value.
fn td_targets(rewards: &[f32], discounts: &[f32], bootstrap: impl Fn(usize) -> f32, targets: &mut [f32]) {
    for (item, target) in targets.iter_mut().enumerate() {
        let discount = discounts[item];
        *target = rewards[item] + if discount == 0.0 { 0.0 } else { discount * bootstrap(item) };
    }
}

/// DQN: `y = r + d max_b Q'(s', b)` (Mnih et al. 2015).
pub fn max(rewards: &[f32], discounts: &[f32], q_target_next: QValues, targets: &mut [f32]) {
    td_targets(rewards, discounts, |item| q_target_next.get(item, q_target_next.argmax(item)), targets);
}

/// Double DQN: `y = r + d Q'(s', argmax_b Q(s', b))` (van Hasselt et al. 2016).
pub fn double(rewards: &[f32], discounts: &[f32], q_online_next: QValues, q_target_next: QValues, targets: &mut [f32]) {
    td_targets(rewards, discounts, |item| q_target_next.get(item, q_online_next.argmax(item)), targets);
}

/// Munchausen's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Munchausen {
    /// What the log-policy counts for in the reward, in [0, 1].
    pub alpha: f32,
    /// The policy's temperature: `pi = softmax(Q' / temperature)`.
    pub temperature: f32,
    /// The lowest value that `temperature * log pi` counts as, below 0.
    pub floor: f32,
}

/// `temperature * log pi(action | item)` for `pi = softmax(Q' / temperature)` over the allowed actions, of which `action` is
/// one. Computed from the largest Q-value down so that nothing overflows:
/// `Q' - max Q' - temperature * log sum exp((Q' - max Q') / temperature)`.
pub fn scaled_log_policy(temperature: f32, q_target: QValues, item: usize, action: usize) -> f32 {
    let largest = q_target.get(item, q_target.argmax(item));
    let allowed = (0..q_target.actions()).filter(|action| q_target.is_allowed(item, *action));
    let sum: f32 = allowed.map(|action| libm::expf((q_target.get(item, action) - largest) / temperature)).sum();
    q_target.get(item, action) - largest - temperature * libm::logf(sum)
}

/// What Munchausen adds to the reward: `alpha * clip(temperature * log pi(a | s), floor, 0)`.
pub fn munchausen_bonus(settings: Munchausen, q_target: QValues, item: usize, action: usize) -> f32 {
    settings.alpha * scaled_log_policy(settings.temperature, q_target, item, action).clamp(settings.floor, 0.0)
}

/// `pi(action | item)` and `temperature * log pi(action | item)`, for the softmax policy at the next observation.
pub fn policy_and_log(temperature: f32, q_target_next: QValues, item: usize, action: usize) -> (f32, f32) {
    let scaled = scaled_log_policy(temperature, q_target_next, item, action);
    (libm::expf(scaled / temperature), scaled)
}

/// Munchausen DQN: `y = r + alpha clip(tau log pi(a|s), l0, 0) + d sum_b pi(b|s') (Q'(s', b) - tau log pi(b|s'))`, with
/// `pi = softmax(Q' / tau)` (Vieillard et al. 2020). `q_target` are the target network's values of the present
/// observations, in which `actions` were taken.
pub fn munchausen(
    settings: Munchausen,
    rewards: &[f32],
    discounts: &[f32],
    actions: &[usize],
    (q_target, q_target_next): (QValues, QValues),
    targets: &mut [f32],
) {
    let soft_value = |item: usize| {
        (0..q_target_next.actions())
            .filter(|action| q_target_next.is_allowed(item, *action))
            .map(|action| {
                let (probability, scaled_log) = policy_and_log(settings.temperature, q_target_next, item, action);
                probability * (q_target_next.get(item, action) - scaled_log)
            })
            .sum()
    };
    td_targets(rewards, discounts, soft_value, targets);
    for (item, target) in targets.iter_mut().enumerate() {
        *target += munchausen_bonus(settings, q_target, item, actions[item]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two actions, three items, the third's bootstrap not a number: its episode terminated.
    const Q_TARGET: [f32; 6] = [1.0, 5.0, f32::NAN, 2.0, 4.0, f32::NEG_INFINITY];
    const Q_ONLINE: [f32; 6] = [9.0, 0.0, 0.0, 8.0, 7.0, 0.0];
    const REWARDS: [f32; 3] = [1.0, -1.0, 3.0];
    const DISCOUNTS: [f32; 3] = [0.5, 0.25, 0.0];

    #[test]
    fn max_takes_the_target_networks_largest_value() {
        let mut targets = [0.0; 3];
        max(&REWARDS, &DISCOUNTS, QValues::new(&Q_TARGET, 2, 3), &mut targets);
        assert_eq!(targets, [1.0 + 0.5 * 2.0, -1.0 + 0.25 * 5.0, 3.0]);
    }

    #[test]
    fn double_lets_the_online_network_choose_and_the_target_network_value() {
        let mut targets = [0.0; 3];
        let (q_online, q_target) = (QValues::new(&Q_ONLINE, 2, 3), QValues::new(&Q_TARGET, 2, 3));
        double(&REWARDS, &DISCOUNTS, q_online, q_target, &mut targets);
        assert_eq!(targets, [1.0 + 0.5 * 1.0, -1.0 + 0.25 * 4.0, 3.0]);
    }

    #[test]
    fn munchausen_by_hand() {
        // Temperature 1 and Q' = (ln 1, ln 3): pi = (1/4, 3/4). Action 0 was taken: log pi = -ln 4.
        let q = [0.0, 3.0_f32.ln()];
        let view = QValues::new(&q, 2, 1);
        let settings = Munchausen { alpha: 0.5, temperature: 1.0, floor: -1.0 };
        let mut targets = [0.0];
        munchausen(settings, &[2.0], &[0.5], &[0], (view, view), &mut targets);
        // The soft value is log sum exp Q' = ln 4; -ln 4 is clipped at -1.
        let expected = 2.0 - 0.5 + 0.5 * 4.0_f32.ln();
        assert!((targets[0] - expected).abs() < 1e-6, "{targets:?}");
        let unclipped = Munchausen { floor: -9.0, ..settings };
        munchausen(unclipped, &[2.0], &[0.0], &[0], (view, QValues::new(&[f32::NAN; 2], 2, 1)), &mut targets);
        assert!((targets[0] - (2.0 - 0.5 * 4.0_f32.ln())).abs() < 1e-6, "{targets:?}");
    }

    #[test]
    fn a_cold_softmax_is_the_maximum() {
        let mut targets = [0.0; 3];
        let settings = Munchausen { alpha: 0.0, temperature: 1e-3, floor: -1.0 };
        let q_target = QValues::new(&Q_TARGET, 2, 3);
        munchausen(settings, &REWARDS, &DISCOUNTS, &[0, 1, 0], (QValues::new(&[0.0; 6], 2, 3), q_target), &mut targets);
        assert_eq!(targets, [1.0 + 0.5 * 2.0, -1.0 + 0.25 * 5.0, 3.0]);
    }

    #[test]
    fn munchausens_policy_is_a_softmax_over_the_allowed_actions() {
        // Of Q' = (ln 1, ln 3, 100) the last is forbidden: pi = (1/4, 3/4), as if it were not there.
        let q = [0.0, 3.0_f32.ln(), 100.0];
        let mask = [true, true, false];
        let view = QValues::new(&q, 3, 1).masked(Some(&mask)).unwrap();
        for (action, expected) in [(0, 0.25), (1, 0.75)] {
            let (probability, scaled_log) = policy_and_log(1.0, view, 0, action);
            assert!((probability - expected).abs() < 1e-6, "{probability}");
            assert!((scaled_log - expected.ln()).abs() < 1e-6, "{scaled_log}");
        }
        let settings = Munchausen { alpha: 1.0, temperature: 1.0, floor: -9.0 };
        let mut targets = [0.0];
        munchausen(settings, &[2.0], &[0.5], &[0], (view, view), &mut targets);
        // The bonus is -ln 4, the soft value log sum exp over the allowed actions: ln 4.
        assert!((targets[0] - (2.0 - 0.5 * 4.0_f32.ln())).abs() < 1e-6, "{targets:?}");
    }
}
