//! `[evaluation]`.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Is, Required};
use crate::config::settings::{Condition, Consistent, at_least, settings};
use crate::env::config::StepLimit;
use crate::error::Error;

/// A limit is valid only for the environment that it was chosen for.
const OF_ENVIRONMENT: Condition = Condition::ALWAYS.only_for("env.id");

/// Only the evaluations at an interval stop a run.
const PERIODIC: Condition = Condition::new("evaluation.every_steps or evaluation.every_episodes is set", |config| {
    config.evaluation.every_steps.is_some() || config.evaluation.every_episodes.is_some()
});

settings! {
    /// `[evaluation]`: greedy evaluation during training and at the end of the run.
    ///
    /// Evaluations use an environment of their own, so that they do not change training. The evaluations at an interval
    /// repeat the same initial observations; the best one selects `best.safetensors`, and they may stop the run. The closing
    /// evaluation at the end of the run uses another random stream, so that the reported score does not depend on that
    /// selection.
    pub struct EvaluationConfig: "evaluation" {
        /// Evaluation interval in episodes.
        ///
        /// Without an interval, there is only the closing evaluation at the end of the run.
        every_episodes: Option<u64> = Is(None), in at_least(1), unit "episodes", or every_steps, guide "measuring";
        /// Evaluation interval in environment steps, summed over all environments.
        ///
        /// Without an interval, there is only the closing evaluation at the end of the run.
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
        /// Mean return of an evaluation at which the run stops early.
        ///
        /// The closing evaluation follows, and reports the score. Training is the same as without this key until then.
        stop_at: Option<f64> = Is(None), unit "return", guide "measuring", if PERIODIC.only_for("env.id");
        /// Number of evaluations in a row without a higher mean return than before, after which the run stops early.
        ///
        /// The closing evaluation follows, and reports the score of the final model. `best.safetensors` holds the model of the best
        /// evaluation.
        patience: Option<u64> = Is(None), in at_least(1), unit "evaluations", guide "measuring", if PERIODIC;
    }
}

impl Consistent for EvaluationConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        Ok(())
    }
}
