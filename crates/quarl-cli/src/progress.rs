//! Progress display: one line that is redrawn on a terminal, or occasional plain lines elsewhere.

mod line;
mod screen;
mod study;
mod time_left;

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Instant;

use quarl::config::TrainingConfig;
use quarl::train::{EpisodeRecord, Evaluation, Event};

use crate::output;
use line::{Color, Part, number};
use screen::Screen;
pub(crate) use study::StudyProgress;
use time_left::{TimeLeft, duration};

/// The number of episodes in the displayed mean.
const MEAN_WINDOW: usize = 50;

/// The interval of plain lines, in episodes.
const PLAIN_EVERY: u64 = 10;

/// The progress display of a run.
pub(crate) struct TrainProgress {
    screen: Option<Screen>,
    counts_steps: bool,
    /// The budget in episodes or environment steps.
    budget: u64,
    episodes: u64,
    env_steps: u64,
    last: Option<EpisodeRecord>,
    recent: VecDeque<f64>,
    evaluation: Option<f64>,
    /// Whether the run has ended, including its final evaluation.
    is_complete: bool,
    started: Instant,
    time_left: TimeLeft,
}

impl TrainProgress {
    pub(crate) fn new(training: &TrainingConfig) -> Self {
        Self {
            screen: Screen::open(),
            counts_steps: training.episodes.is_none(),
            budget: training.episodes.or(training.steps).unwrap_or(0),
            episodes: 0,
            env_steps: 0,
            last: None,
            recent: VecDeque::with_capacity(MEAN_WINDOW),
            evaluation: None,
            is_complete: false,
            started: Instant::now(),
            time_left: TimeLeft::default(),
        }
    }

    /// Processes an event and redraws if it is due.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Step { env_steps, .. } => self.env_steps = *env_steps,
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
        (self.episodes, self.env_steps) = (record.episode + 1, record.env_steps);
        if self.recent.len() == MEAN_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(record.total_reward);
        self.last = Some(record.clone());
        if self.screen.is_none() && record.episode.is_multiple_of(PLAIN_EVERY) {
            self.time_left.update(self.started.elapsed().as_secs_f64(), self.share());
            let parts: Vec<String> = self.parts().into_iter().map(|part| part.long).collect();
            output::line(format!("episode {:>4}  {}", record.episode, parts.join("  ")));
        }
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        self.evaluation = Some(evaluation.mean_return);
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

    /// The fraction of the budget that is used, from 0 to 1.
    fn share(&self) -> f64 {
        let done = if self.counts_steps { self.env_steps } else { self.episodes };
        if self.budget == 0 { 0.0 } else { done as f64 / self.budget as f64 }
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.screen.is_some() {
            let (done, unit) = if self.counts_steps { (self.env_steps, "steps") } else { (self.episodes, "episodes") };
            let budget = self.budget;
            parts.push(Part::new(4, format!("{done}/{budget} {unit}"), format!("{done}/{budget}")));
        }
        if let Some(record) = &self.last {
            let mean = number(self.recent.iter().sum::<f64>() / self.recent.len() as f64);
            parts.push(Part::new(3, format!("return {}", number(record.total_reward)), String::new()));
            parts.push(Part::new(8, format!("mean of last {MEAN_WINDOW} {mean}"), format!("mean {mean}")));
        }
        if let Some(mean) = self.evaluation {
            let mean = number(mean);
            parts.push(Part::new(7, format!("evaluation {mean}"), format!("eval {mean}")).colored(Color::Green));
        }
        if let Some(record) = &self.last {
            let rate = self.env_steps as f64 / self.started.elapsed().as_secs_f64();
            parts.push(Part::new(1, format!("epsilon {:.2}", record.epsilon), String::new()));
            parts.push(Part::new(2, format!("{rate:.0} steps/s"), String::new()));
        }
        parts.push(left(self.time_left.seconds()));
        parts
    }

    fn draw(&mut self) {
        self.time_left.update(self.started.elapsed().as_secs_f64(), self.share());
        if let Some(screen) = &self.screen {
            let share = shown(self.share(), self.is_complete);
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
fn shown(share: f64, is_complete: bool) -> f64 {
    if is_complete { share } else { share.min(0.99) }
}

/// The remaining time.
fn left(seconds: Option<f64>) -> Part {
    let text = seconds.map_or_else(|| "-:--".to_owned(), duration);
    Part::new(9, format!("{text} left"), format!("{text} left"))
}
