//! The figures of an experiment and of a comparison.

use std::path::Path;

use super::{ComparisonResults, EnvironmentResults, OverallResults, outcomes};
use crate::error::Error;
use crate::plot::results::{Curves, Options, compare, read_experiment, subject};
use crate::plot::{
    EfficiencyCurve, Estimate, Figure, XAxis, efficiency_figure, estimates_figure, experiment_figure, profile_figure,
};
use crate::run::{Status, WINDOW, read_config, write_figures};
use crate::stats::TaskScores;

/// Draws the figure of an experiment into its directory.
///
/// # Errors
/// What is wrong with the runs' files, or [`Error::Io`] where the system refuses.
pub fn draw(out: &Path) -> Result<(), Error> {
    write_figures(&[figure(out)?], out)
}

/// The figure of an experiment: the mean with its interval, and the runs behind it.
///
/// # Errors
/// What is wrong with the runs' files.
pub fn figure(out: &Path) -> Result<Figure, Error> {
    let Curves { group, budget_in_steps, threshold, .. } = read_experiment(out)?;
    let title = format!("{}, {}", subject(&read_config(out)?), group.counted());
    // Over episodes each has its value, and many runs make a smooth mean; over steps a run's latest episode stands alone.
    let (x, window) = if budget_in_steps { (XAxis::Steps, WINDOW) } else { (XAxis::Episodes, 1) };
    Ok(experiment_figure(&title, &group.runs, x, window, threshold))
}

/// The figures of a comparison in the directory `out`, each with the stem of its file name and its panels: scores,
/// probability of improvement, sample efficiency, learning curves, and performance profiles. A figure without data is left
/// out.
///
/// # Errors
/// Those of [`draw`].
pub fn comparison_figures(out: &Path, results: &ComparisonResults) -> Result<Vec<(&'static str, Vec<Figure>)>, Error> {
    let mut scores: Vec<Figure> = results.environments.iter().map(environment_scores).collect();
    let mut improvement: Vec<Figure> = results.environments.iter().filter_map(environment_improvement).collect();
    let overall = results.overall.as_deref().unwrap_or_default();
    if results.environments.len() > 1 && !overall.is_empty() {
        scores.extend(overall_scores(overall));
        improvement.extend(overall_improvement(overall));
    }
    let efficiency = results.environments.iter().filter_map(environment_efficiency).collect();
    let profiles: Vec<(&str, &TaskScores)> =
        overall.iter().map(|results| (results.label.as_str(), &results.scores)).collect();
    let profiles = if profiles.is_empty() { Vec::new() } else { vec![profile_figure(&profiles)] };
    let mut all = vec![
        ("scores", scores),
        ("improvement", improvement),
        ("efficiency", efficiency),
        ("curve", learning_curves(out, results)?),
        ("profile", profiles),
    ];
    all.retain(|(_, panels)| !panels.is_empty());
    Ok(all)
}

/// The mean learning curve of each configuration with a complete run.
fn learning_curves(out: &Path, results: &ComparisonResults) -> Result<Vec<Figure>, Error> {
    let mut curves = Vec::new();
    for configuration in results.environments.iter().flat_map(|environment| &environment.configurations) {
        let dir = out.join(&configuration.dir);
        if outcomes(&dir)?.iter().any(|run| matches!(run.status, Status::Complete(_))) {
            let mut curve = read_experiment(&dir)?;
            curve.group.name.clone_from(&configuration.label);
            curves.push(curve);
        }
    }
    let options = Options { window: WINDOW, ..Options::default() };
    if curves.is_empty() { Ok(Vec::new()) } else { compare(&curves, &options) }
}

fn runs(environment: &EnvironmentResults) -> Vec<usize> {
    environment.configurations.iter().map(|configuration| configuration.scores.n).collect()
}

fn environment_scores(environment: &EnvironmentResults) -> Figure {
    let estimate = |configuration: &super::ConfigurationResults| Estimate {
        name: configuration.label.clone(),
        value: configuration.scores.iqm,
        interval: configuration.scores.iqm_interval,
    };
    let estimates: Vec<Estimate> = environment.configurations.iter().map(estimate).collect();
    let solved =
        environment.threshold.map(|threshold| (threshold, format!("solved: {threshold}").replace('-', "\u{2212}")));
    let label = "Interquartile mean of the greedy returns at the end";
    estimates_figure(&environment.env, label, &estimates, solved, &runs(environment))
}

fn environment_improvement(environment: &EnvironmentResults) -> Option<Figure> {
    let (first, others) = environment.configurations.split_first()?;
    let estimate = |configuration: &super::ConfigurationResults| {
        let versus = configuration.versus_first.as_ref();
        Estimate {
            name: configuration.label.clone(),
            value: versus.and_then(|versus| versus.probability_of_improvement),
            interval: versus.and_then(|versus| versus.probability_interval),
        }
    };
    let estimates: Vec<Estimate> = others.iter().map(estimate).collect();
    improvement(&environment.env, &first.label, &estimates, &runs(environment))
}

fn overall_improvement(overall: &[OverallResults]) -> Option<Figure> {
    let (first, others) = overall.split_first()?;
    let estimate = |results: &OverallResults| Estimate {
        name: results.label.clone(),
        value: results.probability_of_improvement,
        interval: results.probability_interval,
    };
    let estimates: Vec<Estimate> = others.iter().map(estimate).collect();
    improvement("All environments", &first.label, &estimates, &fewest_runs(overall))
}

fn improvement(of: &str, first: &str, estimates: &[Estimate], counts: &[usize]) -> Option<Figure> {
    let label = format!("P(a run scores higher than one of {first})");
    let even = Some((0.5, "even".to_owned()));
    (!estimates.is_empty()).then(|| estimates_figure(of, &label, estimates, even, counts))
}

fn fewest_runs(overall: &[OverallResults]) -> Vec<usize> {
    overall.iter().flat_map(|results| results.scores.tasks().iter().map(Vec::len)).collect()
}

/// The four aggregate scores of Agarwal et al. (2021), one panel each.
fn overall_scores(overall: &[OverallResults]) -> Vec<Figure> {
    type Pick = fn(&OverallResults) -> (Option<f64>, Option<[f64; 2]>);
    let panels: [(&str, Pick); 4] = [
        ("interquartile mean", |results| (results.iqm, results.iqm_interval)),
        ("mean", |results| (results.mean, results.mean_interval)),
        ("median over environments", |results| (results.median, results.median_interval)),
        ("optimality gap (lower is better)", |results| (results.optimality_gap, results.optimality_gap_interval)),
    ];
    let panel = |(title, pick): (&str, Pick)| {
        let estimate = |results: &OverallResults| {
            let (value, interval) = pick(results);
            Estimate { name: results.label.clone(), value, interval }
        };
        let estimates: Vec<Estimate> = overall.iter().map(estimate).collect();
        let title = format!("All environments: {title}");
        estimates_figure(&title, "Normalised score", &estimates, None, &fewest_runs(overall))
    };
    panels.into_iter().map(panel).collect()
}

fn environment_efficiency(environment: &EnvironmentResults) -> Option<Figure> {
    let curve = |configuration: &super::ConfigurationResults| EfficiencyCurve {
        name: configuration.label.clone(),
        points: configuration.efficiency.iter().map(|point| (point.env_steps as f64, point.iqm)).collect(),
        band: configuration
            .efficiency
            .iter()
            .map(|point| (point.lower.unwrap_or(f64::NAN), point.upper.unwrap_or(f64::NAN)))
            .collect(),
        runs: configuration.scores.n,
    };
    let curves: Vec<EfficiencyCurve> =
        environment.configurations.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
    (!curves.is_empty()).then(|| efficiency_figure(&environment.env, &curves, environment.threshold))
}
