//! What SECURITY.md promises: Python starts only for an environment whose id begins with `gym:`, only to step it, and only where the
//! command line asks for it, or has asked for it before.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use common::terminal::Terminal;
use common::{directory, quarl, succeed};
use quarl::Model;
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

/// Forgets the environments that were asked for.
fn forget(here: &TempDir) {
    let _ = fs::remove_dir_all(here.path().join("state"));
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

/// A run with checkpoints and evaluations, and what stands beside it.
fn write_run(here: &TempDir) {
    let settings = ["--set", "checkpoint.every_steps=200", "--set", "evaluation.every_steps=100"];
    let more = ["--steps", "600", "--quiet", "--out", "run"];
    succeed(here, &[&["train", "--preset", "textbook"], &settings[..], &more].concat());
}

/// The commands that step an environment that files name.
const STEPPING: [&[&str]; 12] = [
    &["play", "run", "--render", "none"],
    &["play", "run/model.safetensors", "--render", "none"],
    &["eval", "run", "--episodes", "1"],
    &["report", "run", "--out", "report.html"],
    &["inspect", "run", "--at", "300", "--episodes", "1"],
    &["fork", "run", "--at", "300", "--steps", "350", "--out", "forked", "--force"],
    &["bisect", "run", "--every", "100", "--episodes", "1"],
    &["train", "--resume", "run", "--steps", "650"],
    &["train", "--config", "run/config.toml", "--out", "again", "--force"],
    &["train", "--from", "run", "--out", "from", "--force"],
    &["experiment", "--config", "run/config.toml", "--runs", "1", "--out", "many"],
    &["compare", "run/config.toml", "--runs", "1", "--out", "compared"],
];
/// The commands that read files and step nothing.
const READING: [&[&str]; 6] = [
    &["export", "run", "--format", "c", "--force"],
    &["plot", "run"],
    &["watch", "run", "--once"],
    &["report", "run", "--no-recordings", "--out", "plain.html"],
    &["config", "check", "run/config.toml"],
    &["presets", "dqn"],
];
/// The commands that no file can give an environment.
const OTHERS: [&str; 7] = ["bench", "completions", "envs", "help", "import", "man", "tune"];

fn tune(here: &TempDir, more: &[&str]) -> std::process::Output {
    let budget = ["--trials", "1", "--seeds-per-trial", "1", "--confirm", "0", "--out", "study"];
    quarl(here, &[&["tune", "--config", "run/config.toml"], &budget[..], more].concat()).output().unwrap()
}

#[test]
fn every_command_is_tested_here() {
    let help = succeed(&directory(), &["--help"]);
    let listed =
        help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1).take_while(|line| !line.is_empty());
    let mut commands: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    let mut tested: Vec<&str> = STEPPING.iter().chain(&READING).map(|command| command[0]).chain(OTHERS).collect();
    for names in [&mut commands, &mut tested] {
        names.sort_unstable();
        names.dedup();
    }
    assert_eq!(commands, tested);
}

#[test]
fn files_alone_start_no_python() {
    let here = directory();
    let python = add_interpreter(&here);
    write_run(&here);
    for command in STEPPING.iter().chain(&READING) {
        quarl(&here, command).assert().success();
    }
    assert!(tune(&here, &[]).status.success());
    // The keys of an interpreter alone start nothing: without `gym:` they are refused.
    set_environment(&here, "CartPole-v0", &python);
    for command in STEPPING.iter().chain(&READING) {
        let _ = quarl(&here, command).assert();
        assert!(!was_started(&here), "{command:?}");
    }
    set_environment(&here, "gym:CartPole-v0", &python);
    for command in READING {
        let _ = quarl(&here, command).arg("--trust").assert();
        let _ = quarl(&here, command).assert();
        assert!(!was_started(&here), "{command:?}");
    }
    // The agent's environment is the one in its model file, whatever the configuration beside it says.
    let model = here.path().join("run/model.safetensors");
    let mut named = Model::load(&model).unwrap();
    "gym:CartPole-v0".clone_into(&mut named.env);
    named.save(&model).unwrap();
    for command in STEPPING {
        let untrusted = quarl(&here, command).output().unwrap();
        let message = String::from_utf8_lossy(&untrusted.stderr).into_owned();
        assert!(!was_started(&here), "{command:?}");
        if command[0] == "report" {
            assert!(common::read(&here, "report.html").contains("which quarl report --trust starts"));
        } else {
            assert_eq!(untrusted.status.code(), Some(2), "{command:?}: {message}");
            let names = message.contains("env.id = \"gym:CartPole-v0\"") && message.contains("add --trust");
            assert!(message.starts_with("error: run") && names, "{command:?}: {message}");
            assert!(message.contains(&format!("env.gym.python = \"{python}\"")), "{message}");
        }
        let _ = quarl(&here, command).arg("--trust").assert();
        assert!(was_started(&here), "{command:?} with --trust starts it");
        forget(&here);
    }
    // A model file without a configuration names the environment only.
    fs::copy(&model, here.path().join("alone.safetensors")).unwrap();
    let alone = ["play", "alone.safetensors", "--render", "none", "--python", &python];
    let message = common::fail(&here, &alone, 2);
    assert!(message.contains("asks here for env.id = \"gym:CartPole-v0\": add") && !was_started(&here), "{message}");
    quarl(&here, &[&alone[..], &["--trust"]].concat()).assert().code(1);
    assert!(was_started(&here));
    forget(&here);
    let untrusted = tune(&here, &["--space", "run/config.toml"]);
    assert!(untrusted.status.code() == Some(2) && !was_started(&here));
    tune(&here, &["--trust"]);
    assert!(was_started(&here));
}

#[test]
fn the_command_line_asks_for_an_environment_and_its_interpreter_one_by_one() {
    let here = directory();
    let python = add_interpreter(&here);
    write_run(&here);
    set_environment(&here, "gym:CartPole-v0", &python);
    let python = python.as_str();
    let (set_id, set_python) = ("env.id=gym:CartPole-v0", format!("env.gym.python={python}"));
    let file = ["train", "--config", "run/config.toml", "--out", "again", "--force"];
    let refused: [(&[&str], &str); 6] = [
        (&["gym:CartPole-v0"], "env.gym.python = "),
        (&["--set", set_id], "env.gym.python = "),
        (&["gym:CartPole-v0", "--python", "python3"], "env.gym.imports = [\"os\"]"),
        (&["gym:CartPole-v0", "--python", python], "env.gym.imports = [\"os\"]"),
        (&["--python", python, "--gym-import", "os"], "env.id = \"gym:CartPole-v0\""),
        (&["gym:CartPole-v0", "--gym-import", "os"], "env.gym.python = "),
    ];
    for (arguments, expected) in refused {
        let message = common::fail(&here, &[&file[..], arguments].concat(), 2);
        assert!(message.contains(expected) && !was_started(&here), "{arguments:?}: {message}");
    }
    let named: [&[&str]; 3] = [
        &["gym:CartPole-v0", "--python", python, "--gym-import", "os"],
        &["--set", set_id, "--set", &set_python, "--set", "env.gym.imports=[\"os\"]"],
        &["--trust"],
    ];
    for arguments in named {
        quarl(&here, &[&file[..], arguments].concat()).assert().code(1);
        assert!(was_started(&here), "{arguments:?}");
        forget(&here);
    }
    // The keyword arguments of some environments name modules, too.
    let text = common::read(&here, "run/config.toml").replace("imports = [\"os\"]", "kwargs = { env_id = \"os:X\" }");
    assert!(text.contains("env_id"), "{text}");
    fs::write(here.path().join("run/config.toml"), text).unwrap();
    let file = [&file[..], &["gym:CartPole-v0", "--python", python]].concat();
    let message = common::fail(&here, &file, 2);
    assert!(message.contains("env.gym.kwargs.env_id = ") && !was_started(&here), "{message}");
    quarl(&here, &[&file[..], &["--env-arg", "env_id=os:X"]].concat()).assert().code(1);
    assert!(was_started(&here));
    forget(&here);
    // Each configuration of a comparison, on each of its environments.
    let compare = ["compare", "dqn", "run/config.toml", "--runs", "1", "--steps", "300", "--out", "compared"];
    let message = common::fail(&here, &[&compare[..], &["--envs", "gym:CartPole-v0"]].concat(), 2);
    assert!(message.starts_with("error: run/config.toml") && !was_started(&here), "{message}");
}

#[test]
fn an_environment_that_was_asked_for_is_remembered_with_its_interpreter_modules_and_directory() {
    let here = directory();
    let python = add_interpreter(&here);
    write_run(&here);
    let python = python.as_str();
    set_environment(&here, "gym:CartPole-v0", python);
    let file = common::read(&here, "run/config.toml");
    let run = ["train", "--config", "run/config.toml", "--out", "again", "--force"];
    // Neither an environment that is refused nor commands that start nothing are remembered.
    common::fail(&here, &run, 2);
    succeed(&here, &["config", "check", "run/config.toml"]);
    for refused in [&["--python", python][..], &["--gym-import", "os"], &["gym:CartPole-v1", "--trust"]] {
        let _ = quarl(&here, &[&run[..], refused].concat()).assert();
        was_started(&here);
        common::fail(&here, &run, 2);
    }
    let asked = ["train", "gym:CartPole-v0", "--python", python, "--gym-import", "os", "--out", "asked"];
    for asking in [
        &asked[..],
        &[&run[..], &["--trust"]].concat(),
        &["compare", "run/config.toml", "--trust", "--runs", "1", "--out", "one"],
    ] {
        forget(&here);
        common::fail(&here, &run, 2);
        let _ = quarl(&here, asking).assert();
        assert!(was_started(&here), "{asking:?}");
        for command in [&run[..], &["compare", "run/config.toml", "--runs", "1", "--out", "compared"]] {
            quarl(&here, command).assert().code(1);
            assert!(was_started(&here), "{command:?} after {asking:?}");
        }
    }
    // Every part counts.
    for (part, other) in [
        ("CartPole-v0", "CartPole-v1"),
        ("[\"os\"]", "[\"sys\"]"),
        (python, "/bin/false"),
        ("[env.gym]", "[env.gym]\nkwargs = { a = 1 }"),
    ] {
        let changed = file.replace(part, other);
        assert_ne!(changed, file, "{part}");
        fs::write(here.path().join("run/config.toml"), changed).unwrap();
        common::fail(&here, &run, 2);
        assert!(!was_started(&here), "{part}");
    }
    fs::write(here.path().join("run/config.toml"), &file).unwrap();
    // Modules can come from the current directory, so it counts, too.
    let elsewhere = directory();
    let path = here.path().join("run/config.toml");
    let mut command = quarl(&elsewhere, &["train", "--config", path.to_str().unwrap(), "--out", "again"]);
    command.env("XDG_STATE_HOME", here.path().join("state")).assert().code(2);
    assert!(!was_started(&here));
    // Where nothing can be written, each command asks.
    forget(&here);
    fs::write(here.path().join("state"), "a file").unwrap();
    quarl(&here, &[&run[..], &["--trust"]].concat()).assert().code(1);
    assert!(was_started(&here));
    common::fail(&here, &run, 2);
}

#[test]
fn text_from_files_sends_no_escape_sequences_to_the_terminal() {
    let here = directory();
    write_run(&here);
    let hidden = "\\u001b]0;title\\u0007\\u001b[2J\\u009b1m";
    let path = here.path().join("run/config.toml");
    let text = fs::read_to_string(&path).unwrap().replace("id = \"CartPole-v0\"", &format!("id = \"{hidden}\""));
    assert!(text.contains(hidden));
    fs::write(path, text).unwrap();
    let mut shown = 0;
    for command in STEPPING.iter().chain(&READING).filter(|command| !command.contains(&"--json")) {
        let output = quarl(&here, command).output().unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!printed.contains(|letter: char| letter.is_control() && letter != '\n'), "{command:?}: {printed:?}");
        shown += usize::from(printed.contains("title"));
    }
    assert!(shown >= 3, "{shown}");
}

#[test]
fn watching_a_run_starts_its_environment_only_where_the_files_are_trusted() {
    let here = directory();
    let python = add_interpreter(&here);
    write_run(&here);
    set_environment(&here, "gym:CartPole-v0", &python);
    let mut watched = Terminal::open(&here, (120, 40), &[], &["watch", "run"]);
    watched.wait_for_text("--trust starts it");
    assert!(!was_started(&here));
    watched.press("q");
    watched.ends_within(Duration::from_secs(10));
    let mut watched = Terminal::open(&here, (120, 40), &[], &["watch", "run", "--trust"]);
    watched.wait_for("the interpreter", |_| was_started(&here));
    watched.press("q");
    watched.ends_within(Duration::from_secs(10));
}
