//! Reward clipping.

use super::forward_to_inner;
use crate::config::settings::check;
use crate::env::{Environment, Step};
use crate::error::Error;

/// An environment whose rewards are clipped to an interval; Mnih et al. (2015) use [-1, 1].
///
/// ```
/// use quarl::env::{self, Environment, wrappers::ClipReward};
///
/// let mut env = ClipReward::new(env::make("MountainCar-v0")?, -0.5, 0.5)?;
/// let mut observation = [0.0; 2];
/// env.reset(Some(0), &mut observation)?;
/// assert_eq!(env.step(1, &mut observation)?.reward, -0.5); // the task's own is -1
/// # Ok::<(), quarl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClipReward<E> {
    inner: E,
    low: f64,
    high: f64,
}

impl<E: Environment> ClipReward<E> {
    /// Clips the rewards of `inner` to `low..=high`. Either bound may be infinite.
    ///
    /// # Errors
    /// [`Error::Setting`] unless `low < high`.
    pub fn new(inner: E, low: f64, high: f64) -> Result<Self, Error> {
        check(low < high, "env.clip_reward", || format!("[{low}, {high}] is not two numbers, the smaller one first"))?;
        Ok(Self { inner, low, high })
    }
}

impl<E: Environment> Environment for ClipReward<E> {
    forward_to_inner!(
        spec,
        reset,
        begin_step,
        action_mask,
        episode_statistics,
        scene,
        saves_within_episodes,
        saves_random_state,
        state
    );

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        let step = self.inner.step(action, observation)?;
        // Comparisons instead of `clamp`, so that a NaN reward is passed on and reported.
        let reward = match step.reward {
            reward if reward < self.low => self.low,
            reward if reward > self.high => self.high,
            reward => reward,
        };
        Ok(Step { reward, ..step })
    }
}
