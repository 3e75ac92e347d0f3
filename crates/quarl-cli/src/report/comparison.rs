//! The section of a comparison or an ablation.

use std::path::{Path, PathBuf};

use anyhow::Result;
use maud::{Markup, html};
use quarl::config::TrainConfig;
use quarl::experiment::{
    self, ComparisonResults, ConfigurationResults, EnvironmentResults, OverallResults, comparison_figures,
};
use quarl::run;

use super::recordings::Recordings;
use super::sections::{Ended, failures, machine, seconds};
use super::tables::{Cell, facts, table};
use super::{configuration, figures};

pub(super) fn content(
    dir: &Path,
    results: &ComparisonResults,
    id: &str,
    recordings: &mut Recordings,
) -> Result<Markup> {
    let mut all = Vec::new();
    for environment in &results.environments {
        for configuration in &environment.configurations {
            let out = dir.join(&configuration.dir);
            all.push((environment, configuration, run::read_config(&out)?, Ended::of(&out)?, out));
        }
    }
    let ended = || all.iter().map(|(_, _, _, ended, _)| ended);
    let environments: Vec<&str> = results.environments.iter().map(|environment| environment.env.as_str()).collect();
    let join = |item: fn(&Ended) -> String| {
        let mut values: Vec<String> = ended().map(item).filter(|value| !value.is_empty()).collect();
        values.sort();
        values.dedup();
        values.join("; ")
    };
    let runs: usize = ended().map(|ended| ended.complete.len()).sum();
    let failed: usize = ended().map(|ended| ended.failed.len()).sum();
    let known = [
        ("Environments", environments.join(", ")),
        ("Runs", format!("{runs} complete, {failed} failed")),
        ("Repeat", results.command.clone().unwrap_or_default()),
        ("Wall time", format!("{} in total, over all runs", seconds(ended().map(Ended::wall_seconds).sum()))),
        ("Version", join(|ended| ended.distinct(|summary| format!("quarl {}", summary.quarl_version)))),
        ("Machine", join(|ended| ended.distinct(machine))),
    ];
    let drawn = comparison_figures(dir, results)?;
    let charts = drawn.iter().map(|(stem, panels)| figures::figures(&format!("{id}-{stem}"), heading(stem), panels));
    let charts = charts.collect::<Result<Vec<Markup>>>()?;
    let agents: Vec<(String, PathBuf)> = all
        .iter()
        .filter_map(|(environment, configuration, _, ended, out)| {
            let (seed, score) = ended.median()?;
            let description = format!(
                "{}, {}: the median run (seed {seed}, greedy return {score:.1})",
                environment.env, configuration.label
            );
            Some((description, experiment::run_path(out, seed)))
        })
        .collect();
    Ok(html! {
        (facts(&known))
        @if let Some(overall) = &results.overall { (overall_table(overall, environments.len())) }
        @for environment in &results.environments { (environment_table(environment)) }
        @for chart in charts { (chart) }
        h3 { "Configurations" }
        @for environment in &results.environments {
            @let configs: Vec<(String, TrainConfig)> = all.iter().filter(|part| part.0.env == environment.env)
                .map(|part| (part.1.label.clone(), part.2.clone())).collect();
            @if results.environments.len() > 1 { h4 { (environment.env) } }
            (configuration::differences(&configs))
        }
        @for (environment, configuration, _, ended, _) in &all {
            @if !ended.failed.is_empty() { h3 { (configuration.label) ", " (environment.env) } (failures(&ended.failed)) }
        }
        (recordings.gallery(&agents))
    })
}

/// The heading of a comparison's figures.
fn heading(stem: &str) -> &'static str {
    match stem {
        "scores" => "Scores of the agents at the end of training",
        "improvement" => "Probability of improvement over the first configuration",
        "efficiency" => "Sample efficiency: scores of the agents during training",
        "curve" => "Learning curves",
        _ => "Performance profiles: the share of runs above each score",
    }
}

fn environment_table(environment: &EnvironmentResults) -> Markup {
    let success = environment.threshold.map_or("success".to_owned(), |threshold| format!("share \u{2265} {threshold}"));
    let header = [
        "configuration",
        "runs",
        "failed",
        "mean",
        "IQM",
        &success,
        "area under the curve",
        "P(better than first)",
        "difference, paired",
        "difference, unpaired interval",
    ];
    let row = |configuration: &ConfigurationResults| {
        let (scores, versus) = (&configuration.scores, configuration.versus_first.as_ref());
        vec![
            Cell::Text(configuration.label.clone()),
            Cell::count(scores.n as u64),
            if scores.failed > 0 { Cell::count(scores.failed as u64) } else { Cell::Number(None, String::new()) },
            Cell::estimate(scores.mean, scores.mean_interval, 1),
            Cell::estimate(scores.iqm, scores.iqm_interval, 1),
            Cell::estimate(scores.reached_share, scores.reached_interval, 2),
            Cell::estimate(configuration.area, configuration.area_interval, 1),
            Cell::estimate(
                versus.and_then(|v| v.probability_of_improvement),
                versus.and_then(|v| v.probability_interval),
                2,
            ),
            Cell::estimate(versus.and_then(|v| v.difference), versus.and_then(|v| v.paired_interval), 1),
            Cell::estimate(versus.and_then(|v| v.difference), versus.and_then(|v| v.unpaired_interval), 1),
        ]
    };
    let rows: Vec<Vec<Cell>> = environment.configurations.iter().map(row).collect();
    table(&format!("{}: greedy returns at the end of each run", environment.env), &header, &rows)
}

fn overall_table(overall: &[OverallResults], environments: usize) -> Markup {
    let header = ["configuration", "mean", "median", "IQM", "optimality gap", "P(better than first)"];
    let row = |results: &OverallResults| {
        vec![
            Cell::Text(results.label.clone()),
            Cell::estimate(results.mean, results.mean_interval, 2),
            Cell::estimate(results.median, results.median_interval, 2),
            Cell::estimate(results.iqm, results.iqm_interval, 2),
            Cell::estimate(results.optimality_gap, results.optimality_gap_interval, 2),
            Cell::estimate(results.probability_of_improvement, results.probability_interval, 2),
        ]
    };
    let rows: Vec<Vec<Cell>> = overall.iter().map(row).collect();
    let noun = if environments == 1 { "environment" } else { "environments" };
    table(&format!("Normalised scores over {environments} {noun}"), &header, &rows)
}
