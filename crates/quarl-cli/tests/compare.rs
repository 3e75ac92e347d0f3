//! `quarl compare`, as a user calls it.

mod common;

use std::fs;

use common::{directory, fail, quarl, read, succeed};
use serde_json::Value;
use tempfile::TempDir;

/// A comparison of short runs of small networks.
fn compare<'a>(out: &'a str, configurations: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let short = ["--steps", "120", "--set", "network.hidden=[4]", "--set", "training.learning_starts=20"];
    let evaluation = ["--set", "evaluation.every_steps=60", "--set", "evaluation.episodes=2"];
    [&["compare"], configurations, &["--out", out], &short, &evaluation, more].concat()
}

fn events(here: &TempDir, arguments: &[&str]) -> Vec<Value> {
    let said = succeed(here, &[arguments, &["--json"]].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

fn results(here: &TempDir, out: &str) -> Value {
    serde_json::from_str(&read(here, format!("{out}/comparison.json"))).unwrap()
}

#[test]
fn a_comparison_trains_what_is_missing_and_grows() {
    let here = directory();
    let first = events(&here, &compare("two", &["dqn", "double"], &["--runs", "3"]));
    assert_eq!((count(&first, "start"), count(&first, "run"), count(&first, "compared")), (2, 6, 1));
    let again = events(&here, &compare("two", &["dqn", "double"], &["--runs", "3"]));
    assert_eq!(count(&again, "run"), 0);
    assert_eq!(again.last(), first.last());
    let more = events(&here, &compare("two", &["dqn", "double", "nstep"], &["--runs", "4"]));
    assert_eq!(count(&more, "run"), 2 + 4);

    let results = results(&here, "two");
    let environment = &results["environments"][0];
    assert_eq!((&environment["env"], &environment["threshold"]), (&"CartPole-v1".into(), &475.0.into()));
    let configurations = environment["configurations"].as_array().unwrap();
    let labels: Vec<&Value> = configurations.iter().map(|configuration| &configuration["label"]).collect();
    assert_eq!(labels, ["DQN", "Double DQN", "n-step DQN"]);
    assert!(configurations[0]["versus_first"].is_null() && results["overall"].is_null());
    assert_eq!(configurations[2]["versus_first"]["pairs"], 4);
    assert_eq!(configurations[1]["scores"]["n"], 4);
    let scores = read(&here, "two/scores.csv");
    assert!(scores.starts_with("environment,configuration,seed,score,best,area,error\nCartPole-v1,DQN,0,"), "{scores}");
    assert_eq!(scores.lines().count(), 1 + 12);
    assert!(read(&here, "two/curve.svg").contains(">Double DQN (4 runs)</text>"));
    assert!(!here.path().join("two/profile.svg").exists(), "there is no normalisation");
}

#[test]
fn each_run_is_the_training_run_with_its_seed() {
    let here = directory();
    succeed(&here, &compare("out", &["dqn"], &["--runs", "2", "--seed", "7", "--quiet"]));
    let config = here.path().join("out/CartPole-v1-dqn/config.toml");
    succeed(&here, &["train", "--config", config.to_str().unwrap(), "--seed", "8", "--out", "alone", "--quiet"]);
    let alone = fs::read(here.path().join("alone/episodes.csv")).unwrap();
    assert_eq!(alone, fs::read(here.path().join("out/CartPole-v1-dqn/runs/seed-8/episodes.csv")).unwrap());
}

#[test]
fn several_environments_are_averaged_only_with_normalisation() {
    let here = directory();
    let envs = ["--envs", "CartPole-v1,MountainCar-v0", "--runs", "3"];
    let plain = succeed(&here, &compare("out", &["dqn", "double"], &envs));
    assert!(plain.contains("no scores over all environments without normalisation"), "{plain}");
    let said =
        succeed(&here, &compare("out", &["dqn", "double"], &[&envs[..], &["--normalize", "threshold"]].concat()));
    assert!(said.contains("normalised scores over 2 environments"), "{said}");
    assert!(said.contains("intervals of fewer than 10 runs are rough"), "{said}");
    let results = results(&here, "out");
    let [low, high] = [0, 1].map(|end| results["environments"][0]["score_range"][end].as_f64().unwrap());
    assert!((15.0..30.0).contains(&low) && high == 475.0, "random play balances the pole for about 22 steps: {low}");
    assert_eq!(results["environments"][1]["score_range"], serde_json::json!([-200.0, -110.0]));
    assert_eq!(results["overall"].as_array().unwrap().len(), 2);
    assert!(read(&here, "out/profile.svg").contains("Performance profiles"));
    let given = [&envs[..], &["--normalize", "CartPole-v1=0:100"]].concat();
    let message = fail(&here, &compare("out", &["dqn", "double"], &given), 2);
    assert!(message.contains("MountainCar-v0") && message.contains("only for CartPole-v1"), "{message}");
    let message = fail(&here, &compare("new", &["dqn"], &given), 2);
    assert!(message.contains("MountainCar-v0"), "{message}");
    let trained = here.path().join("new/CartPole-v1-dqn/runs").read_dir().map_or(0, Iterator::count);
    assert_eq!(trained, 0, "a range that is missing is refused before training");
    let given = [&given[..], &["--normalize", "MountainCar-v0=-200:-100"]].concat();
    succeed(&here, &compare("out", &["dqn", "double"], &given));
}

#[test]
fn a_sweep_trains_every_combination() {
    let here = directory();
    let sweep = ["--sweep", "agent.n_step=1,3", "--sweep", "network.hidden=[4, 4],[8]", "--runs", "1"];
    let arguments = ["compare", "dqn", "--steps", "60", "--out", "out", "--set", "evaluation.episodes=1"];
    succeed(&here, &[&arguments[..], &sweep].concat());
    let results = results(&here, "out");
    let configurations = results["environments"][0]["configurations"].as_array().unwrap();
    assert_eq!(configurations.len(), 4);
    assert_eq!(configurations[3]["label"], "DQN, n_step=3, hidden=[8]");
    let config = read(&here, "out/CartPole-v1-dqn-agent.n_step=3-network.hidden=_8_/config.toml");
    assert!(config.contains("n_step = 3") && config.contains("hidden = [8]"), "{config}");
}

#[test]
fn shards_divide_the_runs() {
    let here = directory();
    let shard =
        |k: &str, runs: &str| events(&here, &compare("out", &["dqn", "double"], &["--shard", k, "--runs", runs]));
    let run = |events: &[Value]| -> Vec<(String, u64)> {
        let runs = events.iter().filter(|event| event["event"] == "run");
        runs.map(|run| (run["variant"].as_str().unwrap().to_owned(), run["seed"].as_u64().unwrap())).collect()
    };
    let said = succeed(&here, &compare("first", &["dqn", "double"], &["--shard", "1/3", "--runs", "3"]));
    assert!(said.contains("4 runs are missing"), "{said}");
    let mut all: Vec<_> = ["1/3", "2/3", "3/3"].into_iter().flat_map(|k| run(&shard(k, "3"))).collect();
    assert_eq!(all.len(), 6);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "no run is in two shards");
    assert_eq!(count(&events(&here, &compare("out", &["dqn", "double"], &["--runs", "3"])), "run"), 0);
}

#[test]
fn what_cannot_be_compared_says_why() {
    let here = directory();
    fs::create_dir(here.path().join("foreign")).unwrap();
    fs::write(here.path().join("foreign/a.txt"), "mine").unwrap();
    fs::write(here.path().join("wrong.toml"), "[agent]\ngama = 1\n").unwrap();
    for (out, configurations, more, expected) in [
        ("foreign", &["dqn"][..], &[][..], "holds other files (a.txt)"),
        ("new", &["dqnn"], &[], "did you mean dqn?"),
        ("new", &["dqn", "dqn"], &[], "would be trained twice"),
        ("new", &["missing.toml"], &[], "missing.toml"),
        ("new", &["wrong.toml"], &[], "agent.gama: unknown key"),
        ("new", &["dqn"], &["--sweep", "agent.n_steps=1,3"], "agent.n_steps: unknown key"),
        ("new", &["c51"], &["--envs", "CartPole-v2"], "CartPole-v2"),
    ] {
        let message = fail(&here, &compare(out, configurations, more), 2);
        assert!(message.contains(expected), "{message}");
        assert!(!here.path().join("new").exists(), "{expected}");
    }
    for more in [["--shard", "4/3"], ["--normalize", "CartPole-v1=5:1"], ["--sweep", "agent.n_step"]] {
        quarl(&here, &compare("new", &["dqn"], &more)).assert().code(2);
    }
}

#[test]
fn a_failed_run_is_reported_and_the_others_count() {
    let here = directory();
    // A learning rate at which the loss overflows.
    let arguments =
        compare("out", &["dqn"], &["--sweep", "optimizer.lr=1e-3,1e30", "--runs", "3", "--set", "optimizer.kind=sgd"]);
    let output = quarl(&here, &arguments).assert().code(1).get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("3 runs failed") && message.contains("--retry-failed"), "{message}");
    let results = results(&here, "out");
    let configurations = &results["environments"][0]["configurations"];
    assert_eq!((&configurations[0]["scores"]["n"], &configurations[1]["scores"]["failed"]), (&3.into(), &3.into()));
    assert_eq!(configurations[1]["scores"]["reached_share"], 0.0);
    assert!(configurations[1]["versus_first"]["probability_of_improvement"].is_null());
}
