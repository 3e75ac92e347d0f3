//! Experience replay (Lin 1992): the latest transitions, in a ring, to be learnt from again and again.
//!
//! The ring keeps transitions; a sampler says which of them make a batch and what each weighs. Learning gives a
//! priority for each item of the batch back ([`Replay::update_priorities`]), and only the sampler knows what it is for.

pub(crate) mod config;
pub mod prioritized;
mod store;
pub mod sum_tree;
mod uniform;

use serde::{Deserialize, Serialize};

use self::prioritized::Prioritized;
use self::store::Store;
use self::uniform::Uniform;
use crate::config::{ReplayConfig, ReplayKind};
use crate::error::Error;
use crate::rng::Rng;
use crate::space::BoxSpace;
use crate::transition::{Batch, Transition};

/// A first-in, first-out store of transitions, with a way of drawing batches from it.
///
/// Each field has its own array (44 bytes a CartPole transition; prioritised sampling adds 9 and a little).
///
/// ```
/// use quarl::config::TrainConfig;
/// use quarl::env;
/// use quarl::replay::Replay;
/// use quarl::rng::Stream;
/// use quarl::transition::{Batch, Transition};
///
/// let config = TrainConfig::preset("textbook").build()?;
/// let mut replay = Replay::new(&config.replay, 1, &env::make("CartPole-v0")?.spec().observation_space, 0)?;
/// for i in 0..40 {
///     let (obs, next_obs) = ([i as f32; 4], [i as f32 + 1.0; 4]);
///     replay.push(Transition { obs: &obs, action: 0, reward: 1.0, discount: 0.98, next_obs: &next_obs, next_mask: None })?;
/// }
/// let mut batch = Batch::new(32, 4);
/// replay.sample(0.0, &mut Stream::Replay.rng(7), &mut batch)?;
/// assert_eq!(batch.next_obs.to_floats()[0], batch.obs.to_floats()[0] + 1.0);
/// # Ok::<(), quarl::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    store: Store,
    sampler: Sampler,
}

/// How batches are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sampler {
    /// Every transition as likely, none twice in a batch.
    Uniform(Uniform),
    /// The surprising ones more often.
    Prioritized(Prioritized),
    /// No replay: each transition once, in order. `used` counts those that are done.
    Newest { used: u64 },
}

impl Replay {
    /// A buffer as `config` says for observations of `space`. Without replay there is only room for the transitions that
    /// the last of `n_step` steps can complete at once. `masked_actions` is how many actions a mask has; 0 for no masks.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] where the memory cannot be had.
    pub fn new(config: &ReplayConfig, n_step: usize, space: &BoxSpace, masked_actions: usize) -> Result<Self, Error> {
        let capacity = if config.kind == ReplayKind::None { n_step } else { config.capacity };
        let store = Store::new(capacity, space, masked_actions).ok_or_else(|| Error::InvalidValue {
            key: "replay.capacity".to_owned(),
            value: capacity.to_string(),
            remedy: format!(
                "transitions with {} numbers an observation need more memory than there is; lower it",
                space.len()
            ),
        })?;
        let sampler = match config.kind {
            ReplayKind::Uniform => Sampler::Uniform(Uniform::default()),
            ReplayKind::Prioritized => Sampler::Prioritized(Prioritized::new(capacity, config.alpha, config.eps)),
            ReplayKind::None => Sampler::Newest { used: 0 },
        };
        Ok(Self { store, sampler })
    }

    /// How many transitions it holds.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this, read back from somewhere, can take the place of `fresh` for an agent with `actions` actions.
    pub(crate) fn fits(&self, fresh: &Self, actions: usize) -> bool {
        self.store.fits(&fresh.store, actions)
            && match (&self.sampler, &fresh.sampler) {
                (Sampler::Uniform(_), Sampler::Uniform(_)) => true,
                (Sampler::Prioritized(read), Sampler::Prioritized(fresh)) => read.fits(fresh, self.len()),
                (Sampler::Newest { used }, Sampler::Newest { .. }) => *used <= self.store.pushed(),
                _ => false,
            }
    }

    /// Asks for the memory of a full buffer again, after it was read back or copied: from then on, storing allocates
    /// nothing.
    pub(crate) fn reserve(&mut self) {
        // Where it cannot be had now, it is asked for bit by bit later.
        self.store.try_reserve();
    }

    /// Stores a transition, in place of the oldest one if the ring is full; its id is returned.
    ///
    /// # Errors
    /// [`Error::ObservationLength`], [`Error::MaskLength`] and [`Error::UnexpectedMask`] where the transition is not of this
    /// buffer's environment; nothing is stored then.
    pub fn push(&mut self, transition: Transition) -> Result<usize, Error> {
        self.store.check(&transition)?;
        let id = self.store.push(transition);
        if let Sampler::Prioritized(sampler) = &mut self.sampler {
            sampler.enter(id);
        }
        Ok(id)
    }

    /// How many transitions were ever stored.
    pub fn pushed(&self) -> u64 {
        self.store.pushed()
    }

    /// The id that the transition stored as number `nth`, counting from 0, has or had.
    pub fn id(&self, nth: u64) -> usize {
        self.store.id(nth)
    }

    /// Copies a transition's next observation, `[features]`.
    pub fn next_obs(&self, id: usize, out: &mut [f32]) {
        self.store.next_obs(id, out);
    }

    /// Without replay: how many transitions have come and wait to be learnt from once. None where there is replay.
    pub fn waiting(&self) -> Option<u64> {
        match self.sampler {
            Sampler::Newest { used } => Some((self.store.pushed() - used).min(self.store.capacity() as u64)),
            _ => None,
        }
    }

    /// Without replay: gives up what waits.
    pub fn skip_waiting(&mut self) {
        if let Sampler::Newest { used } = &mut self.sampler {
            *used = self.store.pushed();
        }
    }

    /// Fills `batch` with transitions, their next observations included, their ids and their weights.
    ///
    /// # Errors
    /// As [`Replay::draw`].
    pub fn sample(&mut self, beta: f64, rng: &mut Rng, batch: &mut Batch) -> Result<(), Error> {
        self.draw(beta, rng, batch)?;
        self.gather_next_obs(batch);
        Ok(())
    }

    /// Puts the next observations of the transitions that were drawn into `batch`.
    pub(crate) fn gather_next_obs(&self, batch: &mut Batch) {
        self.store.gather_next_obs(batch);
    }

    /// Fills `batch` with all but the transitions' next observations, which not every update has to read (at random places
    /// of a large memory); `beta` is how far the weights make up for unequal
    /// probabilities, where there are any.
    ///
    /// Uniform sampling draws *without* replacement; prioritised sampling may draw a transition several times; without
    /// replay, the batch is what comes next.
    ///
    /// # Errors
    /// [`Error::TooFewTransitions`] where it holds fewer transitions than the batch has room for;
    /// [`Error::ObservationLength`] and [`Error::MaskLength`] where the batch is for another environment.
    pub fn draw(&mut self, beta: f64, rng: &mut Rng, batch: &mut Batch) -> Result<(), Error> {
        let (len, size) = (self.len(), batch.len());
        let available = self.waiting().map_or(len, |waiting| waiting as usize);
        if size > available {
            return Err(Error::TooFewTransitions { needed: size, available });
        }
        self.store.check_batch(batch)?;
        batch.weights.fill(1.0);
        match &mut self.sampler {
            Sampler::Uniform(sampler) => sampler.sample(len, self.store.capacity(), rng, &mut batch.ids),
            Sampler::Prioritized(sampler) => sampler.sample(len, beta, rng, &mut batch.ids, &mut batch.weights),
            Sampler::Newest { used } => {
                *used = (*used).max(self.store.pushed() - len as u64);
                for id in &mut batch.ids {
                    *id = self.store.id(*used);
                    *used += 1;
                }
            }
        }
        self.store.gather(batch);
        Ok(())
    }

    /// What learning found out about the transitions with these ids: how surprising each is, at least 0.
    pub fn update_priorities(&mut self, ids: &[usize], priorities: impl IntoIterator<Item = f32>) {
        if let Sampler::Prioritized(sampler) = &mut self.sampler {
            for (id, priority) in ids.iter().zip(priorities) {
                sampler.update(*id, priority);
            }
        }
    }

    /// What a transition is drawn in proportion to: 1 where sampling is uniform.
    pub fn sampling_weight(&self, id: usize) -> f64 {
        match &self.sampler {
            Sampler::Prioritized(sampler) => sampler.weight(id),
            _ => 1.0,
        }
    }

    /// Numbers an observation.
    pub fn features(&self) -> usize {
        self.store.features()
    }
}

#[cfg(test)]
mod tests;
