//! TD targets, as pure functions of Q-values.
//!
//! A target rule is described once for all heads. The target of an item is
//! `reward + bonus + discount * sum of weight * (Z + shift)` over a few [`Term`]s. Each term names an action at the next
//! observation and the network that evaluates it; Z is that value. For a scalar head Z is a Q-value, for a distributional
//! head a distribution of returns.
//!
//! Shapes: rewards, discounts and targets have one entry for each item; Q-values are [`QValues`], one for each item and
//! action.
//!
//! ```
//! use quarl::network::QValues;
//! use quarl::target::{self, TargetKind, TargetRule, Values};
//!
//! // Two items, two actions. The second item's episode terminated, so its discount is 0.
//! let q_target_next = [1.0, 9.0, 2.0, 8.0]; // [action][item]
//! let values = Values::of_target_network(QValues::new(&q_target_next, 2, 2));
//! let rule = TargetRule::new(TargetKind::Max);
//! let mut targets = [0.0; 2];
//! target::td_targets(&rule, &values, &[1.0, -1.0], &[0.5, 0.0], &[0, 1], &mut targets);
//! assert_eq!(targets, [1.0 + 0.5 * 2.0, -1.0]);
//! ```

use crate::config::settings::choices;
use crate::network::QValues;

/// The rule for the bootstrapped value of the next observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetKind {
    /// DQN: the target network's largest Q-value (Mnih et al. 2015).
    #[default]
    Max,
    /// Double DQN: the online network selects the action, the target network evaluates it (van Hasselt et al. 2016).
    Double,
    /// Clipped Double DQN: the online network selects the action; the smaller one of the two networks' Q-values of it is
    /// used (Fujimoto et al. 2018, with the target network as the second estimate).
    ClippedDouble,
    /// Munchausen DQN: the soft value under the target network's softmax policy (its mean Q-value plus its entropy), and
    /// the clipped log-probability of the action taken added to the reward (Vieillard et al. 2020).
    Munchausen,
}

choices!(TargetKind {
    "max" => Max: "DQN: the target network's largest Q-value (Mnih et al. 2015)",
    "double" => Double:
        "Double DQN: the target network's Q-value of the online network's greedy action (van Hasselt et al. 2016)",
    "clipped_double" => ClippedDouble:
        "Clipped Double DQN: the smaller Q-value of both networks for the online network's greedy action (Fujimoto et al. 2018)",
    "munchausen" => Munchausen:
        "Munchausen DQN: the soft value under a softmax policy; the scaled log-policy is added to the reward (Vieillard et al. 2020)",
});

/// The online or the target network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The online network.
    Online,
    /// The target network.
    Target,
}

/// A forward pass that a target rule needs in addition to the target network at the next observations and the online
/// network at the current observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraPass {
    /// The online network at the next observations, to select actions.
    OnlineAtNext,
    /// The target network at the current observations.
    TargetAtPresent,
}

/// The Q-values of a batch that a target rule uses; those at the next observations have action masks.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// Q-values of the target network at the next observations.
    pub target_next: QValues<'a>,
    /// The Q-values that select the next action: the target network's (for an implicit head at quantile levels of their
    /// own), or those of [`ExtraPass::OnlineAtNext`].
    pub selection: QValues<'a>,
    /// Q-values of the target network at the current observations, if the rule has [`ExtraPass::TargetAtPresent`].
    pub target_present: Option<QValues<'a>>,
}

impl<'a> Values<'a> {
    /// The target network's Q-values at the next observations, which also select the next action.
    pub fn of_target_network(target_next: QValues<'a>) -> Self {
        Self { target_next, selection: target_next, target_present: None }
    }

    /// A network's Q-values at the next observations. Those of the online network exist only if the rule requests them.
    pub fn at_next(&self, network: Network) -> QValues<'a> {
        match network {
            Network::Target => self.target_next,
            Network::Online => self.selection,
        }
    }
}

/// One term of an item's bootstrap: `weight * (Z + shift)`, where Z is the value of `action` at the next observation in
/// `network`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// The network that evaluates the action.
    pub network: Network,
    /// The action at the next observation.
    pub action: usize,
    /// The weight; the weights of an item's terms sum to 1.
    pub weight: f32,
    /// The number added to the value.
    pub shift: f32,
}

/// The settings of Munchausen DQN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Munchausen {
    /// The weight of the log-policy in the reward, in [0, 1].
    pub alpha: f32,
    /// The temperature of the softmax policy: `pi = softmax(Q' / temperature)`.
    pub temperature: f32,
    /// The lower clipping bound of `temperature * log pi`, below 0.
    pub floor: f32,
}

impl Default for Munchausen {
    /// The paper's values.
    fn default() -> Self {
        Self { alpha: 0.9, temperature: 0.03, floor: -1.0 }
    }
}

/// A target rule with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetRule {
    kind: TargetKind,
    munchausen: Munchausen,
}

impl TargetRule {
    /// A rule; for Munchausen with the paper's settings.
    pub fn new(kind: TargetKind) -> Self {
        Self { kind, munchausen: Munchausen::default() }
    }

    /// The same rule with other Munchausen settings.
    pub fn with_munchausen(self, munchausen: Munchausen) -> Self {
        Self { munchausen, ..self }
    }

    /// The forward pass that this rule needs in addition to the usual two.
    pub fn extra_pass(&self) -> Option<ExtraPass> {
        match self.kind {
            TargetKind::Max => None,
            TargetKind::Double | TargetKind::ClippedDouble => Some(ExtraPass::OnlineAtNext),
            TargetKind::Munchausen => Some(ExtraPass::TargetAtPresent),
        }
    }

    /// The number of quantile levels of an implicit head in the extra forward pass: `acting`, the number for action
    /// selection, or `update`, the number for predictions, if the target bootstraps from this pass.
    pub fn extra_levels(&self, update: usize, acting: usize) -> usize {
        match self.kind {
            TargetKind::ClippedDouble => update,
            TargetKind::Max | TargetKind::Double | TargetKind::Munchausen => acting,
        }
    }

    /// Calls `add` with each term of the item's bootstrap.
    #[inline]
    pub fn bootstrap(&self, values: &Values, item: usize, mut add: impl FnMut(Term)) {
        let whole = |network, action| Term { network, action, weight: 1.0, shift: 0.0 };
        match self.kind {
            TargetKind::Max | TargetKind::Double => add(whole(Network::Target, values.selection.argmax(item))),
            TargetKind::ClippedDouble => {
                let action = values.selection.argmax(item);
                let is_lower = values.selection.get(item, action) < values.target_next.get(item, action);
                add(whole(if is_lower { Network::Online } else { Network::Target }, action));
            }
            TargetKind::Munchausen => {
                let q = values.target_next;
                for action in (0..q.actions()).filter(|action| q.is_allowed(item, *action)) {
                    let scaled_log = scaled_log_policy(self.munchausen.temperature, q, item, action);
                    let weight = libm::expf(scaled_log / self.munchausen.temperature);
                    add(Term { network: Network::Target, action, weight, shift: -scaled_log });
                }
            }
        }
    }

    /// The bonus added to the reward of an item in which `action` was taken. For Munchausen: `alpha * clip(temperature *
    /// log pi(action), floor, 0)`.
    #[inline]
    pub fn bonus(&self, values: &Values, item: usize, action: usize) -> f32 {
        match (self.kind, values.target_present) {
            (TargetKind::Munchausen, Some(q)) => {
                let Munchausen { alpha, temperature, floor } = self.munchausen;
                alpha * scaled_log_policy(temperature, q, item, action).clamp(floor, 0.0)
            }
            _ => 0.0,
        }
    }
}

/// `temperature * log pi(action | item)` for `pi = softmax(Q' / temperature)` over the allowed actions, which include
/// `action`. Computed relative to the largest Q-value, so that nothing overflows: `Q' - max Q' - temperature * log sum
/// exp((Q' - max Q') / temperature)`.
fn scaled_log_policy(temperature: f32, q_target: QValues, item: usize, action: usize) -> f32 {
    let largest = q_target.get(item, q_target.argmax(item));
    let allowed = (0..q_target.actions()).filter(|action| q_target.is_allowed(item, *action));
    let sum: f32 = allowed.map(|action| libm::expf((q_target.get(item, action) - largest) / temperature)).sum();
    q_target.get(item, action) - largest - temperature * libm::logf(sum)
}

/// The TD target of each item, for a scalar head. Where the discount is 0 the bootstrap is not evaluated.
pub fn td_targets(
    rule: &TargetRule,
    values: &Values,
    rewards: &[f32],
    discounts: &[f32],
    actions: &[usize],
    targets: &mut [f32],
) {
    for (item, target) in targets.iter_mut().enumerate() {
        let discount = discounts[item];
        let mut bootstrap = 0.0;
        if discount != 0.0 {
            rule.bootstrap(values, item, |Term { network, action, weight, shift }| {
                bootstrap += weight * (values.at_next(network).get(item, action) + shift);
            });
        }
        *target = rewards[item] + discount * bootstrap + rule.bonus(values, item, actions[item]);
    }
}

/// The bootstrapped distribution of each item, `[atom][stride]`, for a distributional head. `of(network)` returns the
/// network's distributions at the next observations, `[action][atom][stride]`.
pub fn bootstrap_distributions<'a>(
    rule: &TargetRule,
    values: &Values,
    of: impl Fn(Network) -> &'a [f32],
    (items, stride): (usize, usize),
    bootstraps: &mut [f32],
) {
    let block = bootstraps.len();
    bootstraps.fill(0.0);
    for item in 0..items {
        rule.bootstrap(values, item, |Term { network, action, weight, shift }| {
            let from = &of(network)[action * block..(action + 1) * block];
            for at in (item..block).step_by(stride) {
                bootstraps[at] += weight * (from[at] + shift);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two actions, three items. The third item's bootstrap is NaN, but its episode terminated.
    const Q_TARGET: [f32; 6] = [1.0, 5.0, f32::NAN, 2.0, 4.0, f32::NEG_INFINITY];
    const Q_ONLINE: [f32; 6] = [9.0, 0.0, 0.0, 8.0, 7.0, 0.0];
    const REWARDS: [f32; 3] = [1.0, -1.0, 3.0];
    const DISCOUNTS: [f32; 3] = [0.5, 0.25, 0.0];

    #[test]
    fn max_takes_the_target_networks_largest_value() {
        let mut targets = [0.0; 3];
        let values = Values::of_target_network(QValues::new(&Q_TARGET, 2, 3));
        td_targets(&TargetRule::new(TargetKind::Max), &values, &REWARDS, &DISCOUNTS, &[0; 3], &mut targets);
        assert_eq!(targets, [1.0 + 0.5 * 2.0, -1.0 + 0.25 * 5.0, 3.0]);
    }

    #[test]
    fn double_lets_the_online_network_choose_and_the_target_network_value() {
        let mut targets = [0.0; 3];
        let values = Values {
            selection: QValues::new(&Q_ONLINE, 2, 3),
            ..Values::of_target_network(QValues::new(&Q_TARGET, 2, 3))
        };
        td_targets(&TargetRule::new(TargetKind::Double), &values, &REWARDS, &DISCOUNTS, &[0; 3], &mut targets);
        assert_eq!(targets, [1.0 + 0.5 * 1.0, -1.0 + 0.25 * 4.0, 3.0]);
    }

    #[test]
    fn clipped_double_takes_the_lower_value_of_the_action_that_the_online_network_chooses() {
        // The online network selects action 0 of the first item (9 against 1) and action 1 of the second (7 against 5).
        let q_online = [9.0, 0.0, 0.0, 8.0, 7.0, 0.0];
        let q_target = [1.0, 5.0, f32::NAN, 2.0, 10.0, f32::NEG_INFINITY];
        let values = Values {
            selection: QValues::new(&q_online, 2, 3),
            ..Values::of_target_network(QValues::new(&q_target, 2, 3))
        };
        let rule = TargetRule::new(TargetKind::ClippedDouble);
        let mut targets = [0.0; 3];
        td_targets(&rule, &values, &REWARDS, &DISCOUNTS, &[0; 3], &mut targets);
        assert_eq!(targets, [1.0 + 0.5 * 1.0, -1.0 + 0.25 * 7.0, 3.0]);
        // For a distributional head, the whole distribution with the lower mean.
        let distributions = |network| match network {
            Network::Online => &[10.0, 11.0, 12.0, 13.0, 14.0, 15.0][..],
            Network::Target => &[20.0, 21.0, 22.0, 23.0, 24.0, 25.0],
        };
        let mut bootstraps = [0.0; 3];
        bootstrap_distributions(&rule, &values, distributions, (2, 3), &mut bootstraps);
        assert_eq!(bootstraps, [20.0, 14.0, 0.0]);
    }

    fn munchausen(
        settings: Munchausen,
        (rewards, discounts, actions): (&[f32], &[f32], &[usize]),
        (present, next): (QValues, QValues),
        targets: &mut [f32],
    ) {
        let rule = TargetRule::new(TargetKind::Munchausen).with_munchausen(settings);
        let values = Values { target_present: Some(present), ..Values::of_target_network(next) };
        td_targets(&rule, &values, rewards, discounts, actions, targets);
    }

    #[test]
    fn munchausen_by_hand() {
        // Temperature 1 and Q' = (ln 1, ln 3): pi = (1/4, 3/4). Action 0 was taken: log pi = -ln 4.
        let q = [0.0, 3.0_f32.ln()];
        let view = QValues::new(&q, 2, 1);
        let settings = Munchausen { alpha: 0.5, temperature: 1.0, floor: -1.0 };
        let mut targets = [0.0];
        munchausen(settings, (&[2.0], &[0.5], &[0]), (view, view), &mut targets);
        // The soft value is log sum exp Q' = ln 4; -ln 4 is clipped to -1.
        let expected = 2.0 - 0.5 + 0.5 * 4.0_f32.ln();
        assert!((targets[0] - expected).abs() < 1e-6, "{targets:?}");
        let unclipped = Munchausen { floor: -9.0, ..settings };
        munchausen(unclipped, (&[2.0], &[0.0], &[0]), (view, QValues::new(&[f32::NAN; 2], 2, 1)), &mut targets);
        assert!((targets[0] - (2.0 - 0.5 * 4.0_f32.ln())).abs() < 1e-6, "{targets:?}");
    }

    #[test]
    fn a_cold_softmax_is_the_maximum() {
        let mut targets = [0.0; 3];
        let settings = Munchausen { alpha: 0.0, temperature: 1e-3, floor: -1.0 };
        let q_target = QValues::new(&Q_TARGET, 2, 3);
        munchausen(
            settings,
            (&REWARDS, &DISCOUNTS, &[0, 1, 0]),
            (QValues::new(&[0.0; 6], 2, 3), q_target),
            &mut targets,
        );
        assert_eq!(targets, [1.0 + 0.5 * 2.0, -1.0 + 0.25 * 5.0, 3.0]);
    }

    #[test]
    fn munchausens_policy_is_a_softmax_over_the_allowed_actions() {
        // Of Q' = (ln 1, ln 3, 100) the last action is forbidden: pi = (1/4, 3/4), as if that action did not exist.
        let q = [0.0, 3.0_f32.ln(), 100.0];
        let mask = [true, true, false];
        let view = QValues::new(&q, 3, 1).masked(Some(&mask)).unwrap();
        for (action, expected) in [(0, 0.25_f32), (1, 0.75)] {
            let scaled_log = scaled_log_policy(1.0, view, 0, action);
            assert!((scaled_log - expected.ln()).abs() < 1e-6, "{scaled_log}");
        }
        let settings = Munchausen { alpha: 1.0, temperature: 1.0, floor: -9.0 };
        let mut targets = [0.0];
        munchausen(settings, (&[2.0], &[0.5], &[0]), (view, view), &mut targets);
        // The bonus is -ln 4, the soft value log sum exp over the allowed actions: ln 4.
        assert!((targets[0] - (2.0 - 0.5 * 4.0_f32.ln())).abs() < 1e-6, "{targets:?}");
    }
}
