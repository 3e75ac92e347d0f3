//! n-step returns (Sutton 1988): turns an episode's steps into n-step transitions.

use serde::{Deserialize, Serialize};

use crate::env::End;
use crate::error::Error;
use crate::transition::Transition;

/// Turns the steps of an episode into n-step transitions.
///
/// A step becomes a transition after n rewards: its reward is `sum of gamma^j r_j`, its discount gamma^n. When an episode
/// ends, the remaining steps become shorter transitions. If the episode terminated, their discount is 0. If it was
/// truncated, their discount is gamma^k for k steps, and they bootstrap from the episode's final observation. If the action
/// mask of the final observation allows no action, that observation has no value, and the discount is 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accumulator {
    n: usize,
    features: usize,
    /// gamma^0, .., gamma^n, as running products.
    discounts: Vec<f64>,
    /// The pending steps, oldest first, from `start` on, in a ring of n.
    observations: Vec<f32>,
    actions: Vec<usize>,
    rewards: Vec<f64>,
    start: usize,
    len: usize,
}

/// The successor of a step, from which a return can bootstrap.
#[derive(Clone, Copy, Debug)]
pub struct Next<'a> {
    /// The observation after the step.
    pub obs: &'a [f32],
    /// The action mask at that observation; `None` where every action is allowed.
    pub mask: Option<&'a [bool]>,
}

impl Accumulator {
    /// Creates an accumulator for observations of `features` numbers and returns over `n` steps with discount factor
    /// `gamma`.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn new(n: usize, gamma: f64, features: usize) -> Self {
        assert!(n > 0, "n-step returns need n of at least 1");
        let mut discounts = Vec::with_capacity(n + 1);
        discounts.extend(std::iter::successors(Some(1.0), |product| Some(product * gamma)).take(n + 1));
        Self {
            n,
            features,
            discounts,
            observations: vec![0.0; n * features],
            actions: vec![0; n],
            rewards: vec![0.0; n],
            start: 0,
            len: 0,
        }
    }

    /// Adds one step, and calls `emit` with every transition that it completes, oldest first.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where an observation has another length; the step is not added then. Errors of `emit`.
    pub fn push(
        &mut self,
        obs: &[f32],
        action: usize,
        reward: f64,
        next: Next,
        end: Option<End>,
        mut emit: impl FnMut(Transition) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for observation in [obs, next.obs] {
            let (expected, actual) = (self.features, observation.len());
            if actual != expected {
                return Err(Error::ObservationLength { id: "a step".to_owned(), expected, actual });
            }
        }
        let slot = (self.start + self.len) % self.n;
        self.observations[slot * self.features..(slot + 1) * self.features].copy_from_slice(obs);
        self.actions[slot] = action;
        self.rewards[slot] = 0.0;
        self.len += 1;
        for age in 0..self.len {
            let waiting = (self.start + age) % self.n;
            self.rewards[waiting] += self.discounts[self.len - 1 - age] * reward;
        }
        match end {
            None if self.len == self.n => {
                self.emit_oldest(next, self.discounts[self.n], &mut emit)?;
            }
            None => {}
            Some(End::Terminated) => {
                while self.len > 0 {
                    self.emit_oldest(next, 0.0, &mut emit)?;
                }
            }
            Some(End::Truncated) => {
                let has_value = next.mask.is_none_or(|mask| mask.contains(&true));
                while self.len > 0 {
                    self.emit_oldest(next, if has_value { self.discounts[self.len] } else { 0.0 }, &mut emit)?;
                }
            }
        }
        Ok(())
    }

    /// Discards the pending steps, because the rest of their episode was lost.
    pub fn clear(&mut self) {
        (self.start, self.len) = (0, 0);
    }

    /// Whether this accumulator, read from a file, is compatible with `fresh`, a new one for the current configuration.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        (self.n, self.features) == (fresh.n, fresh.features)
            && self.discounts == fresh.discounts
            && self.observations.len() == fresh.observations.len()
            && self.actions.len() == fresh.actions.len()
            && self.rewards.len() == fresh.rewards.len()
            && self.start < self.n
            && self.len < self.n
    }

    fn emit_oldest(
        &mut self,
        next: Next,
        discount: f64,
        emit: &mut impl FnMut(Transition) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let oldest = self.start;
        self.start = (self.start + 1) % self.n;
        self.len -= 1;
        emit(Transition {
            obs: &self.observations[oldest * self.features..(oldest + 1) * self.features],
            action: self.actions[oldest],
            reward: self.rewards[oldest] as f32,
            discount: discount as f32,
            next_obs: next.obs,
            next_mask: next.mask,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (observation, action, reward, discount, next observation) of every transition that these steps give.
    fn collect(n: usize, gamma: f64, steps: &[(f64, Option<End>)]) -> Vec<(f32, usize, f32, f32, f32)> {
        let mut accumulator = Accumulator::new(n, gamma, 1);
        let mut out = Vec::new();
        for (t, (reward, end)) in steps.iter().enumerate() {
            let next = Next { obs: &[t as f32 + 1.0], mask: None };
            let emitted = accumulator.push(&[t as f32], t, *reward, next, *end, |transition| {
                let Transition { obs, action, reward, discount, next_obs, .. } = transition;
                out.push((obs[0], action, reward, discount, next_obs[0]));
                Ok(())
            });
            emitted.unwrap();
        }
        out
    }

    #[test]
    fn one_step_returns_are_the_steps_themselves() {
        let steps = [(1.0, None), (2.0, None), (3.0, Some(End::Terminated))];
        let expected = vec![(0.0, 0, 1.0, 0.5, 1.0), (1.0, 1, 2.0, 0.5, 2.0), (2.0, 2, 3.0, 0.0, 3.0)];
        assert_eq!(collect(1, 0.5, &steps), expected);
    }

    #[test]
    fn termination_flushes_the_tail_without_a_bootstrap() {
        let steps = [(1.0, None), (2.0, None), (4.0, None), (8.0, Some(End::Terminated))];
        let expected = vec![
            (0.0, 0, 1.0 + 1.0 + 1.0, 0.125, 3.0),
            (1.0, 1, 2.0 + 2.0 + 2.0, 0.0, 4.0),
            (2.0, 2, 4.0 + 4.0, 0.0, 4.0),
            (3.0, 3, 8.0, 0.0, 4.0),
        ];
        assert_eq!(collect(3, 0.5, &steps), expected);
    }

    #[test]
    fn truncation_bootstraps_from_the_final_observation() {
        let steps = [(1.0, None), (2.0, Some(End::Truncated))];
        assert_eq!(collect(3, 0.5, &steps), vec![(0.0, 0, 2.0, 0.25, 2.0), (1.0, 1, 2.0, 0.5, 2.0)]);
    }

    #[test]
    fn truncation_where_no_action_is_allowed_does_not_bootstrap() {
        let mut accumulator = Accumulator::new(3, 0.5, 1);
        let mut out = Vec::new();
        for (mask, end) in [([true, true], None), ([false, true], None), ([false, false], Some(End::Truncated))] {
            let next = Next { obs: &[0.0], mask: Some(&mask) };
            accumulator
                .push(&[0.0], 0, 1.0, next, end, |transition| {
                    out.push((transition.reward, transition.discount));
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(out, [(1.75, 0.0), (1.5, 0.0), (1.0, 0.0)]);
        let next = Next { obs: &[0.0], mask: Some(&[false, true]) };
        let emitted = accumulator.push(&[0.0], 0, 1.0, next, Some(End::Truncated), |transition| {
            assert_eq!(transition.discount, 0.5, "where one action is allowed, its value counts");
            Ok(())
        });
        emitted.unwrap();
    }

    #[test]
    fn no_return_reaches_across_the_end_of_an_episode() {
        let steps = [(1.0, Some(End::Truncated)), (2.0, None), (4.0, Some(End::Terminated))];
        let expected = vec![(0.0, 0, 1.0, 0.5, 1.0), (1.0, 1, 4.0, 0.0, 3.0), (2.0, 2, 4.0, 0.0, 3.0)];
        assert_eq!(collect(5, 0.5, &steps), expected);
    }

    #[test]
    fn an_observation_of_another_length_is_refused_and_nothing_is_taken() {
        let mut accumulator = Accumulator::new(2, 0.5, 2);
        let good = [0.0; 2];
        for (obs, next) in [(&good[..1], &good[..]), (&good, &[0.0; 3])] {
            let next = Next { obs: next, mask: None };
            let refused = accumulator.push(obs, 0, 1.0, next, None, |_| panic!("nothing is complete"));
            assert!(matches!(refused, Err(Error::ObservationLength { expected: 2, .. })), "{refused:?}");
        }
        let mut rewards = Vec::new();
        let next = Next { obs: &good, mask: None };
        let emitted = accumulator.push(&good, 0, 1.0, next, Some(End::Terminated), |transition| {
            rewards.push(transition.reward);
            Ok(())
        });
        emitted.unwrap();
        assert_eq!(rewards, [1.0]);
    }
}
