//! How a run in progress is shown: a bar on a terminal, a plain line now and then elsewhere.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use quarl::config::TrainingConfig;
use quarl::train::EpisodeRecord;

use crate::output;

/// Over how many episodes the shown mean goes.
const MEAN_WINDOW: usize = 50;

/// A plain line every so many episodes.
const PLAIN_EVERY: u64 = 10;

/// Training, as a person sees it.
pub(crate) struct TrainProgress {
    bar: Option<ProgressBar>,
    counts_steps: bool,
    recent: VecDeque<f64>,
    started: Instant,
}

impl TrainProgress {
    pub(crate) fn new(training: &TrainingConfig) -> Self {
        let counts_steps = training.episodes.is_none();
        let length = training.episodes.or(training.steps).unwrap_or(0);
        let unit = if counts_steps { "steps" } else { "episodes" };
        let bar = output::is_terminal().then(|| bar(length, &format!("{{bar:24}} {{pos}}/{{len}} {unit}  {{msg}}")));
        Self { bar, counts_steps, recent: VecDeque::with_capacity(MEAN_WINDOW), started: Instant::now() }
    }

    pub(crate) fn episode(&mut self, record: &EpisodeRecord) {
        if self.recent.len() == MEAN_WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(record.total_reward);
        let mean = self.recent.iter().sum::<f64>() / self.recent.len() as f64;
        let rate = record.env_steps as f64 / self.started.elapsed().as_secs_f64();
        let EpisodeRecord { episode, total_reward, epsilon, env_steps, .. } = record;
        let numbers = format!(
            "return {total_reward:.0}  mean of last {MEAN_WINDOW} {mean:.1}  epsilon {epsilon:.2}  {rate:.0} steps/s"
        );
        if let Some(bar) = &self.bar {
            bar.set_position(if self.counts_steps { *env_steps } else { episode + 1 });
            bar.set_message(if self.counts_steps { format!("episode {episode}  {numbers}") } else { numbers });
        } else if episode.is_multiple_of(PLAIN_EVERY) {
            output::line(format!("episode {episode:>4}  {numbers}"));
        }
    }

    pub(crate) fn warning(&self, message: &str) {
        above(self.bar.as_ref(), || output::warning(message));
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

/// Many runs, as a person sees them.
pub(crate) struct ExperimentProgress {
    bar: Option<ProgressBar>,
    runs: u64,
    finished: u64,
    todo: u64,
    started: Instant,
}

impl ExperimentProgress {
    /// For `todo` of `runs` runs of `length` episodes or steps each.
    pub(crate) fn new(runs: u64, todo: u64, length: u64) -> Self {
        let template = "{bar:24} {percent}%  {msg}  {elapsed} gone, about {eta} left";
        let bar = output::is_terminal().then(|| bar(todo * length, template));
        let progress = Self { bar, runs, finished: runs - todo, todo, started: Instant::now() };
        progress.say();
        progress
    }

    /// Some run has done so many more of its episodes or steps.
    pub(crate) fn advance(&self, by: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(by);
        }
    }

    pub(crate) fn run_finished(&mut self, seed: u64, greedy_mean: Option<f64>) {
        self.finished += 1;
        self.say();
        if self.bar.is_none() {
            let done = self.finished + self.todo - self.runs;
            let elapsed = self.started.elapsed().as_secs_f64();
            let left = elapsed / done as f64 * (self.todo - done) as f64;
            let greedy_mean = greedy_mean.map_or(String::new(), |mean| format!("  greedy mean {mean:.1}"));
            output::line(format!(
                "run {}/{}  seed {seed}{greedy_mean}  {elapsed:.0} s gone, about {left:.0} s left",
                self.finished, self.runs
            ));
        }
    }

    pub(crate) fn warning(&self, message: &str) {
        above(self.bar.as_ref(), || output::warning(message));
    }

    fn say(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("run {}/{}", self.finished, self.runs));
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

/// Writes with the bar out of the way.
fn above(bar: Option<&ProgressBar>, write: impl FnOnce()) {
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(length), indicatif::ProgressDrawTarget::stdout()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
