//! A function applied to every reward.

use super::forward_to_inner;
use crate::env::{Environment, Step};
use crate::error::Error;

/// An environment whose rewards are transformed by a function.
///
/// ```
/// use quarl::env::{self, Environment, wrappers::TransformReward};
///
/// let mut env = TransformReward::new(env::make("CartPole-v1")?, |reward| 0.01 * reward);
/// let mut observation = [0.0; 4];
/// env.reset(Some(0), &mut observation)?;
/// assert_eq!(env.step(1, &mut observation)?.reward, 0.01);
/// # Ok::<(), quarl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TransformReward<E, F> {
    inner: E,
    function: F,
}

impl<E: Environment, F: Fn(f64) -> f64 + Send> TransformReward<E, F> {
    /// Replaces every reward of `inner` by `function(reward)`.
    pub fn new(inner: E, function: F) -> Self {
        Self { inner, function }
    }
}

impl<E: Environment, F: Fn(f64) -> f64 + Send> Environment for TransformReward<E, F> {
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
        Ok(Step { reward: (self.function)(step.reward), ..step })
    }
}
