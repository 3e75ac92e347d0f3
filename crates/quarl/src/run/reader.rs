//! Reads a run and determines whether it is complete.

use std::io::ErrorKind;
use std::path::Path;

use super::writer::mean_return;
use super::{
    BEST, CONFIG, DIAGNOSTICS, DiagnosticsRow, EPISODES, EVALUATIONS, EpisodeRow, EvaluationRow, MODEL, SUMMARY,
    Summary, table,
};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::files;
use crate::model::Model;
use crate::train::EpisodeRecord;

/// The status of a run on disk.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// The run has not started or not finished, was ended by a cause outside it, or its files are damaged or inconsistent.
    Incomplete,
    /// The run has used its whole budget, and its summary agrees with its tables and models.
    Complete(Box<Summary>),
    /// The run ended with an error that would occur again.
    Failed(Box<Summary>),
}

/// The status of the run in `dir`.
///
/// # Errors
/// [`Error::Io`] where an existing file cannot be read.
pub fn status(dir: &Path) -> Result<Status, Error> {
    let summary = match read_summary(dir) {
        Ok(Some(summary)) => Box::new(summary),
        Ok(None) => return Ok(Status::Incomplete),
        Err(error) => return damaged(error),
    };
    if summary.error.is_some() && !summary.error_is_transient {
        return Ok(Status::Failed(summary));
    }
    if summary.error.is_some() || summary.interrupted {
        return Ok(Status::Incomplete);
    }
    match agrees(dir, &summary) {
        Ok(true) => Ok(Status::Complete(summary)),
        Ok(false) => Ok(Status::Incomplete),
        Err(error) => damaged(error),
    }
}

/// A missing or damaged file makes a run incomplete. A file that cannot be read leaves the status unknown.
fn damaged(error: Error) -> Result<Status, Error> {
    match &error {
        Error::Io { error: source, .. } if ![ErrorKind::NotFound, ErrorKind::InvalidData].contains(&source.kind()) => {
            Err(error)
        }
        _ => Ok(Status::Incomplete),
    }
}

/// Whether the tables of a run end where its summary says, and its models can be read.
fn agrees(dir: &Path, summary: &Summary) -> Result<bool, Error> {
    let training = read_config(dir)?.training;
    let episodes = read_episodes(dir)?;
    let last_step = episodes.last().map_or(0, |record| record.env_steps);
    let numbered = episodes.iter().zip(0..).all(|(record, i)| record.episode == i);
    // With a budget in steps, or after an evaluation that stopped the run, the last episode may be unfinished.
    let may_be_unfinished = training.steps.is_some() || summary.stopped_early.is_some();
    let steps_agree = last_step == summary.env_steps || (may_be_unfinished && last_step < summary.env_steps);
    if !numbered || episodes.len() as u64 != summary.episodes || !steps_agree || training.seed != summary.seed {
        return Ok(false);
    }
    // Earlier versions did not write the mean.
    let sum = episodes.iter().map(|record| record.total_reward).fold(0.0, |sum, reward| sum + reward);
    if summary.mean_return.is_some() && mean_return(sum, summary.episodes) != summary.mean_return {
        return Ok(false);
    }
    if training.diagnostics {
        let updated = episodes.iter().filter(|record| record.mean_loss.is_some()).map(|record| record.episode);
        let rows = table::read::<DiagnosticsRow>(&dir.join(DIAGNOSTICS), &table::header::<DiagnosticsRow>())?;
        if !updated.eq(rows.iter().map(|row| row.episode)) {
            return Ok(false);
        }
    }
    let evaluations = read_evaluations(dir)?;
    let Summary { episodes, env_steps, greedy_mean, .. } = *summary;
    let last = evaluations.last().map(|row| (row.episodes, row.env_steps, row.mean_return));
    if greedy_mean.is_some_and(|mean_return| last != Some((episodes, env_steps, mean_return))) {
        return Ok(false);
    }
    Model::load(&dir.join(MODEL))?;
    if summary.best_mean.is_some() {
        Model::load(&dir.join(BEST))?;
    }
    Ok(true)
}

/// Reads the configuration of a run.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Config`] where it is damaged.
pub fn read_config(dir: &Path) -> Result<TrainConfig, Error> {
    let path = dir.join(CONFIG);
    let text = files::read_text(&path)?;
    let origin = path.display().to_string();
    TrainConfig::from_toml(&origin, &text)
}

/// Reads the summary of a run; `None` if the run has not finished.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is damaged.
pub(crate) fn read_summary(dir: &Path) -> Result<Option<Summary>, Error> {
    let path = dir.join(SUMMARY);
    let Some(text) = files::read_text_if_exists(&path)? else { return Ok(None) };
    let damaged = |error: serde_json::Error| Error::File { path, message: format!("the summary is damaged ({error})") };
    serde_json::from_str(&text).map(Some).map_err(damaged)
}

/// Reads the training episodes of a run.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] with the line that is damaged.
pub fn read_episodes(dir: &Path) -> Result<Vec<EpisodeRecord>, Error> {
    table::read(&dir.join(EPISODES), &table::header::<EpisodeRow>())
}

/// Reads the evaluations of a run.
///
/// # Errors
/// Those of [`read_episodes`].
pub(crate) fn read_evaluations(dir: &Path) -> Result<Vec<EvaluationRow>, Error> {
    table::read(&dir.join(EVALUATIONS), &table::header::<EvaluationRow>())
}
