//! The figure of a run, and functions for figures of several runs.

use std::path::Path;

use super::reader::{read_evaluations, read_summary};
use super::{CURVES, EvaluationRow, read_config, read_episodes};
use crate::config::TrainConfig;
use crate::env;
use crate::error::Error;
use crate::plot::results::subject;
use crate::plot::{Figure, Run, XAxis, run_figure, write};

/// The number of episodes in the moving average of the figures that training and experiments write.
pub(crate) const WINDOW: usize = 10;

/// Draws the figure of a run into its directory.
///
/// # Errors
/// Those of reading the run's files; [`Error::Io`] where writing fails.
pub fn draw(dir: &Path) -> Result<(), Error> {
    write_figures(&[figure(dir)?], dir)
}

/// The figure of a run: every episode's return, their moving average, and the greedy evaluations.
///
/// # Errors
/// Those of reading the run's files.
pub fn figure(dir: &Path) -> Result<Figure, Error> {
    let config = read_config(dir)?;
    let x = if config.training.steps.is_some() { XAxis::Steps } else { XAxis::Episodes };
    let at = |evaluation: &EvaluationRow| match x {
        XAxis::Episodes => evaluation.episodes as f64,
        XAxis::Steps => evaluation.env_steps as f64,
    };
    let evaluations: Vec<(f64, f64)> =
        read_evaluations(dir)?.iter().map(|evaluation| (at(evaluation), evaluation.mean_return)).collect();
    let title = format!("{}, seed {}", subject(&config), config.training.seed);
    Ok(run_figure(&title, &read_curve(dir)?, x, WINDOW, &evaluations, threshold(&config, dir)?))
}

/// Writes the figure's files into a directory.
pub(crate) fn write_figures(panels: &[Figure], dir: &Path) -> Result<(), Error> {
    CURVES.iter().try_for_each(|name| write(panels, dir.join(name)))
}

/// Reads a run's finished episodes.
pub(crate) fn read_curve(dir: &Path) -> Result<Run, Error> {
    let episodes = read_episodes(dir)?;
    Ok(Run {
        env_steps: episodes.iter().map(|record| record.env_steps).collect(),
        returns: episodes.iter().map(|record| record.total_reward).collect(),
    })
}

/// The return from which the environment counts as solved, from the run's summary: asking Gymnasium would take longer than
/// drawing.
pub(crate) fn threshold(config: &TrainConfig, run: &Path) -> Result<Option<f64>, Error> {
    let recorded = read_summary(run)?.and_then(|summary| summary.reward_threshold);
    let built_in = || env::ids().contains(&config.env.id.as_str()).then(|| env::make(&config.env.id).ok()).flatten();
    Ok(recorded.or_else(|| built_in()?.spec().reward_threshold))
}
