//! Return and length of each episode, before any other wrapper changes the rewards.

use serde::{Deserialize, Serialize};

use super::forward_to_inner;
use crate::env::{Environment, Step, state};
use crate::error::Error;

/// Return and length of the current episode so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeStatistics {
    /// The sum of the rewards, undiscounted.
    pub total_reward: f64,
    /// The number of steps.
    pub length: u64,
}

/// An environment that records the return and length of the current episode (see [`Environment::episode_statistics`]).
///
/// It lies inside the wrappers that change rewards, so it records the task's own return, which training and evaluation
/// report.
#[derive(Clone, Debug)]
pub struct RecordEpisodeStatistics<E> {
    inner: E,
    episode: EpisodeStatistics,
}

impl<E: Environment> RecordEpisodeStatistics<E> {
    /// Records the episodes of `inner`.
    pub fn new(inner: E) -> Self {
        Self { inner, episode: EpisodeStatistics::default() }
    }
}

impl<E: Environment> Environment for RecordEpisodeStatistics<E> {
    forward_to_inner!(spec, begin_step, action_mask, scene, saves_within_episodes, saves_random_state);

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.inner.reset(seed, observation)?;
        self.episode = EpisodeStatistics::default();
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        let step = self.inner.step(action, observation)?;
        self.episode.total_reward += step.reward;
        self.episode.length += 1;
        Ok(step)
    }

    fn episode_statistics(&self) -> Option<EpisodeStatistics> {
        Some(self.episode)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec().id, &(self.episode, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (episode, inner): (EpisodeStatistics, Vec<u8>) = state::load(&self.spec().id, bytes)?;
        if !episode.total_reward.is_finite() || episode.length > i64::MAX as u64 {
            return Err(state::refused(&self.spec().id, format!("{episode:?} is not possible")));
        }
        self.inner.load_state(&inner)?;
        self.episode = episode;
        Ok(())
    }
}
