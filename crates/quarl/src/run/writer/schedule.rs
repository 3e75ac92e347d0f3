//! When a run writes checkpoints.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::checkpoint::Checkpoints;
use crate::config::CheckpointConfig;
use crate::error::Error;
use crate::train::{Event, Trainer};

/// The checkpoints of a run, and when the next one is due.
pub(crate) struct CheckpointSchedule {
    checkpoints: Checkpoints,
    every_steps: Option<u64>,
    every: Option<Duration>,
    /// The environment steps at the last checkpoint, and its time.
    last: (u64, Instant),
    /// Whether the run has written a checkpoint.
    active: bool,
    /// Whether the checkpoint at the end of training is written.
    closed: bool,
    /// Why the run writes no checkpoints any more: its environment cannot be saved.
    pub(super) failure: Option<String>,
}

impl CheckpointSchedule {
    /// The checkpoints of a run after `env_steps` environment steps.
    pub(crate) fn new(config: &CheckpointConfig, checkpoints: Checkpoints, env_steps: u64) -> Self {
        Self {
            active: checkpoints.last().is_some_and(|steps| steps > 1),
            checkpoints,
            every_steps: config.every_steps,
            every: config.every_seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            last: (env_steps, Instant::now()),
            closed: false,
            failure: None,
        }
    }

    /// Whether a checkpoint is due after this event, and whether it is that of the best evaluation so far. Checkpoints at an
    /// interval begin with the first interval; later, the best evaluations and the end of training have one too. A run with
    /// more logs than its configuration says (`has_other_logs`) has one at its first step, which tells a resumed run of them.
    pub(crate) fn due(&self, event: &Event, trainer: &Trainer, has_other_logs: bool) -> Option<bool> {
        if !self.is_on() {
            return None;
        }
        let best = matches!(event, Event::Evaluation(evaluation) if evaluation.best && !evaluation.closing);
        let due = match event {
            // The updates of a step follow its event, but a checkpoint may lie before them.
            Event::Step { env_steps, .. } => {
                (has_other_logs && self.checkpoints.last().is_none())
                    || self.every_steps.is_some_and(|every| env_steps / every > self.last.0 / every)
                    || self.every.is_some_and(|every| self.last.1.elapsed() >= every)
            }
            Event::Evaluation(evaluation) if evaluation.closing => false,
            _ => self.active && ((trainer.is_closing() && !self.closed) || best),
        };
        (due && trainer.can_be_saved()).then_some(best)
    }

    /// Whether the run writes checkpoints by itself.
    fn is_on(&self) -> bool {
        self.failure.is_none() && (self.every_steps.is_some() || self.every.is_some())
    }

    /// Writes a checkpoint. `log` is kept for whoever continues the run.
    pub(crate) fn save(&mut self, trainer: &Trainer, best: bool, log: &impl Serialize) -> Result<(), Error> {
        self.closed = trainer.is_closing();
        let log = serde_json::to_value(log).expect("a log is plain data");
        match self.checkpoints.save_with(trainer, best, Some(log)) {
            Err(error @ Error::State { .. }) => {
                self.failure = Some(format!("no checkpoints are written: {error}"));
                return Ok(());
            }
            saved => saved?,
        }
        self.active |= trainer.env_steps() > 1;
        self.last = (trainer.env_steps(), Instant::now());
        Ok(())
    }

    /// Keeps the oldest checkpoint for ever.
    pub(super) fn keep_first(&mut self) {
        self.checkpoints.keep_first();
    }

    /// Writes a checkpoint at any time, whether one is due or not.
    pub(crate) fn save_at_any_time(&mut self, trainer: &Trainer, log: &impl Serialize) -> Result<(), Error> {
        let log = serde_json::to_value(log).expect("a log is plain data");
        self.checkpoints.save_state(trainer, &trainer.state_at_any_time()?, false, Some(log))?;
        self.last = (trainer.env_steps(), Instant::now());
        Ok(())
    }

    /// Whether an interrupted run can be saved now.
    pub(crate) fn saves_interruptions(&self, trainer: &Trainer) -> bool {
        self.is_on() && trainer.can_be_saved() && !trainer.is_finished() && trainer.env_steps() > 0
    }

    /// The environment steps of the latest checkpoint.
    pub(crate) fn last(&self) -> Option<u64> {
        self.checkpoints.last()
    }

    /// Removes all checkpoints.
    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        self.checkpoints.remove()
    }
}
