//! `[evaluation]`.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Is, Required};
use crate::config::settings::{Condition, Consistent, at_least, settings};
use crate::env::config::StepLimit;
use crate::error::Error;

/// A limit is valid only for the environment that it was chosen for.
const OF_ENVIRONMENT: Condition = Condition::ALWAYS.only_for("env.id");

settings! {
    /// `[evaluation]`: greedy evaluation during training and at the end of the run.
    ///
    /// Evaluations use an environment and a random stream of their own, so that they do not change training. The model of the best
    /// one is saved as `best.safetensors`.
    pub struct EvaluationConfig: "evaluation" {
        /// Evaluation interval in episodes.
        ///
        /// Without an interval, there is one evaluation, at the end of the run.
        every_episodes: Option<u64> = Is(None), in at_least(1), unit "episodes", or every_steps, guide "measuring";
        /// Evaluation interval in environment steps, summed over all environments.
        ///
        /// Without an interval, there is one evaluation, at the end of the run.
        every_steps: Option<u64> = Is(None), in at_least(1), unit "environment steps", or every_episodes, guide "measuring";
        /// Number of greedy episodes in each evaluation.
        ///
        /// More episodes give a more precise mean return and cost more time.
        episodes: usize = Required, in at_least(1), unit "episodes", guide "measuring";
        /// Time limit of an evaluation episode.
        ///
        /// `"environment"` is the limit of the environment, after `env.max_episode_steps`, or 10,000 steps where it has none. A
        /// configuration for another environment does not inherit this key.
        max_episode_steps: StepLimit = Is(StepLimit::Environment), in at_least(1), unit "environment steps", if OF_ENVIRONMENT;
    }
}

impl Consistent for EvaluationConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        Ok(())
    }
}
