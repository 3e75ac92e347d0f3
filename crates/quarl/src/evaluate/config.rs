//! `[evaluation]`.

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{Condition, Consistent, at_least, settings};
use crate::env::config::StepLimit;
use crate::error::Error;

/// A limit belongs to the environment that it was chosen for.
const OF_ENVIRONMENT: Condition = Condition::new("there is an environment", |_| true).only_for("env.id");

settings! {
    /// `[evaluation]`: greedy evaluation beside training.
    pub struct EvaluationConfig: "evaluation" {
        /// Episodes from one evaluation to the next; without an interval, only at the end.
        every_episodes: Option<u64> = Is(None), in at_least(1), or every_steps;
        /// Environment steps from one evaluation to the next; without an interval, only at the end.
        every_steps: Option<u64> = Is(None), in at_least(1), or every_episodes;
        /// Greedy episodes in each evaluation.
        episodes: usize = Required, in at_least(1);
        /// Time limit of greedy episodes in environment steps; 10000 where the environment is to decide and has none.
        max_episode_steps: StepLimit = Is(StepLimit::Environment), in at_least(1), if OF_ENVIRONMENT;
    }
}

impl Consistent for EvaluationConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        Ok(())
    }
}
