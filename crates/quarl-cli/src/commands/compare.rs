//! `quarl compare`: trains several configurations on several environments with many seeds, and compares their scores.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use quarl::config::{ConfigBuilder, TrainConfig, presets};
use quarl::experiment::{
    Comparison, ComparisonResults, ConfigurationResults, EnvironmentResults, ExperimentEvent, OverallResults, Plan,
    ScoreRange, Variant,
};
use quarl::run;
use serde_json::json;

use super::experiment::reasons;
use super::experiment::report::{Audience, Report, length};
use crate::args::{CommandEnv, CompareArgs, Normalize, read};
use crate::output::Usage;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: CompareArgs) -> Result<Outcome> {
    let variants = variants(&args)?;
    interrupt::listen();
    let plan = args.many.plan(variants[0].config.clone(), args.runs);
    let range = score_range(&args.normalize)?;
    run_variants(&plan, variants, range.as_ref(), Audience::of(args.many.quiet, args.many.json))
}

/// Every configuration on every environment.
fn variants(args: &CompareArgs) -> Result<Vec<Variant>> {
    let mut variants: Vec<Variant> = Vec::new();
    let envs: Vec<Option<&str>> =
        if args.envs.is_empty() { vec![None] } else { args.envs.iter().map(|env| Some(env.as_str())).collect() };
    for env in envs {
        for source in &args.configurations {
            for (suffix, assignments) in combinations(&args.sweep) {
                let (builder, name, words) = base(source)?;
                let builder = env.into_iter().fold(builder, |builder, env| builder.set("env.id", env));
                let config = args.settings.record(builder).assign_all(&assignments).build()?;
                let assigned = args.settings.assignments.iter().chain(&assignments).map(String::as_str).collect();
                let command = CommandEnv { id: env, assignments: assigned, ..CommandEnv::default() };
                args.trust.check_but(&config.env, source, &command)?;
                let label =
                    [words.as_str()].into_iter().chain(assignments.iter().map(|swept| short(swept, &args.sweep)));
                let label = label.collect::<Vec<_>>().join(", ");
                let name = run::default_name(&config.env.id, &format!("{name}{suffix}"));
                // Names in directories may not differ in case alone: some file systems do not tell them apart.
                if variants.iter().any(|variant| variant.name.eq_ignore_ascii_case(&name)) {
                    return Err(Usage(format!("{name} would be trained twice: name each configuration once")).into());
                }
                variants.push(Variant { name, label, config });
            }
        }
    }
    Ok(variants)
}

/// A preset or a file: what it sets, its name in directories, and its name in words.
fn base(source: &str) -> Result<(ConfigBuilder, String, String)> {
    if let Some(words) = presets::display_name(source) {
        return Ok((TrainConfig::preset(source), source.to_owned(), words.to_owned()));
    }
    let path = Path::new(source);
    if path.extension().is_none() && !path.exists() {
        // The library's error suggests the nearest preset.
        TrainConfig::preset(source).build()?;
    }
    let name = path.file_stem().map_or_else(|| source.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok((TrainConfig::builder().file(source, &read(path)?), name.clone(), name))
}

/// A swept assignment without the key's section, unless another swept key has the same name: `layer_norm=true`.
fn short<'a>(assignment: &'a str, sweep: &[(String, Vec<String>)]) -> &'a str {
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let key = assignment.split('=').next().unwrap_or_default();
    let is_unique = sweep.iter().filter(|(other, _)| name(other) == name(key)).count() == 1;
    if is_unique { &assignment[key.len() - name(key).len()..] } else { assignment }
}

/// Every combination of the swept keys' values: what it adds to a directory's name, and its assignments.
fn combinations(sweep: &[(String, Vec<String>)]) -> Vec<(String, Vec<String>)> {
    let mut all = vec![(String::new(), Vec::new())];
    for (key, values) in sweep {
        let extended = all.iter().flat_map(|(suffix, assignments)| {
            values.iter().map(move |value| {
                let plain: String = value
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() || ".+".contains(c) { c } else { '_' })
                    .collect();
                let assignments = assignments.iter().cloned().chain([format!("{key}={value}")]).collect();
                (format!("{suffix}-{key}={plain}"), assignments)
            })
        });
        all = extended.collect();
    }
    all
}

/// The returns that are the scores 0 and 1.
fn score_range(normalize: &[Normalize]) -> Result<Option<ScoreRange>> {
    if normalize.contains(&Normalize::Threshold) {
        let is_alone = normalize.iter().all(|normalize| *normalize == Normalize::Threshold);
        let message = "--normalize: give either threshold, or the returns of every environment";
        return if is_alone { Ok(Some(ScoreRange::RandomToThreshold)) } else { Err(Usage(message.to_owned()).into()) };
    }
    let given: BTreeMap<String, [f64; 2]> = normalize
        .iter()
        .filter_map(|normalize| match normalize {
            Normalize::Threshold => None,
            Normalize::Given(env, range) => Some((env.clone(), *range)),
        })
        .collect();
    Ok((!given.is_empty()).then_some(ScoreRange::Given(given)))
}

/// Trains the missing runs of all variants, writes the results and reports them.
pub(super) fn run_variants(
    plan: &Plan,
    variants: Vec<Variant>,
    range: Option<&ScoreRange>,
    audience: Audience,
) -> Result<Outcome> {
    let comparison = Comparison::open(plan, variants)?;
    let experiments = comparison.experiments();
    let labelled = || comparison.variants().iter().zip(experiments);
    let mut reports: Vec<Report> =
        labelled().map(|(variant, experiment)| Report::new(audience, experiment, Some(&variant.label))).collect();
    let ranges = range.map(|range| comparison.score_ranges(range)).transpose()?;
    let missing = comparison.missing();
    let lengths: u64 = missing.iter().map(|(i, _)| length(&experiments[*i].config().training)).sum();
    let (count, runs) = (missing.len() as u64, experiments.iter().map(|experiment| experiment.runs()).sum());
    let mut progress = audience.progress(runs, count, lengths / count.max(1));
    let mut failed: Vec<BTreeMap<u64, String>> = vec![BTreeMap::new(); experiments.len()];
    interrupt::end_at_once(false);
    let mut events = comparison.start()?;
    for event in &mut events {
        let (i, event) = event?;
        reports[i].take(&event, progress.as_mut());
        if let ExperimentEvent::Failed { seed, error } = event {
            failed[i].insert(seed, error);
        }
    }
    if let Some(progress) = progress {
        progress.finish();
    }
    drop(events);
    // All runs are in files now; everything after this can be repeated.
    interrupt::end_at_once(true);
    if interrupt::requested() {
        audience.line(format!(
            "interrupted: run the same command again to continue the comparison in {}",
            comparison.dir().display()
        ));
        if audience == Audience::Json {
            output::json(&json!({ "event": "finished", "dir": comparison.dir(), "interrupted": true }));
        }
        return Ok(Outcome::Interrupted);
    }
    for ((experiment, report), failed) in experiments.iter().zip(&reports).zip(&mut failed) {
        let (_, summary) = experiment.aggregate()?;
        failed.extend(summary.failed.iter().map(|run| (run.seed, run.error.clone())));
        report.variant_result(&summary);
    }
    let results = comparison.results(ranges.as_ref())?;
    match audience {
        Audience::Person => print(&comparison, &results),
        Audience::Quiet => {}
        Audience::Json => output::json(&json!({
            "event": "compared", "dir": comparison.dir(), "interrupted": false, "results": results
        })),
    }
    let failures: Vec<String> = labelled()
        .zip(&failed)
        .filter(|(_, failed)| !failed.is_empty())
        .map(|((variant, experiment), failed)| {
            format!("{}, {}: {}", variant.label, experiment.config().env.id, reasons(failed))
        })
        .collect();
    match failures.is_empty() {
        true => Ok(Outcome::Done),
        false => Err(anyhow!("{}; use --retry-failed to run failed seeds again", failures.join("; "))),
    }
}

/// Prints the tables of a comparison.
fn print(comparison: &Comparison, results: &ComparisonResults) {
    for environment in &results.environments {
        print_environment(environment);
    }
    if let Some(overall) = &results.overall {
        print_overall(overall, results.environments.len());
    } else if results.environments.len() > 1 {
        output::line("no scores over all environments without normalisation: add --normalize threshold");
    }
    let few = results.environments.iter().flat_map(|environment| &environment.configurations);
    let few = few.map(|configuration| configuration.scores.n).min().unwrap_or(0);
    if let Some(caveat) = output::caveat(few, "runs", few >= quarl::stats::MIN_FOR_INTERVAL) {
        output::line(caveat);
    }
    let planned = comparison.experiments().first().map_or(0, |experiment| experiment.runs());
    let configurations = results.environments.iter().flat_map(|environment| &environment.configurations);
    let ended = configurations.map(|configuration| (configuration.scores.n + configuration.scores.failed) as u64);
    let missing: u64 = ended.map(|ended| planned.saturating_sub(ended)).sum();
    output::missing_runs(missing);
    let dir = comparison.dir().display();
    output::line(format!("comparison directory: {dir} (curve.svg, scores.csv, comparison.json)"));
}

fn print_environment(environment: &EnvironmentResults) {
    let EnvironmentResults { env, threshold, configurations, .. } = environment;
    let success = threshold.map_or("success".to_owned(), |threshold| format!("share >= {threshold}"));
    let header =
        ["configuration", "runs", "mean", "IQM", &success, "area", "P(better than first)", "paired difference"];
    let row = |configuration: &ConfigurationResults| {
        let scores = &configuration.scores;
        let versus = configuration.versus_first.as_ref();
        [
            configuration.label.clone(),
            match scores.failed {
                0 => scores.n.to_string(),
                failed => format!("{} of {}", scores.n, scores.n + failed),
            },
            estimate(scores.mean, scores.mean_interval, 1),
            estimate(scores.iqm, scores.iqm_interval, 1),
            estimate(scores.reached_share, scores.reached_interval, 2),
            estimate(configuration.area, configuration.area_interval, 1),
            versus.map_or_else(String::new, |versus| {
                estimate(versus.probability_of_improvement, versus.probability_interval, 2)
            }),
            versus.map_or_else(String::new, |versus| estimate(versus.difference, versus.paired_interval, 1)),
        ]
    };
    output::line(format!("{env}: greedy returns at the end of each run, with 95% intervals"));
    table(header.map(str::to_owned), configurations.iter().map(row).collect());
}

fn print_overall(overall: &[OverallResults], environments: usize) {
    let header = ["configuration", "mean", "median", "IQM", "optimality gap", "P(better than first)"];
    let row = |results: &OverallResults| {
        [
            results.label.clone(),
            estimate(results.mean, results.mean_interval, 2),
            estimate(results.median, results.median_interval, 2),
            estimate(results.iqm, results.iqm_interval, 2),
            estimate(results.optimality_gap, results.optimality_gap_interval, 2),
            estimate(results.probability_of_improvement, results.probability_interval, 2),
        ]
    };
    let over = if environments == 1 { "1 environment".to_owned() } else { format!("{environments} environments") };
    output::line(format!("normalised scores over {over}, with 95% intervals"));
    table(header.map(str::to_owned), overall.iter().map(row).collect());
}

/// A number with its interval: `412.3 (385.0 to 437.1)`; nothing if it is undefined.
fn estimate(value: Option<f64>, interval: Option<[f64; 2]>, decimals: usize) -> String {
    let interval = interval.map_or(String::new(), |[low, high]| format!(" ({low:.decimals$} to {high:.decimals$})"));
    value.map_or(String::new(), |value| format!("{value:.decimals$}{interval}"))
}

/// Prints a table with aligned columns; columns without content are left out.
fn table<const N: usize>(header: [String; N], rows: Vec<[String; N]>) {
    let used: Vec<usize> = (0..N).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let width = |column: usize| rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in [&header].into_iter().chain(&rows) {
        let cells: Vec<String> = used.iter().map(|column| format!("{:<1$}", row[*column], width(*column))).collect();
        output::line(format!("  {}", cells.join("  ").trim_end()));
    }
}
