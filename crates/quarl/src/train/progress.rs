//! Everything of the loop itself that changes, as plain data.

use serde::{Deserialize, Serialize};

use super::{EpisodeRecord, Evaluation};
use crate::accumulator::Accumulator;
use crate::agent::LearnReport;
use crate::agent::diagnostics::Diagnostics;
use crate::error::Error;
use crate::exploration::Explorer;

/// The loop's counters and each environment's part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    /// One for each environment.
    pub(super) slots: Vec<Slot>,
    /// The environment whose step is next.
    pub(super) turn: usize,
    pub(super) phase: Phase,
    pub(super) env_steps: u64,
    pub(super) episodes: u64,
    pub(super) best: Option<(f64, Vec<f32>)>,
    /// Episodes that were dropped because the environment's process was gone.
    pub(super) episodes_lost: u64,
    /// How many processes were lost since an episode was last played to its end.
    pub(super) workers_lost_in_a_row: u64,
    /// The run's warnings, oldest first.
    pub(super) warnings: Vec<String>,
    /// How many of the warnings have been yielded as events.
    pub(super) warnings_yielded: usize,
}

/// What the loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Step an environment.
    Step,
    /// Finish what a step has started: its updates, then the end of its episode.
    AfterStep(StepTaken),
    /// Evaluate, for the last time where training has ended.
    Evaluate { last: bool },
    /// Nothing: the run has ended.
    Finished,
}

/// A step whose updates are under way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StepTaken {
    /// The environment that was stepped.
    pub(super) slot: usize,
    /// The exploration rate of its action.
    pub(super) epsilon: f64,
    /// Whether its episode ended.
    pub(super) ended: bool,
    /// Updates still to come.
    pub(super) updates: u64,
}

/// One environment's part of the loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) accumulator: Accumulator,
    pub(super) observation: Vec<f32>,
    pub(super) episode: Option<EpisodeProgress>,
    /// What it does next, and the exploration rate that this was chosen with: chosen for all environments at the beginning of
    /// a round, with the same parameters.
    pub(super) chosen: Option<(usize, f64)>,
    /// The state of its exploration.
    pub(super) explorer: Explorer,
    /// Whether it was ever reset.
    pub(super) started: bool,
    /// After which loss of the run it has to start anew, where it was lost.
    pub(super) lost: Option<u64>,
}

/// So many workers lost in a row are no accident.
pub(super) const MOST_LOST_IN_A_ROW: u64 = 3;

/// The running episode's sums.
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
    /// Adds a warning to the run, unless it has been given before. It is yielded as the next event.
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

    /// Drops the running episode, whose environment is gone; the transitions that were finished stay.
    pub(super) fn lose_episode(&mut self, i: usize, error: Error) -> Result<(), Error> {
        let slot = &mut self.slots[i];
        slot.accumulator.clear();
        (slot.episode, slot.chosen) = (None, None);
        self.episodes_lost += 1;
        slot.lost = Some(self.episodes_lost);
        // An environment that was stopped is no loss. A worker takes the episodes of all its environments with it, but is one loss.
        let Error::WorkerLost { id, step, episode, how, already_reported: false } = error else { return Ok(()) };
        self.workers_lost_in_a_row += 1;
        if self.workers_lost_in_a_row < MOST_LOST_IN_A_ROW {
            return Ok(());
        }
        let how = format!("{how}; {MOST_LOST_IN_A_ROW} in a row, so this is no accident");
        Err(Error::WorkerLost { id, step, episode, how, already_reported: false })
    }

    /// The result of an evaluation, remembering the parameters of the best one. Where two are equally good, the later one
    /// counts as the best.
    pub(super) fn evaluated(&mut self, returns: Vec<f64>, parameters: &[f32], last: bool) -> Evaluation {
        let mean_return = returns.iter().sum::<f64>() / returns.len() as f64;
        // A mean that is no number would never be surpassed.
        let best = self.best.as_ref().is_none_or(|(so_far, _)| so_far.is_nan() || mean_return >= *so_far);
        if best {
            self.best = Some((mean_return, parameters.to_vec()));
        }
        let Self { episodes, env_steps, .. } = *self;
        Evaluation { episodes, env_steps, returns, mean_return, best, last }
    }

    /// Whether environment `i` is in the middle of an episode. One that has ended may still have updates to come.
    pub(super) fn episode_runs(&self, i: usize) -> bool {
        let ended = matches!(self.phase, Phase::AfterStep(step) if step.ended && step.slot == i);
        self.slots[i].episode.is_some() && !ended
    }

    /// Whether this, read back from somewhere, can take the place of `fresh` for a network with `parameters` parameters.
    pub(super) fn fits(&self, fresh: &Self, parameters: usize, actions: usize) -> bool {
        let slots = self.slots.iter().zip(&fresh.slots);
        self.slots.len() == fresh.slots.len()
            && self.turn < self.slots.len()
            && self.phase.fits(&self.slots)
            && slots.into_iter().all(|(slot, fresh)| slot.fits(fresh, self.env_steps, actions))
            && self.env_steps <= i64::MAX as u64
            && self.episodes <= self.env_steps
            && self.episodes_lost <= i64::MAX as u64
            && self.workers_lost_in_a_row < MOST_LOST_IN_A_ROW
            && self.warnings_yielded <= self.warnings.len()
            && self.best.as_ref().is_none_or(|(_, best)| best.len() == parameters)
    }
}

impl Phase {
    /// Whether this, read back from somewhere, can follow these slots.
    fn fits(self, slots: &[Slot]) -> bool {
        match self {
            Self::AfterStep(step) => slots.get(step.slot).is_some_and(|slot| slot.episode.is_some()),
            _ => true,
        }
    }

    /// Updates of the latest step that are still to come.
    pub(super) fn updates(self) -> u64 {
        if let Self::AfterStep(step) = self { step.updates } else { 0 }
    }
}

impl Slot {
    /// Whether this, read back from somewhere, can take the place of `fresh` after so many steps of all environments.
    pub(super) fn fits(&self, fresh: &Self, env_steps: u64, actions: usize) -> bool {
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
