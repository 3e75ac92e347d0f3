//! The latest observations, seen together.

use super::{forward_to_inner, invalid};
use crate::env::{Environment, EnvironmentSpec, Step, state};
use crate::error::Error;
use crate::space::BoxSpace;

/// More frames than this are a typing mistake.
const MOST_FRAMES: usize = 1024;

/// An environment that shows its latest observations together, oldest first: shape `[frames, ..]`. So an agent sees how
/// things move (Mnih et al. 2015). At the start of an episode, the first observation stands for those before it.
#[derive(Clone, Debug)]
pub struct FrameStackObservation<E> {
    inner: E,
    spec: EnvironmentSpec,
    /// What was last shown.
    frames: Vec<f32>,
    /// Numbers in one frame.
    len: usize,
}

impl<E: Environment> FrameStackObservation<E> {
    /// Shows the latest `frames` observations of `inner`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] unless `frames` is from 1 to 1024.
    pub fn new(inner: E, frames: usize) -> Result<Self, Error> {
        if !(1..=MOST_FRAMES).contains(&frames) {
            return Err(invalid("frame_stack", frames, format!("choose from 1 to {MOST_FRAMES} frames")));
        }
        let mut spec = inner.spec().clone();
        let BoxSpace { shape, low, high, dtype } = spec.observation_space;
        spec.observation_space = BoxSpace {
            shape: std::iter::once(frames).chain(shape).collect(),
            low: low.repeat(frames),
            high: high.repeat(frames),
            dtype,
        };
        let len = inner.spec().observation_space.len();
        Ok(Self { inner, spec, frames: vec![0.0; frames * len], len })
    }
}

impl<E: Environment> Environment for FrameStackObservation<E> {
    forward_to_inner!(action_mask, episode_statistics, scene, saves_within_episodes);

    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        let (first, others) = observation.split_at_mut(self.len);
        self.inner.reset(seed, first)?;
        others.chunks_exact_mut(self.len).for_each(|frame| frame.copy_from_slice(first));
        self.frames.copy_from_slice(observation);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        self.spec.check_observation(observation)?;
        let (older, newest) = observation.split_at_mut(self.frames.len() - self.len);
        let step = self.inner.step(action, newest)?;
        older.copy_from_slice(&self.frames[self.len..]);
        self.frames.copy_from_slice(observation);
        Ok(step)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &(&self.frames, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (frames, inner): (Vec<f32>, Vec<u8>) = state::load(&self.spec.id, bytes)?;
        if frames.len() != self.frames.len() || frames.iter().any(|x| !x.is_finite()) {
            let (expected, len) = (self.frames.len(), self.len);
            let message = format!("its frames are not {expected} finite numbers, {len} a frame");
            return Err(state::refused(&self.spec.id, message));
        }
        self.inner.load_state(&inner)?;
        self.frames = frames;
        Ok(())
    }
}
