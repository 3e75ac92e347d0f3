//! What the command refuses: the exit status, and the message with a remedy.

use std::fs;

use super::experiment;
use crate::common::{directory, fail, quarl, read, succeed};

#[test]
fn wrong_usage_and_configuration_end_with_2_and_a_remedy() {
    let here = directory();
    fs::write(here.path().join("broken.toml"), "[env\n").unwrap();
    fs::write(here.path().join("part.toml"), "[agent]\ngamma = 0.9\n").unwrap();
    fs::write(here.path().join("latin1.toml"), b"# \xe9").unwrap();
    fs::create_dir(here.path().join("folder")).unwrap();
    for (arguments, expected) in [
        (&["train", "--set", "agent.gama=1"][..], "did you mean gamma?"),
        (&["train", "--set", "agent.gamma=2"], "agent.gamma: 2 is not a number from 0 to 1"),
        (&["train", "--set", "replay.capacity=16"], "lower one or raise the other"),
        (
            &["train", "--set", "optimizer.lr=fast"],
            "optimizer.lr: \"fast\" is not a number of at least 0, or a schedule",
        ),
        (&["train", "--preset", "textbok"], "did you mean textbook?"),
        (&["train", "Cartpole-v1"], "did you mean CartPole-v1?"),
        (&["train", "--config", "broken.toml"], "broken.toml: not valid TOML in line 1"),
        (&["train", "--config", "part.toml"], "--preset"),
        (&["train", "--config", "absent.toml"], "cannot read absent.toml"),
        (&["train", "--config", "folder"], "cannot read folder: this is a directory"),
        (&["train", "--config", "latin1.toml"], "cannot read latin1.toml: this is not a text file"),
        (&["train", "LunarLander-v3"], "did you mean gym:LunarLander-v3?"),
        (&["train", "MountainCar-v0", "--set", "network.hidden=[65536, 65536, 65536]"], "lower network.hidden"),
        (
            &["train", "--set", "network.hidden=[4096, 4096]", "--preset", "c51", "--set", "env.id=Mine-v0"],
            "v_min: needed",
        ),
        (&["train", "MyTask-v0"], "use gym:ID for a Gymnasium environment"),
        (&["train", "--set", "training.episodes=5", "--steps", "100"], "training.steps is given, too"),
        (&["train", "--episodes", "0"], "training.episodes: 0 is not"),
        (&["experiment", "--set", "agent.gamma=2", "--out", "x"], "agent.gamma: 2"),
        (
            &["experiment", "--seed", "9223372036854775806", "--runs", "3", "--out", "x"],
            "training.seed: 3 runs from seed 9223372036854775806 on need seeds above the largest seed",
        ),
        (&["presets", "tund"], "did you mean tuned?"),
        (&["train", "--set", "agent.gamma=0.9", "--set", "agent.gamma=0.8"], "agent.gamma: 0.9 and 0.8 are both given"),
        (&["train", "--set", "training.steps=400", "--steps", "300"], "training.steps: 400 and 300 are both given"),
        (&["train", "CartPole-v1", "--set", "env.id=CartPole-v0"], "\"CartPole-v1\" and \"CartPole-v0\" are both"),
        (
            &["train", "gym:LunarLander-v3", "--env-arg", "gravity=-5", "--env-arg", "gravity=-6"],
            "--env-arg gravity: -5 and -6 are both given",
        ),
    ] {
        let message = fail(&here, arguments, 2);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    assert!(!here.path().join("runs").exists(), "a mistake leaves nothing behind");
    let message = quarl(&here, &["train"]).env("QUARL_CPU", "mmx").assert().code(2).get_output().stderr.clone();
    assert!(
        String::from_utf8(message).unwrap().contains("QUARL_CPU=mmx: there is no such instruction set; choose one of")
    );
    for (arguments, expected) in [
        (&["train", "--seed", "9223372036854775808"][..], "a whole number from 0 to 9223372036854775807"),
        (&["train", "--episodes", "abc"], "a whole number from 0 to"),
        (&["play", "run", "--episodes", "0"], "a whole number from 1 to"),
        (&["play", "run", "--fps", "fast"], "a number from 0.01 to 1000"),
        (&["experiment", "--out", "x", "--jobs", "70000"], "a whole number from 1 to 65535"),
    ] {
        let output = quarl(&here, arguments).assert().code(2).get_output().stderr.clone();
        let message = String::from_utf8(output).unwrap();
        assert!(message.contains(expected) && !message.contains("digit"), "{message}");
    }
    quarl(&here, &["train", "--epochs", "3"]).assert().code(2);
    quarl(&here, &["train", "--seed", "18446744073709551615"]).assert().code(2);
    quarl(&here, &["experiment", "--runs", "0", "--out", "x"]).assert().code(2);
}

#[test]
fn missing_and_damaged_files_end_with_1_and_name_the_file() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let model = here.path().join("run/model.safetensors");
    let whole = fs::read(&model).unwrap();
    fs::write(here.path().join("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    fs::write(here.path().join("empty.safetensors"), "").unwrap();
    fs::create_dir(here.path().join("nothing")).unwrap();
    fs::write(here.path().join("file"), "").unwrap();
    for (arguments, expected) in [
        (&["play", "absent"][..], "absent"),
        (&["play", "nothing"], "holds no run, no experiment"),
        (&["play", "cut.safetensors"], "cut.safetensors: not a safetensors file, or damaged"),
        (&["play", "empty.safetensors"], "empty.safetensors: not a safetensors file, or damaged"),
        (&["play", "run", "--render", "window"], "--render terminal"),
        (&["play", "run", "--record", "absent/a.gif"], "absent"),
        (&["train", "--episodes", "3", "--out", "file/run"], "file"),
        (&["plot", "nothing"], "nothing"),
        (&["train", "--set", "optimizer.lr=1e30", "--out", "diverged"], "not finite at step"),
    ] {
        let message = fail(&here, arguments, 1);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    assert!(read(&here, "diverged/episodes.csv").lines().count() > 1, "what came before is kept");
}

#[test]
fn a_wrong_path_says_what_is_there() {
    let here = directory();
    experiment(&here, "2", "1", "many");
    fs::create_dir(here.path().join("empty")).unwrap();
    fs::create_dir_all(here.path().join("begun")).unwrap();
    fs::copy(here.path().join("many/config.toml"), here.path().join("begun/config.toml")).unwrap();
    for command in ["play", "eval"] {
        let message = |path: &str| fail(&here, &[command, path], 1);
        assert!(message("absent").contains("absent: there is no such file or directory"));
        assert!(message("empty").contains("empty: this directory holds no run, no experiment"));
        assert!(message("begun").contains("begun: this run is not finished"));
        assert_eq!(message("absent").matches("absent").count(), 1, "said once");
    }
    let message = fail(&here, &["play", "many"], 1);
    assert!(
        message.contains("this is an experiment; choose one of its 2 runs (seeds 3 to 4), such as many/runs/seed-3"),
        "{message}"
    );
    assert!(fail(&here, &["play", "many/runs"], 1).contains("choose one of seed-3, seed-4"));
    assert!(fail(&here, &["plot", "absent"], 1).contains("absent: there is no such file or directory"));
    assert!(fail(&here, &["plot", "many/config.toml"], 1).contains("this is a file"));
    fail(&here, &["plot", "many", "--label", "a", "--label", "b"], 2);
}
