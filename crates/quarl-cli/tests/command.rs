//! The command as a person runs it: what it writes, what it says, and with which status it ends.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

/// `quarl` in a directory of its own, away from any screen.
fn quarl(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("quarl").unwrap();
    command.current_dir(directory).args(arguments);
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "QUARL_CPU"] {
        command.env_remove(variable);
    }
    command
}

/// Standard output of a run that must succeed.
fn succeed(directory: &TempDir, arguments: &[&str]) -> String {
    let output = quarl(directory, arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// Standard error of a run that must fail with this status, in one or two lines.
fn fail(directory: &TempDir, arguments: &[&str], status: i32) -> String {
    let output = quarl(directory, arguments).assert().code(status).get_output().stderr.clone();
    let text = String::from_utf8(output).unwrap();
    assert!(text.starts_with("error: ") && text.lines().count() <= 2, "{text}");
    text
}

fn read(directory: &TempDir, path: impl AsRef<Path>) -> String {
    fs::read_to_string(directory.path().join(path)).unwrap()
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

const SHORT: [&str; 3] = ["train", "--episodes", "12"];

#[test]
fn train_writes_a_whole_run() {
    let here = directory();
    let said = succeed(&here, &SHORT);
    assert!(said.contains("episode    0  return ") && said.contains("episode   10  return "), "{said}");
    assert!(said.contains("greedy play, total reward: "), "{said}");
    let run = here.path().join("runs/CartPole-v0-textbook-seed0");
    for name in [
        "config.toml",
        "episodes.csv",
        "best.safetensors",
        "model.safetensors",
        "summary.json",
        "curve.svg",
        "curve.png",
    ] {
        assert!(run.join(name).metadata().unwrap().len() > 0, "{name}");
    }
    let episodes = fs::read_to_string(run.join("episodes.csv")).unwrap();
    assert_eq!(episodes.lines().next().unwrap(), "episode,env_steps,return,length,epsilon,mean_loss,mean_q");
    assert_eq!(episodes.lines().count(), 13);
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(run.join("summary.json")).unwrap()).unwrap();
    for key in ["quarl_version", "seed", "cpu_path", "wall_seconds", "steps_per_second", "greedy_returns"] {
        assert!(!summary[key].is_null(), "{key}");
    }
    assert_eq!(summary["greedy_returns"].as_array().unwrap().len(), 10);
}

#[test]
fn training_again_from_a_runs_configuration_gives_the_same_bytes() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "8", "--seed", "5", "--set", "agent.gamma=0.97", "--out", "a", "--quiet"]);
    succeed(&here, &["train", "--config", "a/config.toml", "--out", "b", "--quiet"]);
    for name in ["config.toml", "episodes.csv", "evaluations.csv", "model.safetensors", "curve.svg"] {
        let [a, b] = ["a", "b"].map(|run| fs::read(here.path().join(run).join(name)).unwrap());
        assert_eq!(a, b, "{name}");
    }
}

#[test]
fn another_instruction_set_gives_the_same_bytes() {
    let here = directory();
    let steps = ["train", "--steps", "60", "--quiet", "--set", "network.hidden=[16, 16]", "--out"];
    for path in ["scalar", ""] {
        let out = format!("run-{path}");
        quarl(&here, &[&steps[..], &[&out]].concat()).env("QUARL_CPU", path).assert().success();
    }
    assert_eq!(read(&here, "run-scalar/episodes.csv"), read(&here, "run-/episodes.csv"));
    let models = ["run-scalar", "run-"].map(|run| fs::read(here.path().join(run).join("model.safetensors")).unwrap());
    assert_eq!(models[0], models[1]);
}

#[test]
fn an_existing_run_is_only_replaced_with_force() {
    let here = directory();
    let train = |seed: &str, force: &[&str]| -> Vec<String> {
        [&["train", "--episodes", "3", "--quiet", "--out", "run", "--seed", seed], force]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let run = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        quarl(&here, &arguments).output().unwrap().status.code()
    };
    assert_eq!(run(train("1", &[])), Some(0));
    fs::write(here.path().join("run/notes.txt"), "mine").unwrap();
    let before = read(&here, "run/episodes.csv");
    assert_eq!(run(train("2", &[])), Some(2));
    assert_eq!(read(&here, "run/episodes.csv"), before);
    // A mistake in the settings is found before anything is replaced.
    assert_eq!(run(train("2", &["--force", "--set", "agent.gamma=2"])), Some(2));
    assert_eq!(read(&here, "run/episodes.csv"), before);
    assert_eq!(run(train("2", &["--force"])), Some(0));
    assert_ne!(read(&here, "run/episodes.csv"), before);
    assert_eq!(read(&here, "run/notes.txt"), "mine");
}

#[test]
fn json_is_one_event_a_line() {
    let here = directory();
    let said = succeed(&here, &["train", "--episodes", "3", "--json", "--out", "run"]);
    let events: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "episode", "episode", "episode", "evaluation", "play", "finished"]);
    assert_eq!(events[1]["episode"], 0);
    assert_eq!(events[6]["summary"]["greedy_returns"][0], events[5]["total_reward"]);
}

#[test]
fn play_repeats_itself_and_records() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let play = |more: &[&str]| succeed(&here, &[&["play", "run", "--episodes", "3", "--seed", "7"], more].concat());
    let said = play(&[]);
    assert_eq!(said, play(&["--render", "none"]));
    assert!(said.starts_with("episode 0: total reward "), "{said}");
    assert!(said.contains("3 episodes: mean ") && said.contains("standard deviation "), "{said}");
    play(&["--record", "a.gif"]);
    play(&["--record", "a.png"]);
    assert_eq!(&fs::read(here.path().join("a.gif")).unwrap()[..6], b"GIF89a");
    assert_eq!(&fs::read(here.path().join("a.png")).unwrap()[1..4], b"PNG");
    succeed(&here, &["play", "run/best.safetensors"]);
}

fn experiment(here: &TempDir, runs: &str, jobs: &str, out: &str) -> String {
    succeed(here, &["experiment", "--episodes", "6", "--seed", "3", "--runs", runs, "--jobs", jobs, "--out", out])
}

#[test]
fn an_experiments_runs_are_what_train_gives_whatever_the_number_of_threads() {
    let here = directory();
    let said = experiment(&here, "3", "1", "one");
    assert!(said.contains("run 3/3") && said.contains("of 3 runs have a mean greedy return of at least 195"), "{said}");
    experiment(&here, "3", "3", "three");
    for name in ["mean.csv", "greedy.csv", "summary.json", "curve.svg", "config.toml"] {
        assert_eq!(read(&here, format!("one/{name}")), read(&here, format!("three/{name}")), "{name}");
    }
    succeed(&here, &["train", "--episodes", "6", "--seed", "5", "--quiet", "--out", "train"]);
    for out in ["one", "three"] {
        assert_eq!(read(&here, format!("{out}/runs/seed-5/episodes.csv")), read(&here, "train/episodes.csv"));
    }
    let mean = read(&here, "one/mean.csv");
    assert_eq!(mean.lines().next().unwrap(), "episode,mean,std,lower,upper,n");
    assert_eq!(mean.lines().count(), 7);
}

#[test]
fn an_interrupted_experiment_does_only_what_is_missing() {
    let here = directory();
    experiment(&here, "3", "2", "out");
    let mean = read(&here, "out/mean.csv");
    let kept = here.path().join("out/runs/seed-3/summary.json");
    let modified = kept.metadata().unwrap().modified().unwrap();
    // As an interruption leaves it: one run without its summary, one not begun.
    fs::remove_file(here.path().join("out/runs/seed-4/summary.json")).unwrap();
    fs::remove_dir_all(here.path().join("out/runs/seed-5")).unwrap();
    fs::remove_file(here.path().join("out/mean.csv")).unwrap();
    let said = experiment(&here, "3", "2", "out");
    assert!(said.contains("run 2/3") && said.contains("run 3/3") && !said.contains("run 1/3"), "{said}");
    assert_eq!(read(&here, "out/mean.csv"), mean);
    assert_eq!(kept.metadata().unwrap().modified().unwrap(), modified);
    let other = ["experiment", "--episodes", "7", "--seed", "3", "--runs", "3", "--out", "out"];
    assert!(fail(&here, &other, 2).contains("another configuration"));
}

#[test]
fn an_ablation_trains_every_combination_continues_and_draws_them_together() {
    let here = tempfile::tempdir().unwrap();
    let command = |episodes: &'static str| {
        ["experiment", "--ablate", "replay,target_network", "--episodes", episodes, "--runs", "2", "--out", "out"]
    };
    let said = succeed(&here, &command("4"));
    assert!(said.contains("without replay and target network:"), "{said}");
    let out = here.path().join("out");
    let names = ["all", "no-replay", "no-target_network", "no-replay-no-target_network"];
    let curves = || names.map(|name| fs::read_to_string(out.join(name).join("runs/seed-1/episodes.csv")).unwrap());
    let first = curves();
    assert!(first.iter().all(|csv| csv.lines().count() == 5));
    assert!((0..4).all(|i| !first[..i].contains(&first[i])), "every combination learns differently");
    let svg = fs::read_to_string(out.join("curve.svg")).unwrap();
    assert!(svg.contains("everything on (2 runs)") && svg.contains("without replay and target network (2 runs)"));

    // As if it had been interrupted within the second combination.
    fs::remove_file(out.join("no-replay/runs/seed-1/summary.json")).unwrap();
    fs::remove_dir_all(out.join("no-target_network")).unwrap();
    fs::remove_file(out.join("curve.svg")).unwrap();
    succeed(&here, &command("4"));
    assert_eq!(curves(), first);
    assert_eq!(fs::read_to_string(out.join("curve.svg")).unwrap(), svg);
}

#[test]
fn plot_draws_runs_and_experiments_together() {
    let here = directory();
    experiment(&here, "2", "2", "many");
    succeed(&here, &["train", "--episodes", "6", "--quiet", "--out", "one"]);
    succeed(&here, &["plot", "many", "one"]);
    for name in ["quarl-plot.svg", "quarl-plot.png"] {
        assert!(here.path().join(name).metadata().unwrap().len() > 1000, "{name}");
    }
    let svg = read(&here, "quarl-plot.svg");
    assert!(svg.contains("many") && svg.contains("one"), "the legend names both");
    succeed(&here, &["plot", "many", "--out", "figure.png", "--window", "2"]);
    assert!(here.path().join("figure.png").exists());
}

#[test]
fn lists_say_what_there_is() {
    let here = directory();
    assert!(succeed(&here, &["envs"]).contains("CartPole-v1"));
    assert!(succeed(&here, &["presets"]).contains("textbook"));
    let preset = succeed(&here, &["presets", "tuned", "CartPole-v1"]);
    fs::write(here.path().join("tuned.toml"), preset).unwrap();
    succeed(&here, &["train", "--config", "tuned.toml", "--steps", "50", "--quiet"]);
}

#[test]
fn bench_reports_its_keys() {
    let here = directory();
    let said = succeed(&here, &["bench", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&said).unwrap();
    for key in ["fma_peak_gflops", "update_us", "update_peak_fraction", "step_us"] {
        assert!(figures[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(figures["cpu_path"].is_string());
}

#[test]
fn wrong_usage_and_configuration_end_with_2_and_a_remedy() {
    let here = directory();
    fs::write(here.path().join("broken.toml"), "[env\n").unwrap();
    fs::write(here.path().join("part.toml"), "[agent]\ngamma = 0.9\n").unwrap();
    fs::write(here.path().join("file"), "").unwrap();
    for (arguments, expected) in [
        (&["train", "--set", "agent.gama=1"][..], "did you mean gamma?"),
        (&["train", "--set", "agent.gamma=2"], "agent.gamma = 2: choose from 0 to 1"),
        (&["train", "--set", "replay.capacity=16"], "lower one or raise the other"),
        (&["train", "--set", "optimizer.lr=fast"], "expected a number, or a table"),
        (&["train", "--preset", "textbok"], "did you mean textbook?"),
        (&["train", "Cartpole-v1"], "did you mean CartPole-v1?"),
        (&["train", "--config", "broken.toml"], "broken.toml: not valid TOML in line 1"),
        (&["train", "--config", "part.toml"], "--preset"),
        (&["train", "--seed", "18446744073709551615"], "--seed"),
        (&["train", "--episodes", "0"], "training.episodes = 0"),
        (&["experiment", "--set", "agent.gamma=2", "--out", "x"], "agent.gamma = 2"),
        (&["presets", "tund"], "did you mean tuned?"),
    ] {
        let message = fail(&here, arguments, 2);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    assert!(!here.path().join("runs").exists(), "a mistake leaves nothing behind");
    let message = quarl(&here, &["train"]).env("QUARL_CPU", "mmx").assert().code(2).get_output().stderr.clone();
    assert!(String::from_utf8(message).unwrap().contains("QUARL_CPU=mmx: no such path; this machine has"));
    quarl(&here, &["train", "--epochs", "3"]).assert().code(2);
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
        (&["play", "nothing"], "no model.safetensors in it"),
        (&["play", "cut.safetensors"], "cut.safetensors: not a safetensors file, or damaged"),
        (&["play", "empty.safetensors"], "empty.safetensors: not a safetensors file, or damaged"),
        (&["play", "run", "--render", "window"], "--render terminal"),
        (&["play", "run", "--record", "absent/a.gif"], "absent"),
        (&["train", "--config", "absent.toml"], "absent.toml"),
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
fn a_reader_that_goes_away_stops_the_talking_not_the_run() {
    let here = directory();
    let binary: PathBuf = assert_cmd::cargo::cargo_bin("quarl");
    let mut child = std::process::Command::new(binary)
        .current_dir(&here)
        .args(["train", "--episodes", "40", "--out", "run"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(here.path().join("run/summary.json").exists());
}
