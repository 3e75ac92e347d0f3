//! Determines what a directory holds: a run, an experiment, several of these, or something else. Used before a directory is
//! written, and when results are read.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::lock::LOCK;
use super::{
    BEST, CHECKPOINTS, CONFIG, CURVES, DIAGNOSTICS, EPISODES, EVALUATIONS, INITIAL, MODEL, RECORDINGS, SUMMARY,
    TENSORBOARD,
};
use crate::atomic_write;
use crate::checkpoint::is_checkpoint_file;
use crate::config::parse_table;
use crate::error::Error;
use crate::files;
use crate::timeline::FORK;
use crate::tune::JOURNAL;

/// The file names of a run. The summary comes first, so that a run that is being replaced counts as incomplete immediately.
pub(super) const FILES: [&str; 12] = [
    SUMMARY,
    CONFIG,
    EPISODES,
    EVALUATIONS,
    DIAGNOSTICS,
    BEST,
    MODEL,
    INITIAL,
    FORK,
    CURVES[0],
    CURVES[1],
    TENSORBOARD,
];

/// The directory of an experiment's runs.
pub(crate) const RUNS: &str = "runs";

/// The contents of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// No files, except temporary ones. The directory need not exist.
    Nothing,
    /// One run, complete or not.
    Run {
        /// The names of files that do not belong to the run.
        others: Vec<String>,
    },
    /// An experiment: the runs of one configuration, below `runs/`.
    Experiment,
    /// A study: the trials of a search over settings.
    Study,
    /// Runs and experiments, each in a subdirectory.
    Several {
        /// These subdirectories, ordered by name; numbers in names are ordered by value.
        results: Vec<PathBuf>,
        /// All names in the directory.
        names: Vec<String>,
    },
    /// Files and directories that are none of these.
    Other {
        /// The names.
        names: Vec<String>,
    },
}

impl Contents {
    /// Determines the contents of `dir`.
    ///
    /// # Errors
    /// [`Error::File`] where `dir` is a file, [`Error::Io`] where it cannot be read.
    pub fn of(dir: &Path) -> Result<Self, Error> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                let message = "this is a file; a directory is needed".to_owned();
                return Err(Error::File { path: dir.to_owned(), message });
            }
            entries => entries.map_err(Error::io("read", dir))?,
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<String>, _>>().map_err(Error::io("read", dir))?;
        names.retain(|name| name != LOCK && !is_temporary(name));
        names.sort_by_cached_key(|name| natural(name));
        if is_study(dir) {
            return Ok(Self::Study);
        }
        let has_no_runs = || fs::read_dir(dir.join(RUNS)).is_ok_and(|mut runs| runs.next().is_none());
        if names.is_empty() || (names == [RUNS] && has_no_runs()) {
            return Ok(Self::Nothing);
        }
        if has_results(dir) {
            if dir.join(RUNS).is_dir() {
                return Ok(Self::Experiment);
            }
            let (has_recordings, has_checkpoints) = (recordings(dir).is_some(), checkpoints(dir).is_some());
            let belongs = |name: &str| {
                FILES.contains(&name)
                    || (name == RECORDINGS && has_recordings)
                    || (name == CHECKPOINTS && has_checkpoints)
            };
            names.retain(|name| !belongs(name));
            return Ok(Self::Run { others: names });
        }
        let mut results: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
        results.retain(|path| has_results(path));
        Ok(if results.is_empty() { Self::Other { names } } else { Self::Several { results, names } })
    }

    /// The error for a directory that holds something else than what is to be written into it.
    pub(crate) fn occupied(&self, dir: &Path) -> Error {
        let contents = match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Run { .. } => "a run".to_owned(),
            Self::Experiment => "an experiment".to_owned(),
            Self::Study => "a study".to_owned(),
            Self::Several { names, .. } => format!("several runs or experiments ({})", listed(names)),
            Self::Other { names } => format!("other files ({})", listed(names)),
        };
        let message = format!("exists already and holds {contents}: choose another directory");
        Error::Occupied { path: dir.to_owned(), message }
    }

    /// The error for a study where a run or an experiment is needed.
    pub(crate) fn study_without_models(dir: &Path) -> Error {
        let message = format!(
            "this directory holds a study, whose trials keep no models: train an agent with its best settings, {}",
            dir.join("best.toml").display()
        );
        Error::File { path: dir.to_owned(), message }
    }

    /// The error for a directory without results.
    pub fn no_results(dir: &Path) -> Error {
        let message = if dir.exists() {
            "this directory holds no run, no experiment, no comparison and no study (neither it nor its subdirectories \
             have a config.toml or a journal.jsonl of quarl)"
        } else {
            "there is no such file or directory"
        };
        Error::File { path: dir.to_owned(), message: message.to_owned() }
    }
}

/// The experiment that `dir` belongs to as one of its runs; `dir` need not exist.
pub(super) fn experiment_of(dir: &Path) -> Option<PathBuf> {
    let dir = std::path::absolute(dir).ok()?;
    // Resolves links; for a directory that does not exist yet, those of its parent.
    let parent = |dir: PathBuf| dir.parent().map(Path::to_owned);
    let runs = dir.canonicalize().ok().and_then(parent).or_else(|| dir.parent()?.canonicalize().ok())?;
    let experiment = runs.parent().filter(|_| runs.file_name().is_some_and(|name| name == RUNS))?;
    matches!(Contents::of(experiment), Ok(Contents::Experiment)).then(|| experiment.to_owned())
}

/// Whether a directory holds a run or an experiment, of any version, possibly damaged.
fn has_results(dir: &Path) -> bool {
    if is_study(dir) {
        return false;
    }
    let has_files = || dir.join(CONFIG).is_file() && (dir.join(EPISODES).is_file() || dir.join(RUNS).is_dir());
    is_configuration(&dir.join(CONFIG)) || is_summary(&dir.join(SUMMARY)) || has_files()
}

/// Whether a directory holds a study: a journal whose first line is that of a study.
fn is_study(dir: &Path) -> bool {
    const START: &[u8] = b"{\"event\":\"study\"";
    let mut start = Vec::new();
    let Ok(file) = files::open(&dir.join(JOURNAL)) else { return false };
    file.take(START.len() as u64).read_to_end(&mut start).is_ok() && start == START
}

/// Whether a file is a quarl configuration, of any version.
fn is_configuration(path: &Path) -> bool {
    let table = files::read_text(path).and_then(|text| parse_table("", &text)).ok();
    table.is_some_and(|table| {
        let has_id = table.get("env").and_then(|env| env.get("id")).is_some();
        has_id && ["agent", "training"].iter().all(|section| table.get(*section).is_some_and(toml::Value::is_table))
    })
}

/// Whether a file is the summary of a quarl run or experiment, of any version.
fn is_summary(path: &Path) -> bool {
    let value = files::read_text(path).ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    value.is_some_and(|value| value.get("quarl_version").is_some())
}

/// The recordings in a run's directory, with those that a killed process has left unfinished; `None` if there is another file
/// among them.
pub(super) fn recordings(run: &Path) -> Option<Vec<PathBuf>> {
    let files: Vec<PathBuf> =
        fs::read_dir(run.join(RECORDINGS)).ok()?.map(|entry| Some(entry.ok()?.path())).collect::<Option<_>>()?;
    let is_recording = |path: &PathBuf| {
        let name = name(path);
        is_unfinished(&name) || recording_steps(&name).is_some()
    };
    files.iter().all(is_recording).then_some(files)
}

/// The checkpoints in a run's directory, with their segments and with those that a killed process has left unfinished; `None` if
/// there is another file among them.
pub(super) fn checkpoints(run: &Path) -> Option<Vec<PathBuf>> {
    let files: Vec<PathBuf> =
        fs::read_dir(run.join(CHECKPOINTS)).ok()?.map(|entry| Some(entry.ok()?.path())).collect::<Option<_>>()?;
    files.iter().all(|path| is_checkpoint_file(&name(path))).then_some(files)
}

/// The environment steps in the name of a recording: `step-000005000.gif`.
pub(super) fn recording_steps(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?.strip_suffix(".gif")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Whether this is the name of an unfinished file.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_prefix('.').and_then(|rest| rest.strip_suffix(atomic_write::SUFFIX)).is_some()
}

/// Whether this is the name of a temporary file that a killed process has left.
pub(super) fn is_temporary(name: &str) -> bool {
    let final_name = name.strip_prefix('.').and_then(|rest| rest.strip_suffix(atomic_write::SUFFIX));
    final_name.is_some_and(|rest| FILES.iter().chain([&JOURNAL]).any(|file| rest.starts_with(&format!("{file}."))))
}

/// The first few items of a list, for a message.
pub(crate) fn listed(things: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = if things.len() > SHOWN { format!(", and {} more", things.len() - SHOWN) } else { String::new() };
    format!("{}{more}", things[..things.len().min(SHOWN)].join(", "))
}

/// The last component of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A sort key that orders numbers in names by value: `seed-9` before `seed-10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        parts.push((text.to_owned(), tail[..end].parse().unwrap_or(u64::MAX)));
        rest = &tail[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_their_numbers() {
        let mut names = ["b-seed10", "b-seed9", "a", "b-seed9-2"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["a", "b-seed9", "b-seed9-2", "b-seed10"]);
    }

    #[test]
    fn a_directory_says_what_it_holds() {
        let here = tempfile::tempdir().unwrap();
        let root = here.path();
        let add = |path: &str| {
            fs::create_dir_all(root.join(path)).unwrap();
            fs::write(root.join(path).join(CONFIG), "env = { id = \"X\" }\nagent = {}\ntraining = {}\n").unwrap();
        };
        assert_eq!(Contents::of(root).unwrap(), Contents::Nothing);
        assert_eq!(Contents::of(&root.join("absent")).unwrap(), Contents::Nothing);
        assert!(Contents::no_results(&root.join("absent")).to_string().contains("no such file"));
        add("runs/x-seed0");
        add("runs/x-seed10");
        add("runs/x-seed9");
        fs::write(root.join("runs/x-seed0/notes.txt"), "").unwrap();
        fs::write(root.join("runs/x-seed0/.config.toml.1234.part"), "").unwrap();
        add("exp");
        add("exp/runs/seed-0");
        assert_eq!(Contents::of(&root.join("exp")).unwrap(), Contents::Experiment);
        let run = Contents::Run { others: vec!["notes.txt".to_owned()] };
        assert_eq!(Contents::of(&root.join("runs/x-seed0")).unwrap(), run);
        let Contents::Several { results, names } = Contents::of(&root.join("runs")).unwrap() else { panic!() };
        assert_eq!(names, ["x-seed0", "x-seed9", "x-seed10"]);
        assert_eq!(results, names.iter().map(|name| root.join("runs").join(name)).collect::<Vec<_>>());
        assert!(Contents::of(&root.join("exp/config.toml")).unwrap_err().to_string().contains("this is a file"));
    }

    #[test]
    fn a_run_is_one_with_a_damaged_configuration_and_a_foreign_directory_is_none() {
        let here = tempfile::tempdir().unwrap();
        let dir = here.path();
        fs::write(dir.join(CONFIG), "[server]\nport = 80\n").unwrap();
        assert_eq!(Contents::of(dir).unwrap(), Contents::Other { names: vec![CONFIG.to_owned()] });
        fs::write(dir.join(EPISODES), "").unwrap();
        assert_eq!(Contents::of(dir).unwrap(), Contents::Run { others: vec![] });
    }
}
