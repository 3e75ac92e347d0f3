//! The progress display of a study.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Instant;

use quarl::tune::{Study, StudyEvent, TrialState};

use super::line::{self, Color, Part};
use super::screen::Screen;
use super::time_left::{TimeLeft, duration};
use super::{left, shown};
use crate::output;

/// The progress display of a study.
pub(crate) struct StudyProgress {
    screen: Option<Screen>,
    planned: u64,
    complete: u64,
    pruned: u64,
    failed: u64,
    /// The number and the score of the best trial so far.
    best: Option<(u64, f64)>,
    seeds_per_trial: u64,
    /// The budget of a run in steps, or else in episodes.
    steps: Option<u64>,
    episodes: Option<u64>,
    /// The part of each running run that is done.
    running: HashMap<(u64, u64), f64>,
    /// Fresh seeds that are done.
    confirmed: u64,
    confirmations: u64,
    /// The share that was done at the start.
    initial: f64,
    started: Instant,
    time_left: Cell<TimeLeft>,
}

impl StudyProgress {
    pub(crate) fn new(study: &Study) -> Self {
        let training = &study.config().training;
        let mut progress = Self {
            screen: Screen::open(),
            planned: study.planned(),
            complete: 0,
            pruned: 0,
            failed: 0,
            best: None,
            seeds_per_trial: study.seeds().len() as u64,
            steps: training.steps,
            episodes: training.episodes,
            running: HashMap::new(),
            confirmed: 0,
            confirmations: study.fresh_seeds().len() as u64,
            initial: 0.0,
            started: Instant::now(),
            time_left: Cell::default(),
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
                *done = match (self.steps, self.episodes) {
                    (Some(steps), _) => *env_steps as f64 / steps as f64,
                    (None, Some(episodes)) => *done + 1.0 / episodes as f64,
                    (None, None) => 0.0,
                };
                if self.screen.as_ref().is_some_and(Screen::is_due) {
                    self.draw();
                }
            }
            StudyEvent::Continued { trial, seed, env_steps, episodes } => {
                let done = match (self.steps, self.episodes) {
                    (Some(steps), _) => *env_steps as f64 / steps as f64,
                    (None, Some(all)) => *episodes as f64 / all as f64,
                    (None, None) => 0.0,
                };
                self.running.insert((*trial, *seed), done);
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
        if self.screen.is_some() {
            self.draw();
        } else {
            let gone = duration(self.started.elapsed().as_secs_f64());
            output::line(format!("{text}  {gone} elapsed  {}", left(self.update_time_left()).long));
        }
    }

    pub(crate) fn warning(&self, message: &str) {
        self.clear();
        output::warning(message);
    }

    fn note(&self, message: &str) {
        self.clear();
        output::line(message);
    }

    fn clear(&self) {
        if let Some(screen) = &self.screen {
            screen.clear();
        }
    }

    /// The number of trials that are done. A run with a fresh seed counts as one of the runs of a trial.
    fn done(&self) -> f64 {
        let running: f64 = self.running.values().sum();
        self.ended() as f64 + (running + self.confirmed as f64) / self.seeds_per_trial as f64
    }

    fn share(&self) -> f64 {
        let all = self.planned as f64 + self.confirmations as f64 / self.seeds_per_trial as f64;
        self.done() / all
    }

    fn update_time_left(&self) -> Option<f64> {
        let all = self.planned as f64 + self.confirmations as f64 / self.seeds_per_trial as f64;
        let share = (self.done() - self.initial) / (all - self.initial).max(f64::MIN_POSITIVE);
        let mut time_left = self.time_left.take();
        time_left.update(self.started.elapsed().as_secs_f64(), share);
        let seconds = time_left.seconds();
        self.time_left.set(time_left);
        seconds
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
        let gone = duration(self.started.elapsed().as_secs_f64());
        parts.push(Part::new(1, format!("{gone} elapsed"), String::new()));
        parts.push(left(self.update_time_left()));
        parts
    }

    fn draw(&self) {
        if let Some(screen) = &self.screen {
            let is_complete = self.ended() >= self.planned && self.confirmed >= self.confirmations;
            let share = shown(self.share().min(1.0), is_complete);
            screen.draw(|columns, colored| line::layout(share, &self.parts(), columns, colored));
        }
    }

    /// Draws the line a last time and ends it, so that later output starts on a new line.
    pub(crate) fn finish(&self) {
        self.draw();
    }
}
