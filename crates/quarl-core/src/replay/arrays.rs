//! The replay buffer as arrays, for files: a header, and the transitions in ranges of places.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::prioritized::Prioritized;
use super::store::Store;
use super::uniform::Uniform;
use super::{Replay, Sampler};
use crate::observations::{Observations, ObservationsView};
use crate::space::Dtype;

/// A replay buffer without the arrays of its transitions and priorities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayHeader {
    /// The maximum number of transitions.
    pub capacity: usize,
    /// The number of numbers in an observation.
    pub features: usize,
    /// The length of an action mask; 0 where every action is always allowed.
    pub masked_actions: usize,
    /// Whether observations are stored as bytes.
    pub bytes: bool,
    /// The number of transitions ever stored; the next one is written to place `pushed % capacity`.
    pub pushed: u64,
    /// The sampling rule and its numbers.
    pub sampler: SamplerHeader,
}

/// A sampling rule without its priorities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SamplerHeader {
    /// Uniform sampling.
    Uniform,
    /// Prioritised sampling. Its priorities are [`Replay::priorities`].
    Prioritized {
        /// The exponent of priorities.
        alpha: f64,
        /// The constant added to priorities.
        eps: f64,
        /// The largest priority so far, eps included, before the exponent.
        largest: f64,
    },
    /// No replay.
    Newest {
        /// The number of transitions already learnt from.
        used: u64,
    },
}

/// The transitions in a range of places, by field. Every array has one entry for each place.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionArrays {
    /// Observations, `[place][feature]`.
    pub obs: Observations,
    /// Actions.
    pub actions: Vec<u32>,
    /// Rewards.
    pub rewards: Vec<f32>,
    /// Discounts.
    pub discounts: Vec<f32>,
    /// Next observations, `[place][feature]`.
    pub next_obs: Observations,
    /// Action masks at the next observations, `[place][action]`; empty without masks.
    pub next_masks: Vec<bool>,
}

/// A borrowed view of [`TransitionArrays`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransitionArraysView<'a> {
    /// Observations, `[place][feature]`.
    pub obs: ObservationsView<'a>,
    /// Actions.
    pub actions: &'a [u32],
    /// Rewards.
    pub rewards: &'a [f32],
    /// Discounts.
    pub discounts: &'a [f32],
    /// Next observations, `[place][feature]`.
    pub next_obs: ObservationsView<'a>,
    /// Action masks at the next observations, `[place][action]`; empty without masks.
    pub next_masks: &'a [bool],
}

impl ReplayHeader {
    /// The number of transitions stored.
    pub fn len(&self) -> usize {
        self.pushed.min(self.capacity as u64) as usize
    }

    /// Whether no transition is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory of one transition in bytes.
    pub fn bytes_per_transition(&self) -> usize {
        let number = if self.bytes { 1 } else { 4 };
        2 * self.features * number + 12 + self.masked_actions
    }

    /// The number of transitions stored until the transitions at these places last changed. Two states of one run with the
    /// same version have the same transitions there.
    pub fn version(&self, places: &Range<usize>) -> u64 {
        let capacity = self.capacity.max(1) as u64;
        let (lap, next) = (self.pushed / capacity, self.pushed % capacity);
        let (start, end) = (places.start as u64, (places.end as u64).min(capacity));
        if start < next { lap * capacity + end.min(next) } else { lap.saturating_sub(1) * capacity + end }
    }
}

impl Replay {
    /// This buffer without its arrays.
    pub fn header(&self) -> ReplayHeader {
        let store = &self.store;
        ReplayHeader {
            capacity: store.capacity(),
            features: store.features(),
            masked_actions: store.masked_actions,
            bytes: store.obs.dtype() == Dtype::U8,
            pushed: store.pushed(),
            sampler: match &self.sampler {
                Sampler::Uniform(_) => SamplerHeader::Uniform,
                Sampler::Prioritized(sampler) => {
                    let (alpha, eps, largest) = sampler.numbers();
                    SamplerHeader::Prioritized { alpha, eps, largest }
                }
                Sampler::Newest { used } => SamplerHeader::Newest { used: *used },
            },
        }
    }

    /// The transitions at these places.
    ///
    /// # Panics
    /// Where there are fewer.
    pub fn arrays(&self, places: Range<usize>) -> TransitionArraysView<'_> {
        let store = &self.store;
        let numbers = |count: usize| places.start * count..places.end * count;
        TransitionArraysView {
            obs: store.obs.view().range(numbers(store.features)),
            actions: &store.actions[places.clone()],
            rewards: &store.rewards[places.clone()],
            discounts: &store.discounts[places.clone()],
            next_obs: store.next_obs.view().range(numbers(store.features)),
            next_masks: &store.next_masks[numbers(store.masked_actions)],
        }
    }

    /// The priority of each stored transition, with the exponent applied; `None` without prioritised sampling.
    pub fn priorities(&self) -> Option<Vec<f64>> {
        match &self.sampler {
            Sampler::Prioritized(sampler) => Some((0..self.len()).map(|id| sampler.weight(id)).collect()),
            _ => None,
        }
    }

    /// A buffer of these parts, which [`Replay::header`], [`Replay::arrays`] of successive ranges and [`Replay::priorities`]
    /// have given. `None` where they contradict each other.
    pub fn from_arrays(
        header: &ReplayHeader,
        arrays: impl IntoIterator<Item = TransitionArrays>,
        priorities: Option<Vec<f64>>,
    ) -> Option<Self> {
        let mut store = Store::of(header);
        for range in arrays {
            store.obs.append(range.obs)?;
            store.actions.extend(range.actions);
            store.rewards.extend(range.rewards);
            store.discounts.extend(range.discounts);
            store.next_obs.append(range.next_obs)?;
            store.next_masks.extend(range.next_masks);
        }
        let len = header.len();
        let fits = store.actions.len() == len
            && Some(store.obs.len()) == len.checked_mul(header.features)
            && store.next_obs.len() == store.obs.len()
            && (store.rewards.len(), store.discounts.len()) == (len, len)
            && Some(store.next_masks.len()) == len.checked_mul(header.masked_actions);
        let sampler = match (header.sampler, priorities) {
            (SamplerHeader::Uniform, None) => Sampler::Uniform(Uniform::default()),
            (SamplerHeader::Prioritized { alpha, eps, largest }, Some(priorities)) if priorities.len() == len => {
                Sampler::Prioritized(Prioritized::of(header.capacity, (alpha, eps, largest), &priorities)?)
            }
            (SamplerHeader::Newest { used }, None) => Sampler::Newest { used },
            _ => return None,
        };
        fits.then_some(Self { store, sampler })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::rng::Stream;
    use crate::space::BoxSpace;
    use crate::transition::{Batch, Transition};

    fn filled(kind: &str, capacity: usize, pushes: usize) -> Replay {
        let config = TrainConfig::preset("dqn").set("replay.kind", kind).set("replay.capacity", capacity as i64);
        let config = config.set("agent.batch_size", 4).set("training.learning_starts", 4).build().unwrap();
        let space = BoxSpace { shape: vec![2], low: vec![-1.0; 2], high: vec![1.0; 2], dtype: Dtype::F32 };
        let mut replay = Replay::new(&config.replay, 1, &space, 3).unwrap();
        for i in 0..pushes {
            let (x, mask) = (i as f32, [true, i % 2 == 0, i % 3 == 0]);
            let (obs, next_obs) = ([x, -x], [x + 1.0, -x - 1.0]);
            let next_mask = Some(&mask[..]);
            let id = replay
                .push(Transition { obs: &obs, action: i % 3, reward: x, discount: 0.5, next_obs: &next_obs, next_mask })
                .unwrap();
            replay.update_priorities(&[id], [x]);
        }
        replay
    }

    fn owned(view: TransitionArraysView) -> TransitionArrays {
        let observations = |view: ObservationsView| Observations::F32(view.iter().collect());
        TransitionArrays {
            obs: observations(view.obs),
            actions: view.actions.to_vec(),
            rewards: view.rewards.to_vec(),
            discounts: view.discounts.to_vec(),
            next_obs: observations(view.next_obs),
            next_masks: view.next_masks.to_vec(),
        }
    }

    #[test]
    fn a_buffer_made_of_its_arrays_is_the_same_and_samples_the_same() {
        for (kind, pushes) in [("uniform", 7), ("uniform", 25), ("prioritized", 5), ("prioritized", 23)] {
            let mut replay = filled(kind, 10, pushes);
            let len = replay.len();
            let arrays = [0..3, 3..len].map(|places| owned(replay.arrays(places)));
            let mut read = Replay::from_arrays(&replay.header(), arrays, replay.priorities()).unwrap();
            assert_eq!(read, replay, "{kind}, {pushes}");
            let [one, other] = [&mut read, &mut replay].map(|replay| {
                let mut batch = Batch::new(4, 2).with_action_masks(3);
                replay.sample(0.4, &mut Stream::Replay.rng(1), &mut batch).unwrap();
                (batch.ids, batch.weights, batch.rewards)
            });
            assert_eq!(one, other);
        }
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let replay = filled("prioritized", 10, 7);
        let (header, arrays) = (replay.header(), owned(replay.arrays(0..7)));
        let refused = |header: &ReplayHeader, arrays: TransitionArrays, priorities| {
            Replay::from_arrays(header, [arrays], priorities).is_none()
        };
        assert!(!refused(&header, arrays.clone(), replay.priorities()));
        assert!(refused(&header, arrays.clone(), None));
        assert!(refused(&header, arrays.clone(), Some(vec![1.0; 6])));
        assert!(refused(&header, arrays.clone(), Some(vec![f64::NAN; 7])));
        assert!(refused(&ReplayHeader { pushed: 8, ..header.clone() }, arrays.clone(), replay.priorities()));
        assert!(refused(&ReplayHeader { features: 1, ..header.clone() }, arrays.clone(), replay.priorities()));
        assert!(refused(
            &header,
            TransitionArrays { obs: Observations::U8(vec![0; 14]), ..arrays },
            replay.priorities()
        ));
    }

    #[test]
    fn a_range_has_a_new_version_exactly_when_it_has_changed() {
        let ranges = [0..4, 4..8, 8..10];
        let mut before = filled("uniform", 10, 10);
        for pushes in 11..45 {
            let after = filled("uniform", 10, pushes);
            for places in &ranges {
                let versions = [&before, &after].map(|replay| replay.header().version(places));
                let same = before.arrays(places.clone()) == after.arrays(places.clone());
                assert_eq!(versions[0] == versions[1], same, "{places:?} after {pushes}");
            }
            before = after;
        }
        // The last range of a buffer that is filling ends where the buffer does.
        let filling = filled("uniform", 10, 6).header();
        assert_eq!([filling.version(&(0..4)), filling.version(&(4..6))], [4, 6]);
    }
}
