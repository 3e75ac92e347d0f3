//! Frame stacking: the latest observations as one, so that velocities can be inferred (Mnih et al. 2015).

use crate::config::settings::check;
use crate::env::config::MOST_FRAMES;
use crate::env::wrappers::forward_to_inner;
use crate::env::{Environment, EnvironmentSpec, Step, state};
use crate::error::Error;

/// An environment whose observation is the last `stack_size` observations, oldest first. The first observation of an
/// episode fills all places, as in Gymnasium's `FrameStackObservation` with its default padding.
///
/// The shape gains a first dimension: `[4]` becomes `[stack_size, 4]`.
///
/// ```
/// use quarl::env::{Environment, FrameStackObservation, make};
///
/// let env = FrameStackObservation::new(make("CartPole-v1")?, 3)?;
/// assert_eq!(env.spec().observation_space.shape, [3, 4]);
/// # Ok::<(), quarl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameStackObservation<E> {
    inner: E,
    spec: EnvironmentSpec,
    /// `[stack_size][features]`, oldest first.
    frames: Vec<f32>,
    features: usize,
}

impl<E: Environment> FrameStackObservation<E> {
    /// Stacks the last `stack_size` observations of `inner`.
    ///
    /// # Errors
    /// [`Error::Setting`] where `stack_size` is not from 1 to 1024.
    pub fn new(inner: E, stack_size: usize) -> Result<Self, Error> {
        check((1..=MOST_FRAMES as usize).contains(&stack_size), "env.frame_stack", || {
            format!("{stack_size} is not a whole number from 1 to {MOST_FRAMES}")
        })?;
        let mut spec = inner.spec().clone();
        let space = &mut spec.observation_space;
        let features = space.len();
        space.shape.insert(0, stack_size);
        (space.low, space.high) = (space.low.repeat(stack_size), space.high.repeat(stack_size));
        Ok(Self { inner, spec, frames: vec![0.0; stack_size * features], features })
    }
}

impl<E: Environment> Environment for FrameStackObservation<E> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        let (first, others) = self.frames.split_at_mut(self.features);
        self.inner.reset(seed, first)?;
        others.chunks_exact_mut(first.len()).for_each(|frame| frame.copy_from_slice(first));
        observation.copy_from_slice(&self.frames);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        self.spec.check_observation(observation)?;
        // The inner environment writes into the caller's slice, so that a failed step leaves the stack unchanged.
        let newest = self.frames.len() - self.features;
        let step = self.inner.step(action, &mut observation[newest..])?;
        self.frames.copy_within(self.features.., 0);
        self.frames[newest..].copy_from_slice(&observation[newest..]);
        observation.copy_from_slice(&self.frames);
        Ok(step)
    }

    forward_to_inner!(begin_step, action_mask, episode_statistics, scene, saves_within_episodes, saves_random_state);

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &(&self.frames, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (frames, inner): (Vec<f32>, Vec<u8>) = state::load(&self.spec.id, bytes)?;
        if frames.len() != self.frames.len() {
            return Err(state::refused(&self.spec.id, format!("it has {} stacked numbers", frames.len())));
        }
        self.inner.load_state(&inner)?;
        self.frames = frames;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::check::check;
    use crate::env::make;

    #[test]
    fn the_newest_observation_is_last_and_the_first_one_fills_all_places() {
        let mut plain = make("CartPole-v1").unwrap();
        let mut stacked = FrameStackObservation::new(make("CartPole-v1").unwrap(), 3).unwrap();
        let (mut seen, mut all) = (vec![[0.0; 4]; 4], [0.0; 12]);
        plain.reset(Some(1), &mut seen[0]).unwrap();
        stacked.reset(Some(1), &mut all).unwrap();
        assert_eq!(all[..], [seen[0], seen[0], seen[0]].concat());
        for next in &mut seen[1..] {
            plain.step(1, next).unwrap();
            stacked.step(1, &mut all).unwrap();
        }
        assert_eq!(all[..], seen[1..].concat());
    }

    #[test]
    fn a_stack_keeps_an_environments_promises() {
        check(&mut FrameStackObservation::new(make("CartPole-v1").unwrap(), 4).unwrap()).unwrap();
    }
}
