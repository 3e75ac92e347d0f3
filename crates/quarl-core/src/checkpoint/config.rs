//! `[checkpoint]`.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Follows, Is};
use crate::config::settings::{Condition, Consistent, Context, at_least, from_to, settings};
use crate::error::Error;

/// The default of `every_seconds`.
const SECONDS: u64 = 60;

/// Whether there are checkpoints at all.
const ON: Condition =
    Condition::new("checkpoint.every_steps is set or checkpoint.every_seconds is above 0", |config| {
        let CheckpointConfig { every_steps, every_seconds, .. } = config.checkpoint;
        every_steps.is_some() || every_seconds.is_some_and(|seconds| seconds > 0)
    });

fn default_seconds(context: &Context) -> Option<u64> {
    if context.get("checkpoint", "every_steps").is_some() { None } else { Some(SECONDS) }
}

settings! {
    /// `[checkpoint]`: the saved states of a run, from which it continues after an interruption.
    ///
    /// A checkpoint holds everything that decides how the run continues, so a resumed run gives the same results as an
    /// uninterrupted one. The results do not depend on these settings. A run also writes a checkpoint when it is interrupted,
    /// and, if it has written one before, at the end of training.
    pub struct CheckpointConfig: "checkpoint" {
        /// Interval of checkpoints in environment steps.
        ///
        /// With an interval in steps, a repeated run writes the same checkpoints.
        every_steps: Option<u64> = Is(None), in at_least(1), unit "environment steps", or every_seconds, guide "checkpoints";
        /// Interval of checkpoints in seconds; 0 for none.
        ///
        /// A run that is shorter writes none: it is repeated in less time.
        every_seconds: Option<u64> = Follows(default_seconds, "60, or none with checkpoint.every_steps"),
            in at_least(0), unit "seconds", or every_steps, guide "checkpoints";
        /// Number of latest checkpoints that are kept, besides that of the best evaluation.
        ///
        /// They share the transitions that have not changed between them.
        keep: usize = Is(2), in from_to(1, 1_000_000), unit "checkpoints", guide "checkpoints", if ON;
    }
}

impl Consistent for CheckpointConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        Ok(())
    }
}
