//! The section of one directory: a run, an experiment, a comparison, a study, or several of these.

use std::path::Path;

use anyhow::Result;
use maud::{Markup, html};
use quarl::Error;
use quarl::config::TrainConfig;
use quarl::experiment::{self, read_comparison};
use quarl::run::{self, Contents, Status, Summary};
use quarl::tune::read_study;

use super::recordings::Recordings;
use super::tables::{Cell, facts, table};
use super::{Section, comparison, configuration, figures, study};

/// The section of the results in `path`. Its ids begin with `id`.
pub(super) fn section(path: &Path, id: &str, recordings: &mut Recordings) -> Result<Section> {
    let title = path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let title = title.unwrap_or_else(|| path.display().to_string());
    let content = match Contents::of(path)? {
        Contents::Run { .. } => run_content(path, id, recordings)?,
        Contents::Experiment => experiment_content(path, id, recordings)?,
        Contents::Several { results, .. } => match read_comparison(path)? {
            Some(results) => comparison::content(path, &results, id, recordings)?,
            None => several(&results, id, recordings)?,
        },
        Contents::Study => match read_study(path)? {
            Some(results) => study::content(path, &results, id)?,
            None => {
                let message = "holds a study without results: run it to its end, or interrupt it once".to_owned();
                return Err(Error::File { path: path.to_owned(), message }.into());
            }
        },
        Contents::Nothing | Contents::Other { .. } => return Err(Contents::no_results(path).into()),
    };
    Ok(Section { title, id: id.to_owned(), content })
}

/// Runs and experiments in one directory that are not a comparison, one after the other.
fn several(paths: &[std::path::PathBuf], id: &str, recordings: &mut Recordings) -> Result<Markup> {
    let parts = paths.iter().enumerate().map(|(i, path)| section(path, &format!("{id}-{}", i + 1), recordings));
    let parts = parts.collect::<Result<Vec<Section>>>()?;
    Ok(html! {
        @for part in &parts { h3 id=(part.id) { (part.title) } (part.content) }
    })
}

fn run_content(dir: &Path, id: &str, recordings: &mut Recordings) -> Result<Markup> {
    let config = run::read_config(dir)?;
    let status = run::status(dir)?;
    let summary = match &status {
        Status::Complete(summary) | Status::Failed(summary) => Some(&**summary),
        Status::Incomplete => None,
    };
    let state = match &status {
        Status::Complete(_) => "complete".to_owned(),
        Status::Failed(summary) => format!("failed: {}", summary.error.as_deref().unwrap_or_default()),
        Status::Incomplete => "unfinished or interrupted".to_owned(),
    };
    let mut known =
        vec![("Environment", config.env.id.clone()), ("Seed", config.training.seed.to_string()), ("State", state)];
    known.extend(summary.map(results).unwrap_or_default());
    known.push(("Repeat", format!("quarl train --config {} --out NEW", dir.join(run::CONFIG).display())));
    known.extend(summary.map(origin).unwrap_or_default());
    let curve = run::figure(dir)?;
    let agents = [("The agent at the end of training".to_owned(), dir.to_owned())];
    Ok(html! {
        (facts(&known))
        (figures::figures(&format!("{id}-curve"), "Learning curve", &[curve])?)
        @if dir.join(run::MODEL).is_file() { (recordings.gallery(&agents)) }
        (configuration::whole(&config))
    })
}

/// What a run has reached.
fn results(summary: &Summary) -> Vec<(&'static str, String)> {
    let Summary { episodes, env_steps, greedy_returns, greedy_mean, best_mean, stopped_early, warnings, .. } = summary;
    let greedy = greedy_mean.map_or(String::new(), |mean| {
        format!("{mean:.1} over {} episodes", greedy_returns.as_ref().map_or(0, Vec::len))
    });
    vec![
        ("Greedy return at the end", greedy),
        ("Best evaluation", best_mean.map_or(String::new(), |mean| format!("{mean:.1}"))),
        ("Training", format!("{episodes} episodes, {env_steps} environment steps")),
        ("Ended early", stopped_early.clone().unwrap_or_default()),
        ("Warnings", warnings.join("; ")),
    ]
}

/// Where and with what a run was trained.
fn origin(summary: &Summary) -> Vec<(&'static str, String)> {
    vec![
        ("Wall time", seconds(summary.wall_seconds)),
        ("Version", format!("quarl {}", summary.quarl_version)),
        ("Machine", machine(summary)),
    ]
}

/// The machine and the instruction set; earlier versions did not write the machine.
pub(super) fn machine(summary: &Summary) -> String {
    let Summary { machine, cpu_path, .. } = summary;
    if machine.is_empty() { cpu_path.clone() } else { format!("{machine} ({cpu_path})") }
}

/// A duration: `12.3 s`, `4 min 10 s`, `2 h 5 min`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

/// The complete and failed runs of an experiment.
pub(super) struct Ended {
    pub(super) complete: Vec<(u64, Summary)>,
    pub(super) failed: Vec<(u64, String)>,
}

impl Ended {
    pub(super) fn of(dir: &Path) -> Result<Self> {
        let mut ended = Self { complete: Vec::new(), failed: Vec::new() };
        for outcome in experiment::outcomes(dir)? {
            match outcome.status {
                Status::Complete(summary) => ended.complete.push((outcome.seed, *summary)),
                Status::Failed(summary) => ended.failed.push((outcome.seed, summary.error.unwrap_or_default())),
                Status::Incomplete => {}
            }
        }
        Ok(ended)
    }

    /// The seed of the median run: neither the best nor the worst agent stands for a configuration.
    pub(super) fn median(&self) -> Option<(u64, f64)> {
        let score = |(seed, summary): &(u64, Summary)| Some((*seed, summary.greedy_mean?));
        let mut runs: Vec<(u64, f64)> = self.complete.iter().filter_map(score).collect();
        runs.sort_by(|a, b| a.1.total_cmp(&b.1));
        runs.get(runs.len().checked_sub(1)? / 2).copied()
    }

    /// The sum of the runs' wall time in seconds.
    pub(super) fn wall_seconds(&self) -> f64 {
        self.complete.iter().map(|(_, summary)| summary.wall_seconds).sum()
    }

    /// The distinct values of one item of the summaries.
    pub(super) fn distinct(&self, item: impl Fn(&Summary) -> String) -> String {
        let mut values: Vec<String> = self.complete.iter().map(|(_, summary)| item(summary)).collect();
        values.sort();
        values.dedup();
        values.join("; ")
    }
}

fn experiment_content(dir: &Path, id: &str, recordings: &mut Recordings) -> Result<Markup> {
    let config: TrainConfig = run::read_config(dir)?;
    let ended = Ended::of(dir)?;
    let planned = experiment::outcomes(dir)?.len();
    let (complete, first) = (ended.complete.len(), config.training.seed);
    let known = [
        ("Environment", config.env.id.clone()),
        (
            "Runs",
            format!(
                "{complete} complete, {} failed, {} unfinished",
                ended.failed.len(),
                planned - complete - ended.failed.len()
            ),
        ),
        ("Repeat", format!("quarl experiment --config {} --runs {planned} --out NEW", dir.join(run::CONFIG).display())),
        ("Wall time", format!("{} in total, over all runs", seconds(ended.wall_seconds()))),
        ("Version", ended.distinct(|summary| format!("quarl {}", summary.quarl_version))),
        ("Machine", ended.distinct(machine)),
    ];
    let curve = if complete > 0 { Some(experiment::figure(dir)?) } else { None };
    let agents: Vec<_> = ended
        .median()
        .into_iter()
        .map(|(seed, score)| {
            (format!("The median run: seed {seed}, greedy return {score:.1}"), experiment::run_path(dir, seed))
        })
        .collect();
    let row = |(seed, summary): &(u64, Summary)| {
        vec![
            Cell::count(*seed),
            Cell::number(summary.greedy_mean, 1),
            Cell::number(summary.best_mean, 1),
            Cell::number(summary.mean_return, 1),
            Cell::count(summary.episodes),
            Cell::count(summary.env_steps),
            Cell::number(Some(summary.wall_seconds), 1),
        ]
    };
    let rows: Vec<Vec<Cell>> = ended.complete.iter().map(row).collect();
    let header = ["seed", "greedy return", "best evaluation", "training return", "episodes", "steps", "seconds"];
    Ok(html! {
        (facts(&known))
        @if let Some(curve) = curve { (figures::figures(&format!("{id}-curve"), "Mean learning curve", &[curve])?) }
        (table(&format!("Runs, from seed {first} on"), &header, &rows))
        (failures(&ended.failed))
        (recordings.gallery(&agents))
        (configuration::whole(&config))
    })
}

/// The failed runs with their reasons.
pub(super) fn failures(failed: &[(u64, String)]) -> Markup {
    html! {
        @if !failed.is_empty() {
            h3 { "Failed runs" }
            ul { @for (seed, error) in failed { li { "seed " (seed) ": " (error) } } }
        }
    }
}
