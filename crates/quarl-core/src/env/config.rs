//! `[env]`.

use toml::{Table, Value};

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Is, Required};
use crate::config::settings::{
    Bounds, Condition, Consistent, Context, Section, Setting, at_least, from_to, not_expected, not_zero, settings,
};
use crate::env::GYM_PREFIX;
use crate::error::Error;

/// The maximum number of environments in one run.
pub(crate) const MOST_ENVIRONMENTS: u32 = 1024;
/// The maximum number of stacked observations.
pub(super) const MOST_FRAMES: u32 = 1024;

const GYMNASIUM: Condition = Condition::new("env.id = \"gym:ID\"", |config| config.env.is_gymnasium());

settings! {
    /// `[env]`: the environment and its wrappers.
    ///
    /// Wrappers are applied in the order of the keys, the first one closest to the environment. Returns are reported as the environment gives them,
    /// before rewards are scaled and clipped.
    pub struct EnvConfig: "env" {
        /// Name of the environment: a built-in one, or gym:ID for an environment of Gymnasium.
        ///
        /// Built-in are CartPole-v0, CartPole-v1, Acrobot-v1 and MountainCar-v0.
        id: String = Required, guide "gymnasium";
        /// Time limit of an episode, after which it is truncated.
        ///
        /// `"environment"` keeps the limit of the environment. A number shortens episodes; a number above the
        /// environment's own limit is an error.
        max_episode_steps: StepLimit = Is(StepLimit::Environment), in at_least(1), unit "environment steps", guide "wrappers";
        /// Factor by which rewards are multiplied, before they are clipped.
        ///
        /// Choose it so that Q-values are of the order of 1 to 100.
        reward_scale: f64 = Is(1.0), in not_zero(), guide "wrappers";
        /// Interval to which rewards are clipped.
        ///
        /// Clipping limits the size of TD errors (Mnih et al. 2015), but a large and a small reward look the same. Not set: rewards
        /// are not clipped.
        clip_reward: Option<[f64; 2]> = Is(None), guide "wrappers";
        /// Number of successive observations that form the network's input (frame stacking).
        ///
        /// 1 is the newest observation alone. Raise it where one observation does not show velocities.
        frame_stack: usize = Is(1), in from_to(1, MOST_FRAMES), unit "observations", guide "wrappers";
        /// Whether observations are normalised to mean 0 and variance 1 before they reach the network.
        ///
        /// Switch it on where the components of an observation have very different sizes. The statistics are those of the training
        /// observations so far, and are saved with the model. Evaluation does not change them. Values are not clipped.
        normalize_observation: bool = Is(false), guide "wrappers";
    }
    sections {
        /// `[env.gym]`, of an environment of Gymnasium.
        gym: GymConfig;
    }
}

settings! {
    /// `[env.gym]`: how an environment of Gymnasium is created.
    pub struct GymConfig: "env.gym" {
        /// Python interpreter with Gymnasium.
        ///
        /// `"auto"` is that of the active virtual environment, else that of `./.venv`, else `python3`.
        python: String = Is(AUTO.to_owned()), guide "gymnasium", if GYMNASIUM;
        /// Python modules that are imported first, because they register environments.
        imports: Vec<String> = Is(Vec::new()), guide "gymnasium", if GYMNASIUM;
        /// Keyword arguments of gymnasium.make.
        kwargs: Table = Is(Table::new()), guide "gymnasium", if GYMNASIUM;
        /// Maximum time for a step or a reset.
        ///
        /// A worker process that takes longer is killed and replaced, and its episode is dropped. Starting may take 120 seconds, or
        /// this if it is longer.
        timeout_seconds: u64 = Is(60), in at_least(1), unit "seconds", guide "gymnasium", if GYMNASIUM;
        /// Number of the run's environments (training.num_envs) that share a Python process.
        ///
        /// More environments in a process take less memory, and step one after the other.
        environments_per_worker: usize = Is(1), in from_to(1, MOST_ENVIRONMENTS), unit "environments", guide "gymnasium",
            if GYMNASIUM;
    }
}

/// The value of `env.gym.python` for automatic detection.
pub(crate) const AUTO: &str = "auto";

/// The time limit of an episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepLimit {
    /// That of the environment.
    #[default]
    Environment,
    /// After this many steps.
    Steps(u32),
}

impl StepLimit {
    const ENVIRONMENT: &str = "environment";

    /// The number of steps; `None` for the environment's own limit.
    pub(crate) fn steps(self) -> Option<u32> {
        match self {
            Self::Environment => None,
            Self::Steps(steps) => Some(steps),
        }
    }
}

impl Setting for StepLimit {
    const NAME: &'static str = "whole number, or \"environment\"";

    fn expected(bounds: &Bounds) -> String {
        format!("{}, or \"environment\" for the limit of the environment", u32::expected(bounds))
    }

    fn schema(bounds: &Bounds) -> serde_json::Value {
        let mut steps = u32::schema(bounds);
        steps["maximum"] = u32::MAX.into();
        serde_json::json!({ "anyOf": [steps, { "const": Self::ENVIRONMENT }] })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, context: &Context) -> Result<Self, Error> {
        match value.as_str() {
            Some(Self::ENVIRONMENT) => Ok(Self::Environment),
            Some(_) => Err(not_expected(key, value, &Self::expected(bounds))),
            None if value.as_integer().is_none_or(|steps| !bounds.contains_integer(steps)) => {
                Err(not_expected(key, value, &Self::expected(bounds)))
            }
            None => u32::read(key, value, bounds, context).map(Self::Steps),
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::Environment => Some(Self::ENVIRONMENT.into()),
            Self::Steps(steps) => steps.write(),
        }
    }
}

impl EnvConfig {
    /// The environment `id` with the defaults of all other settings.
    pub fn named(id: &str) -> Self {
        let mut config = Self::read(&Context(&Table::new())).expect("defaults are in range");
        id.clone_into(&mut config.id);
        config
    }

    /// Whether it is a Gymnasium environment.
    pub fn is_gymnasium(&self) -> bool {
        self.id.starts_with(GYM_PREFIX)
    }
}

impl Default for GymConfig {
    fn default() -> Self {
        Self::read(&Context(&Table::new())).expect("defaults are in range")
    }
}

impl Consistent for EnvConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        Ok(())
    }
}
