//! What a Q-value is told to become: temporal-difference targets, as pure functions.
//!
//! Shapes: rewards, discounts and targets have one entry an item; Q-values are [`QValues`], one an item and action.

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
}
