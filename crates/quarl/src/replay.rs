//! Experience replay (Lin 1992): the latest transitions, in a ring, to be learnt from again and again.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::rng::Rng;
use crate::transition::{Batch, Transition};

/// A first-in, first-out store of transitions with uniform sampling.
///
/// Each field has its own array, all allocated at once (44 bytes a CartPole transition).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replay {
    capacity: usize,
    features: usize,
    /// How many transitions were ever pushed; the next goes to `pushed % capacity`.
    pushed: u64,
    obs: Vec<f32>,
    actions: Vec<u32>,
    rewards: Vec<f32>,
    discounts: Vec<f32>,
    next_obs: Vec<f32>,
    /// `[id][action]`; empty where all actions are always allowed.
    next_masks: Vec<bool>,
}

impl Replay {
    /// Room for `capacity` transitions with observations of `features` numbers.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where the memory cannot be had.
    pub fn new(capacity: usize, features: usize) -> Result<Self, Error> {
        let too_large = || Error::InvalidValue {
            key: "replay.capacity".to_owned(),
            value: capacity.to_string(),
            remedy: format!(
                "transitions with {features} numbers an observation need more memory than there is; lower it"
            ),
        };
        let zeros = |per_item: usize| -> Result<Vec<f32>, Error> {
            let len = capacity.checked_mul(per_item).ok_or_else(too_large)?;
            // Asks first, because the plain constructors would end the program.
            Vec::<f32>::new().try_reserve_exact(len).map_err(|_| too_large())?;
            Ok(vec![0.0; len])
        };
        Ok(Self {
            capacity,
            features,
            pushed: 0,
            obs: zeros(features)?,
            actions: vec![0; zeros(1)?.len()],
            rewards: zeros(1)?,
            discounts: zeros(1)?,
            next_obs: zeros(features)?,
            next_masks: Vec::new(),
        })
    }

    /// The same with room for the masks of an environment with so many actions (a byte each).
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where the memory cannot be had.
    pub fn with_action_masks(mut self, actions: usize) -> Result<Self, Error> {
        let too_large = || Error::InvalidValue {
            key: "replay.capacity".to_owned(),
            value: self.capacity.to_string(),
            remedy: format!("masks of {actions} actions need more memory than there is; lower it"),
        };
        let len = self.capacity.checked_mul(actions).ok_or_else(too_large)?;
        Vec::<bool>::new().try_reserve_exact(len).map_err(|_| too_large())?;
        self.next_masks = vec![true; len];
        Ok(self)
    }

    /// How many actions a mask has; 0 where there are none.
    fn mask_len(&self) -> usize {
        self.next_masks.len() / self.capacity
    }

    /// How many transitions it holds.
    pub fn len(&self) -> usize {
        self.pushed.min(self.capacity as u64) as usize
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.pushed == 0
    }

    /// Whether this, read back from somewhere, can take the place of `fresh` for an agent with `actions` actions.
    pub(crate) fn fits(&self, fresh: &Self, actions: usize) -> bool {
        (self.capacity, self.features) == (fresh.capacity, fresh.features)
            && self.pushed <= i64::MAX as u64
            && self.obs.len() == fresh.obs.len()
            && self.actions.len() == fresh.actions.len()
            && self.rewards.len() == fresh.rewards.len()
            && self.discounts.len() == fresh.discounts.len()
            && self.next_obs.len() == fresh.next_obs.len()
            && self.next_masks.len() == fresh.next_masks.len()
            && self.actions.iter().all(|action| (*action as usize) < actions)
    }

    /// Stores a transition, in place of the oldest one if the ring is full.
    pub fn push(&mut self, transition: Transition) {
        let id = (self.pushed % self.capacity as u64) as usize;
        let row = id * self.features..(id + 1) * self.features;
        self.obs[row.clone()].copy_from_slice(transition.obs);
        self.actions[id] = transition.action as u32;
        self.rewards[id] = transition.reward;
        self.discounts[id] = transition.discount;
        self.next_obs[row].copy_from_slice(transition.next_obs);
        let actions = self.mask_len();
        match transition.next_mask {
            Some(mask) if actions > 0 => self.next_masks[id * actions..(id + 1) * actions].copy_from_slice(mask),
            _ => self.next_masks[id * actions..(id + 1) * actions].fill(true),
        }
        self.pushed += 1;
    }

    /// Fills `batch` with transitions drawn uniformly *without* replacement, every subset as likely as any other
    /// (Floyd's algorithm: one draw an item).
    ///
    /// # Panics
    /// When it holds fewer transitions than the batch has room for.
    pub fn sample(&self, rng: &mut Rng, batch: &mut Batch) {
        let (len, size) = (self.len(), batch.len());
        assert!(size <= len, "cannot draw {size} different transitions from {len}");
        for i in 0..size {
            let newest = len - size + i;
            let drawn = rng.below(newest + 1);
            batch.ids[i] = if batch.ids[..i].contains(&drawn) { newest } else { drawn };
        }
        self.gather(batch);
    }

    /// Copies the transitions that `batch.ids` names into the batch.
    fn gather(&self, batch: &mut Batch) {
        let actions = self.mask_len();
        for (item, id) in batch.ids.iter().copied().enumerate() {
            let (from, to) = (id * self.features, item * self.features);
            batch.obs[to..to + self.features].copy_from_slice(&self.obs[from..from + self.features]);
            batch.next_obs[to..to + self.features].copy_from_slice(&self.next_obs[from..from + self.features]);
            batch.actions[item] = self.actions[id] as usize;
            batch.rewards[item] = self.rewards[id];
            batch.discounts[item] = self.discounts[id];
            batch.weights[item] = 1.0;
            batch.next_masks[item * actions..(item + 1) * actions]
                .copy_from_slice(&self.next_masks[id * actions..(id + 1) * actions]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(capacity: usize, count: usize) -> Replay {
        let mut replay = Replay::new(capacity, 2).unwrap();
        for i in 0..count {
            let x = i as f32;
            replay.push(Transition {
                obs: &[x, -x],
                action: i % 3,
                reward: 10.0 * x,
                discount: 0.5,
                next_obs: &[x + 1.0, -x - 1.0],
                next_mask: None,
            });
        }
        replay
    }

    #[test]
    fn a_full_ring_forgets_the_oldest_first() {
        let replay = filled(4, 6);
        let mut batch = Batch::new(4, 2);
        replay.sample(&mut Rng::from_seed(0), &mut batch);
        let mut rewards = batch.rewards.clone();
        rewards.sort_by(f32::total_cmp);
        assert_eq!(rewards, [20.0, 30.0, 40.0, 50.0]);
        for item in 0..4 {
            let x = batch.rewards[item] / 10.0;
            assert_eq!(batch.obs[2 * item..2 * item + 2], [x, -x]);
            assert_eq!(batch.next_obs[2 * item..2 * item + 2], [x + 1.0, -x - 1.0]);
            assert_eq!(batch.actions[item], x as usize % 3);
            assert_eq!(batch.weights[item], 1.0);
        }
    }

    #[test]
    fn a_batch_never_repeats_a_transition_and_every_pair_is_as_likely() {
        let (replay, mut rng) = (filled(5, 5), Rng::from_seed(1));
        let mut batch = Batch::new(2, 2);
        let mut counts = [[0_u32; 5]; 5];
        for _ in 0..20_000 {
            replay.sample(&mut rng, &mut batch);
            let (low, high) = (batch.ids[0].min(batch.ids[1]), batch.ids[0].max(batch.ids[1]));
            assert_ne!(low, high);
            counts[low][high] += 1;
        }
        // Ten pairs, 2000 expected each; chi-squared with 9 degrees of freedom exceeds 33.7 once in 10,000 times.
        let pairs = (0..5).flat_map(|low| (low + 1..5).map(move |high| (low, high)));
        let chi_squared: f64 = pairs.map(|(l, h)| (f64::from(counts[l][h]) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi_squared < 33.7, "{chi_squared}: {counts:?}");
    }

    #[test]
    fn more_memory_than_there_is_is_refused_not_tried() {
        let message = Replay::new(usize::MAX / 16, 4).unwrap_err().to_string();
        assert!(message.contains("replay.capacity") && message.contains("lower it"), "{message}");
    }
}
