//! Progress display: one line that is redrawn on a terminal, or occasional plain lines elsewhere.

mod line;
mod screen;
mod status;
mod study;
mod tally;
mod time_left;

use std::cell::Cell;

use quarl::config::TrainingConfig;
use quarl::train::{EpisodeRecord, Evaluation, Event};

use crate::output;
pub(crate) use line::{Part, layout, number};
pub(crate) use study::StudyProgress;
pub(crate) use tally::{MEAN_WINDOW, Tally};
pub(crate) use time_left::{TimeLeft, duration};

use line::Color;
use status::StatusLine;

/// The interval of plain lines, in episodes.
const PLAIN_EVERY: u64 = 10;

/// The progress display of a run.
pub(crate) struct TrainProgress {
    line: StatusLine,
    tally: Tally,
    /// Whether the run has ended, including its final evaluation.
    is_complete: bool,
}

impl TrainProgress {
    pub(crate) fn new(training: &TrainingConfig) -> Self {
        Self { line: StatusLine::new(), tally: Tally::new(training), is_complete: false }
    }

    /// Processes an event and redraws if it is due.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Step { env_steps, .. } => self.tally.env_steps = *env_steps,
            Event::Episode(record) => self.episode(record),
            Event::Evaluation(evaluation) => self.evaluation(evaluation),
            Event::Warning { message } => self.warning(message),
            _ => {}
        }
        if self.line.is_due() {
            self.draw();
        }
    }

    fn episode(&mut self, record: &EpisodeRecord) {
        self.tally.episode(record);
        if !self.line.is_drawn() && record.episode.is_multiple_of(PLAIN_EVERY) {
            let parts: Vec<String> = self.parts().into_iter().map(|part| part.long).collect();
            output::line(format!("episode {:>4}  {}", record.episode, parts.join("  ")));
        }
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        self.tally.evaluation(evaluation.episodes, evaluation.mean_return, evaluation.best);
        if !self.line.is_drawn() {
            let Evaluation { episodes, returns, mean_return, .. } = evaluation;
            output::line(format!(
                "evaluation after {episodes} episodes: mean return {} over {} greedy episodes",
                number(*mean_return),
                returns.len()
            ));
        }
    }

    pub(crate) fn warning(&self, message: &str) {
        self.line.warning(message);
    }

    fn parts(&self) -> Vec<Part> {
        let rate = self.tally.env_steps as f64 / self.line.seconds();
        let mut parts = if self.line.is_drawn() { vec![self.tally.done()] } else { Vec::new() };
        parts.extend(self.tally.parts(self.tally.last.is_some().then_some(rate)));
        parts.push(self.line.left(self.tally.share()));
        parts
    }

    fn draw(&self) {
        self.line.draw(shown(self.tally.share(), self.is_complete), || self.parts());
    }

    /// Draws the line a last time and ends it, so that later output starts on a new line.
    pub(crate) fn finish(&mut self, is_complete: bool) {
        self.is_complete = is_complete;
        self.draw();
        self.line.close();
    }
}

/// The progress display of an experiment.
pub(crate) struct ExperimentProgress {
    line: StatusLine,
    runs: u64,
    finished: u64,
    failed: u64,
    todo: u64,
    /// Episodes or steps of a run.
    length: u64,
    /// Episodes or steps of all runs so far.
    done: Cell<u64>,
    /// The mean greedy return of the last finished run.
    greedy_mean: Option<f64>,
}

impl ExperimentProgress {
    /// The display for `todo` of `runs` runs of `length` episodes or steps each.
    pub(crate) fn new(runs: u64, todo: u64, length: u64) -> Self {
        let progress = Self {
            line: StatusLine::new(),
            runs,
            finished: runs.saturating_sub(todo),
            failed: 0,
            todo,
            length,
            done: Cell::new(0),
            greedy_mean: None,
        };
        progress.draw();
        progress
    }

    /// Adds `by` episodes or steps of some run.
    pub(crate) fn advance(&self, by: u64) {
        self.done.set(self.done.get() + by);
        if self.line.is_due() {
            self.draw();
        }
    }

    pub(crate) fn run_finished(&mut self, run: &str, greedy_mean: Option<f64>) {
        self.finished += 1;
        self.greedy_mean = greedy_mean.or(self.greedy_mean);
        if self.line.is_drawn() {
            self.draw();
            return;
        }
        let mean = greedy_mean.map_or_else(|| "none".to_owned(), number);
        let message = format!("run {}/{}  {run}  mean greedy return {mean}", self.finished, self.runs);
        self.line.print(&message, self.share());
    }

    /// Counts a failed run.
    pub(crate) fn run_failed(&mut self) {
        self.failed += 1;
        self.draw();
    }

    pub(crate) fn warning(&self, message: &str) {
        self.line.warning(message);
    }

    /// Prints a message that is not a warning.
    pub(crate) fn note(&self, message: &str) {
        self.line.note(message);
    }

    fn share(&self) -> f64 {
        let all = self.todo.saturating_mul(self.length);
        if all == 0 { 0.0 } else { self.done.get() as f64 / all as f64 }
    }

    fn parts(&self) -> Vec<Part> {
        let runs = format!("{}/{} runs", self.finished, self.runs);
        let mut parts = vec![Part::new(8, runs.clone(), runs)];
        if self.failed > 0 {
            let failed = format!("{} failed", self.failed);
            parts.push(Part::new(6, failed.clone(), failed).colored(Color::Red));
        }
        if let Some(mean) = self.greedy_mean {
            let mean = number(mean);
            let long = format!("last run's mean greedy return {mean}");
            parts.push(Part::new(5, long, format!("last run {mean}")).colored(Color::Green));
        }
        parts.extend(self.line.times(self.share()));
        parts
    }

    fn draw(&self) {
        let is_complete = self.finished + self.failed >= self.runs;
        self.line.draw(shown(self.share(), is_complete), || self.parts());
    }

    /// Draws the line a last time and ends it, so that later output starts on a new line.
    pub(crate) fn finish(&self) {
        self.draw();
    }
}

/// The displayed fraction. The budget is used up before the final evaluation; 100% is displayed only after it.
pub(crate) fn shown(share: f64, is_complete: bool) -> f64 {
    if is_complete { share } else { share.min(0.99) }
}

/// The remaining time.
pub(crate) fn left(seconds: Option<f64>) -> Part {
    let text = seconds.map_or_else(|| "-:--".to_owned(), duration);
    Part::new(9, format!("{text} left"), format!("{text} left"))
}
