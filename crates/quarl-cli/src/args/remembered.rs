//! The environments of Gymnasium that were asked for, in a file of the user: the files of such an environment need no
//! `--trust` again.
//!
//! An entry is valid in the directory in which the command was given, because Python finds modules there.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, io};

use quarl::config::EnvConfig;
use serde_json::json;

/// Whether this environment, with its interpreter, modules and arguments, was asked for in the current directory before.
pub(super) fn contains(env: &EnvConfig) -> bool {
    let Some((entry, file)) = entry(env).zip(file()) else { return false };
    fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line == entry))
}

/// Remembers an environment that was asked for. Where the file cannot be written, later commands ask again.
pub(super) fn add(env: &EnvConfig) {
    let Some((entry, file)) = entry(env).zip(file()) else { return };
    if !contains(env) {
        let _ = append(&file, &entry);
    }
}

/// What decides which program runs, in one line. Keys are in alphabetical order.
fn entry(env: &EnvConfig) -> Option<String> {
    let directory = env::current_dir().ok()?;
    let gym = &env.gym;
    let (id, python, imports, kwargs) = (&env.id, &gym.python, &gym.imports, &gym.kwargs);
    let entry =
        json!({ "directory": directory.to_str()?, "id": id, "imports": imports, "kwargs": kwargs, "python": python });
    Some(entry.to_string())
}

/// The file, in the directory that the system has for the state of a user's programs.
fn file() -> Option<PathBuf> {
    let directory = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = if cfg!(windows) {
        directory("LOCALAPPDATA")
    } else {
        directory("XDG_STATE_HOME").or_else(|| directory("HOME").map(|home| home.join(".local/state")))
    };
    state.map(|state| state.join("quarl").join("environments.jsonl"))
}

/// Appends a line with one write, so that several commands can do it at the same time.
fn append(file: &Path, entry: &str) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(file))?;
    OpenOptions::new().create(true).append(true).open(file)?.write_all(format!("{entry}\n").as_bytes())
}
