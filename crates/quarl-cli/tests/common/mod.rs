//! Functions shared by the command's tests.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[cfg(unix)]
pub(crate) mod terminal;

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

/// `quarl` in a directory of its own, with what it remembers, away from any screen.
pub(crate) fn quarl(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("quarl").unwrap();
    command.current_dir(directory).args(arguments).env("XDG_STATE_HOME", directory.path().join("state"));
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "QUARL_CPU"] {
        command.env_remove(variable);
    }
    command
}

/// Standard output of a run that must succeed.
pub(crate) fn succeed(directory: &TempDir, arguments: &[&str]) -> String {
    let output = quarl(directory, arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// Standard error of a run that must fail with this status, in one or two lines.
pub(crate) fn fail(directory: &TempDir, arguments: &[&str], status: i32) -> String {
    let output = quarl(directory, arguments).assert().code(status).get_output().stderr.clone();
    let text = String::from_utf8(output).unwrap();
    assert!(text.starts_with("error: ") && text.lines().count() <= 2, "{text}");
    text
}

pub(crate) fn read(directory: &TempDir, path: impl AsRef<Path>) -> String {
    fs::read_to_string(directory.path().join(path)).unwrap()
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Puts an agent of Stable-Baselines3 into a directory, as `agent.zip`.
pub(crate) fn add_archive(directory: &TempDir) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../quarl/tests/fixtures/stable_baselines3.zip");
    fs::copy(archive, directory.path().join("agent.zip")).unwrap();
}
