//! What occupies a directory before anything is written into it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{BEST, CONFIG, CURVES, DIAGNOSTICS, EPISODES, EVALUATIONS, MODEL, SUMMARY};
use crate::atomic_write;
use crate::error::Error;
use crate::lock::LOCK;

/// The names of a run's files. The summary comes first: a run that is replaced is incomplete from then on.
pub(super) const FILES: [&str; 9] =
    [SUMMARY, CONFIG, EPISODES, EVALUATIONS, DIAGNOSTICS, BEST, MODEL, CURVES[0], CURVES[1]];

/// The directory of an experiment's runs.
pub(crate) const RUNS: &str = "runs";

/// What a directory holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Occupant {
    /// Nothing of value. The directory need not exist.
    Nothing,
    /// A run, complete or not, and files with other names than a run's.
    Run { others: Vec<String> },
    /// An experiment.
    Experiment,
    /// Files of which none is a run's configuration or summary.
    Other(Vec<String>),
}

/// What `dir` holds.
///
/// # Errors
/// [`Error::File`] where it is a file, [`Error::Io`] where it cannot be read.
pub(crate) fn occupant(dir: &Path) -> Result<Occupant, Error> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            let message = "this is a file; name a directory".to_owned();
            return Err(Error::File { path: dir.to_owned(), message });
        }
        entries => entries.map_err(Error::io("read", dir))?,
    };
    let names: Result<Vec<OsString>, std::io::Error> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names: Vec<String> =
        names.map_err(Error::io("read", dir))?.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name != LOCK && !is_temporary(name));
    names.sort_unstable();
    if names.is_empty() || (names == [RUNS] && fs::read_dir(dir.join(RUNS)).is_ok_and(|mut runs| runs.next().is_none()))
    {
        return Ok(Occupant::Nothing);
    }
    if !is_configuration(&dir.join(CONFIG)) && !is_summary(&dir.join(SUMMARY)) {
        return Ok(Occupant::Other(names));
    }
    if dir.join(RUNS).is_dir() {
        return Ok(Occupant::Experiment);
    }
    names.retain(|name| !FILES.contains(&name.as_str()));
    Ok(Occupant::Run { others: names })
}

/// The experiment that has `dir`, which need not exist, among its runs.
pub(super) fn experiment_of(dir: &Path) -> Option<PathBuf> {
    let dir = std::path::absolute(dir).ok()?;
    // Where a link leads to; of a directory that is not there yet, its parent's.
    let parent = |dir: PathBuf| dir.parent().map(Path::to_owned);
    let runs = dir.canonicalize().ok().and_then(parent).or_else(|| dir.parent()?.canonicalize().ok())?;
    let experiment = runs.parent().filter(|_| runs.file_name().is_some_and(|name| name == RUNS))?;
    let is_experiment = matches!(occupant(experiment), Ok(Occupant::Experiment));
    is_experiment.then(|| experiment.to_owned())
}

/// The first few of several things, for a message.
pub(crate) fn listed(things: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = if things.len() > SHOWN { format!(", and {} more", things.len() - SHOWN) } else { String::new() };
    format!("{}{more}", things[..things.len().min(SHOWN)].join(", "))
}

/// Whether the name is that of a temporary file which a process left when it was killed.
pub(super) fn is_temporary(name: &str) -> bool {
    let final_name = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(atomic_write::SUFFIX));
    final_name.is_some_and(|rest| FILES.iter().any(|file| rest.starts_with(&format!("{file}."))))
}

/// Whether a file is a quarl configuration, of this version or another.
fn is_configuration(path: &Path) -> bool {
    let table = fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| {
        let has_id = table.get("env").and_then(|env| env.get("id")).is_some();
        has_id && ["agent", "training"].iter().all(|section| table.get(*section).is_some_and(toml::Value::is_table))
    })
}

/// Whether a file is the summary of a quarl run or experiment, of this version or another.
fn is_summary(path: &Path) -> bool {
    let value = fs::read_to_string(path).ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    value.is_some_and(|value| value.get("quarl_version").is_some())
}
