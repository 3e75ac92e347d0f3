//! The environment: what an agent acts in.
//!
//! The contract is Gymnasium's with its two ambiguities removed: an episode says *why* it ended ([`End`]), and stepping
//! an episode that has ended is an error instead of a warning.
//!
//! [`make`] builds the environments that are known by name, [`make_configured`] those that need more than a name (Gymnasium's,
//! in Python); [`TimeLimit`] puts a clock over any environment.

pub mod acrobot;
pub mod cartpole;
pub mod check;
pub mod classic_control;
pub(crate) mod config;
#[cfg(all(feature = "gym", unix))]
pub mod gym;
pub mod mountain_car;
pub mod seeding;
pub mod state;
pub(crate) mod values;
pub mod wrappers;

pub use acrobot::Acrobot;
pub use cartpole::CartPole;
pub use mountain_car::MountainCar;
pub use wrappers::{FrameStackObservation, TimeLimit};

use serde::{Deserialize, Serialize};

use crate::config::EnvConfig;
use crate::error::Error;
use crate::render::Scene;
use crate::space::{BoxSpace, Discrete};
use crate::stop::StopFlag;
use crate::suggest;

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
    /// Whether it says, for each observation, which actions are allowed (see [`Environment::action_mask`]).
    pub has_action_mask: bool,
}

impl EnvironmentSpec {
    /// Refuses an environment without actions, without numbers in its observations, or with bounds of another length.
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

    /// Refuses a slice that does not have the length of an observation.
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

/// An environment with a finite set of actions.
///
/// A call that is refused for its arguments changes nothing. [`check::check`] tries out whether an environment keeps what is
/// promised here.
pub trait Environment: Send {
    /// Its spaces and limits; the same for the whole life of the environment.
    fn spec(&self) -> &EnvironmentSpec;

    /// Starts a new episode and writes its first observation into `observation` (the space's length).
    ///
    /// With a seed, the environment's random stream starts anew from it; without one, the stream goes on.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] for a slice of the wrong length.
    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error>;

    /// Takes `action` (one of `0..n`) and writes the next observation into `observation`.
    ///
    /// # Errors
    /// [`Error::StepBeforeReset`] before the first reset and after the end of an episode, [`Error::InvalidAction`] for an
    /// action outside the space, [`Error::ObservationLength`] for a slice of the wrong length.
    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error>;

    /// Announces that [`Environment::step`] with this action comes next. An environment that works elsewhere can begin at
    /// once, so that several of them work at the same time; the others need do nothing.
    ///
    /// A step that has begun can be abandoned by [`Environment::reset`] and [`Environment::load_state`]. A
    /// [`Environment::scene`] in between shows the state before or after the step. Announcing the same action again changes
    /// nothing.
    ///
    /// # Errors
    /// As [`Environment::step`], here or in that call. [`Error::StepBegun`], here and in [`Environment::step`], for another
    /// action than the one that has begun; the step that has begun can still be taken.
    fn begin_step(&mut self, _action: usize) -> Result<(), Error> {
        Ok(())
    }

    /// Which actions are allowed at the latest observation, one entry an action; `None` where all always are.
    ///
    /// It is `Some` exactly where the spec has `has_action_mask`. At least one action is allowed while an episode runs.
    fn action_mask(&self) -> Option<&[bool]> {
        None
    }

    /// What the latest episode has earned so far, before any wrapper changed its rewards; `None` where nobody adds it up
    /// (see [`wrappers::RecordEpisodeStatistics`]).
    fn episode_statistics(&self) -> Option<wrappers::EpisodeStatistics> {
        None
    }

    /// A picture of the present state, or `None` where the environment cannot be shown.
    fn scene(&mut self) -> Result<Option<Scene>, Error>;

    /// Whether a state that [`Environment::save_state`] gives in the middle of an episode includes that episode. Where it
    /// does not, no episode runs after [`Environment::load_state`].
    fn saves_within_episodes(&self) -> bool {
        true
    }

    /// Whether [`Environment::save_state`] includes the random state, so that a reset without a seed after
    /// [`Environment::load_state`] starts the episode that would have followed. Where it does not (a generator that cannot
    /// be read, or one that nobody knows of), training and evaluation seed every episode (see
    /// [`wrappers::SeedEpisodes`]), so that an interrupted run equals an uninterrupted one.
    fn saves_random_state(&self) -> bool {
        true
    }

    /// The whole changing state (episode and random stream), to be given to [`Environment::load_state`].
    fn save_state(&self) -> Result<Vec<u8>, Error>;

    /// Restores what [`Environment::save_state`] gave: from here on the two are indistinguishable, except for what
    /// [`Environment::saves_within_episodes`] and [`Environment::saves_random_state`] exclude.
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

/// The names that [`make`] knows, in alphabetical order.
pub fn ids() -> &'static [&'static str] {
    &["Acrobot-v1", "CartPole-v0", "CartPole-v1", "MountainCar-v0"]
}

/// The environment called `id`, with its time limit. An id that begins with `gym:` is one of Gymnasium's.
///
/// ```
/// use quarl::env;
///
/// let mut env = env::make("CartPole-v1")?;
/// let mut observation = vec![0.0; env.spec().observation_space.len()];
/// env.reset(Some(0), &mut observation)?; // what Gymnasium's reset(seed=0) shows
/// let mut total_reward = 0.0;
/// loop {
///     let step = env.step(usize::from(observation[2] > 0.0), &mut observation)?; // push where the pole leans
///     total_reward += step.reward;
///     if step.end.is_some() {
///         break;
///     }
/// }
/// assert!(total_reward > 20.0);
/// assert!(env.step(0, &mut observation).is_err()); // the episode is over
/// # Ok::<(), quarl::Error>(())
/// ```
///
/// # Errors
/// [`Error::UnknownEnvironment`], with the nearest known names; for one of Gymnasium's also [`Error::Gym`].
pub fn make(id: &str) -> Result<Box<dyn Environment>, Error> {
    make_configured(&EnvConfig::named(id), &MakeOptions::default())
}

/// How an environment is going to be used.
#[derive(Clone, Debug, Default)]
pub struct MakeOptions {
    /// Whether it is going to be shown.
    pub rendering: bool,
    /// Ends the wait for an environment in Python: its call fails with [`Error::Stopped`].
    pub stop: StopFlag,
}

/// The environment that a configuration says, with the wrappers that it asks for.
///
/// # Errors
/// As [`make`], and what is wrong with a wrapper's settings.
pub fn make_configured(config: &EnvConfig, options: &MakeOptions) -> Result<Box<dyn Environment>, Error> {
    let env = match config.id.strip_prefix("gym:") {
        Some(name) => bridged(name, config, options, 1)?.remove(0),
        None => built_in(&config.id)?,
    };
    wrappers::wrap(env, config)
}

/// As many environments as [`make_configured`] makes one; Gymnasium's share workers as `env.gym.environments_per_worker` says.
///
/// # Errors
/// As [`make_configured`].
pub fn make_several(
    config: &EnvConfig,
    count: usize,
    options: &MakeOptions,
) -> Result<Vec<Box<dyn Environment>>, Error> {
    let Some(name) = config.id.strip_prefix("gym:") else {
        return (0..count).map(|_| make_configured(config, options)).collect();
    };
    let together = config.gym.environments_per_worker.max(1);
    let mut envs = Vec::with_capacity(count);
    while envs.len() < count {
        for env in bridged(name, config, options, together.min(count - envs.len()))? {
            envs.push(wrappers::wrap(env, config)?);
        }
    }
    Ok(envs)
}

fn built_in(id: &str) -> Result<Box<dyn Environment>, Error> {
    Ok(match id {
        "Acrobot-v1" => Box::new(Acrobot::v1()),
        "CartPole-v0" => Box::new(CartPole::v0()),
        "CartPole-v1" => Box::new(CartPole::v1()),
        "MountainCar-v0" => Box::new(MountainCar::v0()),
        _ => return Err(unknown(id)),
    })
}

/// What is known of a task's rewards: the smallest and the largest one of a step, and how many steps an episode has at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KnownRewards {
    pub(crate) range: [f64; 2],
    pub(crate) steps: u32,
}

/// The rewards of a built-in task, which may also be Gymnasium's (`gym:CartPole-v1`).
pub(crate) fn known_rewards(id: &str) -> Option<KnownRewards> {
    let known = |low, high, steps| Some(KnownRewards { range: [low, high], steps });
    match id.strip_prefix("gym:").unwrap_or(id) {
        "Acrobot-v1" => known(-1.0, 0.0, 500),
        "CartPole-v0" => known(1.0, 1.0, 200),
        "CartPole-v1" => known(1.0, 1.0, 500),
        "MountainCar-v0" => known(-1.0, -1.0, 200),
        _ => None,
    }
}

/// Environments that Gymnasium is known to have, for suggestions.
const OF_GYMNASIUM: &[&str] = &[
    "Acrobot-v1",
    "Ant-v5",
    "BipedalWalker-v3",
    "BipedalWalkerHardcore-v3",
    "Blackjack-v1",
    "CarRacing-v3",
    "CartPole-v0",
    "CartPole-v1",
    "CliffWalking-v1",
    "CliffWalkingSlippery-v1",
    "FrozenLake-v1",
    "FrozenLake8x8-v1",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "LunarLander-v3",
    "LunarLanderContinuous-v3",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Taxi-v3",
    "Walker2d-v5",
];

/// The error of a name that is not built in: the nearest names, Gymnasium's among them.
fn unknown(id: &str) -> Error {
    let prefixed = |name: &&str| if ids().contains(name) { (*name).to_owned() } else { format!("gym:{name}") };
    let nearest: Vec<String> = suggest::nearest(id, OF_GYMNASIUM).iter().map(prefixed).collect();
    let suggestion =
        if nearest.is_empty() { String::new() } else { format!("did you mean {}? ", nearest.join(" or ")) };
    let remedy = format!("{suggestion}built in: {}; gym:ID is Gymnasium's environment ID", ids().join(", "));
    Error::UnknownEnvironment { id: id.to_owned(), remedy }
}

/// So many environments in one worker.
#[cfg(all(feature = "gym", unix))]
fn bridged(
    name: &str,
    config: &EnvConfig,
    options: &MakeOptions,
    count: usize,
) -> Result<Vec<Box<dyn Environment>>, Error> {
    let MakeOptions { rendering: render, stop } = options.clone();
    let options = gym::GymOptions { id: name.to_owned(), settings: config.gym.clone(), render, stop };
    let envs = gym::GymEnv::several(options, count)?;
    Ok(envs.into_iter().map(|env| Box::new(env) as Box<dyn Environment>).collect())
}

#[cfg(not(all(feature = "gym", unix)))]
fn bridged(_: &str, config: &EnvConfig, _: &MakeOptions, _: usize) -> Result<Vec<Box<dyn Environment>>, Error> {
    let message = "this build has no bridge to Python: build it for Unix with the feature 'gym'".to_owned();
    Err(Error::Gym { id: config.id.clone(), message })
}
