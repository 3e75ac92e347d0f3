//! Recorded digests of whole runs: every preset, and every combination of head, sampler and noise.
//!
//! A digest covers `episodes.csv`, `evaluations.csv` and the tensors of both model files. A change that does not affect
//! results must not change `fixtures/digests.txt`. A change that does affect results states the reason in its commit
//! message and records the digests again:
//!
//! ```text
//! QUARL_RECORD_DIGESTS=1 cargo test --package quarl --test digests
//! ```
#![cfg(feature = "files")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::layered;
use quarl::config::{TrainConfig, presets};
use quarl::run::{self, RunWriter};
use quarl::train::Trainer;
use safetensors::SafeTensors;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/digests.txt");

/// Every preset in each environment that it has settings for, shortened to a few hundred steps.
fn preset_runs() -> Vec<(String, TrainConfig)> {
    let short = [
        "training.steps=400",
        "training.learning_starts=50",
        "evaluation.every_steps=150",
        "evaluation.episodes=2",
        "env.max_episode_steps=120",
        "training.seed=3",
    ];
    let environments = |preset: &str| match preset {
        "tuned" => vec!["CartPole-v0", "CartPole-v1", "Acrobot-v1", "MountainCar-v0"],
        "efficient" => vec!["CartPole-v1", "MountainCar-v0"],
        "textbook" => vec!["CartPole-v0"],
        _ => vec!["CartPole-v1"],
    };
    presets::list()
        .flat_map(|(preset, _)| environments(preset).into_iter().map(move |env| (preset, env)))
        .map(|(preset, env)| (format!("preset/{preset}/{env}"), layered(preset, &short, &[&format!("env.id={env}")])))
        .collect()
}

/// Every head with every sampler, with and without noise; then single switches that each change the computation.
fn combinations() -> Vec<(String, TrainConfig)> {
    let small = [
        "env.id=CartPole-v1",
        "network.hidden=[19, 9]",
        "network.atoms=11",
        "network.v_min=0",
        "network.v_max=20",
        "network.quantiles=7",
        "network.acting_quantiles=5",
        "network.cosines=9",
        "agent.time_limit=bootstrap",
        "target_network.every_steps=7",
        "training.steps=300",
        "evaluation.every_steps=100",
        "evaluation.episodes=2",
    ];
    let of = |switches: &[&str]| layered("textbook", &small, switches);
    let mut runs = Vec::new();
    for head in ["scalar", "categorical", "quantile", "implicit"] {
        for sampler in ["uniform", "prioritized", "none"] {
            for noise in ["plain", "noisy"] {
                let head_key = format!("network.head={head}");
                let sampler_key = format!("replay.kind={sampler}");
                let mut switches = vec![&*head_key, &sampler_key];
                if sampler != "none" {
                    switches.extend(["replay.capacity=150", "agent.batch_size=19"]);
                }
                if noise == "noisy" {
                    switches.extend(["network.noisy=true", "exploration.kind=noisy"]);
                }
                runs.push((format!("{head}/{sampler}/{noise}"), of(&switches)));
            }
        }
    }
    for switches in [
        &["network.dueling=true"][..],
        &["network.dueling=true", "network.noisy=true", "network.head=categorical", "agent.target=double"],
        &["network.layer_norm=true"],
        &["network.activation=tanh"],
        &["network.activation=elu"],
        &["agent.target=double"],
        &["agent.target=double", "network.head=categorical"],
        &["agent.target=double", "network.head=quantile"],
        &["agent.target=munchausen"],
        &["agent.target=munchausen", "network.head=quantile"],
        &["agent.target=munchausen", "network.head=implicit"],
        &["agent.n_step=3"],
        &["agent.loss=huber", "optimizer.max_grad_norm=0.5"],
        &["optimizer.kind=rmsprop", "optimizer.momentum=0.5", "optimizer.centered=true"],
        &["optimizer.kind=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true", "optimizer.lr=1e-3"],
        &["exploration.kind=softmax"],
        &["target_network.kind=none"],
        &["target_network.kind=soft", "target_network.tau=0.05"],
        &["training.num_envs=3"],
        &["env.normalize_observation=true", "env.frame_stack=2", "env.reward_scale=0.5"],
        &["training.train_frequency=4", "training.gradient_steps=2"],
    ] {
        runs.push((switches.join(","), of(switches)));
    }
    runs
}

/// FNV-1a.
fn digest<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let bytes = chunks.into_iter().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The digest of a model's tensors by name. The header is left out, because new entries in it do not change the model.
fn model_digest(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let tensors: BTreeMap<String, Vec<u8>> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect();
    digest(tensors.iter().flat_map(|(name, data)| [name.as_bytes(), data]))
}

/// One line of the fixture: the digests of a run's files.
fn line(name: &str, config: TrainConfig) -> String {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("run");
    let mut writer = RunWriter::create(&dir, false, &config).unwrap();
    let mut trainer = Trainer::new(config).unwrap();
    while let Some(event) = trainer.next() {
        writer.record(&event.unwrap(), &trainer).unwrap();
    }
    writer.finish(&trainer, 1.0, false).unwrap();
    let table = |file: &str| digest([&*fs::read(dir.join(file)).unwrap()]);
    let (episodes, evaluations) = (table(run::EPISODES), table(run::EVALUATIONS));
    let (last, best) = (model_digest(&dir.join(run::MODEL)), model_digest(&dir.join(run::BEST)));
    format!("{episodes:016x} {evaluations:016x} {last:016x} {best:016x} {name}")
}

#[test]
fn recorded_runs_are_repeated_bit_for_bit() {
    let runs = preset_runs().into_iter().chain(combinations());
    let actual: Vec<String> = runs.map(|(name, config)| line(&name, config)).collect();
    if std::env::var_os("QUARL_RECORD_DIGESTS").is_some() {
        let header = "# episodes.csv evaluations.csv model.safetensors best.safetensors run\n";
        fs::write(FIXTURE, header.to_owned() + &actual.join("\n") + "\n").unwrap();
    }
    let recorded = fs::read_to_string(FIXTURE).unwrap();
    let recorded: Vec<&str> = recorded.lines().filter(|line| !line.starts_with('#')).collect();
    let changed: Vec<&String> = actual.iter().filter(|line| !recorded.contains(&line.as_str())).collect();
    assert!(changed.is_empty(), "these runs differ from those recorded:\n{changed:#?}");
    assert_eq!(actual.len(), recorded.len(), "the fixture has runs that no test makes");
}
