//! What a run writes on request: TensorBoard's event file, and recordings of greedy episodes.

mod common;

use std::fs;

use common::{directory, fail, quarl, read, succeed};

/// The tables and models of a run.
const RESULTS: [&str; 5] = ["config.toml", "episodes.csv", "evaluations.csv", "best.safetensors", "model.safetensors"];

fn results(here: &tempfile::TempDir, run: &str) -> Vec<Vec<u8>> {
    RESULTS.iter().map(|name| fs::read(here.path().join(run).join(name)).unwrap()).collect()
}

fn names(here: &tempfile::TempDir, dir: &str) -> Vec<String> {
    let entries = fs::read_dir(here.path().join(dir)).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn logs_and_recordings_leave_training_as_it_is() {
    let here = directory();
    let train = ["train", "--steps", "700", "--set", "evaluation.every_steps=300", "--quiet", "--out"];
    succeed(&here, &[&train[..], &["plain"]].concat());
    succeed(&here, &[&train[..], &["logged", "--tensorboard", "--record-every", "300"]].concat());
    assert_eq!(results(&here, "plain"), results(&here, "logged"));
    let expected = ["step-000000000.gif", "step-000000300.gif", "step-000000600.gif", "step-000000700.gif"];
    assert_eq!(names(&here, "logged/recordings"), expected);
    for name in expected {
        let gif = fs::read(here.path().join("logged/recordings").join(name)).unwrap();
        assert!(gif.starts_with(b"GIF89a") && gif.ends_with(&[0x3b]), "{name}");
    }
    // Records: length (8 bytes), its checksum (4), data, and the data's checksum (4).
    let events = fs::read(here.path().join("logged/events.out.tfevents.quarl")).unwrap();
    let (mut at, mut records) = (0, Vec::new());
    while at < events.len() {
        let length = u64::from_le_bytes(events[at..at + 8].try_into().unwrap()) as usize;
        records.push(&events[at + 12..at + 12 + length]);
        at += 12 + length + 4;
    }
    let contains = |text: &str| records.iter().any(|data| data.windows(text.len()).any(|part| part == text.as_bytes()));
    assert!(at == events.len() && records[0].ends_with(b"brain.Event:2"));
    for tag in ["rollout/ep_rew_mean", "train/loss", "eval/mean_reward", "figures/curve", "agent.gamma"] {
        assert!(contains(tag), "{tag}");
    }
}

#[test]
fn a_run_is_replaced_with_its_logs_and_recordings_but_not_with_other_files_among_them() {
    let here = directory();
    let train = ["train", "--episodes", "3", "--quiet", "--out", "run", "--force"];
    succeed(&here, &[&train[..6], &["--tensorboard", "--record-every", "10"]].concat());
    fs::write(here.path().join("run/recordings/.step-000000020.gif.1.part"), "").unwrap();
    fs::write(here.path().join("run/recordings/notes.txt"), "mine").unwrap();
    let message = fail(&here, &train, 2);
    assert!(message.contains("recordings") && read(&here, "run/recordings/notes.txt") == "mine", "{message}");
    fs::remove_file(here.path().join("run/recordings/notes.txt")).unwrap();
    succeed(&here, &train);
    let left = names(&here, "run");
    assert!(!left.iter().any(|name| name == "recordings" || name.starts_with("events")), "{left:?}");
}

#[test]
fn the_runs_of_an_experiment_are_logged() {
    let here = directory();
    succeed(&here, &["experiment", "--episodes", "3", "--runs", "2", "--tensorboard", "--quiet", "--out", "exp"]);
    for seed in 0..2 {
        assert!(here.path().join(format!("exp/runs/seed-{seed}/events.out.tfevents.quarl")).exists());
    }
}

#[test]
fn an_early_stop_is_reported() {
    let here = directory();
    let stop = ["--set", "evaluation.every_steps=200", "--set", "evaluation.stop_at=5"];
    let said = succeed(&here, &[&["train", "--steps", "2000", "--out", "run"], &stop[..]].concat());
    assert!(said.contains("training ended early: ") && said.contains("evaluation.stop_at"), "{said}");
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "run/summary.json")).unwrap();
    assert!(summary["stopped_early"].as_str().unwrap().contains("evaluation.stop_at = 5"), "{summary}");
    assert!(summary["env_steps"].as_u64() == Some(200) && summary["greedy_mean"].is_number());
    // Without an interval there is nothing that could stop the run.
    let file = read(&here, "run/config.toml").replace("every_steps = 200\n", "");
    fs::write(here.path().join("own.toml"), file).unwrap();
    let message = fail(&here, &["train", "--config", "own.toml"], 2);
    assert!(message.contains("evaluation.stop_at"), "{message}");
}

#[test]
fn the_shards_of_an_experiment_make_the_whole() {
    let here = directory();
    let experiment = ["experiment", "--episodes", "3", "--runs", "5", "--jobs", "1", "--out"];
    succeed(&here, &[&experiment[..], &["whole", "--quiet"]].concat());
    let first = succeed(&here, &[&experiment[..], &["parts", "--shard", "1/2"]].concat());
    assert!(first.contains("2 runs are missing"), "{first}");
    assert_eq!(names(&here, "parts/runs"), ["seed-0", "seed-2", "seed-4"]);
    let second = succeed(&here, &[&experiment[..], &["parts", "--shard", "2/2"]].concat());
    assert!(!second.contains("missing"), "{second}");
    for table in ["mean.csv", "greedy.csv", "summary.json", "curve.svg"] {
        assert_eq!(read(&here, format!("whole/{table}")), read(&here, format!("parts/{table}")), "{table}");
    }
    quarl(&here, &[&experiment[..], &["parts", "--shard", "3/2"]].concat()).assert().code(2);
}
