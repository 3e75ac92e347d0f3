//! Ctrl-C, SIGTERM and SIGHUP: every command stops, keeps its results, and exits with the signal's status.
#![cfg(unix)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The signals' names, numbers and exit statuses, without those that this process was started to ignore (SIGHUP under nohup):
/// `quarl` inherits that, and keeps it.
fn signals() -> Vec<(&'static str, u32, i32)> {
    let mut signals = vec![("INT", 2, 130), ("TERM", 15, 143), ("HUP", 1, 129)];
    let ignored = mask("/proc/self/status", "SigIgn:").unwrap_or(0);
    signals.retain(|(_, number, _)| ignored & 1 << (number - 1) == 0);
    signals
}

/// A set of signals of a process, one bit each, as Linux reports it.
fn mask(status: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(status).ok()?;
    u64::from_str_radix(status.lines().find_map(|line| line.strip_prefix(name))?.trim(), 16).ok()
}

/// Starts `quarl` in a directory of its own, away from any screen.
fn start(here: &TempDir, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarl"));
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "QUARL_CPU"] {
        command.env_remove(variable);
    }
    command.current_dir(here).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits for something that happens soon, at most a minute, because machines may be busy.
fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the command has installed its handlers.
fn wait_until_listening(child: &Child) {
    let status = format!("/proc/{}/status", child.id());
    if !fs::exists(&status).unwrap_or(false) {
        std::thread::sleep(Duration::from_secs(5));
        return;
    }
    let all = signals().iter().fold(0, |mask, (_, number, _)| mask | 1 << (number - 1));
    wait_until("listening", || mask(&status, "SigCgt:").is_some_and(|mask| mask & all == all));
}

/// Sends a signal after the command has worked for a while; returns its exit status.
fn interrupt(mut child: Child, signal: &str) -> Option<i32> {
    wait_until_listening(&child);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    let mut status = None;
    let deadline = Instant::now() + Duration::from_secs(60);
    while status.is_none() && Instant::now() < deadline {
        status = child.try_wait().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    status.expect("it did not stop").code()
}

/// [`interrupt`], once the run has a directory.
fn interrupt_run(here: &TempDir, child: Child, signal: &str) -> Option<i32> {
    wait_until("training", || here.path().join("run/episodes.csv").exists());
    interrupt(child, signal)
}

/// Checks a stopped run: all files are there, but no final evaluation.
fn assert_kept(here: &TempDir) -> serde_json::Value {
    for name in ["config.toml", "episodes.csv", "model.safetensors", "curve.svg", "curve.png"] {
        assert!(here.path().join("run").join(name).exists(), "{name}");
    }
    let summary = fs::read_to_string(here.path().join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["interrupted"], true);
    assert!(summary["greedy_returns"].is_null() && summary["greedy_mean"].is_null(), "{summary}");
    summary
}

#[test]
fn a_signal_while_an_environment_starts_ends_every_command_soon_and_leaves_nothing() {
    let here = tempfile::tempdir().unwrap();
    let never = here.path().join("never-answers");
    fs::write(&never, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&never, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let python = never.display().to_string();
    for (i, command) in [
        &["train", "gym:CartPole-v1", "--out", "run"][..],
        &["experiment", "gym:CartPole-v1", "--runs", "2", "--out", "run"],
        &["experiment", "gym:CartPole-v1", "--runs", "2", "--ablate", "target_network", "--out", "run"],
        &["envs", "gym:CartPole-v1"],
        &["envs", "gym:"],
    ]
    .into_iter()
    .enumerate()
    {
        let (signal, _, status) = signals()[i % signals().len()];
        let child = start(&here, &[command, &["--python", &python]].concat());
        let started = Instant::now();
        assert_eq!(interrupt(child, signal), Some(status), "{command:?} {signal}");
        assert!(started.elapsed() < Duration::from_secs(20), "{command:?} {signal}");
        assert_eq!(fs::read_dir(&here).unwrap().count(), 1, "{command:?} leaves nothing behind");
    }
}

#[test]
fn training_stops_at_each_signal_with_its_status_and_keeps_the_run() {
    for (signal, _, status) in signals() {
        let here = tempfile::tempdir().unwrap();
        let child = start(&here, &["train", "--episodes", "1000000", "--out", "run"]);
        assert_eq!(interrupt_run(&here, child, signal), Some(status), "{signal}");
        assert_kept(&here);
        let played = start(&here, &["play", "run", "--render", "none"]).wait().unwrap();
        assert!(played.success(), "the model can be played");
    }
}

#[test]
fn an_evaluation_of_any_length_stops_and_is_left_out() {
    let here = tempfile::tempdir().unwrap();
    let endless = ["--set", "evaluation.episodes=1000000000", "--steps", "40", "--out", "run"];
    let child = start(&here, &[&["train"], &endless[..]].concat());
    assert_eq!(interrupt_run(&here, child, "TERM"), Some(143));
    let summary = assert_kept(&here);
    assert_eq!(summary["env_steps"], 40);
    assert!(summary["best_mean"].is_null(), "{summary}");
}

#[test]
fn any_number_of_updates_after_a_step_stops_even_before_the_first_episode_has_ended() {
    let here = tempfile::tempdir().unwrap();
    let updates = ["--preset", "textbook", "--set", "training.gradient_steps=9000000000", "--out", "run"];
    let child = start(&here, &[&["train", "MountainCar-v0"], &updates[..]].concat());
    let (signal, _, status) = signals().pop().unwrap();
    assert_eq!(interrupt_run(&here, child, signal), Some(status));
    assert_eq!(assert_kept(&here)["episodes"], 0);
}

#[test]
fn an_experiment_stops_within_its_runs_and_continues_later() {
    let here = tempfile::tempdir().unwrap();
    let endless = ["--set", "evaluation.episodes=1000000000", "--runs", "3", "--steps", "40", "--out", "out"];
    let child = start(&here, &[&["experiment", "--jobs", "2"], &endless[..]].concat());
    assert_eq!(interrupt(child, "TERM"), Some(143));
    assert!(!here.path().join("out/runs/seed-0/summary.json").exists(), "an unfinished run is run again");
}

#[test]
fn playing_stops() {
    let here = tempfile::tempdir().unwrap();
    assert!(start(&here, &["train", "--episodes", "2", "--quiet", "--out", "run"]).wait().unwrap().success());
    for (signal, _, status) in signals() {
        let child = start(&here, &["play", "run", "--render", "none", "--episodes", "1000000000"]);
        assert_eq!(interrupt(child, signal), Some(status), "{signal}");
    }
}

#[test]
fn a_terminal_that_goes_away_does_not_stop_what_was_started_with_nohup() {
    let here = tempfile::tempdir().unwrap();
    let script = format!("trap '' HUP; exec {} train --episodes 400 --quiet --out run", env!("CARGO_BIN_EXE_quarl"));
    let mut child = Command::new("sh").current_dir(&here).args(["-c", &script]).stdout(Stdio::null()).spawn().unwrap();
    let episodes = here.path().join("run/episodes.csv");
    wait_until("training", || fs::read_to_string(&episodes).is_ok_and(|text| text.lines().count() > 2));
    Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert!(child.wait().unwrap().success());
}
