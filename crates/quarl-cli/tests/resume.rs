//! `quarl train --resume`: runs whose process is killed at random moments, checkpoint writes included.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{directory, fail, read, succeed};
use quarl::rng::Rng;
use tempfile::TempDir;

/// All files of a run except checkpoints and the summary, which contain times.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with('.'), "{name} is left over");
        match path.is_dir() {
            true if name == "checkpoints" => {
                for entry in fs::read_dir(&path).unwrap() {
                    let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                    assert!(name.ends_with(".safetensors") && !name.starts_with('.'), "{name} is left over");
                }
            }
            true => {
                files.extend(self::files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)))
            }
            false if name == "summary.json" || name.starts_with("events.") => {}
            false => drop(files.insert(name, fs::read(&path).unwrap())),
        }
    }
    files
}

/// Asserts that two runs have the same files.
#[track_caller]
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>, what: &str) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    let different: Vec<_> = one.iter().filter(|(name, bytes)| other[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(different.is_empty(), "{what}: {different:?} differ");
}

/// Runs `quarl` and kills it after this time. Returns whether it had ended before, successfully.
fn ends_within(here: &TempDir, arguments: &[&str], time: Duration) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarl"));
    let command = command.current_dir(here).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(time);
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9);
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    !killed
}

/// Kills runs with these options until `kills` have died, resumes each until it is complete, and compares it with one that was
/// not interrupted. Returns the number of kills.
fn kill_and_compare(rng: &mut Rng, options: &[&str], kills: usize) -> usize {
    let here = directory();
    let whole = [&["train", "--out", "whole", "--quiet"], options].concat();
    let began = std::time::Instant::now();
    succeed(&here, &whole);
    let duration = began.elapsed().as_millis() as usize;
    let expected = files(&here.path().join("whole"));
    let (mut killed, mut run) = (0, 0);
    while killed < kills {
        run += 1;
        let name = format!("run{run}");
        let start = [&["train", "--out", &name, "--force", "--quiet"], options].concat();
        // For a run that was killed before its first checkpoint, which would know of them.
        let logs =
            options.windows(2).position(|pair| pair[0] == "--record-every").map_or(&[][..], |at| &options[at..at + 2]);
        let logs = if options.contains(&"--tensorboard") { &["--tensorboard"][..] } else { logs };
        let resume = [&["train", "--resume", &name, "--quiet"], logs].concat();
        // At first hardly more than the start of the process, so that a run is killed several times.
        let mut within =
            |arguments: &[&str]| ends_within(&here, arguments, Duration::from_millis(5 + rng.below(duration) as u64));
        let mut ended = within(&start);
        while !ended {
            killed += 1;
            // Killed before it had a configuration: begun again.
            let began = here.path().join(&name).join("config.toml").exists();
            ended = within(if began { &resume } else { &start });
        }
        let what = format!("{options:?}, run {run}, {killed} kills");
        assert_same(&files(&here.path().join(&name)), &expected, &what);
    }
    killed
}

#[test]
fn a_hundred_kills_change_nothing() {
    let mut rng = Rng::from_seed(11);
    let often = ["--set", "checkpoint.every_steps=60"];
    let dqn = |more: &[&'static str]| {
        let base = ["CartPole-v1", "--preset", "dqn", "--steps", "1500", "--set", "training.learning_starts=100"];
        [&base[..], &["--set", "evaluation.every_steps=500", "--set", "evaluation.episodes=3"], more, &often].concat()
    };
    let mut killed = kill_and_compare(&mut rng, &[&["--episodes", "60"][..], &often].concat(), 25);
    killed += kill_and_compare(&mut rng, &dqn(&["--set", "training.num_envs=3", "--record-every", "700"]), 25);
    killed += kill_and_compare(&mut rng, &dqn(&["--set", "replay.kind=prioritized", "--tensorboard"]), 25);
    let normalized = ["--set", "env.normalize_observation=true", "--set", "training.diagnostics=true"];
    killed += kill_and_compare(&mut rng, &dqn(&normalized), 25);
    assert!(killed >= 100, "{killed} kills");
}

#[test]
fn an_interrupted_run_continues_on_another_instruction_set() {
    let here = directory();
    let options = ["CartPole-v1", "--preset", "dqn", "--steps", "3000", "--set", "checkpoint.every_steps=500"];
    succeed(&here, &[&["train", "--out", "whole", "--quiet"], &options[..]].concat());
    while !here.path().join("run/checkpoints").exists() {
        let _ = fs::remove_dir_all(here.path().join("run"));
        ends_within(&here, &[&["train", "--out", "run", "--quiet"], &options[..]].concat(), Duration::from_millis(600));
    }
    let mut resume = common::quarl(&here, &["train", "--resume", "run", "--quiet"]);
    resume.env("QUARL_CPU", "scalar").assert().success();
    assert_same(&files(&here.path().join("run")), &files(&here.path().join("whole")), "another instruction set");
}

#[test]
fn a_complete_run_is_left_as_it_is_or_trained_longer() {
    let here = directory();
    let base = [
        "train",
        "CartPole-v1",
        "--preset",
        "dqn",
        "--set",
        "exploration.epsilon=0.1",
        "--set",
        "optimizer.lr=0.001",
        "--set",
        "checkpoint.every_steps=400",
    ];
    succeed(&here, &[&base[..], &["--steps", "1000", "--out", "run"]].concat());
    succeed(&here, &[&base[..], &["--steps", "1600", "--out", "planned"]].concat());
    let before = files(&here.path().join("run"));
    assert!(succeed(&here, &["train", "--resume", "run"]).contains("run is complete"));
    assert_same(&files(&here.path().join("run")), &before, "complete");
    let error = fail(&here, &["train", "--resume", "run", "--steps", "900"], 2);
    assert!(error.contains("has 1000 environment steps already"), "{error}");
    let text = succeed(&here, &["train", "--resume", "run", "--steps", "1600"]);
    assert!(text.contains("resuming run from its checkpoint after 1000 environment steps"), "{text}");
    assert_same(&files(&here.path().join("run")), &files(&here.path().join("planned")), "trained longer");
    // Without a checkpoint: from the beginning, with the same result.
    succeed(&here, &["train", "--episodes", "4", "--out", "short"]);
    succeed(&here, &["train", "--episodes", "9", "--out", "long"]);
    let text = succeed(&here, &["train", "--resume", "short", "--episodes", "9"]);
    assert!(text.contains("short has no checkpoint: training from the beginning"), "{text}");
    assert_eq!(read(&here, "short/episodes.csv"), read(&here, "long/episodes.csv"));
}

#[test]
fn what_is_no_run_and_options_of_a_new_run_are_refused() {
    let here = directory();
    fs::create_dir(here.path().join("empty")).unwrap();
    assert!(fail(&here, &["train", "--resume", "absent"], 2).contains("holds no run"));
    assert!(fail(&here, &["train", "--resume", "empty"], 2).contains("holds no run"));
    succeed(&here, &["train", "--episodes", "3", "--set", "checkpoint.every_steps=10", "--out", "run"]);
    for option in [&["--tensorboard"][..], &["--record-every", "5"]] {
        let more = [&["train", "--resume", "run", "--episodes", "4"], option].concat();
        assert!(fail(&here, &more, 2).contains("keeps the logs that it began with"), "{option:?}");
    }
    let output = common::quarl(&here, &["train", "--resume", "empty", "--seed", "3"]).assert().code(2);
    assert!(String::from_utf8_lossy(&output.get_output().stderr).contains("--seed"));
    succeed(&here, &["experiment", "--runs", "2", "--episodes", "2", "--out", "many"]);
    assert!(fail(&here, &["train", "--resume", "many"], 2).contains("holds an experiment: repeat its command"));
    assert!(fail(&here, &["train", "--resume", "many/runs/seed-0"], 2).contains("belongs to the experiment"));
    assert!(!here.path().join("empty/.lock").exists());
}

#[test]
fn an_experiment_resumes_its_runs_within_them() {
    let here = directory();
    let options = ["CartPole-v1", "--preset", "dqn", "--runs", "2", "--jobs", "2", "--steps", "6000", "--set"];
    let options = [&options[..], &["checkpoint.every_steps=300", "--quiet"]].concat();
    let began = std::time::Instant::now();
    succeed(&here, &[&["experiment", "--out", "whole"], &options[..]].concat());
    let duration = began.elapsed().as_millis() as usize;
    let (mut rng, mut continued) = (Rng::from_seed(5), false);
    while !continued {
        let _ = fs::remove_dir_all(here.path().join("killed"));
        let again = [&["experiment", "--out", "killed"], &options[..]].concat();
        while !ends_within(&here, &again, Duration::from_millis((duration / 4 + rng.below(duration)) as u64)) {
            let is_begun = |seed: &str| here.path().join("killed/runs").join(seed).join("checkpoints").exists();
            continued |= is_begun("seed-0") || is_begun("seed-1");
        }
    }
    for seed in ["seed-0", "seed-1"] {
        let [whole, killed] = ["whole", "killed"].map(|name| here.path().join(name).join("runs").join(seed));
        assert!(!killed.join("checkpoints").exists(), "a complete run of an experiment keeps none");
        assert_same(&files(&killed), &files(&whole), seed);
    }
}

#[test]
fn a_full_disk_ends_a_run_that_can_be_resumed_when_there_is_room() {
    let here = directory();
    let options =
        "--preset dqn CartPole-v1 --steps 3000 --set training.learning_starts=100 --set checkpoint.every_steps=100";
    succeed(&here, &format!("train --out whole --quiet {options}").split(' ').collect::<Vec<_>>());
    // A limit of 600 blocks (300 KiB) per file has the same effect as a full disk: a checkpoint with the best model is larger.
    let script = format!("trap '' XFSZ; ulimit -f 600; exec \"$0\" train --out run --quiet {options}");
    let mut command = Command::new("sh");
    let output = command.current_dir(&here).args(["-c", &script, env!("CARGO_BIN_EXE_quarl")]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot write run/checkpoints/step-000002500.safetensors: File too large"), "{message}");
    assert!(message.contains("its last checkpoint is that after 2500 environment steps"), "{message}");
    succeed(&here, &["train", "--resume", "run", "--quiet"]);
    assert_same(&files(&here.path().join("run")), &files(&here.path().join("whole")), "after the disk had room again");
}

#[test]
fn a_directory_that_is_removed_ends_the_run() {
    let here = directory();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quarl"));
    let options = ["--preset", "dqn", "--steps", "1000000", "--set", "checkpoint.every_steps=200", "--quiet"];
    let command = command.current_dir(&here).args(["train", "CartPole-v1", "--out", "removed"]).args(options);
    let removed = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&here.path().join("removed/checkpoints"));
    // Training goes on writing for a moment.
    while fs::remove_dir_all(here.path().join("removed")).is_err() {}
    let output = removed.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("removed/"), "{message}");
    assert!(!here.path().join("removed").exists(), "it is not created again");
}

/// Waits for a file or directory, at most a minute.
fn wait_for(path: &Path) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_diverges_names_the_tensor_and_the_checkpoint_to_return_to() {
    let here = directory();
    let error = fail(&here, &["train", "--set", "optimizer.lr=1e38", "--out", "at-once"], 1);
    assert!(error.contains("a parameter of l1.weight is not finite at step 32"), "{error}");
    let options = ["--set", "optimizer.lr=1e36", "--set", "network.hidden=[8]", "--out", "layer"];
    let error = fail(&here, &[&["train"], &options[..]].concat(), 1);
    assert!(error.contains("the output of layer l2 of the online network is not finite at step 33"), "{error}");
    let options = ["--set", "optimizer.lr=1e10", "--set", "checkpoint.every_steps=20", "--out", "later"];
    let error = fail(&here, &[&["train"], &options[..]].concat(), 1);
    assert!(error.contains("its last checkpoint is that after 20 environment steps"), "{error}");
    assert!(
        error.contains("the loss (of network outputs up to ") && error.contains("is not finite at step 33"),
        "{error}"
    );
}
