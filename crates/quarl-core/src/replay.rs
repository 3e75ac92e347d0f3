//! Experience replay (Lin 1992): the latest transitions in a ring buffer, sampled repeatedly for updates.
//!
//! The ring stores transitions; a sampler chooses the transitions of a batch and their importance-sampling weights. After
//! an update, the learner returns a priority for each item ([`Replay::update_priorities`]); uniform sampling ignores it.

mod arrays;
pub(crate) mod config;
pub mod prioritized;
mod store;
pub mod sum_tree;
mod uniform;

use serde::{Deserialize, Serialize};

pub use self::arrays::{ReplayHeader, SamplerHeader, TransitionArrays, TransitionArraysView};
use self::prioritized::Prioritized;
use self::store::Store;
use self::uniform::Uniform;
use crate::config::settings::invalid;
use crate::config::{ReplayConfig, ReplayKind};
use crate::error::Error;
use crate::rng::Rng;
use crate::space::BoxSpace;
use crate::transition::{Batch, Transition};

/// The replay buffer: a ring of transitions sampled uniformly or by priority.
///
/// When the buffer is full, a new transition replaces the oldest one. Each field has its own array. A CartPole transition
/// takes 44 bytes; prioritised sampling adds 9 bytes and a little.
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

/// The sampling rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sampler {
    /// Uniform, without replacement within a batch.
    Uniform(Uniform),
    /// Transitions with a large TD error are sampled more often.
    Prioritized(Prioritized),
    /// No replay: each transition once, in order. `used` counts the transitions already learnt from.
    Newest { used: u64 },
}

impl Replay {
    /// Creates a buffer with the settings `config` for observations of `space`. Without replay, its capacity is the number
    /// of transitions that one step can complete at once, `n_step`. `masked_actions` is the length of an action mask; 0
    /// without masks.
    ///
    /// # Errors
    /// [`Error::Setting`] where the memory is not available.
    pub fn new(config: &ReplayConfig, n_step: usize, space: &BoxSpace, masked_actions: usize) -> Result<Self, Error> {
        let capacity = if config.kind == ReplayKind::None { n_step } else { config.capacity };
        let store = Store::new(capacity, space, masked_actions).ok_or_else(|| {
            let message = format!(
                "{capacity} transitions with {} numbers an observation need more memory than is available; lower it",
                space.len()
            );
            invalid("replay.capacity", message)
        })?;
        let sampler = match config.kind {
            ReplayKind::Uniform => Sampler::Uniform(Uniform::default()),
            ReplayKind::Prioritized => Sampler::Prioritized(Prioritized::new(capacity, config.alpha, config.eps)),
            ReplayKind::None => Sampler::Newest { used: 0 },
        };
        Ok(Self { store, sampler })
    }

    /// The number of transitions stored.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this buffer, read from a file, is compatible with `fresh`, a new one, for an agent with `actions` actions.
    pub(crate) fn fits(&self, fresh: &Self, actions: usize) -> bool {
        self.store.fits(&fresh.store, actions)
            && match (&self.sampler, &fresh.sampler) {
                (Sampler::Uniform(_), Sampler::Uniform(_)) => true,
                (Sampler::Prioritized(read), Sampler::Prioritized(fresh)) => read.fits(fresh, self.len()),
                (Sampler::Newest { used }, Sampler::Newest { .. }) => *used <= self.store.pushed(),
                _ => false,
            }
    }

    /// Reserves the memory of a full buffer again, after the buffer was read from a file or cloned. From then on, storing a
    /// transition allocates nothing.
    pub(crate) fn reserve(&mut self) {
        // If the memory is not available now, later pushes allocate it gradually.
        self.store.try_reserve();
    }

    /// Stores a transition, replacing the oldest one if the buffer is full, and returns its id.
    ///
    /// # Errors
    /// [`Error::ObservationLength`], [`Error::MaskLength`] and [`Error::UnexpectedMask`] where the transition does not have
    /// this buffer's shapes; nothing is stored then.
    pub fn push(&mut self, transition: Transition) -> Result<usize, Error> {
        self.store.check(&transition)?;
        let id = self.store.push(transition);
        if let Sampler::Prioritized(sampler) = &mut self.sampler {
            sampler.insert(id);
        }
        Ok(id)
    }

    /// The number of transitions stored since the beginning, replaced ones included.
    pub fn pushed(&self) -> u64 {
        self.store.pushed()
    }

    /// The id of the `nth` transition ever stored, counted from 0, whether or not it has been replaced.
    pub fn id(&self, nth: u64) -> usize {
        self.store.id(nth)
    }

    /// Copies the next observation of transition `id`, `[features]`.
    pub fn next_obs(&self, id: usize, out: &mut [f32]) {
        self.store.next_obs(id, out);
    }

    /// Without replay: the number of transitions that have not been learnt from yet. `None` with replay.
    pub fn pending(&self) -> Option<u64> {
        match self.sampler {
            Sampler::Newest { used } => Some((self.store.pushed() - used).min(self.store.capacity() as u64)),
            _ => None,
        }
    }

    /// Without replay: discards the transitions that have not been learnt from yet.
    pub fn discard_pending(&mut self) {
        if let Sampler::Newest { used } = &mut self.sampler {
            *used = self.store.pushed();
        }
    }

    /// Samples a batch: fills `batch` with transitions, their ids and their importance-sampling weights.
    ///
    /// # Errors
    /// Those of [`Replay::draw`].
    pub fn sample(&mut self, beta: f64, rng: &mut Rng, batch: &mut Batch) -> Result<(), Error> {
        self.draw(beta, rng, batch)?;
        self.gather_next_obs(batch);
        Ok(())
    }

    /// Copies the next observations of the sampled transitions into `batch`.
    pub(crate) fn gather_next_obs(&self, batch: &mut Batch) {
        self.store.gather_next_obs(batch);
    }

    /// Samples a batch without the next observations: reading those touches random places of a large memory, and not every
    /// update needs all of them. `beta` is the importance-sampling exponent of prioritised replay.
    ///
    /// Uniform sampling is without replacement; prioritised sampling may draw a transition several times; without replay,
    /// the batch consists of the oldest transitions not yet learnt from.
    ///
    /// # Errors
    /// [`Error::TooFewTransitions`] where the buffer holds fewer transitions than the batch has items;
    /// [`Error::ObservationLength`] and [`Error::MaskLength`] where the batch has other shapes.
    pub fn draw(&mut self, beta: f64, rng: &mut Rng, batch: &mut Batch) -> Result<(), Error> {
        let (len, size) = (self.len(), batch.len());
        let available = self.pending().map_or(len, |pending| pending as usize);
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

    /// Sets the priorities (absolute TD errors, at least 0) of the transitions `ids`.
    pub fn update_priorities(&mut self, ids: &[usize], priorities: impl IntoIterator<Item = f32>) {
        if let Sampler::Prioritized(sampler) = &mut self.sampler {
            for (id, priority) in ids.iter().zip(priorities) {
                sampler.update(*id, priority);
            }
        }
    }

    /// The number that the sampling probability of transition `id` is proportional to; 1 with uniform sampling.
    pub fn sampling_weight(&self, id: usize) -> f64 {
        match &self.sampler {
            Sampler::Prioritized(sampler) => sampler.weight(id),
            _ => 1.0,
        }
    }

    /// The number of numbers in an observation.
    pub fn features(&self) -> usize {
        self.store.features()
    }
}

#[cfg(test)]
mod tests;
