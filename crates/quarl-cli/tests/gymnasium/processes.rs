//! The processes of the bridge: which are lost, what a loss costs, and that none is left.

use std::fs;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use super::python;
use super::{directory, error, quarl, summary, train};

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_lost_worker_costs_its_episode_and_nothing_more() {
    for id in ["ExitsOnce", "KilledOnce", "HangsOnce"] {
        let mut runs = Vec::new();
        for _ in 0..2 {
            let here = directory();
            let output = train(&here, id, &["--env-arg", "memory=memory", "--set", "env.gym.timeout_seconds=2"]);
            assert!(output.status.success(), "{id}: {}", error(&output));
            assert_eq!((&summary(&here)["episodes"], &summary(&here)["episodes_lost"]), (&4.into(), &1.into()), "{id}");
            runs.push(fs::read_to_string(here.path().join("run/episodes.csv")).unwrap());
        }
        assert_eq!(runs[0], runs[1], "{id}: what follows a loss is seeded, too");
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_lost_worker_costs_the_episodes_of_all_its_environments_and_is_one_loss() {
    let together = ["--set", "training.num_envs=3", "--set", "env.gym.environments_per_worker=3"];
    let run = |id: &str| {
        let here = directory();
        let output = train(&here, id, &[&together[..], &["--env-arg", "memory=memory"]].concat());
        let episodes = fs::read_to_string(here.path().join("run/episodes.csv")).unwrap();
        (error(&output), summary(&here), episodes)
    };
    let (message, summary, episodes) = run("ExitsOnce");
    assert_eq!((&summary["episodes"], &summary["episodes_lost"]), (&4.into(), &3.into()), "{message}");
    assert_eq!(run("ExitsOnce").2, episodes, "what follows a loss is seeded, too");
    let (message, summary, _) = run("Exits");
    assert!(message.contains("it ended with status 3; 3 worker processes in a row were lost"), "{message}");
    assert!(summary["episodes_lost"].as_u64() > Some(3), "{summary}");
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_worker_that_hangs_is_lost_and_stops_the_run_the_third_time() {
    for id in ["Hangs", "HangsInC"] {
        let here = directory();
        let started = Instant::now();
        let output = train(&here, id, &["--set", "env.gym.timeout_seconds=1"]);
        assert_eq!(output.status.code(), Some(1), "{id}");
        let expected = "it did not answer within 1 s (if it is only slow, raise env.gym.timeout_seconds); 3 worker processes in a row were lost";
        assert!(error(&output).contains(expected), "{id}: {}", error(&output));
        assert_eq!(summary(&here)["episodes_lost"], 3, "{id}");
        assert!(started.elapsed() < Duration::from_secs(60), "{id}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn ctrl_c_stops_a_run_whose_environment_hangs_and_keeps_it() {
    for id in ["Hangs", "HangsInC"] {
        let here = directory();
        let id = format!("gym:{id}-v0");
        let common = ["--preset", "textbook", "--steps", "100000", "--out", "run", "--quiet"];
        let gym = ["--gym-import", "misbehaving", "--set", "env.gym.timeout_seconds=3000", "--python"];
        let mut command = quarl(&here);
        command.args(["train", &id]).args(common).args(gym).arg(python());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !here.path().join("run/episodes.csv").exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_secs(2));
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{id}");
        assert_eq!(summary(&here)["interrupted"], true, "{id}");
        assert!(here.path().join("run/model.safetensors").exists(), "{id}");
        none_is_left_in(&here, &id);
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_signal_while_a_trained_agents_environment_starts_ends_play_and_eval_soon() {
    let here = directory();
    assert!(train(&here, "Walk", &[]).status.success());
    let never = here.path().join("never-answers");
    fs::write(&never, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&never, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for command in ["play", "eval"] {
        let mut quarl = quarl(&here);
        quarl.args([command, "run", "--trust", "--python"]).arg(&never).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = quarl.spawn().unwrap();
        std::thread::sleep(Duration::from_secs(2));
        let started = Instant::now();
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(143), "{command}: {}", error(&output));
        assert!(started.elapsed() < Duration::from_secs(10) && !error(&output).contains("error"), "{command}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_worker_says_nothing_when_its_parent_is_killed_while_it_starts() {
    for milliseconds in [50, 150, 300, 600, 1200] {
        let here = directory();
        let mut command = quarl(&here);
        command.args(["train", "gym:SlowToStart-v0", "--preset", "textbook", "--gym-import", "misbehaving"]);
        let said = fs::File::create(here.path().join("said")).unwrap();
        let mut child = command.args(["--python", &python()]).stdout(Stdio::null()).stderr(said).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        none_is_left_in(&here, "train");
        let said = fs::read_to_string(here.path().join("said")).unwrap();
        assert!(!said.contains("Traceback") && !said.contains("Error"), "{milliseconds} ms: {said}");
    }
}

/// The processes whose working directory is `here`.
#[cfg(target_os = "linux")]
fn processes_in(here: &TempDir) -> Vec<PathBuf> {
    let here = here.path().canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    processes.filter(|path| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == here)).collect()
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn no_worker_outlives_a_killed_parent_even_stuck_in_a_step() {
    for (id, command) in [
        ("Walk", "train"),
        ("Hangs", "train"),
        ("HangsInC", "train"),
        ("HangsInC", "experiment"),
        ("Spawns", "train"),
        ("SpawnsAndHangs", "train"),
    ] {
        let here = directory();
        let mut quarl = quarl(&here);
        let id = format!("gym:{id}-v0");
        quarl.args([command, &id, "--preset", "textbook", "--steps", "100000000", "--out", "run", "--quiet"]);
        quarl.args(["--gym-import", "misbehaving", "--python", &python()]);
        if command == "experiment" {
            quarl.args(["--runs", "3", "--jobs", "3"]);
        }
        let mut parent = quarl.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // quarl, and two processes for each of a run's two environments.
        let expected = if command == "experiment" { 13 } else { 5 };
        let deadline = Instant::now() + Duration::from_secs(60);
        while processes_in(&here).len() < expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_secs(1));
        assert!(processes_in(&here).len() >= expected, "{command} {id} is not under way");
        parent.kill().unwrap();
        parent.wait().unwrap();
        none_is_left_in(&here, &format!("{command} {id}"));
    }
}

#[cfg(target_os = "linux")]
fn none_is_left_in(here: &TempDir, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes_in(here).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(processes_in(here), Vec::<PathBuf>::new(), "{what}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn what_an_environment_has_started_ends_with_its_worker() {
    for (id, status) in [("Spawns", 0), ("SpawnsAndHangs", 1), ("SpawnsAndExits", 1)] {
        let here = directory();
        let output = train(&here, id, &["--set", "env.gym.timeout_seconds=1"]);
        assert_eq!(output.status.code(), Some(status), "{id}: {}", error(&output));
        none_is_left_in(&here, id);
    }
}

#[test]
#[ignore = "needs Gymnasium: run cargo xtask test"]
fn a_worker_whose_child_keeps_its_pipes_open_is_lost_as_soon_as_it_ends() {
    let here = directory();
    let started = Instant::now();
    let output = train(&here, "ForksAndIsKilled", &["--set", "env.gym.timeout_seconds=1000"]);
    assert!(
        error(&output).contains("it was killed by signal 9; 3 worker processes in a row were lost"),
        "{}",
        error(&output)
    );
    assert!(started.elapsed() < Duration::from_secs(120));
}
