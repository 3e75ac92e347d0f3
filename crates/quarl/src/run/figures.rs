//! The figure of a run, and what figures of several runs read of each.

use std::path::Path;

use super::reader::{read_evaluations, read_summary};
use super::{CURVES, EvaluationRow, read_config, read_episodes};
use crate::config::TrainConfig;
use crate::env;
use crate::error::Error;
use crate::plot::results::subject;
use crate::plot::{Figure, Run, XAxis, run_figure, write};

/// Over how many episodes the curves are averaged that training and experiments leave.
pub(crate) const WINDOW: usize = 10;

/// Draws the figure of a run into its directory: every episode, their moving average, the greedy evaluations.
///
/// # Errors
/// What is wrong with the run's files, or [`Error::Io`] where the system refuses.
pub fn draw(dir: &Path) -> Result<(), Error> {
    let config = read_config(dir)?;
    let x = if config.training.steps.is_some() { XAxis::Steps } else { XAxis::Episodes };
    let at = |evaluation: &EvaluationRow| match x {
        XAxis::Episodes => evaluation.episodes as f64,
        XAxis::Steps => evaluation.env_steps as f64,
    };
    let evaluations: Vec<(f64, f64)> =
        read_evaluations(dir)?.iter().map(|evaluation| (at(evaluation), evaluation.mean_return)).collect();
    let title = format!("{}, seed {}", subject(&config), config.training.seed);
    let figure = run_figure(&title, &read_curve(dir)?, x, WINDOW, &evaluations, threshold(&config, dir)?);
    write_figures(&[figure], dir)
}

/// Writes a figure's files into a directory.
pub(crate) fn write_figures(panels: &[Figure], dir: &Path) -> Result<(), Error> {
    CURVES.iter().try_for_each(|name| write(panels, dir.join(name)))
}

/// A run's finished episodes.
pub(crate) fn read_curve(dir: &Path) -> Result<Run, Error> {
    let episodes = read_episodes(dir)?;
    Ok(Run {
        env_steps: episodes.iter().map(|record| record.env_steps).collect(),
        returns: episodes.iter().map(|record| record.total_reward).collect(),
    })
}

/// The return from which the environment counts as solved. The run knows it; asking Gymnasium would take longer than the
/// drawing.
pub(crate) fn threshold(config: &TrainConfig, run: &Path) -> Result<Option<f64>, Error> {
    let recorded = read_summary(run)?.and_then(|summary| summary.reward_threshold);
    let built_in = || env::ids().contains(&config.env.id.as_str()).then(|| env::make(&config.env.id).ok()).flatten();
    Ok(recorded.or_else(|| built_in()?.spec().reward_threshold))
}
