//! The figures of an experiment and of an ablation.

use std::path::{Path, PathBuf};

use super::ablation::Variant;
use super::outcomes;
use crate::error::Error;
use crate::plot::results::{Curves, Options, compare, read_experiment, subject};
use crate::plot::{XAxis, experiment_figure};
use crate::run::lock::Lock;
use crate::run::{CURVES, Status, WINDOW, read_config, write_figures};

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

/// Draws the figure of an ablation into its directory: the mean curve of each combination that has a complete run. Returns
/// the figure's file, if there is any.
///
/// # Errors
/// As [`draw`].
pub fn draw_ablation(out: &Path, variants: &[Variant]) -> Result<Option<PathBuf>, Error> {
    let mut curves = Vec::new();
    for Variant { name, label, .. } in variants {
        let dir = out.join(name);
        if outcomes(&dir)?.iter().any(|run| matches!(run.status, Status::Complete(_))) {
            let mut combination = read_experiment(&dir)?;
            combination.group.name.clone_from(label);
            curves.push(combination);
        }
    }
    if curves.is_empty() {
        return Ok(None);
    }
    let _lock = Lock::wait(out)?;
    write_figures(&compare(&curves, &Options { window: WINDOW, ..Options::default() }), out)?;
    Ok(Some(out.join(CURVES[0])))
}
