//! `quarl import` and `quarl train --from`.

mod common;

use std::fs;

use common::{add_archive, directory, fail, read, succeed};

const IMPORT: [&str; 6] = ["import", "agent.zip", "--env", "CartPole-v1", "--out", "imported"];

#[test]
fn an_imported_agent_is_evaluated_played_exported_and_trained_further() {
    let here = directory();
    add_archive(&here);
    let printed = succeed(&here, &IMPORT);
    assert_eq!(printed, "imported an agent for CartPole-v1 with hidden layers of 16, 16 units: imported\n");
    let scores = succeed(&here, &["eval", "imported", "--episodes", "20", "--json"]);
    let finished: serde_json::Value = serde_json::from_str(scores.lines().last().unwrap()).unwrap();
    // An agent that acts at random reaches about 22.
    assert!(finished["scores"]["mean"].as_f64().unwrap() >= 100.0, "{scores}");
    succeed(&here, &["play", "imported", "--render", "none"]);
    succeed(&here, &["export", "imported", "--format", "onnx"]);
    let train = ["train", "--from", "imported", "--steps", "600", "--quiet", "--out"];
    succeed(&here, &[&train[..], &["continued"]].concat());
    let bytes = |path: &str| fs::read(here.path().join(path)).unwrap();
    assert_eq!(bytes("continued/initial.safetensors"), bytes("imported/model.safetensors"));
    assert_ne!(bytes("continued/model.safetensors"), bytes("imported/model.safetensors"));
    assert!(read(&here, "continued/config.toml").contains("gradient_steps = 128"));

    // The run is repeated by the files that it holds, also where it replaces itself.
    let first = bytes("continued/model.safetensors");
    let repeat =
        ["train", "--config", "continued/config.toml", "--from", "continued/initial.safetensors", "--quiet", "--force"];
    succeed(&here, &[&repeat[..], &["--out", "continued"]].concat());
    assert_eq!(bytes("continued/model.safetensors"), first);
}

#[test]
fn import_names_settings_that_are_defaults_and_replaces_nothing_by_itself() {
    let here = directory();
    add_archive(&here);
    let warned = common::quarl(&here, &IMPORT).assert().success().get_output().stderr.clone();
    let warned = String::from_utf8(warned).unwrap();
    assert!(warned.contains("has Stable-Baselines3's defaults: train_freq = 4"), "{warned}");
    assert!(fail(&here, &IMPORT, 2).contains("imported exists already"));
    succeed(&here, &[&IMPORT[..], &["--force"]].concat());
    fs::write(here.path().join("imported/notes.txt"), "").unwrap();
    assert!(fail(&here, &[&IMPORT[..], &["--force"]].concat(), 2).contains("notes.txt"));
}

#[test]
fn an_archive_for_another_environment_or_of_another_kind_is_refused_and_nothing_is_written() {
    let here = directory();
    add_archive(&here);
    let error = fail(&here, &["import", "agent.zip", "--env", "MountainCar-v0", "--out", "imported"], 1);
    assert!(error.contains("the number of actions is 2 in the model and 3"), "{error}");
    fs::write(here.path().join("agent.zip"), "PK").unwrap();
    assert!(fail(&here, &IMPORT, 1).contains("agent.zip: this is not a zip archive"));
    fs::remove_file(here.path().join("agent.zip")).unwrap();
    assert!(fail(&here, &IMPORT, 1).contains("cannot read agent.zip"));
    assert!(!here.path().join("imported").exists());
}

#[test]
fn training_from_a_model_of_another_network_is_refused_before_anything_is_written() {
    let here = directory();
    add_archive(&here);
    succeed(&here, &IMPORT);
    let from = ["train", "CartPole-v1", "--preset", "dqn", "--from", "imported/model.safetensors", "--out", "run"];
    let error = fail(&here, &from, 1);
    assert!(error.contains("network.hidden is [16, 16] in the model and [128, 128] in the configuration"), "{error}");
    assert!(!here.path().join("run").exists());
}
