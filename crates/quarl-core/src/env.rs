//! Environments: the trait [`Environment`], the built-in tasks, wrappers, and Gymnasium's environments.
//!
//! The interface is Gymnasium's, with two differences: an episode reports why it ended ([`End`]) in one value instead of
//! two flags, and stepping an episode that has ended is an error instead of a warning.
//!
//! [`make`] creates an environment by its id, [`make_configured`] from `[env]` settings (with wrappers, or a Gymnasium
//! environment in Python). [`TimeLimit`] adds a time limit to any environment.

pub mod acrobot;
pub mod cartpole;
pub mod check;
pub mod classic_control;
pub(crate) mod config;
#[cfg(all(feature = "gym", unix))]
pub mod gym;
pub mod mountain_car;
mod registry;
pub mod state;
pub(crate) mod values;
pub mod wrappers;

pub use acrobot::Acrobot;
pub use cartpole::CartPole;
pub use mountain_car::MountainCar;
pub use registry::{GYM_PREFIX, MakeOptions, ids, make, make_configured, make_several};
pub(crate) use registry::{known_rewards, task};
pub use wrappers::{FrameStackObservation, TimeLimit};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::scene::Scene;
use crate::space::{BoxSpace, Discrete};

/// Why an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// A terminal state was reached: no reward follows, so the TD target does not bootstrap.
    Terminated,
    /// The time limit was reached: the task would have continued, so the TD target bootstraps from the last observation.
    Truncated,
}

/// The outcome of one step. The next observation is written into the caller's slice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The reward.
    pub reward: f64,
    /// Why the episode ended with this step; `None` if it continues.
    pub end: Option<End>,
}

/// The static description of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// The id that [`make`] knows it by, such as `CartPole-v0`.
    pub id: String,
    /// The observation space.
    pub observation_space: BoxSpace,
    /// The action space.
    pub action_space: Discrete,
    /// The number of steps after which an episode is truncated; `None` without a time limit.
    pub max_episode_steps: Option<u32>,
    /// The mean return from which the task counts as solved; `None` if no threshold is agreed upon.
    pub reward_threshold: Option<f64>,
    /// Frames per second for rendering; one step is one frame.
    pub render_fps: u32,
    /// Whether the environment provides an action mask with each observation (see [`Environment::action_mask`]).
    pub has_action_mask: bool,
}

impl EnvironmentSpec {
    /// Refuses a specification without actions, with an empty observation, or with bounds that do not match the shape.
    ///
    /// # Errors
    /// [`Error::Unusable`].
    pub fn check(&self) -> Result<(), Error> {
        let BoxSpace { shape, low, high, .. } = &self.observation_space;
        let numbers = shape.iter().try_fold(1_usize, |numbers, size| numbers.checked_mul(*size));
        let message = if self.action_space.n == 0 {
            "it has no actions; at least one is needed".to_owned()
        } else if numbers.is_none_or(|numbers| numbers == 0) {
            format!("observations of shape {shape:?} cannot be learnt from; every dimension has to be at least 1")
        } else if numbers != Some(low.len()) || numbers != Some(high.len()) {
            let (low, high) = (low.len(), high.len());
            format!(
                "observations of shape {shape:?} have {low} lower and {high} upper bounds; each number needs one of each"
            )
        } else {
            return Ok(());
        };
        Err(Error::Unusable { what: self.id.clone(), message })
    }

    /// Refuses a slice whose length is not that of an observation.
    ///
    /// # Errors
    /// [`Error::ObservationLength`].
    #[inline]
    pub fn check_observation(&self, observation: &[f32]) -> Result<(), Error> {
        let (expected, actual) = (self.observation_space.len(), observation.len());
        if actual == expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: self.id.clone(), expected, actual })
    }

    /// Refuses an action outside the action space.
    ///
    /// # Errors
    /// [`Error::InvalidAction`].
    #[inline]
    pub fn check_action(&self, action: usize) -> Result<(), Error> {
        if self.action_space.contains(action) {
            return Ok(());
        }
        Err(Error::InvalidAction { id: self.id.clone(), action, n: self.action_space.n })
    }
}

/// An environment with a finite set of actions, and observations in a box of numbers.
///
/// To make an environment of your own, implement [`spec`](Self::spec), [`reset`](Self::reset), [`step`](Self::step),
/// [`scene`](Self::scene), [`save_state`](Self::save_state) and [`load_state`](Self::load_state); the other methods have
/// defaults. [`state::save`] and [`state::load`] serialise a struct. Train on it with
/// [`TrainerBuilder::environment`](crate::train::TrainerBuilder::environment), after testing it with [`check::check`], which
/// checks every promise made here. `examples/own_environment.rs` is a complete example.
///
/// A call that is refused because of its arguments changes nothing.
pub trait Environment: Send {
    /// The environment's spaces and limits. They never change.
    fn spec(&self) -> &EnvironmentSpec;

    /// Starts a new episode and writes its first observation into `observation`.
    ///
    /// With a seed, the environment's random generator is seeded anew; without one, it continues.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] for a slice of the wrong length.
    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error>;

    /// Takes `action` (in `0..n`) and writes the next observation into `observation`.
    ///
    /// # Errors
    /// [`Error::StepBeforeReset`] before the first reset and after the end of an episode, [`Error::InvalidAction`] for an
    /// action outside the space, [`Error::ObservationLength`] for a slice of the wrong length.
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error>;

    /// Announces that [`Environment::step`] with this action comes next. An environment that runs in another process can
    /// start working immediately, so that several environments run in parallel. Other environments need not implement it.
    ///
    /// [`Environment::reset`] and [`Environment::load_state`] abandon an announced step. [`Environment::scene`] between the
    /// announcement and the step shows the state before or after the step. Announcing the same action twice has no effect.
    ///
    /// # Errors
    /// Those of [`Environment::step`], from this call or from the following `step`. [`Error::StepBegun`], from this call
    /// and from `step`, for another action than the announced one; the announced step can still be taken.
    fn begin_step(&mut self, _action: usize) -> Result<(), Error> {
        Ok(())
    }

    /// The action mask of the latest observation: one entry for each action, true if it is allowed; `None` where every
    /// action is always allowed.
    ///
    /// It is `Some` exactly where the specification has `has_action_mask`. At least one action is allowed while an episode
    /// runs.
    fn action_mask(&self) -> Option<&[bool]> {
        None
    }

    /// The return and length of the latest episode so far, before any wrapper changed its rewards; `None` where no
    /// [`wrappers::RecordEpisodeStatistics`] records them.
    fn episode_statistics(&self) -> Option<wrappers::EpisodeStatistics> {
        None
    }

    /// A drawing of the current state, or `None` where the environment cannot be drawn.
    fn scene(&mut self) -> Result<Option<Scene>, Error>;

    /// Whether [`Environment::save_state`] in the middle of an episode includes that episode. If not, no episode is running
    /// after [`Environment::load_state`].
    fn saves_within_episodes(&self) -> bool {
        true
    }

    /// Whether [`Environment::save_state`] includes the random generator's state, so that a reset without a seed after
    /// [`Environment::load_state`] starts the same episode as without the interruption. If not (the generator cannot be
    /// read, or is not known), training and evaluation seed every episode (see [`wrappers::SeedEpisodes`]), so that an
    /// interrupted run equals an uninterrupted one.
    fn saves_random_state(&self) -> bool {
        true
    }

    /// Serialises everything that changes (the episode and the random generator), for [`Environment::load_state`].
    fn save_state(&self) -> Result<Vec<u8>, Error>;

    /// Restores a state from [`Environment::save_state`]. From then on the environment behaves like the saved one, except
    /// for what [`Environment::saves_within_episodes`] and [`Environment::saves_random_state`] exclude.
    fn load_state(&mut self, state: &[u8]) -> Result<(), Error>;
}

impl<E: Environment + ?Sized> Environment for Box<E> {
    fn spec(&self) -> &EnvironmentSpec {
        (**self).spec()
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        (**self).reset(seed, observation)
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        (**self).step(action, observation)
    }

    fn begin_step(&mut self, action: usize) -> Result<(), Error> {
        (**self).begin_step(action)
    }

    fn action_mask(&self) -> Option<&[bool]> {
        (**self).action_mask()
    }

    fn episode_statistics(&self) -> Option<wrappers::EpisodeStatistics> {
        (**self).episode_statistics()
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        (**self).scene()
    }

    fn saves_within_episodes(&self) -> bool {
        (**self).saves_within_episodes()
    }

    fn saves_random_state(&self) -> bool {
        (**self).saves_random_state()
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        (**self).save_state()
    }

    fn load_state(&mut self, state: &[u8]) -> Result<(), Error> {
        (**self).load_state(state)
    }
}
