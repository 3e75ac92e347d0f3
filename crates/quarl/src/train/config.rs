//! `[training]`.

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{Consistent, at_least, check, from_to, invalid, settings};
use crate::env::config::MOST_ENVIRONMENTS;
use crate::error::Error;
use crate::replay::config::STORED;

settings! {
    /// `[training]`: the run's seed and length, and when it learns.
    pub struct TrainingConfig: "training" {
        /// The seed that every random draw follows from.
        seed: u64 = Required, in at_least(0);
        /// Length of the run in episodes.
        episodes: Option<u64> = Is(None), in at_least(1), or steps;
        /// Length of the run in environment steps.
        steps: Option<u64> = Is(None), in at_least(1), or episodes;
        /// Number of environments, stepped in turn. Environment 0 starts from the seed, environment i > 0 from one derived from
        /// the seed and i.
        num_envs: usize = Is(1), in from_to(1, MOST_ENVIRONMENTS);
        /// Environment steps before the first update.
        learning_starts: u64 = Required, in at_least(0);
        /// Environment steps from one update, or group of updates, to the next.
        train_frequency: u64 = Required, in at_least(1), if STORED;
        /// Updates each time.
        gradient_steps: u64 = Required, in at_least(1), if STORED;
        /// Whether diagnostics.csv is written: TD error, gradient norm, action gap and more, a row for each episode.
        diagnostics: bool = Is(false);
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
