//! The environment: what an agent acts in.
//!
//! The contract is Gymnasium's with its two ambiguities removed: an episode says *why* it ended ([`End`]), and stepping
//! an episode that has ended is an error instead of a warning.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::render::Scene;
use crate::space::{BoxSpace, Discrete};

/// Why an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The task itself ended: nothing can be earned from here on, so the return ends here.
    Terminated,
    /// The clock ended it (a time limit): the task would have gone on, so the last observation still has a value.
    Truncated,
}

/// What one step gives, besides the observation that it writes into the caller's slice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The reward of this step.
    pub reward: f64,
    /// Why the episode ended with this step, if it did.
    pub end: Option<End>,
}

/// What is known of an environment before it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// The name it is made by, such as `CartPole-v0`.
    pub id: String,
    /// What it shows.
    pub observation_space: BoxSpace,
    /// What it accepts.
    pub action_space: Discrete,
    /// After how many steps an episode is truncated, if ever.
    pub max_episode_steps: Option<u32>,
    /// The mean return from which the task counts as solved, if it is agreed upon.
    pub reward_threshold: Option<f64>,
    /// How many steps a second look natural when it is shown.
    pub render_fps: u32,
}

/// An environment with a finite set of actions.
pub trait Environment: Send {
    /// Its spaces and limits; the same for the whole life of the environment.
    fn spec(&self) -> &EnvironmentSpec;

    /// Starts a new episode and writes its first observation into `observation` (the space's length).
    ///
    /// With a seed, the environment's random stream starts anew from it; without one, the stream goes on.
    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error>;

    /// Takes `action` (one of `0..n`) and writes the next observation into `observation`.
    ///
    /// # Errors
    /// [`Error::StepBeforeReset`] before the first reset and after the end of an episode, [`Error::InvalidAction`] for an
    /// action outside the space.
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error>;

    /// A picture of the present state, or `None` where the environment cannot be shown.
    fn scene(&mut self) -> Result<Option<Scene>, Error>;

    /// The whole changing state (episode and random stream), to be given to [`Environment::load_state`].
    fn save_state(&self) -> Result<Vec<u8>, Error>;

    /// Puts back what [`Environment::save_state`] gave: from here on the two are indistinguishable.
    fn load_state(&mut self, state: &[u8]) -> Result<(), Error>;
}
