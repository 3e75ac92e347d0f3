//! The state of the training loop, as plain data.

use serde::{Deserialize, Serialize};

use super::{EpisodeRecord, Evaluation};
use crate::accumulator::Accumulator;
use crate::agent::diagnostics::Diagnostics;
use crate::agent::{Agent, LearnReport};
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::evaluate::config::EvaluationConfig;
use crate::exploration::Explorer;

/// The loop's counters, and the state of each environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    /// One for each environment.
    pub(super) slots: Vec<Slot>,
    /// The environment that is stepped next.
    pub(super) turn: usize,
    pub(super) phase: Phase,
    pub(super) env_steps: u64,
    pub(super) episodes: u64,
    pub(super) best: Option<Best>,
    /// The number of evaluations since the best mean return was last exceeded.
    pub(super) evaluations_without_improvement: u64,
    /// Why the run ended before its budget was used up, if it did.
    pub(super) stopped_early: Option<String>,
    /// The number of episodes lost because a worker process ended.
    pub(super) episodes_lost: u64,
    /// The number of worker processes lost since an episode last reached its end.
    pub(super) workers_lost_in_a_row: u64,
    /// The run's warnings, oldest first.
    pub(super) warnings: Vec<String>,
    /// The number of warnings that have been yielded as events.
    pub(super) warnings_yielded: usize,
}

/// The network at the best evaluation so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) mean_return: f64,
    pub(super) parameters: Vec<f32>,
    pub(super) observation_statistics: Option<ObservationStatistics>,
}

/// The loop's next action.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Step an environment.
    Step,
    /// Complete a step: its updates, then the end of its episode.
    AfterStep(StepTaken),
    /// Evaluate at an interval. If training has ended, the closing evaluation follows.
    Evaluate { training_ended: bool },
    /// Perform the closing evaluation.
    Close,
    /// Nothing: the run has ended.
    Finished,
}

/// A step that is being completed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StepTaken {
    /// The environment that was stepped.
    pub(super) slot: usize,
    /// The exploration probability of its action.
    pub(super) epsilon: f64,
    /// Whether its episode ended.
    pub(super) ended: bool,
    /// The number of remaining updates.
    pub(super) updates: u64,
}

/// The loop's state for one environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) accumulator: Accumulator,
    pub(super) observation: Vec<f32>,
    pub(super) episode: Option<EpisodeProgress>,
    /// The next action and its exploration probability. At the beginning of a round, they are chosen for all environments
    /// with the same parameters.
    pub(super) chosen: Option<(usize, f64)>,
    /// The exploration state.
    pub(super) explorer: Explorer,
    /// Whether the environment has been reset at least once.
    pub(super) started: bool,
    /// If the environment was lost: the number of that loss, from which its next reset is seeded.
    pub(super) lost: Option<u64>,
}

/// The number of worker processes lost in a row after which the run fails.
pub(super) const MAX_LOST_IN_A_ROW: u64 = 3;

/// The sums of the running episode.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct EpisodeProgress {
    pub(super) total_reward: f64,
    pub(super) length: u64,
    pub(super) updates: u64,
    pub(super) loss_sum: f64,
    pub(super) q_sum: f64,
    pub(super) diagnostics: Option<Diagnostics>,
}

impl Progress {
    /// Adds a warning, unless it has been given before. It is yielded as the next event.
    pub(super) fn warn(&mut self, message: String) {
        if !self.warnings.contains(&message) {
            self.warnings.push(message);
        }
    }

    /// The oldest warning that has not been yielded as an event.
    pub(super) fn next_warning(&mut self) -> Option<String> {
        let message = self.warnings.get(self.warnings_yielded)?;
        self.warnings_yielded += 1;
        Some(message.clone())
    }

    /// What environment `i` returned; `None` where it was lost, or is being stopped: its episode is then abandoned.
    ///
    /// # Errors
    /// All others of the environment, and the loss of the last of several worker processes in a row.
    pub(super) fn unless_lost<T>(&mut self, i: usize, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Err(error @ (Error::WorkerLost { .. } | Error::Stopped { .. })) => {
                self.abandon_episode(i, error).map(|()| None)
            }
            result => result.map(Some),
        }
    }

    /// Abandons the running episode of a lost environment. Its completed transitions stay in the replay buffer.
    fn abandon_episode(&mut self, i: usize, error: Error) -> Result<(), Error> {
        let slot = &mut self.slots[i];
        slot.accumulator.clear();
        (slot.episode, slot.chosen) = (None, None);
        slot.lost = Some(self.episodes_lost + 1);
        // A run that is being stopped ends with its episodes unfinished: none is lost.
        if matches!(error, Error::Stopped { .. }) {
            return Ok(());
        }
        self.episodes_lost += 1;
        // A worker process loses the episodes of all its environments, but counts as one loss.
        let Error::WorkerLost { id, step, episode, how, already_reported: false } = error else { return Ok(()) };
        self.workers_lost_in_a_row += 1;
        if self.workers_lost_in_a_row < MAX_LOST_IN_A_ROW {
            return Ok(());
        }
        let how = format!("{how}; {MAX_LOST_IN_A_ROW} worker processes in a row were lost, so the run ends");
        Err(Error::WorkerLost { id, step, episode, how, already_reported: false })
    }

    /// Abandons the running episodes of these environments, which then start new ones.
    pub(super) fn leave_out(&mut self, envs: &[usize]) {
        for i in envs {
            let slot = &mut self.slots[*i];
            slot.accumulator.clear();
            (slot.episode, slot.chosen) = (None, None);
        }
    }

    /// The result of an evaluation. Keeps the parameters if it is the best so far; among equals, the later one counts as
    /// the best. The closing evaluation has other initial observations and selects nothing, unless it is the only one.
    pub(super) fn evaluated(&mut self, returns: Vec<f64>, agent: &Agent, closing: bool) -> Evaluation {
        let mean_return = returns.iter().sum::<f64>() / returns.len() as f64;
        let before = self.best.as_ref().map(|best| best.mean_return);
        // A NaN mean would never be exceeded.
        let best = before.is_none_or(|before| !closing && (before.is_nan() || mean_return >= before));
        if !closing {
            let improved = before.is_none_or(|before| before.is_nan() || mean_return > before);
            self.evaluations_without_improvement = if improved { 0 } else { self.evaluations_without_improvement + 1 };
        }
        if best {
            let parameters = agent.parameters().to_vec();
            let observation_statistics = agent.observation_statistics().cloned();
            self.best = Some(Best { mean_return, parameters, observation_statistics });
        }
        let Self { episodes, env_steps, .. } = *self;
        Evaluation { episodes, env_steps, returns, mean_return, best, closing }
    }

    /// Why the run should stop after an evaluation at an interval with this mean return, if it should.
    pub(super) fn early_stop(&self, mean_return: f64, config: &EvaluationConfig) -> Option<String> {
        let EvaluationConfig { stop_at, patience, .. } = *config;
        if let Some(stop_at) = stop_at.filter(|stop_at| mean_return >= *stop_at) {
            return Some(format!(
                "a greedy evaluation reached a mean return of {mean_return} (evaluation.stop_at = {stop_at})"
            ));
        }
        let waited = self.evaluations_without_improvement;
        patience.filter(|patience| waited >= *patience).map(|patience| {
            format!(
                "{waited} evaluations in a row did not exceed the best mean return (evaluation.patience = {patience})"
            )
        })
    }

    /// Whether environment `i` is within an episode. An ended episode may still have updates to perform.
    pub(super) fn episode_runs(&self, i: usize) -> bool {
        let ended = matches!(self.phase, Phase::AfterStep(step) if step.ended && step.slot == i);
        self.slots[i].episode.is_some() && !ended
    }

    /// Whether this state, read from a file, is compatible with `fresh`, a new one, for a network with `parameters`
    /// parameters.
    pub(super) fn fits(&self, fresh: &Self, parameters: usize, actions: usize) -> bool {
        let fits = |best: &Best| {
            let statistics = best.observation_statistics.as_ref();
            let features = self.slots.first().map_or(0, |slot| slot.observation.len());
            best.parameters.len() == parameters && statistics.is_none_or(|statistics| statistics.fits(features))
        };
        let slots = self.slots.iter().zip(&fresh.slots);
        self.slots.len() == fresh.slots.len()
            && self.turn < self.slots.len()
            && self.phase.fits(&self.slots)
            && slots.into_iter().all(|(slot, fresh)| slot.fits(fresh, self.env_steps, actions))
            && self.env_steps <= i64::MAX as u64
            && self.episodes <= self.env_steps
            && self.episodes_lost <= i64::MAX as u64
            && self.workers_lost_in_a_row < MAX_LOST_IN_A_ROW
            && self.warnings_yielded <= self.warnings.len()
            && self.best.as_ref().is_none_or(fits)
    }
}

impl Phase {
    /// Whether this phase, read from a file, is compatible with these slots.
    fn fits(self, slots: &[Slot]) -> bool {
        match self {
            Self::AfterStep(step) => step.slot < slots.len(),
            _ => true,
        }
    }

    /// The remaining updates of the latest step.
    pub(super) fn updates(self) -> u64 {
        if let Self::AfterStep(step) = self { step.updates } else { 0 }
    }
}

impl Slot {
    /// Whether this slot, read from a file, is compatible with `fresh`, a new one, after `env_steps` steps of all
    /// environments.
    fn fits(&self, fresh: &Self, env_steps: u64, actions: usize) -> bool {
        self.accumulator.fits(&fresh.accumulator)
            && self.observation.len() == fresh.observation.len()
            && self.explorer.fits(actions)
            && self.chosen.is_none_or(|(action, _)| action < actions)
            && self.episode.is_none_or(|episode| episode.length <= env_steps && episode.updates <= i64::MAX as u64)
    }
}

impl EpisodeProgress {
    pub(super) fn add(&mut self, report: &LearnReport) {
        self.updates += 1;
        self.loss_sum += f64::from(report.loss);
        self.q_sum += f64::from(report.mean_q);
        if let Some(diagnostics) = report.diagnostics {
            Diagnostics::add(&mut self.diagnostics, diagnostics);
        }
    }

    pub(super) fn record(&self, episode: u64, env_steps: u64, epsilon: f64) -> EpisodeRecord {
        let mean = |sum: f64| (self.updates > 0).then(|| sum / self.updates as f64);
        EpisodeRecord {
            episode,
            env_steps,
            total_reward: self.total_reward,
            length: self.length,
            epsilon,
            mean_loss: mean(self.loss_sum),
            mean_q: mean(self.q_sum),
            diagnostics: self.diagnostics.map(|sums| sums.mean(self.updates)),
        }
    }
}
