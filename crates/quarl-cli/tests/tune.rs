//! `quarl tune`: continued studies, several processes, killed processes, foreign directories.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use common::{directory, fail, quarl, read, succeed};

const SPACE: &str = "[space]\n\"optimizer.lr\" = { low = 1e-4, high = 1e-2, log = true }\n\"agent.n_step\" = { low = 1, high = \
                     3 }\n\"network.layer_norm\" = { choices = [true, false] }\n";

/// The arguments of a short study, with `more`.
fn study<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let arguments = "tune CartPole-v0 --preset textbook --episodes 6 --space space.toml --set evaluation.every_episodes=1 --set \
                     evaluation.episodes=2 --set network.hidden=[16] --seeds-per-trial 2 --score-episodes 3 --confirm 3 --out";
    arguments.split(' ').chain([out]).chain(more.iter().copied()).collect()
}

fn prepared() -> TempDir {
    let here = directory();
    fs::write(here.path().join("space.toml"), SPACE).unwrap();
    here
}

fn spawn(here: &TempDir, arguments: &[&str]) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("quarl"));
    command.current_dir(here).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The complete lines of a study's journal.
fn journal(here: &TempDir, out: &str) -> Vec<Value> {
    let text = fs::read_to_string(here.path().join(out).join("journal.jsonl")).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(journal: &[Value], event: &str) -> usize {
    journal.iter().filter(|entry| entry["event"] == event).count()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(100), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn summary(here: &TempDir, out: &str) -> Value {
    serde_json::from_str(&read(here, Path::new(out).join("summary.json"))).unwrap()
}

#[test]
fn a_study_writes_its_results_and_best_toml_trains_what_was_confirmed() {
    let here = prepared();
    let shown = succeed(&here, &study("study", &["--trials", "12", "--jobs", "2", "--pruner", "median"]));
    let summary = summary(&here, "study");
    let of = |key: &str| summary[key].as_u64().unwrap();
    assert_eq!((of("trials"), of("missing"), of("complete") + of("pruned") + of("failed")), (12, 0, 12));
    let best = &summary["best"];
    assert!(shown.contains(&format!("best: trial {}, score ", best["trial"])), "{shown}");
    assert!(shown.contains("with 3 fresh seeds: score ") && shown.contains("the search's"), "{shown}");
    assert_eq!(summary["all_tie"], false);
    assert!(shown.contains("most important: ") && shown.contains("quarl train --config study/best.toml"), "{shown}");
    let table = read(&here, "study/trials.csv");
    assert_eq!(table.lines().count(), 13);
    assert!(table.starts_with("trial,state,score,optimizer.lr,agent.n_step,network.layer_norm,error\n"), "{table}");
    for name in ["progress", "coordinates", "importance"] {
        assert!(read(&here, format!("study/{name}.svg")).ends_with("</svg>\n"));
        assert!(fs::read(here.path().join(format!("study/{name}.png"))).unwrap().starts_with(b"\x89PNG"));
    }

    // Seed 2 is the first fresh seed. Training with it and evaluating gives the confirmed mean return.
    succeed(&here, &["train", "--config", "study/best.toml", "--seed", "2", "--quiet", "--out", "run"]);
    let evaluated = succeed(&here, &["eval", "run", "--episodes", "3", "--json"]);
    let finished: Value = serde_json::from_str(evaluated.lines().last().unwrap()).unwrap();
    let journal = journal(&here, "study");
    let confirmed = journal.iter().find(|entry| entry["event"] == "confirmed" && entry["seed"] == 2).unwrap();
    assert_eq!(confirmed["mean_return"], finished["scores"]["mean"]);
    assert_eq!(count(&journal, "confirmed"), 3);
    let seeds: Vec<u64> = summary["seeds"].as_array().unwrap().iter().map(|seed| seed.as_u64().unwrap()).collect();
    assert_eq!(seeds, [0, 1], "fresh seeds were not used in the search");

    let again = succeed(&here, &study("study", &["--trials", "12", "--pruner", "median", "--quiet"]));
    assert_eq!(again.lines().count(), 3, "{again}");
    assert!(again.ends_with("best configuration: study/best.toml\n"), "{again}");
    assert_eq!(journal, self::journal(&here, "study"), "everything was complete");
}

#[test]
fn a_killed_study_continues_with_the_same_parameters_and_ends_like_one_that_was_not_killed() {
    let here = prepared();
    let options = ["--trials", "8", "--jobs", "1", "--quiet"];
    succeed(&here, &study("whole", &options));
    for kill_after in [1, 4, 9, 15] {
        let mut child = spawn(&here, &study("killed", &options));
        wait_until("a journal", || journal(&here, "killed").len() > kill_after || is_over(&here));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // What a process that was killed while it wrote leaves.
    let path = here.path().join("killed/journal.jsonl");
    let torn = fs::read_to_string(&path).unwrap() + "{\"event\":\"trial\",\"trial\":99,\"para";
    fs::write(&path, torn).unwrap();
    let before = parameters(&journal(&here, "killed"));
    succeed(&here, &study("killed", &options));
    let journal = journal(&here, "killed");
    for (trial, values) in before {
        assert_eq!(parameters(&journal)[&trial], values, "trial {trial}");
    }
    for name in ["trials.csv", "best.toml", "progress.svg", "coordinates.svg"] {
        assert_eq!(read(&here, format!("killed/{name}")), read(&here, format!("whole/{name}")), "{name}");
    }
    assert!(!here.path().join("killed/claims").exists(), "no lock files remain");
}

#[test]
fn a_killed_study_continues_its_runs_from_their_checkpoints_with_the_same_result() {
    let here = prepared();
    let longer = |out| -> Vec<&'static str> {
        let more =
            ["--trials", "3", "--jobs", "1", "--pruner", "median", "--set", "checkpoint.every_steps=40", "--json"];
        study(out, &more).into_iter().map(|word| if word == "6" { "60" } else { word }).collect()
    };
    succeed(&here, &longer("whole"));
    let checkpoints = here.path().join("killed/checkpoints");
    let events = here.path().join("events.jsonl");
    // In the search and in the runs with fresh seeds.
    for run in ["trial-0-seed-0", "trial-1-seed-1", "seed-3"] {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("quarl"));
        let written = fs::File::options().append(true).create(true).open(&events).unwrap();
        let mut child = command.current_dir(&here).args(longer("killed")).stdout(written).spawn().unwrap();
        wait_until("a checkpoint", || {
            let dirs = || fs::read_dir(&checkpoints).into_iter().flatten().flatten();
            let is_there = |dir: fs::DirEntry| {
                let files = || fs::read_dir(dir.path()).into_iter().flatten().flatten();
                dir.file_name().to_string_lossy().ends_with(run)
                    && files().any(|file| file.file_name().to_string_lossy().starts_with("step-"))
            };
            dirs().any(is_there) || is_over(&here)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_over(&here), "{run}: killed too late");
    }
    let shown = read(&here, "events.jsonl") + &succeed(&here, &longer("killed"));
    // A line that a killed process has not completed is followed by another one.
    let continued = shown.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let continued = continued.filter(|event| event["event"] == "continued");
    let steps: Vec<u64> = continued.map(|event| event["env_steps"].as_u64().unwrap()).collect();
    assert!(steps.len() == 3 && steps.iter().all(|steps| *steps >= 40), "runs continued after {steps:?} steps");
    for name in ["trials.csv", "best.toml", "progress.svg", "coordinates.svg"] {
        assert_eq!(read(&here, format!("killed/{name}")), read(&here, format!("whole/{name}")), "{name}");
    }
    let results = |out| {
        let journal = journal(&here, out);
        let of = |event: &Value| (event["trial"].clone(), event["seed"].clone(), event["mean_return"].clone());
        journal.iter().filter(|event| !event["mean_return"].is_null()).map(of).collect::<Vec<_>>()
    };
    assert_eq!(results("killed"), results("whole"));
    for out in ["killed", "whole"] {
        assert!(!here.path().join(out).join("checkpoints").exists(), "{out}: no checkpoints remain");
    }
}

fn is_over(here: &TempDir) -> bool {
    here.path().join("killed/summary.json").exists()
}

/// The parameters of each trial, which may be in the journal once.
fn parameters(journal: &[Value]) -> BTreeMap<u64, Value> {
    let mut found = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry["event"] == "trial") {
        let trial = entry["trial"].as_u64().unwrap();
        assert!(found.insert(trial, entry["parameters"].clone()).is_none(), "trial {trial} is there twice");
    }
    found
}

#[test]
fn two_processes_share_a_study_and_one_that_is_killed_is_replaced() {
    let here = prepared();
    let arguments = study("study", &["--trials", "10", "--pruner", "none", "--jobs", "2", "--quiet"]);
    let mut first = spawn(&here, &arguments);
    let mut second = spawn(&here, &arguments);
    wait_until("a trial", || count(&journal(&here, "study"), "score") >= 2);
    first.kill().unwrap();
    first.wait().unwrap();
    let third = spawn(&here, &arguments);
    assert!(second.wait().unwrap().success());
    assert!(third.wait_with_output().unwrap().status.success());
    let journal = journal(&here, "study");
    let mut scores: Vec<(u64, u64)> = journal
        .iter()
        .filter(|entry| entry["event"] == "score")
        .map(|entry| (entry["trial"].as_u64().unwrap(), entry["seed"].as_u64().unwrap()))
        .collect();
    scores.sort_unstable();
    let expected: Vec<(u64, u64)> = (0..10).flat_map(|trial| [(trial, 0), (trial, 1)]).collect();
    assert_eq!(scores, expected, "no run is lost, none is there twice");
    assert_eq!((count(&journal, "trial"), count(&journal, "confirmed")), (10, 3));
    assert_eq!(summary(&here, "study")["confirmation"]["scores"].as_array().unwrap().len(), 3);
}

#[test]
fn shards_run_their_trials_and_a_call_without_a_shard_reports_all() {
    let here = prepared();
    let options = ["--trials", "5", "--pruner", "none", "--sampler", "random", "--jobs", "1"];
    let shards: Vec<Child> = ["1/3", "2/3", "3/3"]
        .map(|shard| spawn(&here, &study("study", &[&options[..], &["--shard", shard]].concat())))
        .into_iter()
        .collect();
    for shard in shards {
        let output = shard.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let shown = succeed(&here, &study("study", &options));
    assert!(shown.contains("5 trials on CartPole-v0: 5 complete"), "{shown}");
    succeed(&here, &study("whole", &options));
    assert_eq!(read(&here, "study/trials.csv"), read(&here, "whole/trials.csv"));

    let shown = succeed(&here, &study("part", &[&options[..], &["--shard", "2/3"]].concat()));
    assert!(shown.contains("2 trials on CartPole-v0") && shown.contains("3 trials are missing"), "{shown}");
    assert!(summary(&here, "part")["confirmation"].is_null());
    quarl(&here, &study("part", &["--shard", "4/3"])).assert().code(2);
}

#[test]
fn a_signal_keeps_everything_and_the_same_command_continues() {
    if !cfg!(unix) {
        return;
    }
    let here = prepared();
    let long = ["--trials", "3", "--pruner", "none", "--jobs", "2"];
    let with_long_runs = |arguments: Vec<&'static str>| -> Vec<&'static str> {
        arguments.into_iter().map(|argument| if argument == "6" { "400" } else { argument }).collect()
    };
    let arguments = with_long_runs(study("study", &long));
    let mut child = spawn(&here, &arguments);
    wait_until("a trial", || count(&journal(&here, "study"), "trial") >= 1);
    std::thread::sleep(Duration::from_millis(300));
    let sent = Instant::now();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(sent.elapsed() < Duration::from_secs(5), "{:?}", sent.elapsed());
    let before = parameters(&journal(&here, "study"));
    let mut child = spawn(&here, &arguments);
    wait_until("a score", || count(&journal(&here, "study"), "score") >= 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let after = parameters(&journal(&here, "study"));
    assert!(before.iter().all(|(trial, values)| after[trial] == *values));
}

#[test]
fn anything_else_in_the_directory_is_refused_and_nothing_is_written() {
    let here = prepared();
    let first = study("study", &["--trials", "1", "--quiet"]);
    succeed(&here, &first);
    let differs = |more: &[&'static str], expected: &str| {
        let message = fail(&here, &study("study", more), 2);
        assert!(message.contains("study holds a study with other settings") && message.contains(expected), "{message}");
    };
    differs(&["--set", "agent.gamma=0.9"], "agent.gamma is 0.98 there and 0.9 here");
    differs(&["--seed", "3"], "training.seed is 0 there and 3 here");
    differs(&["--sampler", "random"], "the sampler is tpe there and random here");
    let other_env: Vec<&str> =
        study("study", &[]).iter().map(|word| if *word == "CartPole-v0" { "CartPole-v1" } else { word }).collect();
    assert!(fail(&here, &other_env, 2).contains("env.id is \"CartPole-v0\" there and \"CartPole-v1\" here"));
    fs::write(here.path().join("space.toml"), SPACE.replace("high = 3", "high = 4")).unwrap();
    differs(&[], "the space of agent.n_step is { low = 1, high = 3 } there and { low = 1, high = 4 } here");
    fs::write(here.path().join("space.toml"), SPACE).unwrap();

    fs::create_dir(here.path().join("mine")).unwrap();
    fs::write(here.path().join("mine/notes.txt"), "mine").unwrap();
    assert!(fail(&here, &study("mine", &[]), 2).contains("mine exists already and holds other files (notes.txt)"));
    assert_eq!(fs::read_dir(here.path().join("mine")).unwrap().count(), 1);
    fs::write(here.path().join("file"), "mine").unwrap();
    assert!(fail(&here, &study("file", &[]), 1).contains("this is a file"));

    // Other commands do not take a study for a run.
    assert!(fail(&here, &["play", "study"], 1).contains("study, whose trials keep no models"));
    assert!(fail(&here, &["plot", "study"], 1).contains("holds a study"));
    assert!(fail(&here, &["train", "--force", "--out", "study"], 2).contains("holds a study"));
    assert!(fail(&here, &["experiment", "--runs", "1", "--out", "study"], 2).contains("holds a study"));

    let path = here.path().join("study/journal.jsonl");
    let damaged = fs::read_to_string(&path).unwrap().replacen("\"trial\":0", "\"trial\":?", 1);
    fs::write(&path, damaged).unwrap();
    let message = fail(&here, &first, 1);
    assert!(message.contains("journal.jsonl: line 3 is damaged"), "{message}");
}

#[test]
fn an_invalid_space_is_refused_before_anything_is_written() {
    let here = prepared();
    for (text, expected) in [
        (
            "[space]\n\"agent.gama\" = { low = 0.9, high = 0.99 }\n",
            "space.toml: agent.gama: unknown key: did you mean agent.gamma?",
        ),
        ("[space]\n\"agent.gamma\" = { low = 0.9, high = 2 }\n", "agent.gamma: 2.0 is not a number from 0 to 1"),
        ("[space]\n\"agent.gamma\" = { low = 0.9 }\n", "agent.gamma: expected { low"),
        ("[spaec]\n", "the only table of a space is [space]"),
        ("gibberish", "not valid TOML in line 1"),
    ] {
        fs::write(here.path().join("space.toml"), text).unwrap();
        let message = fail(&here, &study("study", &[]), 2);
        assert!(message.contains(expected), "{message}");
    }
    assert!(!here.path().join("study").exists());
    fs::write(here.path().join("space.toml"), SPACE).unwrap();
    assert!(
        fail(&here, &study("study", &["--set", "agent.n_step=2"]), 2)
            .contains("agent.n_step is given with --set and searched")
    );
    let absent = fail(&here, &["tune", "CartPole-v0", "--space", "absent.toml", "--out", "study"], 2);
    assert!(absent.contains("cannot read absent.toml"), "{absent}");
}

#[test]
fn the_default_space_is_printed_and_can_be_given_back() {
    let here = directory();
    let printed = succeed(&here, &["tune", "CartPole-v1", "--preset", "per", "--print-space"]);
    assert!(
        printed.starts_with("[space]\n# ") && printed.contains("\"replay.alpha\" = { low = 0.2, high = 0.8 }"),
        "{printed}"
    );
    fs::write(here.path().join("space.toml"), &printed).unwrap();
    let again = ["tune", "CartPole-v1", "--preset", "per", "--space", "space.toml", "--print-space"];
    assert_eq!(succeed(&here, &again), printed);
    let fixed =
        succeed(&here, &["tune", "CartPole-v1", "--preset", "per", "--set", "replay.alpha=0.7", "--print-space"]);
    assert!(!fixed.contains("replay.alpha"), "a key that is set is not searched: {fixed}");
}

#[test]
fn a_study_whose_trials_tie_warns_that_its_best_trial_is_arbitrary() {
    let here = prepared();
    // MountainCar with episodes of 50 steps, in which no policy reaches the flag.
    let words = |out| -> Vec<&'static str> {
        let more = ["--trials", "11", "--sampler", "random", "--pruner", "none", "--set", "env.max_episode_steps=50"];
        let words = study(out, &more).into_iter();
        words.map(|word| if word == "CartPole-v0" { "MountainCar-v0" } else { word }).collect()
    };
    let output = quarl(&here, &words("study")).assert().success().get_output().clone();
    let [shown, warned] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let expected = "warning: all 11 complete trials have the score -50.000, so trial 0 is called the best only because";
    assert!(warned.contains(expected), "{warned}");
    assert!(shown.contains("no importance of the parameters: all complete trials have the same score"), "{shown}");
    let summary = summary(&here, "study");
    assert_eq!((&summary["all_tie"], &summary["importance"]), (&true.into(), &Value::Null));
    assert!(read(&here, "study/best.toml").contains("# All complete trials have this score"));
    assert!(!here.path().join("study/importance.svg").exists());
    succeed(&here, &["report", "study", "--out", "page.html"]);
    assert!(read(&here, "page.html").contains("all complete trials do, so it is merely the first of them"));
}

#[test]
fn events_are_json_and_a_failed_trial_is_not_fatal() {
    let here = directory();
    let space = "[space]\n\"agent.batch_size\" = { choices = [16, 20000] }\n";
    fs::write(here.path().join("space.toml"), space).unwrap();
    let options = ["--trials", "8", "--pruner", "none", "--sampler", "random", "--json"];
    let output = quarl(&here, &study("study", &options)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "start");
    let finished = events.last().unwrap();
    assert_eq!((&finished["event"], &finished["interrupted"]), (&"finished".into(), &false.into()));
    let [complete, failed] = ["complete", "failed"].map(|event| count(&events, event));
    assert!(complete > 0 && failed > 0 && complete + failed == 8, "{complete} complete, {failed} failed");
    let reason = events.iter().find(|event| event["event"] == "failed").unwrap()["error"].as_str().unwrap();
    assert!(reason.contains("agent.batch_size"), "{reason}");
    let table = read(&here, "study/trials.csv");
    assert!(table.lines().any(|row| row.contains(",failed,,20000,") && row.contains("agent.batch_size")), "{table}");
}
