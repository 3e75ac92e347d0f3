//! The section of a study.

use std::path::Path;

use anyhow::Result;
use maud::{Markup, html};
use quarl::tune::{Confirmation, StudyResults, StudySummary, Trial};

use super::sections::seconds;
use super::tables::{Cell, facts, table};
use super::{configuration, figures};

pub(super) fn content(dir: &Path, results: &StudyResults, id: &str) -> Result<Markup> {
    let summary = &results.summary;
    let configs = [Some(results.config.clone()), results.best_config()?];
    let names = ["the study's configuration", "the best trial"].map(str::to_owned);
    let configs: Vec<_> = names.into_iter().zip(configs).filter_map(|(name, config)| Some((name, config?))).collect();
    Ok(html! {
        (facts(&known(dir, summary)))
        (figures::figures(&format!("{id}-progress"), "Scores of the trials", &[results.progress()])?)
        (figures::drawing(
            &format!("{id}-coordinates"),
            "Parameters of the complete trials",
            &results.parallel_coordinates().to_svg()?,
        ))
        @if let Some(importance) = results.importance() {
            (figures::drawing(&format!("{id}-importance"), "Importance of the parameters", &importance.to_svg()?))
        }
        (trials(results))
        @if configs.len() > 1 { (configuration::differences(&configs)) }
        (configuration::whole(&results.config))
    })
}

/// What the study is and what it has found.
fn known(dir: &Path, summary: &StudySummary) -> Vec<(&'static str, String)> {
    let StudySummary { complete, pruned, failed, missing, best, confirmation, .. } = summary;
    let seeds: Vec<String> = summary.seeds.iter().map(u64::to_string).collect();
    let scale = match summary.score_range {
        Some([low, high]) => format!("0 is a return of {low:.1} (random play), 1 is {high:.1}"),
        None => "the mean return".to_owned(),
    };
    let tie = if summary.all_tie { "; all complete trials do, so it is merely the first of them" } else { "" };
    let best =
        best.as_ref().map_or(String::new(), |best| format!("trial {} scores {:.3}{tie}", best.trial, best.score));
    vec![
        ("Environment", summary.env.clone()),
        ("Trials", format!("{complete} complete, {pruned} pruned, {failed} failed, {missing} missing")),
        ("Seeds of each trial", seeds.join(", ")),
        ("Score", format!("the mean of the worse half of the seeds; {scale}")),
        ("Best trial", best),
        ("With fresh seeds", confirmation.as_ref().map_or(String::new(), fresh)),
        ("Repeat", summary.command.clone().unwrap_or_default()),
        ("Train the best", format!("quarl train --config {} --out NEW", dir.join("best.toml").display())),
        ("Wall time", format!("{} in total, over all runs", seconds(summary.seconds))),
        ("Version", format!("quarl {}", summary.quarl_version)),
    ]
}

/// How the best trial did with fresh seeds.
fn fresh(confirmation: &Confirmation) -> String {
    let Confirmation { score, drop, scores, returns, failed, .. } = confirmation;
    let mut parts = Vec::new();
    if let (Some(score), Some(drop)) = (score, drop) {
        parts.push(format!("score {score:.3}, {drop:.3} below the search\u{2019}s"));
    }
    if let Some(mean) = returns.mean {
        let interval = returns.mean_interval.map_or(String::new(), |[low, high]| format!(" ({low:.1} to {high:.1})"));
        parts.push(format!("mean return {mean:.1}{interval} over {} runs", scores.len()));
    }
    if !failed.is_empty() {
        parts.push(format!("{} failed", failed.len()));
    }
    parts.join("; ")
}

fn trials(results: &StudyResults) -> Markup {
    let keys: Vec<&str> = results.space.parameters().iter().map(|parameter| parameter.key.as_str()).collect();
    let header: Vec<&str> =
        ["trial", "state", "score"].into_iter().chain(keys.iter().copied()).chain(["error"]).collect();
    let row = |trial: &Trial| {
        let value = |key: &&str| match trial.parameters.get(*key) {
            Some(toml::Value::Float(value)) => Cell::Number(Some(*value), format!("{value:.4e}")),
            Some(toml::Value::Integer(value)) => Cell::Number(Some(*value as f64), value.to_string()),
            Some(value) => Cell::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            None => Cell::Text(String::new()),
        };
        [Cell::count(trial.number), Cell::Text(trial.state.name().to_owned()), Cell::number(trial.score, 3)]
            .into_iter()
            .chain(keys.iter().map(value))
            .chain([Cell::Text(trial.error.clone().unwrap_or_default())])
            .collect()
    };
    let rows: Vec<Vec<Cell>> = results.trials().map(row).collect();
    table("All trials; the score of a pruned one is that of its last evaluation", &header, &rows)
}
