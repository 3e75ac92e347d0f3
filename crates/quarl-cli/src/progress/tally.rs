//! The counts and latest results of a run.

use std::collections::VecDeque;

use quarl::config::TrainingConfig;
use quarl::train::EpisodeRecord;

use super::line::{Color, Part, number};

/// The number of episodes in the displayed mean.
pub(crate) const MEAN_WINDOW: usize = 50;

/// The counts and latest results of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts_steps: bool,
    /// The budget in episodes or environment steps.
    pub(crate) budget: u64,
    pub(crate) episodes: u64,
    pub(crate) env_steps: u64,
    pub(crate) last: Option<EpisodeRecord>,
    recent: VecDeque<f64>,
    /// The mean return of the latest evaluation.
    pub(crate) evaluation: Option<f64>,
    /// The mean return of the best evaluation, and the number of training episodes before it.
    pub(crate) best: Option<(f64, u64)>,
}

impl Tally {
    pub(crate) fn new(training: &TrainingConfig) -> Self {
        let budget = training.episodes.or(training.steps).unwrap_or(0);
        Self { counts_steps: training.episodes.is_none(), budget, ..Self::default() }
    }

    /// Counts a training episode.
    pub(crate) fn episode(&mut self, record: &EpisodeRecord) {
        (self.episodes, self.env_steps) = (record.episode + 1, record.env_steps);
        if self.recent.len() == MEAN_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(record.total_reward);
        self.last = Some(record.clone());
    }

    /// Records an evaluation after `episodes` training episodes.
    pub(crate) fn evaluation(&mut self, episodes: u64, mean_return: f64, best: bool) {
        self.evaluation = Some(mean_return);
        if best {
            self.best = Some((mean_return, episodes));
        }
    }

    /// The mean return of the latest episodes; `None` without episodes.
    pub(crate) fn mean(&self) -> Option<f64> {
        (!self.recent.is_empty()).then(|| self.recent.iter().sum::<f64>() / self.recent.len() as f64)
    }

    /// The fraction of the budget that is used, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        let done = if self.counts_steps { self.env_steps } else { self.episodes };
        if self.budget == 0 { 0.0 } else { done as f64 / self.budget as f64 }
    }

    /// The part of the progress line that says how much is done.
    pub(crate) fn done(&self) -> Part {
        let (done, unit) = if self.counts_steps { (self.env_steps, "steps") } else { (self.episodes, "episodes") };
        let budget = self.budget;
        Part::new(4, format!("{done}/{budget} {unit}"), format!("{done}/{budget}"))
    }

    /// The parts of the progress line with the latest results. `rate` is in environment steps per second.
    pub(crate) fn parts(&self, rate: Option<f64>) -> Vec<Part> {
        let mut parts = Vec::new();
        if let (Some(record), Some(mean)) = (&self.last, self.mean()) {
            let mean = number(mean);
            parts.push(Part::new(3, format!("return {}", number(record.total_reward)), String::new()));
            parts.push(Part::new(8, format!("mean of last {MEAN_WINDOW} {mean}"), format!("mean {mean}")));
        }
        if let Some(mean) = self.evaluation {
            let mean = number(mean);
            parts.push(Part::new(7, format!("evaluation {mean}"), format!("eval {mean}")).colored(Color::Green));
        }
        if let Some(record) = &self.last {
            parts.push(Part::new(1, format!("epsilon {:.2}", record.epsilon), String::new()));
        }
        if let Some(rate) = rate {
            parts.push(Part::new(2, format!("{rate:.0} steps/s"), String::new()));
        }
        parts
    }
}
