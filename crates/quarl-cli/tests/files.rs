//! The command and directories that exist, that another process writes, or that cannot be written.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use common::{directory, fail, quarl, read, succeed};

const SHORT: [&str; 5] = ["train", "--episodes", "3", "--quiet", "--out"];

/// Trains a short run into `out`.
fn train(here: &TempDir, out: &str) {
    succeed(here, &[&SHORT[..], &[out]].concat());
}

/// An experiment of short runs, with further arguments.
fn experiment<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["experiment", "--episodes", "4", "--out", out], more].concat()
}

fn summary(here: &TempDir, path: &str) -> Value {
    serde_json::from_str(&read(here, path)).unwrap()
}

/// Starts the command and leaves it running.
fn spawn(here: &TempDir, arguments: &[&str]) -> Child {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("quarl"));
    command.current_dir(here).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(100), "what the test waits for does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn has_rows(table: &Path) -> bool {
    fs::read_to_string(table).is_ok_and(|text| text.lines().count() > 2)
}

fn modified(here: &TempDir, path: &str) -> std::time::SystemTime {
    here.path().join(path).metadata().unwrap().modified().unwrap()
}

#[test]
fn a_run_that_another_process_writes_is_left_alone_and_one_that_was_killed_can_be_replaced() {
    let here = directory();
    let mut first = spawn(&here, &["train", "--episodes", "1000000", "--quiet", "--out", "run"]);
    wait_until(|| has_rows(&here.path().join("run/episodes.csv")));
    for more in [&[][..], &["--force"]] {
        let message = fail(&here, &[&SHORT[..], &["run"], more].concat(), 1);
        assert!(message.contains(&format!("run is in use by process {} on host ", first.id())), "{message}");
        assert!(message.contains(", since 20") && message.contains("wait until it has ended"), "{message}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(here.path().join("run/.lock").exists(), "the killed process has left its lock file");
    succeed(&here, &[&SHORT[..], &["run", "--force"]].concat());
    assert_eq!(summary(&here, "run/summary.json")["episodes"], 3);
    assert!(!here.path().join("run/.lock").exists());
}

#[test]
fn force_replaces_a_run_and_nothing_else() {
    let here = directory();
    train(&here, "run");
    succeed(&here, &experiment("experiment", &["--runs", "1", "--quiet"]));
    fs::create_dir(here.path().join("foreign")).unwrap();
    fs::write(here.path().join("foreign/config.toml"), "[package]\nname = \"mine\"\n").unwrap();
    fs::create_dir(here.path().join("empty")).unwrap();
    fs::write(here.path().join("file"), "mine").unwrap();
    succeed(&here, &[&SHORT[..], &["run", "--force"]].concat());
    succeed(&here, &[&SHORT[..], &["empty"]].concat());

    fs::write(here.path().join("run/notes.txt"), "mine").unwrap();
    for (out, expected, status) in [
        ("run", "run exists already and holds files that do not belong to a run (notes.txt): move them", 2),
        ("experiment", "experiment exists already and holds an experiment", 2),
        ("foreign", "foreign exists already and holds other files (config.toml)", 2),
        ("file", "file: this is a file; a directory is needed", 1),
    ] {
        for more in [&[][..], &["--force"]] {
            let message = fail(&here, &[&SHORT[..], &[out], more].concat(), status);
            assert!(message.contains(expected), "{message}");
        }
    }
    assert_eq!(read(&here, "run/notes.txt"), "mine");
    assert_eq!(fs::read_dir(here.path().join("foreign")).unwrap().count(), 1, "not even a lock file is left in it");
    fs::remove_file(here.path().join("run/notes.txt")).unwrap();
    let message = fail(&here, &[&SHORT[..], &["run"]].concat(), 2);
    assert!(
        message
            .contains("run exists already: choose another directory with --out, or replace the run in it with --force")
    );
}

#[test]
fn an_experiment_refuses_what_it_cannot_continue_and_names_the_keys_that_differ() {
    let here = directory();
    train(&here, "run");
    succeed(&here, &experiment("many", &["--runs", "1", "--quiet"]));
    let ablation = experiment("ablation", &["--runs", "1", "--quiet", "--ablate", "replay"]);
    succeed(&here, &ablation);
    fs::create_dir(here.path().join("foreign")).unwrap();
    fs::write(here.path().join("foreign/a.txt"), "mine").unwrap();
    for (out, more, expected) in [
        ("run", &[][..], "holds a run: choose another directory"),
        ("foreign", &[], "holds other files (a.txt)"),
        ("ablation", &[], "holds several runs or experiments (all, "),
        ("many", &["--set", "agent.gamma=0.5"], "agent.gamma is 0.98 there and 0.5 here"),
        ("many", &["--ablate", "replay"], "holds an experiment"),
        ("run", &["--ablate", "replay"], "holds a run"),
        ("foreign", &["--ablate", "replay"], "holds other files (a.txt)"),
        ("ablation", &["--ablate", "replay", "--set", "agent.gamma=0.5"], "agent.gamma is 0.98 there and 0.5 here"),
        ("new", &["--ablate", "double"], "--ablate: ablated part: the configuration does not have double"),
    ] {
        let message = fail(&here, &experiment(out, &[&["--runs", "1"], more].concat()), 2);
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(fs::read_dir(here.path().join("foreign")).unwrap().count(), 1);
    succeed(&here, &ablation);
}

#[test]
fn a_run_whose_files_do_not_agree_with_its_summary_is_run_again() {
    let here = directory();
    let arguments = experiment("many", &["--runs", "7", "--quiet", "--set", "training.diagnostics=true"]);
    succeed(&here, &arguments);
    let run = |seed: u64, name: &str| here.path().join(format!("many/runs/seed-{seed}/{name}"));
    let before: Vec<String> = (0..7).map(|seed| fs::read_to_string(run(seed, "episodes.csv")).unwrap()).collect();
    let kept = modified(&here, "many/runs/seed-5/summary.json");
    let rows: Vec<&str> = before[0].lines().collect();
    fs::write(run(0, "episodes.csv"), rows[..rows.len() - 1].join("\n") + "\n").unwrap();
    fs::write(run(1, "summary.json"), "{").unwrap();
    fs::remove_file(run(2, "model.safetensors")).unwrap();
    fs::write(run(3, "best.safetensors"), "cut short").unwrap();
    fs::write(run(4, "evaluations.csv"), "episodes,env_steps,mean_return,min_return,max_return,best\n").unwrap();
    let (first, rest) = before[6].split_once("\n0,").unwrap();
    let fields: Vec<&str> = rest.splitn(3, ',').collect();
    fs::write(run(6, "episodes.csv"), format!("{first}\n0,{},1{},{}", fields[0], fields[1], fields[2])).unwrap();
    succeed(&here, &arguments);
    let after: Vec<String> = (0..7).map(|seed| fs::read_to_string(run(seed, "episodes.csv")).unwrap()).collect();
    assert_eq!(after, before);
    assert!(run(2, "model.safetensors").exists() && run(1, "summary.json").metadata().unwrap().len() > 10);
    assert_eq!(modified(&here, "many/runs/seed-5/summary.json"), kept, "a run that is complete is kept");
}

#[test]
fn an_experiment_reports_all_runs_that_it_holds() {
    let here = directory();
    succeed(&here, &experiment("many", &["--runs", "4", "--quiet"]));
    let before =
        ["summary.json", "mean.csv", "greedy.csv", "curve.svg"].map(|name| read(&here, format!("many/{name}")));
    let said = succeed(&here, &experiment("many", &["--runs", "2"]));
    assert!(said.contains("many holds 4 runs; the results include all of them"), "{said}");
    assert!(said.contains("\n4 runs; each"), "{said}");
    let after = ["summary.json", "mean.csv", "greedy.csv", "curve.svg"].map(|name| read(&here, format!("many/{name}")));
    assert_eq!(after, before);
}

#[test]
fn a_diverging_seed_is_recorded_and_the_others_run() {
    let here = directory();
    let diverging = ["--runs", "6", "--jobs", "2", "--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1"];
    let arguments = experiment("many", &diverging);
    let output = quarl(&here, &arguments).assert().code(1).get_output().clone();
    let [said, complained] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let aggregated = summary(&here, "many/summary.json");
    let failed = aggregated["failed"].as_array().unwrap().clone();
    assert!(!failed.is_empty() && failed.len() < 6, "the settings should make some seeds fail: {failed:?}");
    let complete = 6 - failed.len();
    assert_eq!((aggregated["runs"].as_u64(), aggregated["completed"].as_u64()), (Some(6), Some(complete as u64)));
    assert!(said.contains(&format!("{complete} of 6 runs are complete; each")), "{said}");
    assert!(said.contains(" of 6 runs have a mean greedy return of at least 195"), "{said}");
    assert!(complained.contains(&format!("{} run", failed.len())) && complained.contains("--retry-failed"));
    let seed = failed[0]["seed"].as_u64().unwrap();
    assert!(failed[0]["error"].as_str().unwrap().contains("not finite at step"), "{failed:?}");
    let greedy = read(&here, "many/greedy.csv");
    assert!(greedy.lines().any(|line| line == format!("{seed},,,,,,,false")), "{greedy}");

    // When it is continued, neither complete runs nor those that would fail again are run.
    let files = |seed: u64| format!("many/runs/seed-{seed}/summary.json");
    let before: Vec<_> = (0..6).map(|seed| modified(&here, &files(seed))).collect();
    quarl(&here, &arguments).assert().code(1);
    assert_eq!((0..6).map(|seed| modified(&here, &files(seed))).collect::<Vec<_>>(), before);
    quarl(&here, &[&arguments[..], &["--retry-failed"]].concat()).assert().code(1);
    assert_ne!(modified(&here, &files(seed)), before[seed as usize]);

    // A run with an error outside the run is run again.
    let mut transient = summary(&here, &files(seed));
    transient["error_is_transient"] = true.into();
    fs::write(here.path().join(files(seed)), transient.to_string()).unwrap();
    quarl(&here, &arguments).assert().code(1);
    assert_eq!(summary(&here, &files(seed))["error_is_transient"], Value::Null);
}

#[cfg(unix)]
#[test]
fn processes_share_an_experiment_and_take_over_what_a_killed_one_leaves() {
    let here = directory();
    let arguments = ["experiment", "--episodes", "30", "--out", "shared", "--runs", "5", "--jobs", "1"];
    let signal = |child: &Child, name: &str| {
        assert!(std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    // The first process is stopped in the middle of a run.
    let mut first = spawn(&here, &arguments);
    let claimed = |seed: &u64| here.path().join(format!("shared/runs/seed-{seed}/.lock")).exists();
    let held = loop {
        wait_until(|| (0..5).any(|seed| claimed(&seed)));
        signal(&first, "-STOP");
        // It may have been stopped between two runs.
        match (0..5).find(claimed) {
            Some(seed) => break seed,
            None => signal(&first, "-CONT"),
        }
    };
    let done = |seed: &u64| here.path().join(format!("shared/runs/seed-{seed}/summary.json")).exists();

    let mut second = spawn(&here, &arguments);
    wait_until(|| (0..5).filter(|seed| *seed != held).all(|seed| done(&seed)));
    // The second process waits for the run that the first one has claimed, and runs it after the first one has ended.
    std::thread::sleep(Duration::from_millis(300));
    assert!(second.try_wait().unwrap().is_none() && !done(&held));
    signal(&first, "-KILL");
    first.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let waiting = format!("waiting for seed {held}, run by process {} on host ", first.id());
    assert!(said.contains(&waiting) && said.contains("5 runs; each"), "{said}");

    // The result equals that of a single process.
    succeed(&here, &["experiment", "--episodes", "30", "--out", "alone", "--runs", "5", "--quiet"]);
    for name in ["summary.json", "mean.csv", "greedy.csv", "curve.svg"] {
        assert_eq!(read(&here, format!("shared/{name}")), read(&here, format!("alone/{name}")), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn processes_that_start_together_run_each_seed_once() {
    let here = directory();
    let arguments = experiment("shared", &["--runs", "6", "--jobs", "2"]);
    let children = [(); 3].map(|()| spawn(&here, &arguments));
    let ended = children.map(|child| child.wait_with_output().unwrap());
    for output in &ended {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("6 runs; each"));
    }
    succeed(&here, &experiment("alone", &["--runs", "6", "--quiet"]));
    for name in ["summary.json", "mean.csv", "greedy.csv", "curve.svg"] {
        assert_eq!(read(&here, format!("shared/{name}")), read(&here, format!("alone/{name}")), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_experiment_that_waits_for_another_process() {
    let here = directory();
    let arguments = ["experiment", "--episodes", "1000000", "--runs", "1", "--out", "shared"];
    let mut first = spawn(&here, &arguments);
    wait_until(|| has_rows(&here.path().join("shared/runs/seed-0/episodes.csv")));
    let mut second = spawn(&here, &arguments);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(second.stdout.take().unwrap()), &mut line).unwrap();
    assert!(line.starts_with("waiting for seed 0, run by process "), "{line}");
    for child in [&mut second, &mut first] {
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_ends_every_command_with_1() {
    let here = directory();
    train(&here, "run");
    for arguments in [
        &["train", "--episodes", "3", "--json", "--out", "a"][..],
        &["train", "--episodes", "3", "--out", "b"],
        &["experiment", "--episodes", "3", "--runs", "2", "--out", "c"],
        &["play", "run"],
        &["play", "run", "--json"],
        &["eval", "run", "--episodes", "2"],
        &["plot", "run"],
        &["envs"],
        &["presets"],
        &["presets", "textbook"],
        &["--version"],
        &["train", "--help"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let binary = assert_cmd::cargo::cargo_bin("quarl");
        let mut command = std::process::Command::new(binary);
        let output = command.current_dir(&here).args(arguments).stdout(full).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        let expected = "error: cannot write to standard output: No space left on device (os error 28)\n";
        assert!(message.ends_with(expected), "{arguments:?}: {message}");
    }
    assert!(here.path().join("a/summary.json").exists(), "the work is done all the same");
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_a_run_with_the_files_name_and_keeps_what_there_is() {
    let here = directory();
    let binary = assert_cmd::cargo::cargo_bin("quarl");
    // A limit of 16 blocks (8 KiB) per file has the same effect as a full disk.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" train --episodes 400 --set evaluation.every_episodes=1000 --quiet --out run";
    let mut command = std::process::Command::new("sh");
    let output = command.current_dir(&here).args(["-c", script]).arg(binary).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot write run/episodes.csv: File too large"), "{message}");
    assert_eq!(message.matches("run/episodes.csv").count(), 1, "{message}");
    let episodes = read(&here, "run/episodes.csv");
    assert!(episodes.lines().count() > 20 && episodes.ends_with('\n'), "whole rows are kept");
    let summary = summary(&here, "run/summary.json");
    assert!(summary["error"].as_str().unwrap().contains("File too large") && summary["error_is_transient"] == true);
    assert_eq!(summary["greedy_mean"], Value::Null);
}
