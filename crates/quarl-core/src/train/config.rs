//! `[training]`.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Is, Required};
use crate::config::settings::{Consistent, at_least, check, from_to, invalid, settings};
use crate::env::config::MOST_ENVIRONMENTS;
use crate::error::Error;
use crate::replay::config::STORED;

settings! {
    /// `[training]`: the run's seed and length, and when it learns.
    ///
    /// The run's length is either `training.steps` or `training.episodes`. The update-to-data ratio is
    /// `training.gradient_steps / training.train_frequency` updates for each environment step.
    pub struct TrainingConfig: "training" {
        /// Seed of all random numbers of the run.
        ///
        /// The same configuration with the same seed gives the same results, byte for byte.
        seed: u64 = Required, in at_least(0), guide "measuring";
        /// Length of the run in episodes.
        episodes: Option<u64> = Is(None), in at_least(1), unit "episodes", or steps;
        /// Length of the run in environment steps, summed over all environments.
        ///
        /// Schedules with a `fraction` need a length in steps.
        steps: Option<u64> = Is(None), in at_least(1), unit "environment steps", or episodes;
        /// Number of environments in one run (vectorised environments), stepped in turn.
        ///
        /// Transitions of several environments are less correlated. Environment 0 starts from the seed, environment i > 0 from a
        /// seed that is derived from the run's seed and i.
        num_envs: usize = Is(1), in from_to(1, MOST_ENVIRONMENTS), unit "environments", guide "gymnasium";
        /// Number of environment steps before the first update.
        ///
        /// Until then, actions follow `[exploration]`, and transitions are stored. The first update also waits until the buffer holds a
        /// batch. Schedules and the intervals of the target network count from step 0.
        learning_starts: u64 = Required, in at_least(0), unit "environment steps", guide "replay";
        /// Number of environment steps between updates, summed over all environments.
        ///
        /// `training.gradient_steps` updates follow every step whose number is a multiple of it. 1 updates after every step; Mnih et al. 2015 use 4. A larger value costs less time and learns less from each step.
        train_frequency: u64 = Required, in at_least(1), unit "environment steps", guide "replay", if STORED;
        /// Number of updates after every training.train_frequency environment steps.
        gradient_steps: u64 = Required, in at_least(1), unit "updates", guide "replay", if STORED;
        /// Whether the run writes diagnostics.csv: TD error, gradient norm, action gap and more, one row for each episode.
        ///
        /// They help to find out why a run does not learn. The results stay the same.
        diagnostics: bool = Is(false), guide "diagnostics";
    }
}

impl TrainingConfig {
    /// The share of the run's length that `episodes` episodes with `env_steps` environment steps are.
    pub fn share(&self, episodes: u64, env_steps: u64) -> f64 {
        match (self.steps, self.episodes) {
            (Some(budget), _) => env_steps as f64 / budget as f64,
            (None, Some(budget)) => episodes as f64 / budget as f64,
            (None, None) => 0.0,
        }
    }

    /// Whether a run of this length ends after `episodes` episodes and `env_steps` environment steps.
    pub(crate) fn is_complete(&self, episodes: u64, env_steps: u64) -> bool {
        self.episodes.is_some_and(|budget| episodes >= budget) || self.steps.is_some_and(|budget| env_steps >= budget)
    }
}

impl Consistent for TrainingConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        let seed = self.seed;
        check(i64::try_from(seed).is_ok(), "training.seed", || format!("{seed} is not at most {}", i64::MAX))?;
        match (self.episodes, self.steps) {
            (None, None) => {
                let message = "the run needs a length: set training.steps or training.episodes";
                Err(invalid("training.steps", message.to_owned()))
            }
            _ => Ok(()),
        }
    }
}
