//! Progress display: one line that is redrawn on a terminal, or occasional plain lines elsewhere.

mod line;
mod screen;
mod study;
mod tally;
mod time_left;

use std::cell::Cell;
use std::time::Instant;

use quarl::config::TrainingConfig;
use quarl::train::{EpisodeRecord, Evaluation, Event};

use crate::output;
pub(crate) use line::{Part, layout, number};
pub(crate) use study::StudyProgress;
pub(crate) use tally::{MEAN_WINDOW, Tally};
pub(crate) use time_left::{TimeLeft, duration};

use line::Color;
use screen::Screen;

/// The interval of plain lines, in episodes.
const PLAIN_EVERY: u64 = 10;

/// The progress display of a run.
pub(crate) struct TrainProgress {
    screen: Option<Screen>,
    tally: Tally,
    /// Whether the run has ended, including its final evaluation.
    is_complete: bool,
    started: Instant,
    time_left: TimeLeft,
}

impl TrainProgress {
    pub(crate) fn new(training: &TrainingConfig) -> Self {
        Self {
            screen: Screen::open(),
            tally: Tally::new(training),
            is_complete: false,
            started: Instant::now(),
            time_left: TimeLeft::default(),
        }
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
        if self.screen.as_ref().is_some_and(Screen::is_due) {
            self.draw();
        }
    }

    fn episode(&mut self, record: &EpisodeRecord) {
        self.tally.episode(record);
        if self.screen.is_none() && record.episode.is_multiple_of(PLAIN_EVERY) {
            self.time_left.update(self.started.elapsed().as_secs_f64(), self.tally.share());
            let parts: Vec<String> = self.parts().into_iter().map(|part| part.long).collect();
            output::line(format!("episode {:>4}  {}", record.episode, parts.join("  ")));
        }
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        self.tally.evaluation(evaluation.episodes, evaluation.mean_return, evaluation.best);
        if self.screen.is_none() {
            let Evaluation { episodes, returns, mean_return, .. } = evaluation;
            output::line(format!(
                "evaluation after {episodes} episodes: mean return {} over {} greedy episodes",
                number(*mean_return),
                returns.len()
            ));
        }
    }

    pub(crate) fn warning(&self, message: &str) {
        if let Some(screen) = &self.screen {
            screen.clear();
        }
        output::warning(message);
    }

    fn parts(&self) -> Vec<Part> {
        let rate = self.tally.env_steps as f64 / self.started.elapsed().as_secs_f64();
        let mut parts = if self.screen.is_some() { vec![self.tally.done()] } else { Vec::new() };
        parts.extend(self.tally.parts(self.tally.last.is_some().then_some(rate)));
        parts.push(left(self.time_left.seconds()));
        parts
    }

    fn draw(&mut self) {
        self.time_left.update(self.started.elapsed().as_secs_f64(), self.tally.share());
        if let Some(screen) = &self.screen {
            let share = shown(self.tally.share(), self.is_complete);
            screen.draw(|columns, colored| line::layout(share, &self.parts(), columns, colored));
        }
    }

    /// Draws the line a last time and ends it, so that later output starts on a new line.
    pub(crate) fn finish(&mut self, is_complete: bool) {
        self.is_complete = is_complete;
        self.draw();
        self.screen = None;
    }
}

/// The progress display of an experiment.
pub(crate) struct ExperimentProgress {
    screen: Option<Screen>,
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
    started: Instant,
    time_left: Cell<TimeLeft>,
}

impl ExperimentProgress {
    /// The display for `todo` of `runs` runs of `length` episodes or steps each.
    pub(crate) fn new(runs: u64, todo: u64, length: u64) -> Self {
        let progress = Self {
            screen: Screen::open(),
            runs,
            finished: runs.saturating_sub(todo),
            failed: 0,
            todo,
            length,
            done: Cell::new(0),
            greedy_mean: None,
            started: Instant::now(),
            time_left: Cell::default(),
        };
        progress.draw();
        progress
    }

    /// Adds `by` episodes or steps of some run.
    pub(crate) fn advance(&self, by: u64) {
        self.done.set(self.done.get() + by);
        if self.screen.as_ref().is_some_and(Screen::is_due) {
            self.draw();
        }
    }

    pub(crate) fn run_finished(&mut self, run: &str, greedy_mean: Option<f64>) {
        self.finished += 1;
        self.greedy_mean = greedy_mean.or(self.greedy_mean);
        if self.screen.is_some() {
            self.draw();
            return;
        }
        let left = left(self.update_time_left()).long;
        let mean = greedy_mean.map_or_else(|| "none".to_owned(), number);
        let gone = duration(self.started.elapsed().as_secs_f64());
        output::line(format!(
            "run {}/{}  {run}  mean greedy return {mean}  {gone} elapsed  {left}",
            self.finished, self.runs
        ));
    }

    /// Counts a failed run.
    pub(crate) fn run_failed(&mut self) {
        self.failed += 1;
        self.draw();
    }

    pub(crate) fn warning(&self, message: &str) {
        self.clear();
        output::warning(message);
    }

    /// Prints a message that is not a warning.
    pub(crate) fn note(&self, message: &str) {
        self.clear();
        output::line(message);
    }

    fn clear(&self) {
        if let Some(screen) = &self.screen {
            screen.clear();
        }
    }

    fn share(&self) -> f64 {
        let all = self.todo.saturating_mul(self.length);
        if all == 0 { 0.0 } else { self.done.get() as f64 / all as f64 }
    }

    fn update_time_left(&self) -> Option<f64> {
        let mut time_left = self.time_left.take();
        time_left.update(self.started.elapsed().as_secs_f64(), self.share());
        let seconds = time_left.seconds();
        self.time_left.set(time_left);
        seconds
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
        let gone = duration(self.started.elapsed().as_secs_f64());
        parts.push(Part::new(1, format!("{gone} elapsed"), String::new()));
        parts.push(left(self.update_time_left()));
        parts
    }

    fn draw(&self) {
        if let Some(screen) = &self.screen {
            let share = shown(self.share(), self.finished + self.failed >= self.runs);
            screen.draw(|columns, colored| line::layout(share, &self.parts(), columns, colored));
        }
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
