//! The results of a run so far, as they are displayed: from the events of a trainer, or from the files of a run.

use quarl::agent::diagnostics::Diagnostics;
use quarl::config::TrainConfig;
use quarl::run::RunUpdate;
use quarl::train::{EpisodeRecord, Evaluation, Event};

use super::curve::Curve;
use crate::progress::Tally;

/// A statistic of the updates: its name, and its value.
pub(crate) type Measure<R> = (&'static str, fn(&R) -> Option<f64>);

/// The statistics of `diagnostics.csv`.
pub(crate) const DIAGNOSTICS: [Measure<Diagnostics>; 9] = [
    ("TD error", |row| Some(row.td_error)),
    ("gradient norm", |row| Some(row.grad_norm)),
    ("max Q-value", |row| Some(row.max_q)),
    ("action gap", |row| Some(row.action_gap)),
    ("target drift", |row| Some(row.target_drift)),
    ("effective batch", |row| Some(row.effective_batch)),
    ("clipped share", |row| row.clipped_share),
    ("lowest priority", |row| Some(row.lowest_priority)),
    ("highest priority", |row| Some(row.highest_priority)),
];

/// The results of a run so far, in bounded memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) tally: Tally,
    /// The return of each episode.
    pub(crate) returns: Curve,
    /// The moving average of the returns.
    pub(crate) mean: Curve,
    /// The mean return of each evaluation.
    pub(crate) evaluations: Curve,
    pub(crate) loss: Curve,
    pub(crate) mean_q: Curve,
    pub(crate) epsilon: Curve,
    /// One curve for each of [`DIAGNOSTICS`], over episodes; empty unless `training.diagnostics` is set.
    pub(crate) diagnostics: Vec<Curve>,
    /// Whether `training.diagnostics` is set.
    pub(crate) has_diagnostics: bool,
    pub(crate) warnings: Vec<String>,
}

impl History {
    pub(crate) fn new(config: &TrainConfig) -> Self {
        Self {
            tally: Tally::new(&config.training),
            diagnostics: vec![Curve::default(); DIAGNOSTICS.len()],
            has_diagnostics: config.training.diagnostics,
            ..Self::default()
        }
    }

    /// The position on the x axis: episodes or environment steps, as the budget counts.
    fn x(&self, episodes: u64, env_steps: u64) -> f64 {
        if self.tally.counts_steps { env_steps as f64 } else { episodes as f64 }
    }

    /// Adds what an event of the trainer reports.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Step { env_steps, .. } => self.tally.env_steps = *env_steps,
            Event::Episode(record) => {
                self.episode(record);
                if let Some(diagnostics) = &record.diagnostics {
                    self.add_diagnostics(record.episode, diagnostics);
                }
            }
            Event::Evaluation(Evaluation { episodes, env_steps, mean_return, best, .. }) => {
                self.evaluation(*episodes, *env_steps, *mean_return, *best);
            }
            Event::Warning { message } => self.warnings.push(message.clone()),
            _ => {}
        }
    }

    /// Adds what was read from a run's files.
    pub(crate) fn update(&mut self, update: &RunUpdate) {
        if let Some(config) = &update.started {
            *self = Self::new(config);
        }
        update.episodes.iter().for_each(|record| self.episode(record));
        update.diagnostics.iter().for_each(|(episode, diagnostics)| self.add_diagnostics(*episode, diagnostics));
        for row in &update.evaluations {
            self.evaluation(row.episodes, row.env_steps, row.mean_return, row.best);
        }
        if let Some(summary) = &update.summary {
            (self.tally.episodes, self.tally.env_steps) = (summary.episodes, summary.env_steps);
            self.warnings.clone_from(&summary.warnings);
        }
    }

    fn episode(&mut self, record: &EpisodeRecord) {
        self.tally.episode(record);
        let x = self.x(record.episode, record.env_steps);
        self.returns.push(x, record.total_reward);
        if let Some(mean) = self.tally.mean() {
            self.mean.push(x, mean);
        }
        self.epsilon.push(x, record.epsilon);
        for (curve, value) in [(&mut self.loss, record.mean_loss), (&mut self.mean_q, record.mean_q)] {
            if let Some(value) = value {
                curve.push(x, value);
            }
        }
    }

    fn add_diagnostics(&mut self, episode: u64, row: &Diagnostics) {
        for (curve, (_, value)) in self.diagnostics.iter_mut().zip(DIAGNOSTICS) {
            if let Some(value) = value(row) {
                curve.push(episode as f64, value);
            }
        }
    }

    fn evaluation(&mut self, episodes: u64, env_steps: u64, mean_return: f64, best: bool) {
        self.tally.evaluation(episodes, mean_return, best);
        self.evaluations.push(self.x(episodes, env_steps), mean_return);
    }
}
