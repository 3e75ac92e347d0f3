//! The output of `quarl experiment`: progress and results as text, two lines for scripts, or events as JSON.

use std::collections::{HashMap, HashSet};

use quarl::config::{TrainConfig, TrainingConfig};
use quarl::experiment::{Experiment, ExperimentEvent, ExperimentSummary, MeanRow};
use quarl::stats;
use serde_json::{Value, json};

use crate::output;
use crate::progress::ExperimentProgress;

/// The kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Audience {
    /// Text for a person who watches.
    Person,
    /// Only the result, for a script (`--quiet`).
    Quiet,
    /// Events for a program (`--json`).
    Json,
}

impl Audience {
    pub(in crate::commands) fn of(quiet: bool, json: bool) -> Self {
        match (quiet, json) {
            (_, true) => Self::Json,
            (true, false) => Self::Quiet,
            (false, false) => Self::Person,
        }
    }

    /// Prints a line if the output is for a person.
    pub(in crate::commands) fn line(self, text: impl AsRef<str>) {
        if self == Self::Person {
            output::line(text);
        }
    }

    /// The progress display for `missing` of `runs` runs of `length` episodes or steps each, if it is for a person.
    pub(in crate::commands) fn progress(self, runs: u64, missing: u64, length: u64) -> Option<ExperimentProgress> {
        (self == Self::Person && missing > 0).then(|| ExperimentProgress::new(runs, missing, length))
    }
}

/// The output of one experiment, alone or as a variant of an ablation.
pub(in crate::commands) struct Report<'a> {
    audience: Audience,
    experiment: &'a Experiment,
    /// For an ablation: the legend entry of this combination.
    variant: Option<&'a str>,
    /// The number of episodes or steps of each run that the progress display has counted.
    advanced: HashMap<u64, u64>,
    warnings: HashSet<String>,
}

impl<'a> Report<'a> {
    pub(in crate::commands) fn new(audience: Audience, experiment: &'a Experiment, variant: Option<&'a str>) -> Self {
        let (config, runs, missing) = (experiment.config(), experiment.runs(), experiment.missing().len());
        let report = Self { audience, experiment, variant, advanced: HashMap::new(), warnings: HashSet::new() };
        report.event("start", json!({ "dir": experiment.dir(), "runs": runs, "missing": missing, "config": config }));
        report
    }

    pub(in crate::commands) fn take(&mut self, event: &ExperimentEvent, mut progress: Option<&mut ExperimentProgress>) {
        let training = &self.experiment.config().training;
        match event {
            ExperimentEvent::Episode { seed, env_steps } => {
                self.advance(*seed, training.steps.map(|_| *env_steps), progress.as_deref())
            }
            // Each warning is printed once: the runs share their configuration, and so the reasons for warnings.
            ExperimentEvent::Warning { seed, message } => {
                if self.warnings.insert(message.clone()) {
                    self.warn(&format!("{}: {message}", self.run(*seed)), progress.as_deref());
                    self.event("warning", json!({ "seed": seed, "message": message }));
                }
            }
            ExperimentEvent::Waiting { seed, holder } => {
                if let Some(progress) = progress {
                    progress.note(&format!("waiting for {}, run by {holder}", self.run(*seed)));
                }
                self.event("waiting", json!({ "seed": seed, "holder": holder }));
            }
            ExperimentEvent::Finished { seed, summary } => {
                self.advance(*seed, Some(length(training)), progress.as_deref());
                if let Some(progress) = progress {
                    progress.run_finished(&self.run(*seed), summary.greedy_mean);
                }
                self.event("run", json!({ "seed": seed, "summary": summary }));
            }
            ExperimentEvent::Failed { seed, error } => {
                self.advance(*seed, Some(length(training)), progress.as_deref());
                if let Some(progress) = progress.as_mut() {
                    progress.run_failed();
                }
                self.warn(&format!("{} failed: {error}", self.run(*seed)), progress.as_deref());
                self.event("failed", json!({ "seed": seed, "error": error }));
            }
        }
    }

    /// Updates the progress of a run: to `to` steps, or by one episode.
    fn advance(&mut self, seed: u64, to: Option<u64>, progress: Option<&ExperimentProgress>) {
        let Some(progress) = progress else { return };
        let done = self.advanced.entry(seed).or_insert(0);
        let to = to.unwrap_or(*done + 1);
        progress.advance(to.saturating_sub(*done));
        *done = to;
    }

    /// A run's name: `seed 3`, or `Rainbow, CartPole-v1, seed 3`.
    fn run(&self, seed: u64) -> String {
        self.variant.map_or(format!("seed {seed}"), |variant| {
            format!("{variant}, {}, seed {seed}", self.experiment.config().env.id)
        })
    }

    fn warn(&self, message: &str, progress: Option<&ExperimentProgress>) {
        match progress {
            Some(progress) => progress.warning(message),
            None => output::warning(message),
        }
    }

    fn event(&self, name: &str, mut fields: Value) {
        if self.audience == Audience::Json {
            fields["event"] = name.into();
            if let Some(variant) = self.variant {
                fields["variant"] = variant.into();
            }
            output::json(&fields);
        }
    }

    pub(in crate::commands) fn interrupted(&self) {
        let dir = self.experiment.dir();
        self.event("finished", json!({ "dir": dir, "interrupted": true, "summary": null }));
        match self.audience {
            Audience::Person => {
                output::line(format!(
                    "interrupted: run the same command again to continue the experiment in {}",
                    dir.display()
                ));
            }
            Audience::Quiet => output::quiet_result(None, dir),
            Audience::Json => {}
        }
    }

    /// Reports the results of one variant of a comparison.
    pub(in crate::commands) fn variant_result(&self, summary: &ExperimentSummary) {
        let dir = self.experiment.dir();
        self.event("finished", json!({ "dir": dir, "interrupted": false, "summary": summary }));
        if self.audience == Audience::Quiet {
            output::quiet_result(summary.greedy_mean, dir);
        }
    }

    pub(in crate::commands) fn result(&self, rows: &[MeanRow], summary: &ExperimentSummary) {
        let dir = self.experiment.dir();
        self.event("finished", json!({ "dir": dir, "interrupted": false, "summary": summary }));
        match self.audience {
            Audience::Person => print_result(self.experiment, rows, summary),
            Audience::Quiet => output::quiet_result(summary.greedy_mean, dir),
            Audience::Json => {}
        }
    }
}

/// The number of episodes or steps of a run.
pub(in crate::commands) fn length(training: &TrainingConfig) -> u64 {
    training.episodes.or(training.steps).unwrap_or(0)
}

fn print_result(experiment: &Experiment, rows: &[MeanRow], summary: &ExperimentSummary) {
    let ExperimentSummary { runs, completed, greedy_mean, greedy_iqm, greedy_iqm_interval, .. } = summary;
    let (config, dir) = (experiment.config(), experiment.dir().display());
    if *runs as u64 > experiment.runs() {
        output::line(format!("{dir} holds {runs} runs; the results include all of them"));
    }
    let greedy_episodes = config.evaluation.episodes;
    output::missing_runs(experiment.runs().saturating_sub(*runs as u64));
    let counted =
        if completed == runs { format!("{runs} runs") } else { format!("{completed} of {runs} runs are complete") };
    output::line(format!("{counted}; each trained agent then played {greedy_episodes} greedy episodes"));
    let interval = greedy_iqm_interval.map_or(String::new(), |interval| output::interval(interval, 1));
    if let (Some(mean), Some(iqm)) = (greedy_mean, greedy_iqm) {
        output::line(format!(
            "mean greedy return over the runs: mean {mean:.1}, interquartile mean {iqm:.1}{interval}"
        ));
    }
    if let (Some(threshold), Some(reached)) = (summary.threshold, summary.reached) {
        let interval = summary.reached_interval.map_or(String::new(), |interval| output::interval(interval, 2));
        output::line(format!(
            "{reached} of {runs} runs have a mean greedy return of at least {threshold}: share {:.2}{interval}",
            reached as f64 / *runs as f64
        ));
    }
    let shown = greedy_iqm_interval.is_some() || summary.reached_interval.is_some();
    if let Some(caveat) = output::caveat(*runs, "runs", shown) {
        output::line(caveat);
    }
    if *completed > 0 && is_textbook(config) {
        let doubled = doubled_at(rows).map_or("never".to_owned(), |episode| format!("at episode {episode}"));
        output::line(format!(
            "the mean training return (moving average over 10 episodes) first reaches twice its initial value {doubled}; \
             in the textbook experiment at about episode 50"
        ));
        let mean = greedy_mean.unwrap_or(0.0);
        output::line(format!(
            "the trained agents balance the pole for {mean:.0} steps on average; the textbook's single agent for 116"
        ));
    }
    output::line(format!("experiment directory: {dir}"));
}

/// The first episode at which the mean curve (moving average over ten episodes) is at least twice its value after ten
/// episodes.
fn doubled_at(rows: &[MeanRow]) -> Option<usize> {
    let means: Vec<f64> = rows.iter().map(|row| row.mean.unwrap_or(f64::NAN)).collect();
    let smoothed = stats::moving_average(&means, 10);
    let first = *smoothed.get(9)?;
    (10..smoothed.len()).find(|episode| smoothed[*episode] >= 2.0 * first)
}

/// Whether these are the settings of the textbook experiment, so that its published results can be printed for comparison.
fn is_textbook(config: &TrainConfig) -> bool {
    TrainConfig::preset("textbook").build().is_ok_and(|mut textbook| {
        textbook.training.seed = config.training.seed;
        textbook == *config
    })
}
