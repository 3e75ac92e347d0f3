//! A limit on the number of steps of an episode.

use crate::config::settings::check;
use crate::env::wrappers::forward_to_inner;
use crate::env::{End, Environment, EnvironmentSpec, Step, state};
use crate::error::Error;

/// An environment whose episodes are truncated after a number of steps.
///
/// If an episode terminates in the same step in which the limit is reached, [`End::Terminated`] is reported. (Gymnasium
/// sets both flags then.)
///
/// ```
/// use quarl::env::{CartPole, Environment, TimeLimit, classic_control::ClassicControl};
///
/// let env = TimeLimit::new(ClassicControl::<CartPole>::new(), 50)?;
/// assert_eq!(env.spec().max_episode_steps, Some(50));
/// # Ok::<(), quarl::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeLimit<E> {
    inner: E,
    spec: EnvironmentSpec,
    limit: u32,
    /// Steps taken in the running episode; `None` if no episode is running.
    elapsed: Option<u32>,
}

impl<E: Environment> TimeLimit<E> {
    /// Truncates the episodes of `inner` after `max_episode_steps` steps, or after its own limit where that is shorter.
    ///
    /// # Errors
    /// [`Error::Setting`] where `max_episode_steps` is 0.
    pub fn new(inner: E, max_episode_steps: u32) -> Result<Self, Error> {
        check(max_episode_steps > 0, "env.max_episode_steps", || "0 is not a whole number of at least 1".to_owned())?;
        Ok(Self::over(inner, max_episode_steps))
    }

    /// [`TimeLimit::new`] with a limit known to be at least 1.
    pub(crate) fn over(inner: E, limit: u32) -> Self {
        let mut spec = inner.spec().clone();
        spec.max_episode_steps = Some(spec.max_episode_steps.map_or(limit, |inner_limit| inner_limit.min(limit)));
        Self { inner, spec, limit, elapsed: None }
    }

    /// The environment without this time limit.
    pub fn inner(&self) -> &E {
        &self.inner
    }
}

impl<E: Environment> Environment for TimeLimit<E> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        // If the inner reset fails, no episode is running.
        self.elapsed = None;
        self.inner.reset(seed, observation)?;
        self.elapsed = Some(0);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        let Some(elapsed) = self.elapsed else {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        };
        let mut step = self.inner.step(action, observation)?;
        let elapsed = elapsed + 1;
        if step.end.is_none() && elapsed >= self.limit {
            step.end = Some(End::Truncated);
        }
        self.elapsed = step.end.is_none().then_some(elapsed);
        Ok(step)
    }

    fn begin_step(&mut self, action: usize) -> Result<(), Error> {
        // The inner episode may still be running after the time limit ended this one.
        if self.elapsed.is_none() {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.inner.begin_step(action)
    }

    forward_to_inner!(action_mask, episode_statistics, scene, saves_within_episodes, saves_random_state);

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &(self.elapsed, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (elapsed, inner): (Option<u32>, Vec<u8>) = state::load(&self.spec.id, bytes)?;
        if elapsed.is_some_and(|elapsed| elapsed >= self.limit) {
            let message = format!("its episode is longer than the limit of {} steps", self.limit);
            return Err(state::refused(&self.spec.id, message));
        }
        self.inner.load_state(&inner)?;
        self.elapsed = elapsed;
        Ok(())
    }
}
