//! The ring of transitions: one array for each field, which grows with the number of transitions stored.

use serde::{Deserialize, Serialize};

use super::ReplayHeader;
use crate::error::Error;
use crate::observations::{Observations, put, try_reserve};
use crate::space::{BoxSpace, Dtype};
use crate::transition::{Batch, Transition};

/// The latest transitions, up to a capacity; when it is full, a new transition replaces the oldest one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Store {
    capacity: usize,
    pub(super) features: usize,
    /// The number of transitions ever pushed; the next one is written to place `pushed % capacity`.
    pushed: u64,
    pub(super) obs: Observations,
    pub(super) actions: Vec<u32>,
    pub(super) rewards: Vec<f32>,
    pub(super) discounts: Vec<f32>,
    pub(super) next_obs: Observations,
    /// The length of an action mask; 0 where every action is always allowed.
    pub(super) masked_actions: usize,
    pub(super) next_masks: Vec<bool>,
}

impl Store {
    /// Creates an empty ring of `capacity` transitions for observations of `space` and masks of `masked_actions` entries (0
    /// without masks); `None` where the memory is not available.
    pub(super) fn new(capacity: usize, space: &BoxSpace, masked_actions: usize) -> Option<Self> {
        let mut store = Self::without_arrays(capacity, space.len(), masked_actions, space.dtype);
        store.try_reserve().then_some(store)
    }

    /// A ring without its arrays, which the caller fills.
    pub(super) fn of(header: &ReplayHeader) -> Self {
        let dtype = if header.bytes { Dtype::U8 } else { Dtype::F32 };
        let store = Self::without_arrays(header.capacity, header.features, header.masked_actions, dtype);
        Self { pushed: header.pushed, ..store }
    }

    fn without_arrays(capacity: usize, features: usize, masked_actions: usize, dtype: Dtype) -> Self {
        Self {
            capacity,
            features,
            pushed: 0,
            obs: Observations::new(dtype),
            actions: Vec::new(),
            rewards: Vec::new(),
            discounts: Vec::new(),
            next_obs: Observations::new(dtype),
            masked_actions,
            next_masks: Vec::new(),
        }
    }

    /// Reserves the memory of a full ring without touching it, so that only used pages count. After this, storing a
    /// transition allocates nothing. A clone has to reserve again.
    pub(super) fn try_reserve(&mut self) -> bool {
        let Some(numbers) = self.capacity.checked_mul(self.features) else { return false };
        let Some(masks) = self.capacity.checked_mul(self.masked_actions) else { return false };
        self.obs.try_reserve(numbers)
            && try_reserve(&mut self.actions, self.capacity)
            && try_reserve(&mut self.rewards, self.capacity)
            && try_reserve(&mut self.discounts, self.capacity)
            && self.next_obs.try_reserve(numbers)
            && try_reserve(&mut self.next_masks, masks)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn features(&self) -> usize {
        self.features
    }

    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(super) fn len(&self) -> usize {
        self.pushed.min(self.capacity as u64) as usize
    }

    /// The place of the `nth` transition ever stored, whether or not it has been replaced.
    pub(super) fn id(&self, nth: u64) -> usize {
        (nth % self.capacity as u64) as usize
    }

    /// Copies the next observations of the transitions `batch.ids` into the batch.
    pub(super) fn gather_next_obs(&self, batch: &mut Batch) {
        self.next_obs.gather(&batch.ids, self.features, &mut batch.next_obs);
    }

    /// Copies the next observation of transition `id`.
    pub(super) fn next_obs(&self, id: usize, out: &mut [f32]) {
        self.next_obs.copy_to(id, out);
    }

    /// Refuses a transition with other lengths than this ring's.
    pub(super) fn check(&self, transition: &Transition) -> Result<(), Error> {
        for observation in [transition.obs, transition.next_obs] {
            self.check_observations(observation.len(), 1)?;
        }
        match transition.next_mask {
            Some(_) if self.masked_actions == 0 => Err(Error::UnexpectedMask),
            Some(mask) => self.check_masks(mask, 1),
            None => Ok(()),
        }
    }

    /// Refuses a batch with other lengths than this ring's.
    pub(super) fn check_batch(&self, batch: &Batch) -> Result<(), Error> {
        for (from, to) in [(&self.obs, &batch.obs), (&self.next_obs, &batch.next_obs)] {
            if (from.dtype(), to.dtype()) == (Dtype::F32, Dtype::U8) {
                let message = "its observations are bytes, but those of the replay buffer are floats".to_owned();
                return Err(Error::Unusable { what: "a batch".to_owned(), message });
            }
        }
        self.check_observations(batch.obs.len(), batch.len())?;
        self.check_observations(batch.next_obs.len(), batch.len())?;
        self.check_masks(&batch.next_masks, batch.len())
    }

    fn check_observations(&self, actual: usize, items: usize) -> Result<(), Error> {
        let expected = items * self.features;
        if actual == expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: "the replay buffer".to_owned(), expected, actual })
    }

    fn check_masks(&self, masks: &[bool], items: usize) -> Result<(), Error> {
        let (expected, actual) = (items * self.masked_actions, masks.len());
        if actual == expected { Ok(()) } else { Err(Error::MaskLength { expected, actual }) }
    }

    /// Stores a transition and returns its place.
    pub(super) fn push(&mut self, transition: Transition) -> usize {
        let Transition { obs, action, reward, discount, next_obs, next_mask } = transition;
        let id = self.id(self.pushed);
        self.obs.put(id, obs);
        put(&mut self.actions, id, [action as u32].into_iter());
        put(&mut self.rewards, id, [reward].into_iter());
        put(&mut self.discounts, id, [discount].into_iter());
        self.next_obs.put(id, next_obs);
        match next_mask {
            Some(mask) if self.masked_actions > 0 => put(&mut self.next_masks, id, mask.iter().copied()),
            _ => put(&mut self.next_masks, id, std::iter::repeat_n(true, self.masked_actions)),
        }
        self.pushed += 1;
        id
    }

    /// Copies the transitions `batch.ids` into the batch, without their next observations.
    pub(super) fn gather(&self, batch: &mut Batch) {
        self.obs.gather(&batch.ids, self.features, &mut batch.obs);
        for (item, id) in batch.ids.iter().copied().enumerate() {
            batch.actions[item] = self.actions[id] as usize;
            batch.rewards[item] = self.rewards[id];
            batch.discounts[item] = self.discounts[id];
            let actions = self.masked_actions;
            batch.next_masks[item * actions..(item + 1) * actions]
                .copy_from_slice(&self.next_masks[id * actions..(id + 1) * actions]);
        }
    }

    /// Whether this ring, read from a file, is compatible with `fresh`, a new one, for an agent with `actions` actions.
    pub(super) fn fits(&self, fresh: &Self, actions: usize) -> bool {
        let len = self.len();
        (self.capacity, self.features) == (fresh.capacity, fresh.features)
            && self.pushed <= i64::MAX as u64
            && self.obs.dtype() == fresh.obs.dtype()
            && self.next_obs.dtype() == fresh.next_obs.dtype()
            && Some(self.obs.len()) == len.checked_mul(self.features)
            && self.next_obs.len() == self.obs.len()
            && self.actions.len() == len
            && self.rewards.len() == len
            && self.discounts.len() == len
            && self.masked_actions == fresh.masked_actions
            && Some(self.next_masks.len()) == len.checked_mul(self.masked_actions)
            && self.actions.iter().all(|action| (*action as usize) < actions)
    }
}
