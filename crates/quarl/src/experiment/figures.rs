//! The figures of an experiment and of a comparison.

use std::path::Path;

use super::comparison::PROFILES;
use super::{Comparison, ComparisonResults, outcomes};
use crate::error::Error;
use crate::plot::results::{Curves, Options, compare, read_experiment, subject};
use crate::plot::{XAxis, experiment_figure, profile_figure};
use crate::run::{Status, WINDOW, read_config, write_figures};
use crate::stats::TaskScores;

/// Draws the figure of an experiment into its directory: the mean with its interval, and the runs behind it.
///
/// # Errors
/// What is wrong with the runs' files, or [`Error::Io`] where the system refuses.
pub fn draw(out: &Path) -> Result<(), Error> {
    let Curves { group, budget_in_steps, threshold, .. } = read_experiment(out)?;
    let title = format!("{}, {}", subject(&read_config(out)?), group.counted());
    // Over episodes each has its value, and many runs make a smooth mean; over steps a run's latest episode stands alone.
    let (x, window) = if budget_in_steps { (XAxis::Steps, WINDOW) } else { (XAxis::Episodes, 1) };
    write_figures(&[experiment_figure(&title, &group.runs, x, window, threshold)], out)
}

/// Draws the figures of a comparison into its directory: the mean learning curve of each variant with a complete run, and the
/// performance profiles of normalised scores.
///
/// # Errors
/// Those of [`draw`].
pub(super) fn draw_comparison(comparison: &Comparison, results: &ComparisonResults) -> Result<(), Error> {
    let mut curves = Vec::new();
    for (variant, experiment) in comparison.variants().iter().zip(comparison.experiments()) {
        if outcomes(experiment.dir())?.iter().any(|run| matches!(run.status, Status::Complete(_))) {
            let mut curve = read_experiment(experiment.dir())?;
            curve.group.name.clone_from(&variant.label);
            curves.push(curve);
        }
    }
    if !curves.is_empty() {
        let panels = compare(&curves, &Options { window: WINDOW, ..Options::default() });
        write_figures(&panels, comparison.dir())?;
    }
    if let Some(overall) = results.overall.as_ref().filter(|overall| !overall.is_empty()) {
        let scores: Vec<(&str, &TaskScores)> =
            overall.iter().map(|results| (results.label.as_str(), &results.scores)).collect();
        let figure = profile_figure(&scores);
        PROFILES.iter().try_for_each(|name| figure.write(comparison.dir().join(name)))?;
    }
    Ok(())
}
