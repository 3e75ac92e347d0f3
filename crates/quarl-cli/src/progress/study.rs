//! The progress display of a study.

use std::collections::HashMap;

use quarl::config::TrainingConfig;
use quarl::tune::{Study, StudyEvent, TrialState};

use super::line::{Color, Part};
use super::shown;
use super::status::StatusLine;

/// The progress display of a study.
pub(crate) struct StudyProgress {
    line: StatusLine,
    planned: u64,
    complete: u64,
    pruned: u64,
    failed: u64,
    /// The number and the score of the best trial so far.
    best: Option<(u64, f64)>,
    seeds_per_trial: u64,
    /// The length of a run.
    training: TrainingConfig,
    /// The part of each running run that is done.
    running: HashMap<(u64, u64), f64>,
    /// Fresh seeds that are done.
    confirmed: u64,
    confirmations: u64,
    /// The share that was done at the start.
    initial: f64,
}

impl StudyProgress {
    pub(crate) fn new(study: &Study) -> Self {
        let mut progress = Self {
            line: StatusLine::new(),
            planned: study.planned(),
            complete: 0,
            pruned: 0,
            failed: 0,
            best: None,
            seeds_per_trial: study.seeds().len() as u64,
            training: study.config().training.clone(),
            running: HashMap::new(),
            confirmed: 0,
            confirmations: study.fresh_seeds().len() as u64,
            initial: 0.0,
        };
        for trial in study.trials() {
            match trial.state {
                TrialState::Running => {}
                TrialState::Complete => progress.complete(trial.number, trial.score.unwrap_or(f64::NEG_INFINITY)),
                TrialState::Pruned => progress.pruned += 1,
                TrialState::Failed => progress.failed += 1,
            }
        }
        progress.planned = progress.planned.max(progress.ended());
        if progress.ended() == progress.planned {
            progress.confirmed = study.confirmed();
        }
        progress.initial = progress.done();
        progress.draw();
        progress
    }

    fn ended(&self) -> u64 {
        self.complete + self.pruned + self.failed
    }

    fn complete(&mut self, number: u64, score: f64) {
        self.complete += 1;
        if self.best.is_none_or(|(_, best)| score > best) {
            self.best = Some((number, score));
        }
    }

    /// Processes an event and redraws if it is due.
    pub(crate) fn take(&mut self, event: &StudyEvent) {
        match event {
            StudyEvent::Episode { trial, seed, env_steps } => {
                let done = self.running.entry((*trial, *seed)).or_insert(0.0);
                // The event does not count the run's episodes, so one is added.
                *done = match self.training.steps {
                    Some(_) => self.training.share(0, *env_steps),
                    None => *done + self.training.share(1, 0),
                };
                if self.line.is_due() {
                    self.draw();
                }
            }
            StudyEvent::Continued { trial, seed, env_steps, episodes } => {
                self.running.insert((*trial, *seed), self.training.share(*episodes, *env_steps));
            }
            StudyEvent::Complete { trial, score } => {
                self.complete(*trial, *score);
                self.end(*trial, &format!("score {score:.3}"));
            }
            StudyEvent::Pruned { trial, at, .. } => {
                self.pruned += 1;
                self.end(*trial, &format!("pruned after {:.0}% of its runs", 100.0 * at));
            }
            StudyEvent::Failed { trial, .. } => {
                self.failed += 1;
                self.end(*trial, "failed");
            }
            StudyEvent::Confirmed { trial, seed, mean_return, .. } => {
                self.running.remove(&(*trial, *seed));
                self.confirmed += 1;
                let mean = mean_return.map_or_else(|| "failed".to_owned(), |mean| format!("mean return {mean:.1}"));
                self.ended_line(&format!("fresh seed {}/{}  {mean}", self.confirmed, self.confirmations));
            }
            StudyEvent::Waiting { holder } => self.note(&format!("waiting for runs of {holder}")),
            _ => {}
        }
    }

    /// Counts a trial that has ended.
    fn end(&mut self, trial: u64, how: &str) {
        self.running.retain(|(other, _), _| *other != trial);
        // A study of more trials than are planned now may have unfinished ones.
        self.planned = self.planned.max(self.ended());
        let best = self.best.map_or(String::new(), |(number, score)| format!("  best {score:.3} (trial {number})"));
        self.ended_line(&format!("trial {trial} ({}/{})  {how}{best}", self.ended(), self.planned));
    }

    /// Redraws the line; elsewhere prints a line.
    fn ended_line(&self, text: &str) {
        if self.line.is_drawn() {
            self.draw();
        } else {
            self.line.print(text, self.share_since_start());
        }
    }

    pub(crate) fn warning(&self, message: &str) {
        self.line.warning(message);
    }

    fn note(&self, message: &str) {
        self.line.note(message);
    }

    /// The number of trials that are done. A run with a fresh seed counts as one of the runs of a trial.
    fn done(&self) -> f64 {
        let running: f64 = self.running.values().sum();
        self.ended() as f64 + (running + self.confirmed as f64) / self.seeds_per_trial as f64
    }

    /// The value of [`Self::done`] at the end.
    fn all(&self) -> f64 {
        self.planned as f64 + self.confirmations as f64 / self.seeds_per_trial as f64
    }

    /// The share of this process's work that is done, from which its remaining time follows.
    fn share_since_start(&self) -> f64 {
        (self.done() - self.initial) / (self.all() - self.initial).max(f64::MIN_POSITIVE)
    }

    fn parts(&self) -> Vec<Part> {
        let trials = format!("{}/{} trials", self.ended(), self.planned);
        let mut parts = vec![Part::new(8, trials.clone(), trials)];
        if let Some((number, score)) = self.best {
            let (long, short) = (format!("best {score:.3} (trial {number})"), format!("best {score:.3}"));
            parts.push(Part::new(7, long, short).colored(Color::Green));
        }
        if self.pruned > 0 {
            parts.push(Part::new(4, format!("{} pruned", self.pruned), String::new()));
        }
        if self.failed > 0 {
            let failed = format!("{} failed", self.failed);
            parts.push(Part::new(6, failed.clone(), failed).colored(Color::Red));
        }
        if self.confirmed > 0 {
            let fresh = format!("{}/{} fresh seeds", self.confirmed, self.confirmations);
            parts.push(Part::new(5, fresh.clone(), fresh));
        }
        parts.extend(self.line.times(self.share_since_start()));
        parts
    }

    fn draw(&self) {
        let is_complete = self.ended() >= self.planned && self.confirmed >= self.confirmations;
        let share = shown((self.done() / self.all()).min(1.0), is_complete);
        self.line.draw(share, || self.parts());
    }

    /// Draws the line a last time and ends it, so that later output starts on a new line.
    pub(crate) fn finish(&self) {
        self.draw();
    }
}
