//! The output of `quarl tune`: progress and results as text, three lines for scripts, or events as JSON.

use std::collections::HashSet;
use std::path::Path;

use quarl::tune::{Confirmation, Pruner, Study, StudyEvent, StudySummary};
use serde_json::json;

use crate::args::TrustArgs;
use crate::commands::experiment::report::Audience;
use crate::output;
use crate::progress::StudyProgress;

/// The output of a study.
pub(super) struct Report<'a> {
    audience: Audience,
    study: &'a Study,
    progress: Option<StudyProgress>,
    warnings: HashSet<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(audience: Audience, study: &'a Study) -> Self {
        let progress = (audience == Audience::Person && study.has_work()).then(|| StudyProgress::new(study));
        let report = Self { audience, study, progress, warnings: HashSet::new() };
        report.event(&json!({
            "event": "start", "dir": study.dir(), "trials": study.planned(), "missing": study.missing(),
            "config": study.config(), "space": study.space().to_toml(),
        }));
        report
    }

    pub(super) fn take(&mut self, event: &StudyEvent) {
        if let Some(progress) = &mut self.progress {
            progress.take(event);
        }
        match event {
            StudyEvent::Episode { .. } => return,
            // Each warning is printed once: most trials give the same ones.
            StudyEvent::Warning { trial, seed, message } => {
                if !self.warnings.insert(message.clone()) {
                    return;
                }
                self.warn(&format!("trial {trial}, seed {seed}: {message}"));
            }
            StudyEvent::Failed { trial, error } => self.warn(&format!("trial {trial} failed: {error}")),
            StudyEvent::Unfinished { trial, seed, error } => self.warn(&format!("trial {trial}, seed {seed}: {error}")),
            StudyEvent::Confirmed { seed, error: Some(error), .. } => {
                self.warn(&format!("fresh seed {seed} failed: {error}"))
            }
            _ => {}
        }
        self.event(event);
    }

    fn warn(&self, message: &str) {
        match &self.progress {
            Some(progress) => progress.warning(message),
            None => output::warning(message),
        }
    }

    fn event(&self, event: &impl serde::Serialize) {
        if self.audience == Audience::Json {
            output::json(event);
        }
    }

    pub(super) fn end_progress(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
    }

    pub(super) fn interrupted(&self) {
        let dir = self.study.dir();
        self.event(&json!({ "event": "finished", "dir": dir, "interrupted": true, "summary": null }));
        self.audience
            .line(format!("interrupted: run the same command again to continue the study in {}", dir.display()));
    }

    pub(super) fn result(&self, summary: &StudySummary) {
        let dir = self.study.dir();
        match self.audience {
            Audience::Json => {
                self.event(&json!({ "event": "finished", "dir": dir, "interrupted": false, "summary": summary }));
            }
            Audience::Quiet => quiet(dir, summary),
            Audience::Person => {
                print(dir, summary);
                if summary.best.is_some() {
                    let trust = TrustArgs::suggestion(&self.study.config().env);
                    output::line(format!(
                        "train with it: quarl train --config {}{trust}",
                        dir.join("best.toml").display()
                    ));
                }
            }
        }
    }
}

fn quiet(dir: &Path, summary: &StudySummary) {
    let shown = |score: Option<f64>| score.map_or_else(|| "none".to_owned(), |score| format!("{score:.4}"));
    let fresh = summary.confirmation.as_ref().and_then(|confirmation| confirmation.score);
    output::line(format!("best score: {}", shown(summary.best.as_ref().map(|best| best.score))));
    output::line(format!("score with fresh seeds: {}", shown(fresh)));
    output::line(format!("best configuration: {}", dir.join("best.toml").display()));
}

fn print(dir: &Path, summary: &StudySummary) {
    let StudySummary { env, complete, pruned, failed, missing, .. } = summary;
    let ended = complete + pruned + failed;
    let states = [(*complete, "complete"), (*pruned, "pruned"), (*failed, "failed")];
    let states = states.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}"));
    let states = states.collect::<Vec<_>>().join(", ");
    output::line(format!("{ended} trials on {env}: {}", if states.is_empty() { "none has ended" } else { &states }));
    if *missing > 0 {
        output::line(format!(
            "{missing} trials are missing: other shards, or the same command without --shard, run them; the best \
             configuration is then trained with fresh seeds"
        ));
    }
    if let Some(best) = &summary.best {
        let seeds = summary.seeds.len();
        let of = if seeds == 1 { "one seed".to_owned() } else { format!("the worse half of {seeds} seeds") };
        let scale = if summary.score_range.is_some() { "; random play 0, threshold 1" } else { "; mean return" };
        output::line(format!("best: trial {}, score {:.3} ({of}{scale})", best.trial, best.score));
        let width = best.parameters.keys().map(String::len).max().unwrap_or(0);
        for (key, value) in &best.parameters {
            output::line(format!("  {key:<width$}  {value}"));
        }
    }
    if let Some(warning) = tie(summary) {
        output::warning(&warning);
    }
    if let Some(confirmation) = &summary.confirmation {
        print_confirmation(confirmation);
    }
    match &summary.importance {
        Some(importance) => {
            let shown: Vec<String> =
                importance.iter().take(4).map(|found| format!("{} {:.2}", found.key, found.importance)).collect();
            output::line(format!("most important: {}", shown.join(", ")));
        }
        None if summary.all_tie => {
            output::line("no importance of the parameters: all complete trials have the same score");
        }
        None => output::line("no importance of the parameters: fewer than ten complete or pruned trials"),
    }
    if *complete == 1 && *pruned > 0 && summary.pruner != Pruner::None {
        output::line("only one trial is complete: add trials, or use --pruner none");
    }
    let best = if summary.best.is_some() { "best.toml, " } else { "" };
    output::line(format!(
        "study directory: {} ({best}trials.csv, summary.json, progress.svg, coordinates.svg)",
        dir.display()
    ));
}

/// The warning that the best trial was not chosen for its settings.
fn tie(summary: &StudySummary) -> Option<String> {
    let best = summary.best.as_ref().filter(|_| summary.all_tie)?;
    let StudySummary { complete, .. } = summary;
    Some(format!(
        "all {complete} complete trials have the score {:.3}, so trial {} is called the best only because it is the first, and \
         nothing is known about the parameters: where no trial learns, give the runs a larger budget; where every trial reaches \
         the highest score, a smaller one, or more seeds",
        best.score, best.trial
    ))
}

fn print_confirmation(confirmation: &Confirmation) {
    let Confirmation { runs, score, drop, scores, returns, failed } = confirmation;
    let runs = if failed.is_empty() && scores.len() == *runs {
        if *runs == 1 { "1 fresh seed".to_owned() } else { format!("{runs} fresh seeds") }
    } else {
        format!("{} of {runs} fresh seeds", scores.len())
    };
    let interval = returns.mean_interval.map_or(String::new(), |interval| output::interval(interval, 1));
    let mean = returns.mean.map_or(String::new(), |mean| format!("mean return {mean:.1}{interval}"));
    match (score, drop) {
        (Some(score), Some(drop)) => {
            let side = if *drop >= 0.0 { "below" } else { "above" };
            output::line(format!("with {runs}: score {score:.3}, {:.3} {side} the search's; {mean}", drop.abs()));
        }
        _ => output::line(format!("with {runs}, fewer than a trial has: {mean}")),
    }
    if let (Some(threshold), Some(reached)) = (returns.threshold, returns.reached) {
        let interval = returns.reached_interval.map_or(String::new(), |interval| output::interval(interval, 2));
        let tried = returns.n + returns.failed;
        let share = returns.reached_share.unwrap_or(0.0);
        output::line(format!(
            "{reached} of {tried} runs have a mean return of at least {threshold}: share {share:.2}{interval}"
        ));
    }
}
