//! `[env]`.

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{Condition, Consistent, at_least, check, from_to, settings};
use crate::error::Error;

/// The largest number of environments in one run.
pub(crate) const MOST_ENVIRONMENTS: u32 = 1024;
/// The largest number of stacked observations.
const MOST_FRAMES: u32 = 1024;
/// How long one of Gymnasium's environments may take to answer, in seconds.
const TIMEOUT_SECONDS: u64 = 60;

const GYMNASIUM: Condition =
    Condition::new("env.id = \"gym:..\" (an environment of Gymnasium)", |config| config.env.is_gymnasium());

settings! {
    /// `[env]`: the environment.
    pub struct EnvConfig: "env" {
        /// The environment's name: a built-in one, or gym:ID for Gymnasium's environment ID.
        id: String = Required;
        /// The Python interpreter; without the key, that of the active virtual environment, of ./.venv, or python3.
        python: Option<String> = Is(None), if GYMNASIUM;
        /// Python modules to import first, because they register environments.
        imports: Vec<String> = Is(Vec::new()), if GYMNASIUM;
        /// How long the environment may take to answer, in seconds.
        timeout_seconds: u64 = Is(TIMEOUT_SECONDS), in at_least(1), if GYMNASIUM;
        /// How many of a run's environments (training.num_envs) share a process.
        environments_per_worker: usize = Is(1), in from_to(1, MOST_ENVIRONMENTS), if GYMNASIUM;
        /// Arguments for gymnasium.make.
        args: toml::Table = Is(toml::Table::new()), if GYMNASIUM;
        /// Time limit in environment steps; without the key, the environment's own.
        max_episode_steps: Option<u32> = Is(None), in at_least(1);
        /// Factor that rewards are multiplied by, before they are clipped; returns are reported without it. Not 0.
        reward_scale: Option<f64> = Is(None);
        /// Interval that rewards are clipped to; returns are reported without it.
        clip_reward: Option<[f64; 2]> = Is(None);
        /// Number of latest observations that are shown together; without the key, one.
        frame_stack: Option<usize> = Is(None), in from_to(1, MOST_FRAMES);
        /// Whether observations are normalised to mean 0 and variance 1 before the network sees them.
        normalize_observation: bool = Is(false);
    }
}

impl EnvConfig {
    /// The environment of this name without further settings.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            python: None,
            imports: Vec::new(),
            timeout_seconds: TIMEOUT_SECONDS,
            environments_per_worker: 1,
            args: toml::Table::new(),
            max_episode_steps: None,
            reward_scale: None,
            clip_reward: None,
            frame_stack: None,
            normalize_observation: false,
        }
    }

    /// Whether it is one of Gymnasium's.
    pub fn is_gymnasium(&self) -> bool {
        self.id.starts_with("gym:")
    }
}

impl Consistent for EnvConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        check(self.reward_scale != Some(0.0), "env.reward_scale", || {
            "0.0 makes every reward 0: choose another number".to_owned()
        })
    }
}
