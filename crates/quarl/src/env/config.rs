//! `[env]`.

use toml::{Table, Value};

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{
    Bounds, Condition, Consistent, Context, Section, Setting, at_least, check, from_to, not_expected, settings,
};
use crate::env::GYM_PREFIX;
use crate::error::Error;

/// The largest number of environments in one run.
pub(crate) const MOST_ENVIRONMENTS: u32 = 1024;
/// The largest number of stacked observations.
const MOST_FRAMES: u32 = 1024;

const GYMNASIUM: Condition =
    Condition::new("env.id = \"gym:..\" (an environment of Gymnasium)", |config| config.env.is_gymnasium());

settings! {
    /// `[env]`: the environment.
    pub struct EnvConfig: "env" {
        /// The environment's name: a built-in one, or gym:ID for Gymnasium's environment ID.
        id: String = Required;
        /// Time limit of training and greedy episodes in environment steps.
        max_episode_steps: StepLimit = Is(StepLimit::Environment), in at_least(1);
        /// Factor that rewards are multiplied by, before they are clipped; returns are reported without it. Not 0.
        reward_scale: f64 = Is(1.0);
        /// Interval that rewards are clipped to, if any; returns are reported without it.
        clip_reward: Option<[f64; 2]> = Is(None);
        /// Number of latest observations that are shown together.
        frame_stack: usize = Is(1), in from_to(1, MOST_FRAMES);
        /// Whether observations are normalised to mean 0 and variance 1 before the network sees them.
        normalize_observation: bool = Is(false);
    }
    sections {
        /// `[env.gym]`, of an environment of Gymnasium.
        gym: GymConfig;
    }
}

settings! {
    /// `[env.gym]`: how an environment of Gymnasium is made.
    pub struct GymConfig: "env.gym" {
        /// The Python interpreter; auto takes that of the active virtual environment, of ./.venv, or python3.
        python: String = Is(AUTO.to_owned()), if GYMNASIUM;
        /// Python modules to import first, because they register environments.
        imports: Vec<String> = Is(Vec::new()), if GYMNASIUM;
        /// Keyword arguments for gymnasium.make.
        kwargs: Table = Is(Table::new()), if GYMNASIUM;
        /// How long the environment may take to answer, in seconds.
        timeout_seconds: u64 = Is(60), in at_least(1), if GYMNASIUM;
        /// How many of a run's environments (training.num_envs) share a process.
        environments_per_worker: usize = Is(1), in from_to(1, MOST_ENVIRONMENTS), if GYMNASIUM;
    }
}

/// The value of `env.gym.python` that leaves the choice to the library.
pub(crate) const AUTO: &str = "auto";

/// After how many environment steps an episode is truncated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepLimit {
    /// Where the environment says.
    #[default]
    Environment,
    /// After this many steps.
    Steps(u32),
}

impl StepLimit {
    const ENVIRONMENT: &str = "environment";

    /// The number of steps; none where the environment decides.
    pub(crate) fn steps(self) -> Option<u32> {
        match self {
            Self::Environment => None,
            Self::Steps(steps) => Some(steps),
        }
    }
}

impl Setting for StepLimit {
    fn expected(bounds: &Bounds) -> String {
        format!("{}, or environment for the environment's own limit", u32::expected(bounds))
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
    /// The environment of this name with all other settings at their defaults.
    pub fn named(id: &str) -> Self {
        let mut config = Self::read(&Context(&Table::new())).expect("defaults are in range");
        id.clone_into(&mut config.id);
        config
    }

    /// Whether it is one of Gymnasium's.
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
        check(self.reward_scale != 0.0, "env.reward_scale", || {
            "0.0 makes every reward 0: choose another number".to_owned()
        })
    }
}
