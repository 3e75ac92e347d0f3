//! The registry of environments: the built-in ones, and Gymnasium environments, whose ids begin with `gym:`.

#[cfg(all(feature = "gym", unix))]
use super::gym;
use super::{Acrobot, CartPole, Environment, MountainCar, wrappers};
use crate::config::EnvConfig;
use crate::error::Error;
use crate::stop::StopFlag;
use crate::suggest;

/// The prefix of the ids of Gymnasium environments.
pub const GYM_PREFIX: &str = "gym:";

/// A built-in environment.
struct BuiltIn {
    id: &'static str,
    make: fn() -> Box<dyn Environment>,
    /// The smallest and the largest reward of a step.
    rewards: [f64; 2],
}

/// The built-in environments, in alphabetical order.
const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn { id: "Acrobot-v1", make: || Box::new(Acrobot::v1()), rewards: [-1.0, 0.0] },
    BuiltIn { id: "CartPole-v0", make: || Box::new(CartPole::v0()), rewards: [1.0, 1.0] },
    BuiltIn { id: "CartPole-v1", make: || Box::new(CartPole::v1()), rewards: [1.0, 1.0] },
    BuiltIn { id: "MountainCar-v0", make: || Box::new(MountainCar::v0()), rewards: [-1.0, -1.0] },
];

/// The ids of the built-in environments, in alphabetical order.
pub fn ids() -> [&'static str; BUILT_IN.len()] {
    BUILT_IN.map(|built_in| built_in.id)
}

/// The task of an environment: `gym:CartPole-v1` is the same task as the built-in `CartPole-v1`.
pub(crate) fn task(id: &str) -> &str {
    id.strip_prefix(GYM_PREFIX).unwrap_or(id)
}

/// Creates the environment `id` with its time limit. An id that begins with `gym:` is a Gymnasium environment.
///
/// ```
/// use quarl::env;
///
/// let mut env = env::make("CartPole-v1")?;
/// let mut observation = vec![0.0; env.spec().observation_space.len()];
/// env.reset(Some(0), &mut observation)?; // the same observation as Gymnasium's reset(seed=0)
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
/// [`Error::UnknownEnvironment`], with the nearest known ids; for a Gymnasium environment also [`Error::Gym`].
pub fn make(id: &str) -> Result<Box<dyn Environment>, Error> {
    make_configured(&EnvConfig::named(id), &MakeOptions::default())
}

/// Options for creating an environment.
#[derive(Clone, Debug, Default)]
pub struct MakeOptions {
    /// Whether the environment will be rendered.
    pub rendering: bool,
    /// Cancels the wait for an environment in Python: the waiting call fails with [`Error::Stopped`].
    pub stop: StopFlag,
}

/// Creates the environment of `config`, with its wrappers.
///
/// # Errors
/// Those of [`make`], and [`Error::Setting`] for a wrapper's settings.
pub fn make_configured(config: &EnvConfig, options: &MakeOptions) -> Result<Box<dyn Environment>, Error> {
    let env = match config.id.strip_prefix(GYM_PREFIX) {
        Some(name) => bridged(name, config, options, 1)?.remove(0),
        None => built_in(&config.id)?,
    };
    wrappers::wrap(env, config)
}

/// Creates `count` environments as [`make_configured`] does. Gymnasium environments share worker processes as
/// `env.gym.environments_per_worker` sets.
///
/// # Errors
/// Those of [`make_configured`].
pub fn make_several(
    config: &EnvConfig,
    count: usize,
    options: &MakeOptions,
) -> Result<Vec<Box<dyn Environment>>, Error> {
    let Some(name) = config.id.strip_prefix(GYM_PREFIX) else {
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
    BUILT_IN.iter().find(|built_in| built_in.id == id).map(|built_in| (built_in.make)()).ok_or_else(|| unknown(id))
}

/// The range of a task's rewards and its time limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KnownRewards {
    pub(crate) range: [f64; 2],
    pub(crate) steps: u32,
}

/// The rewards of a built-in task; `gym:CartPole-v1` is the same task as `CartPole-v1`.
pub(crate) fn known_rewards(id: &str) -> Option<KnownRewards> {
    let built_in = BUILT_IN.iter().find(|built_in| built_in.id == task(id))?;
    let steps = (built_in.make)().spec().max_episode_steps?;
    Some(KnownRewards { range: built_in.rewards, steps })
}

/// Ids of Gymnasium's environments, for suggestions.
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

/// The error for an unknown id, with the nearest ids, Gymnasium's included.
fn unknown(id: &str) -> Error {
    let prefixed = |name: &&str| if ids().contains(name) { (*name).to_owned() } else { format!("{GYM_PREFIX}{name}") };
    let nearest: Vec<String> = suggest::nearest(id, OF_GYMNASIUM).iter().map(prefixed).collect();
    let suggestion =
        if nearest.is_empty() { String::new() } else { format!("did you mean {}? ", nearest.join(" or ")) };
    let remedy =
        format!("{suggestion}built-in environments: {}; use gym:ID for a Gymnasium environment", ids().join(", "));
    Error::UnknownEnvironment { id: id.to_owned(), remedy }
}

/// Creates `count` Gymnasium environments, at most `environments_per_worker` in each worker process.
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
    let message = "this build does not support Gymnasium: build it for Unix with the feature 'gym'".to_owned();
    Err(Error::Gym { id: config.id.clone(), message })
}
