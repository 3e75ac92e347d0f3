//! What the command prints, for people and for programs.

use std::path::PathBuf;

use tempfile::TempDir;

use super::experiment;
use crate::common::{directory, quarl, read, succeed};

#[test]
fn a_run_that_fails_ends_its_json_with_the_reason() {
    let here = directory();
    let arguments = ["train", "--set", "optimizer.lr=1e30", "--json", "--out", "run"];
    let output = quarl(&here, &arguments).assert().code(1).get_output().clone();
    let said = String::from_utf8(output.stdout).unwrap();
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["dir"]), (&"failed".into(), &"run".into()));
    let message = last["error"].as_str().unwrap();
    assert!(message.contains("not finite at step"), "{message}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("error: {message}\n"));
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

/// Every line of a command's standard output, as JSON.
fn objects(directory: &TempDir, arguments: &[&str]) -> Vec<serde_json::Value> {
    succeed(directory, arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(objects: &[serde_json::Value]) -> Vec<&str> {
    objects.iter().map(|object| object["event"].as_str().unwrap()).collect()
}

#[test]
fn quiet_prints_the_mean_of_the_greedy_episodes_and_the_directory() {
    let here = directory();
    let said = succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "run/summary.json")).unwrap();
    assert_eq!(said, format!("mean greedy return: {}\ndirectory: run\n", summary["greedy_mean"].as_f64().unwrap()));
}

#[test]
fn an_experiments_json_and_quiet_output_are_for_programs() {
    let here = directory();
    let arguments = |out, more: &[&'static str]| {
        let all = [
            "experiment",
            "--episodes",
            "4",
            "--runs",
            "2",
            "--jobs",
            "1",
            "--set",
            "network.hidden=[8]",
            "--out",
            out,
        ];
        [&all[..], more].concat()
    };
    let all = objects(&here, &arguments("json", &["--json"]));
    assert_eq!(events(&all), ["start", "run", "run", "finished"]);
    assert_eq!((&all[0]["missing"], &all[1]["seed"], &all[2]["seed"]), (&2.into(), &0.into(), &1.into()));
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "json/summary.json")).unwrap();
    assert_eq!(all[3]["summary"], summary);
    assert!(summary["greedy_iqm_interval"].is_null() && summary["reached_interval"].is_null(), "of two runs");
    let again = objects(&here, &arguments("json", &["--json"]));
    assert_eq!(events(&again), ["start", "finished"]);
    let said = succeed(&here, &arguments("json", &["--quiet"]));
    // The sum of 9.3 and 9.4 in double precision is a little more than 18.7.
    assert_eq!(summary["greedy_mean"].as_f64(), Some(9.350000000000001));
    assert_eq!(said, "mean greedy return: 9.35\ndirectory: json\n");
    let ablation = objects(&here, &arguments("why", &["--json", "--ablate", "replay"]));
    let ends = ["finished", "finished", "compared"];
    assert_eq!(events(&ablation), [&["start", "start", "run", "run", "run", "run"][..], &ends].concat());
    assert_eq!(ablation[1]["variant"], "without replay");
    let said = succeed(&here, &arguments("json", &[]));
    assert!(said.contains("no intervals: fewer than 3 runs") && !said.contains("95%"), "{said}");
}

#[test]
fn eval_reports_scores_of_runs_models_and_experiments() {
    let here = directory();
    let train = ["train", "--episodes", "12", "--quiet", "--set", "network.hidden=[16]", "--out", "run"];
    succeed(&here, &train);
    let said = succeed(&here, &["eval", "run", "--episodes", "12"]);
    for words in [
        "12 greedy episodes of run/model.safetensors in CartPole-v0, seed 0",
        "  mean ",
        "standard deviation",
        "interquartile mean",
        "minimum, maximum",
        "at least 195",
        "95% interval",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(said, succeed(&here, &["eval", "run", "--episodes", "12"]), "the same seed, the same episodes");
    let few = succeed(&here, &["eval", "run", "--episodes", "2"]);
    assert!(!few.contains("95%") && few.contains("no intervals: fewer than 3 episodes"), "{few}");
    assert!(
        succeed(&here, &["eval", "run", "--episodes", "9"]).contains("intervals of fewer than 10 episodes are rough")
    );
    assert!(succeed(&here, &["eval", "run", "--best", "--episodes", "3"]).contains("run/best.safetensors"));

    let all = objects(&here, &["eval", "run/model.safetensors", "--episodes", "12", "--json"]);
    assert_eq!(events(&all)[..12], ["episode"; 12]);
    let scores = &all[12]["scores"];
    let returns: Vec<f64> = all[..12].iter().map(|event| event["return"].as_f64().unwrap()).collect();
    assert_eq!(scores["mean"].as_f64().unwrap(), returns.iter().sum::<f64>() / 12.0);
    assert_eq!(scores["n"], 12);
    assert!(scores["reached_interval"][1].as_f64().unwrap() < 0.5);
    let other = objects(&here, &["eval", "run", "--episodes", "12", "--json", "--seed", "1"]);
    assert_ne!(other[..12], all[..12], "another seed, other episodes");
    // The initial observations differ from those of the run's own evaluations.
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "run/summary.json")).unwrap();
    assert_ne!(
        summary["greedy_returns"].as_array().unwrap()[..],
        all[..10].iter().map(|event| event["return"].clone()).collect::<Vec<_>>()[..]
    );

    experiment(&here, "3", "1", "many");
    let said = succeed(&here, &["eval", "many", "--episodes", "2"]);
    assert!(said.contains("run with seed 4: mean return ") && said.contains("3 runs of many in CartPole-v0"), "{said}");
    let all = objects(&here, &["eval", "many", "--episodes", "2", "--json"]);
    assert_eq!(
        events(&all),
        ["episode", "episode", "run", "episode", "episode", "run", "episode", "episode", "run", "finished"]
    );
    assert_eq!((&all[2]["seed"], &all[9]["scores"]["n"]), (&3.into(), &3.into()));
    let single = objects(&here, &["eval", "many/runs/seed-4", "--episodes", "2", "--json"]);
    assert_eq!(single[2]["scores"], all[5]["scores"], "a run by itself has the score that it has among others");
}

#[test]
fn json_of_play_envs_and_presets_is_one_object_a_line() {
    let here = directory();
    succeed(&here, &["train", "--episodes", "3", "--quiet", "--out", "run"]);
    let played = objects(&here, &["play", "run", "--episodes", "2", "--json"]);
    assert_eq!(events(&played), ["episode", "episode", "finished"]);
    let mean = (played[0]["return"].as_f64().unwrap() + played[1]["return"].as_f64().unwrap()) / 2.0;
    assert_eq!(played[2]["mean_return"].as_f64().unwrap(), mean);
    quarl(&here, &["play", "run", "--json", "--render", "terminal"]).assert().code(2);
    let envs = objects(&here, &["envs", "--json"]);
    let cart = envs.iter().find(|env| env["id"] == "CartPole-v0").unwrap();
    assert_eq!((&cart["actions"], &cart["max_episode_steps"]), (&2.into(), &200.into()));
    assert_eq!(objects(&here, &["envs", "CartPole-v0", "--json"]), std::slice::from_ref(cart));
    let presets = objects(&here, &["presets", "--json"]);
    assert!(presets.iter().any(|preset| preset["name"] == "textbook" && preset["summary"].is_string()));
    let textbook = objects(&here, &["presets", "textbook", "--json"]);
    assert_eq!((textbook.len(), &textbook[0]["config"]["env"]["id"]), (1, &"CartPole-v0".into()));
}
