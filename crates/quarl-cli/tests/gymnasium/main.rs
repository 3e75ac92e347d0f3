//! The command with well-behaved and misbehaving environments in Python. `cargo xtask test` installs Gymnasium and runs
//! these.
#![cfg(unix)]

mod processes;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn python() -> String {
    std::env::var("QUARL_TEST_PYTHON").expect("cargo xtask test sets QUARL_TEST_PYTHON")
}

/// `quarl` in a directory of its own, with the tests' Python and its environments.
fn quarl(here: &TempDir) -> Command {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../quarl/tests/python");
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarl"));
    command.current_dir(here).env("PYTHONPATH", modules).env_remove("VIRTUAL_ENV").env_remove("QUARL_CPU");
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env("XDG_STATE_HOME", here.path().join("state"));
    command
}

/// Trains four short episodes on one of the tests' environments.
fn train(here: &TempDir, id: &str, more: &[&str]) -> Output {
    let id = format!("gym:{id}-v0");
    let common = ["--preset", "textbook", "--episodes", "4", "--out", "run", "--gym-import", "misbehaving", "--python"];
    quarl(here).args(["train", &id]).args(common).arg(python()).args(more).output().unwrap()
}

fn error(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let error = stderr.lines().rfind(|line| line.starts_with("error: "));
    error.or(stderr.lines().last()).unwrap_or_default().to_owned()
}

fn summary(here: &TempDir) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(here.path().join("run/summary.json")).unwrap()).unwrap()
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn training_on_gymnasiums_cartpole_is_training_on_the_built_in_one() {
    let here = directory();
    for (id, out) in [("gym:CartPole-v1", "bridged"), ("CartPole-v1", "built-in")] {
        let python = python();
        let bridge: &[&str] = if id.starts_with("gym:") { &["--python", &python] } else { &[] };
        let arguments = ["train", id, "--preset", "textbook", "--steps", "1500", "--quiet", "--out", out];
        let status = quarl(&here).args(arguments).args(bridge).status().unwrap();
        assert!(status.success());
    }
    for file in ["episodes.csv", "evaluations.csv"] {
        let read = |run: &str| fs::read_to_string(here.path().join(run).join(file)).unwrap();
        assert!(read("bridged").lines().count() > 1);
        assert_eq!(read("bridged"), read("built-in"), "{file}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn several_bridged_environments_are_several_built_in_ones_however_many_a_worker_holds() {
    let here = directory();
    let python = python();
    let episodes = |id: &str, out: &str, more: &[&str]| {
        let several = ["--set", "training.num_envs=3", "--steps", "1000", "--quiet", "--out", out];
        let mut command = quarl(&here);
        let status = command.args(["train", id, "--preset", "textbook"]).args(several).args(more).status().unwrap();
        assert!(status.success());
        fs::read_to_string(here.path().join(out).join("episodes.csv")).unwrap()
    };
    let built_in = episodes("CartPole-v1", "built-in", &[]);
    for together in ["1", "2", "3"] {
        let together = format!("env.gym.environments_per_worker={together}");
        let bridged = episodes("gym:CartPole-v1", &together, &["--python", &python, "--set", &together]);
        assert_eq!(bridged, built_in, "{together}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn lunar_lander_trains_and_is_recorded_with_what_the_run_remembers() {
    let here = directory();
    let id = "gym:LunarLander-v3";
    let out = ["--steps", "300", "--quiet", "--out", "run", "--env-arg", "gravity=-5.0"];
    assert!(quarl(&here).args(["train", id, "--python", &python()]).args(out).status().unwrap().success());
    let config = fs::read_to_string(here.path().join("run/config.toml")).unwrap();
    assert!(config.contains("gravity = -5.0") && config.contains("python = "), "{config}");
    assert_eq!(summary(&here)["reward_threshold"], 200.0);
    let figure = fs::read_to_string(here.path().join("run/curve.svg")).unwrap();
    assert!(figure.contains("solved: 200"), "the figure says where it is solved");
    let output = quarl(&here).args(["play", "run", "--trust", "--record", "a.gif"]).output().unwrap();
    assert!(output.status.success(), "{}", error(&output));
    assert!(fs::read(here.path().join("a.gif")).unwrap().starts_with(b"GIF89a"));
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn what_goes_wrong_in_an_environment_is_named_and_the_run_so_far_is_kept() {
    for (id, expected) in [
        ("Raises", "failed at step 7, in episode 0: ValueError: the wheel came off ("),
        ("RaisesAtReset", "RuntimeError: no wheels ("),
        ("NanObservation", "returned observation NaN at step 7"),
        ("InfiniteReward", "returned reward inf at step 7"),
        ("NoReward", "failed at step 7, in episode 0: the reward is None"),
        ("WrongShape", "failed at step 7, in episode 0: the observation is float32 of shape (3,)"),
        ("WrongType", "failed at step 7, in episode 0: the observation is float64 of shape (2,)"),
        ("NothingAllowed", "the action mask at step 7 of training allows no action"),
        (
            "Exits",
            "the worker process ended at step 19, in episode 2: it ended with status 3; 3 worker processes in a row were lost",
        ),
    ] {
        let here = directory();
        let output = train(&here, id, &[]);
        assert_eq!(output.status.code(), Some(1), "{id}");
        assert!(error(&output).starts_with("error: ") && error(&output).contains(expected), "{id}: {}", error(&output));
        assert!(here.path().join("run/model.safetensors").exists(), "{id}");
        let stopped_by = summary(&here)["error"].as_str().unwrap().to_owned();
        assert!(stopped_by.contains(expected), "{id}: {stopped_by}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn unusual_environments_are_trained_on() {
    for id in
        ["Walk", "Prints", "PrintsFromC", "Reads", "StartsAtFive", "Nested", "Memory", "Table", "Masked", "BothFlags"]
    {
        let here = directory();
        let output = train(&here, id, &["--json"]);
        assert!(output.status.success(), "{id}: {}", error(&output));
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{id}: its prints are not ours: {line}");
        }
        assert_eq!(summary(&here)["episodes"], 4, "{id}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn what_cannot_be_trained_on_is_refused_before_training() {
    for (id, status, expected) in [
        ("gym:ContinuousActions-v0", 1, "action space Box(-1.0, 1.0, (1,), float32): "),
        ("gym:Texts-v0", 1, "observation space Text("),
        ("gym:Nonsense-v0", 2, "unknown environment 'gym:Nonsense-v0'"),
        ("gym:GrayScale-v0", 1, "images (unsigned bytes of shape [8, 8])"),
        ("gym:ImageAmongOthers-v0", 1, "['camera'] is an image (unsigned bytes of shape (4, 3, 1))"),
    ] {
        let here = directory();
        let arguments = ["train", id, "--gym-import", "misbehaving", "--out", "run", "--python", &python()];
        let output = quarl(&here).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{id}: {}", error(&output));
        assert!(error(&output).contains(expected), "{id}: {}", error(&output));
        assert!(!here.path().join("run").exists(), "{id}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn images_are_refused_with_frame_stack_and_by_experiment_and_what_is_no_image_is_stacked() {
    let run = |id: &str, command: &str, more: &[&str]| {
        let here = directory();
        let mut quarl = quarl(&here);
        let id = format!("gym:{id}");
        quarl.args([
            command,
            &id,
            "--preset",
            "textbook",
            "--steps",
            "20",
            "--out",
            "run",
            "--set",
            "env.frame_stack=4",
        ]);
        let output = quarl.args(["--gym-import", "misbehaving", "--python", &python()]).args(more).output().unwrap();
        (output.status.code(), error(&output), here.path().join("run").exists())
    };
    for command in ["train", "experiment"] {
        let (status, message, exists) = run("Pixels-v0", command, &[]);
        assert!(message.contains("images (unsigned bytes of shape [4, 3, 1])"), "{command}: {message}");
        assert!(message.contains("FlattenObservation"), "{command}: {message}");
        assert_eq!((status, exists), (Some(1), false), "{command}");
    }
    let (_, message, _) = run("CarRacing-v3", "train", &["--env-arg", "continuous=false"]);
    assert!(message.contains("images (unsigned bytes of shape [96, 96, 3])"), "{message}");
    for id in ["Memory-v0", "Table-v0"] {
        let (status, message, _) = run(id, "train", &[]);
        assert_eq!(status, Some(0), "{id}: {message}");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_slow_start_says_what_it_is_waiting_for() {
    let here = directory();
    fs::write(here.path().join("slow_module.py"), "import time\ntime.sleep(2.5)\n").unwrap();
    let output = train(&here, "SlowToStart", &["--gym-import", "slow_module"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    for expected in ["importing slow_module", "making and resetting the environment once"] {
        let line = format!("waiting for gym:SlowToStart-v0: {expected}");
        assert_eq!(stderr.matches(&line).count(), 1, "{stderr}");
    }
    assert!(stderr.contains("waiting for gym:SlowToStart-v0: the first reset"), "{stderr}");
    let quiet = train(&here, "SlowToStart", &["--gym-import", "slow_module", "--quiet", "--force"]);
    assert!(quiet.status.success() && quiet.stderr.is_empty(), "{}", String::from_utf8_lossy(&quiet.stderr));
}

#[test]
fn a_python_that_is_not_there_is_named_with_the_remedy() {
    let here = directory();
    let output = quarl(&here).args(["train", "gym:CartPole-v1", "--python", "no-such-python"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("cannot start 'no-such-python'") && error(&output).contains("env.gym.python"));
}

#[test]
fn what_is_for_gymnasium_alone_is_refused_elsewhere() {
    let here = directory();
    let output = quarl(&here).args(["train", "CartPole-v1", "--env-arg", "gravity=1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("env.gym.kwargs") && error(&output).contains("gym:"), "{}", error(&output));
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_python_without_gymnasium_is_told_what_to_install() {
    let here = directory();
    // The same interpreter, kept from its packages.
    let bare = here.path().join("bare-python");
    fs::write(&bare, format!("#!/bin/sh\nexec {} -S \"$@\"\n", python())).unwrap();
    fs::set_permissions(&bare, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let bare = bare.display().to_string();
    let output = quarl(&here).args(["train", "gym:CartPole-v1", "--python", &bare]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("{bare} -m pip install \"gymnasium[classic-control]\"");
    assert!(error(&output).ends_with(&expected), "{}", error(&output));
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_missing_extra_is_told_with_the_command_that_installs_it() {
    let here = directory();
    // A Python that has everything but Box2D.
    fs::write(here.path().join("without_box2d.py"), "import sys\nsys.modules['Box2D'] = None\n").unwrap();
    let arguments = ["train", "gym:LunarLander-v3", "--gym-import", "without_box2d", "--out", "run", "--python"];
    let output = quarl(&here).args(arguments).arg(python()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("{} -m pip install \"gymnasium[box2d]\"", python());
    assert!(error(&output).ends_with(&expected), "{}", error(&output));
    // A busy machine says what a slow start is waiting for, too.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines = stderr.lines().filter(|line| !line.starts_with("waiting for ")).count();
    assert_eq!((lines, here.path().join("run").exists()), (1, false), "one message, and nothing left behind");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn every_missing_part_of_gymnasium_is_told_with_its_extra() {
    let message = |id: &str, missing: &str, more: &[&str]| {
        let here = directory();
        fs::write(here.path().join("without.py"), format!("import sys\nsys.modules['{missing}'] = None\n")).unwrap();
        let arguments = ["train", id, "--gym-import", "without", "--gym-import", "misbehaving", "--out", "run"];
        let output = quarl(&here).args(arguments).args(["--python", &python()]).args(more).output().unwrap();
        assert!(!output.status.success() && !here.path().join("run").exists(), "{id}");
        error(&output)
    };
    for (id, missing, extra) in [
        ("gym:LunarLander-v3", "pygame", "box2d"),
        ("gym:CarRacing-v3", "Box2D", "box2d"),
        ("gym:Ant-v5", "mujoco", "mujoco"),
        ("gym:phys2d/CartPole-v1", "jax", "jax"),
    ] {
        let message = message(id, missing, &[]);
        assert!(message.ends_with(&format!("{} -m pip install \"gymnasium[{extra}]\"", python())), "{id}: {message}");
    }
    let atari = message("gym:ALE/Pong-v5", "ale_py", &[]);
    assert!(atari.contains("gymnasium[atari]") && atari.contains("env.gym.imports = [\"ale_py\"]"), "{atari}");
    let other = message("gym:NeedsAModule-v0", "none", &["--env-arg", "module=wheels"]);
    assert!(other.contains("has no module 'wheels'"), "{other}");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_greedy_policy_that_goes_round_in_circles_is_cut_and_the_run_ends() {
    let here = directory();
    let arguments = ["train", "gym:CliffWalking-v1", "--preset", "dqn", "--steps", "300", "--out", "run", "--json"];
    let limit = ["--set", "evaluation.max_episode_steps=500", "--set", "evaluation.episodes=2"];
    let start = ["--set", "training.learning_starts=100", "--python"];
    let output = quarl(&here).args(arguments).args(limit).args(start).arg(python()).output().unwrap();
    assert!(output.status.success(), "{}", error(&output));
    let warnings = summary(&here)["warnings"].clone();
    assert_eq!(warnings.as_array().unwrap().len(), 1, "{warnings}");
    assert!(warnings[0].as_str().unwrap().contains("500 steps"), "{warnings}");
    assert_eq!(error(&output), format!("warning: {}", warnings[0].as_str().unwrap()));
    let events = String::from_utf8(output.stdout).unwrap();
    assert_eq!(events.lines().filter(|line| line.contains("\"event\":\"warning\"")).count(), 1);
    let config = fs::read_to_string(here.path().join("run/config.toml")).unwrap();
    assert!(config.contains("max_episode_steps = 500"), "{config}");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn arguments_are_read_as_python_or_toml_writes_them() {
    let here = directory();
    let arguments = ["a=False", "b=true", "c=None", "d=1", "e=[1, 2]", "f=text", "f=text"];
    let arguments: Vec<&str> = arguments.iter().flat_map(|argument| ["--env-arg", argument]).collect();
    let message = error(&train(&here, "Tells", &arguments));
    assert!(message.contains("'a': False, 'b': True, 'c': None, 'd': 1, 'e': [1, 2], 'f': 'text'"), "{message}");
}
