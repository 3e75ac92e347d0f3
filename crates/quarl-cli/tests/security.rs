//! What SECURITY.md promises: Python starts only for an environment whose id begins with `gym:`, and only to step it.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{directory, quarl, succeed};
use tempfile::TempDir;

/// A program that leaves a mark when it is started.
fn add_interpreter(here: &TempDir) -> String {
    let path = here.path().join("python");
    let mark = here.path().join("started");
    fs::write(&path, format!("#!/bin/sh\ntouch '{}'\nexit 1\n", mark.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Whether the interpreter was started since the last call.
fn was_started(here: &TempDir) -> bool {
    fs::remove_file(here.path().join("started")).is_ok()
}

/// Replaces the environment of a run's configuration.
fn set_environment(here: &TempDir, id: &str, python: &str) {
    let path = here.path().join("run/config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    let env = table["env"].as_table_mut().unwrap();
    env.insert("id".to_owned(), id.into());
    let gym: toml::Table = format!("python = '{python}'\nimports = ['os']\n").parse().unwrap();
    env.insert("gym".to_owned(), gym.into());
    fs::write(path, table.to_string()).unwrap();
}

const STEPPING: [&[&str]; 4] = [
    &["play", "run", "--render", "none"],
    &["eval", "run", "--episodes", "1"],
    &["report", "run", "--out", "report.html"],
    &["train", "--config", "run/config.toml", "--out", "again", "--force"],
];
const READING: [&[&str]; 6] = [
    &["export", "run", "--format", "c", "--force"],
    &["plot", "run"],
    &["watch", "run", "--once"],
    &["report", "run", "--no-recordings", "--out", "plain.html"],
    &["config", "check", "run/config.toml"],
    &["presets", "dqn"],
];

#[test]
fn python_starts_only_for_an_environment_of_gymnasium_that_is_stepped() {
    let here = directory();
    let python = add_interpreter(&here);
    succeed(&here, &["train", "--episodes", "1", "--quiet", "--out", "run"]);
    for command in STEPPING.iter().chain(&READING) {
        quarl(&here, command).assert().success();
    }
    // The keys of an interpreter alone start nothing: without `gym:` they are refused.
    set_environment(&here, "CartPole-v0", &python);
    for command in STEPPING.iter().chain(&READING) {
        let _ = quarl(&here, command).assert();
        assert!(!was_started(&here), "{command:?}");
    }
    set_environment(&here, "gym:CartPole-v0", &python);
    for command in READING {
        let _ = quarl(&here, command).assert();
        assert!(!was_started(&here), "{command:?}");
    }
    quarl(&here, STEPPING[3]).assert().failure();
    assert!(was_started(&here), "the test would not notice that the interpreter is started");
    // The agent's environment is the one in its model file, whatever the configuration beside it says.
    quarl(&here, STEPPING[1]).assert().success();
    assert!(!was_started(&here));
}
