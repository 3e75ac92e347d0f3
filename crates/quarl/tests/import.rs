//! Agents of Stable-Baselines3: archives that its own package has written (`oracles/sb3_archives.py`), and forged ones.
#![cfg(feature = "files")]

#[path = "common/checksums.rs"]
mod checksums;

use std::fs;
use std::path::{Path, PathBuf};

use quarl::config::TrainConfig;
use quarl::import::{Imported, stable_baselines3};
use quarl::network::{Activation, Architecture, Head};
use quarl::{Policy, Trainer};
use serde::Deserialize;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What Stable-Baselines3 computes with the agent.
#[derive(Deserialize)]
struct Recorded {
    observations: Vec<[f32; 4]>,
    q_values: Vec<[f32; 2]>,
    actions: Vec<usize>,
}

/// Compares the Q-values and greedy actions on 1,000 observations. Returns how often each action was chosen.
fn compare(imported: &Imported, recorded: &Path) -> [usize; 2] {
    let Recorded { observations, q_values, actions } =
        serde_json::from_str(&fs::read_to_string(recorded).unwrap()).unwrap();
    let mut policy = Policy::new(&imported.model).unwrap();
    assert_eq!((observations.len(), q_values.len(), actions.len()), (1000, 1000, 1000));
    let mut chosen = [0, 0];
    for ((observation, expected), action) in observations.iter().zip(&q_values).zip(&actions) {
        let values = policy.q_values(observation).unwrap();
        let computed = [values.get(0, 0), values.get(1, 0)];
        let size = expected[0].abs().max(expected[1].abs()).max(1.0);
        for (computed, expected) in computed.iter().zip(expected) {
            assert!((computed - expected).abs() <= 1e-5 * size, "{observation:?}: {computed}, expected {expected}");
        }
        let ours = policy.act(observation, None).unwrap();
        assert!(ours == *action || (expected[0] - expected[1]).abs() <= 1e-5, "{observation:?}: {ours} for {action}");
        chosen[ours] += 1;
    }
    chosen
}

#[test]
fn an_imported_agent_has_the_q_values_and_actions_of_stable_baselines3() {
    let imported = Imported::load(&fixture("stable_baselines3.zip"), "CartPole-v1").unwrap();
    assert_eq!(imported.model.architecture, Architecture::plain(4, &[16, 16], 2));
    let chosen = compare(&imported, &fixture("stable_baselines3.json"));
    assert!(chosen.iter().all(|count| *count >= 100), "the comparison would not notice a wrong action: {chosen:?}");
    assert_eq!(imported.defaults, ["train_freq = 4"]);
}

#[test]
fn an_imported_qrdqn_agent_has_the_mean_quantiles_and_actions_of_sb3_contrib() {
    let imported = Imported::load(&fixture("qrdqn.zip"), "CartPole-v1").unwrap();
    let head = Head::Quantile { quantiles: 7 };
    let expected = Architecture { head, activation: Activation::Tanh, ..Architecture::plain(4, &[16], 2) };
    assert_eq!(imported.model.architecture, expected);
    let chosen = compare(&imported, &fixture("qrdqn.json"));
    assert!(chosen.iter().all(|count| *count >= 100), "the comparison would not notice a wrong action: {chosen:?}");
    // QRDQN does not clip gradients, and its Adam has eps = 0.01 / batch_size.
    assert_eq!(imported.config.optimizer.max_grad_norm, None);
    assert_eq!(imported.config.optimizer.eps, 0.01 / 64.0);
    let mut trainer = Trainer::builder(imported.config).initial_model(imported.model.clone()).build().unwrap();
    while trainer.env_steps() < 120 {
        trainer.next().unwrap().unwrap();
    }
    assert_ne!(trainer.model().parameters, imported.model.parameters);
}

#[test]
fn training_continues_from_the_parameters_and_settings_of_the_archive() {
    let Imported { model, config, .. } = Imported::load(&fixture("stable_baselines3.zip"), "CartPole-v1").unwrap();
    let expected = TrainConfig::preset("dqn")
        .set("env.id", "CartPole-v1")
        .set("network.hidden", vec![16_i64, 16])
        .set("optimizer.lr", 2.3e-3)
        .set("replay.capacity", 100_000)
        .set("training.learning_starts", 100)
        .set("training.train_frequency", 4)
        .set("training.gradient_steps", 128)
        .set("training.steps", 20_000)
        .set("agent.batch_size", 64)
        .set("target_network.every_steps", 10)
        .set("exploration.epsilon", 0.04);
    assert_eq!(config, expected.build().unwrap());
    let mut trainer = Trainer::builder(config).initial_model(model.clone()).build().unwrap();
    assert_eq!(trainer.model(), model);
    assert_eq!(trainer.agent().state().engine().target, model.parameters);
    assert_eq!(trainer.agent().replay_len(), 0);
    while trainer.env_steps() < 120 {
        trainer.next().unwrap().unwrap();
    }
    assert_ne!(trainer.model().parameters, model.parameters);
}

#[test]
fn a_model_of_another_network_is_refused_with_the_differences() {
    let Imported { model, .. } = Imported::load(&fixture("stable_baselines3.zip"), "CartPole-v1").unwrap();
    let refused = |assignments: &[&str]| {
        let config = TrainConfig::preset("dqn").set("training.steps", 10).assign_all(assignments).build().unwrap();
        Trainer::builder(config).initial_model(model.clone()).build().err().unwrap().to_string()
    };
    let error = refused(&["network.activation=tanh"]);
    assert!(error.contains("network.hidden is [16, 16] in the model and [128, 128] in the configuration"), "{error}");
    assert!(error.contains("network.activation is relu in the model and tanh"), "{error}");
    let error = refused(&["network.hidden=[16, 16]", "env.id=MountainCar-v0"]);
    assert!(error.contains("number of actions is 2 in the model and 3"), "{error}");
    let error = refused(&["network.hidden=[16, 16]", "network.head=quantile"]);
    assert!(error.contains("network.head"), "{error}");
    let error = refused(&["network.hidden=[16, 16]", "env.normalize_observation=true"]);
    assert!(error.contains("set env.normalize_observation = false"), "{error}");
}

/// The archive's bytes with `from` replaced by `to`, of the same length, and all checksums made right again.
fn forged(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut archive = fs::read(fixture("stable_baselines3.zip")).unwrap();
    replace(&mut archive, from, to);
    checksums::repair(&mut archive).unwrap();
    archive
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..=bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the archive has no {}", String::from_utf8_lossy(from));
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
}

fn refusal(archive: &[u8]) -> String {
    stable_baselines3(archive, "CartPole-v1").unwrap_err().to_string()
}

#[test]
fn what_quarl_does_not_have_is_refused_with_its_name() {
    let whole = forged(b"num_timesteps", b"num_timesteps");
    assert!(stable_baselines3(&whole, "CartPole-v1").is_ok(), "the repaired checksums are right");
    let shape = &b"\"dtype\": \"float32\",\n        \"_shape\": [\n            4\n        ]"[..];
    let image = format!("{:<width$}", "\"dtype\": \"uint8\", \"_shape\": [4, 1, 1]", width = shape.len()).into_bytes();
    for (from, to, expected) in [
        (&b"\"stable_baselines3.dqn.policies\""[..], &b"\"stable_baselines3.sac.policies\""[..], "sac.policies"),
        (b"gymnasium.spaces.box.Box'", b"gymnasium.spaces.dct.Dic'", "of the kind 'Dic'"),
        (shape, &image[..], "images"),
        (b"\"start\": \"0\"", b"\"start\": \"1\"", "not numbered from 0"),
        (b"\"n\": \"2\"", b"\"n\": \"3\"", "2 outputs for 3 actions"),
        (b"q_net.q_net.2.weight", b"q_net.q_net.3.weight", "not those of the MlpPolicy"),
        (b"q_net.q_net.0.weight", b"q_net.cnn.00.0weight", "not those of the MlpPolicy"),
        (b"FloatStorage", b"DoublStorage", "tensors of DoublStorage"),
    ] {
        let error = refusal(&forged(from, to));
        assert!(error.contains(expected), "{}: {error}", String::from_utf8_lossy(to));
    }
}

#[test]
fn a_pickle_that_calls_anything_is_refused_without_calling_it() {
    for (from, to) in [
        (&b"ctorch._utils\n_rebuild_tensor_v2\n"[..], &b"cbuiltins\neval#\n#################\n"[..]),
        (b"ccollections\nOrderedDict\n", b"csubprocess#\nPopen######\n"),
    ] {
        let to: Vec<u8> = to.iter().copied().filter(|byte| *byte != b'#').collect();
        // A longer module name keeps the length.
        let padded = [&vec![b'x'; from.len() - to.len()][..], &to[1..]].concat();
        let error = refusal(&forged(from, &[b"c", &padded[..]].concat()));
        assert!(error.contains("which a dictionary of tensors does not need; pickles are not executed"), "{error}");
    }
}

/// An entry of a zip archive with a wrong checksum: its local header, and its header in the central directory.
fn entry(name: u8, len: usize, offset: usize) -> [Vec<u8>; 2] {
    let sizes = [len as u32, len as u32].map(u32::to_le_bytes).concat();
    let local = [b"PK\x03\x04", &[0; 14][..], &sizes, &[1, 0, 0, 0, name]].concat();
    let offset = (offset as u32).to_le_bytes();
    [local, [b"PK\x01\x02", &[0; 16][..], &sizes, &[1, 0, 0, 0], &[0; 10], &offset, &[name]].concat()]
}

// Otherwise 4,096 entries, each with the header of the next one in its contents, would take as long as 4,096 archives.
#[test]
fn overlapping_entries_are_refused_before_their_checksums_are_computed() {
    let [inner, of_inner] = entry(b'b', 3, 31);
    let inner = [inner, b"abc".to_vec()].concat();
    let [outer, of_outer] = entry(b'a', inner.len(), 0);
    let (start, directory) = ([outer, inner].concat(), [of_outer, of_inner].concat());
    let places = [directory.len() as u32, start.len() as u32].map(u32::to_le_bytes).concat();
    let end = [b"PK\x05\x06", &[0, 0, 0, 0, 2, 0, 2, 0][..], &places, &[0, 0]].concat();
    assert!(refusal(&[start, directory, end].concat()).contains("two entries of the zip archive overlap"));
}

/// Archives of the real package: `cargo xtask external` makes them and sets `QUARL_SB3`.
#[test]
#[ignore = "needs archives of Stable-Baselines3"]
fn archives_of_the_installed_stable_baselines3_are_read_or_refused() {
    // `cargo xtask test` runs all ignored tests.
    let Ok(here) = std::env::var("QUARL_SB3").map(PathBuf::from) else { return };
    let load = |name: &str| Imported::load(&here.join(format!("{name}.zip")), "CartPole-v1");
    for name in ["stable_baselines3", "tanh", "elu", "linear", "untrained", "soft", "unclipped", "sgd", "schedule"] {
        let imported = load(name).unwrap();
        compare(&imported, &here.join(format!("{name}.json")));
        Trainer::builder(imported.config.clone()).initial_model(imported.model.clone()).build().unwrap();
        let activation = match name {
            "tanh" => Activation::Tanh,
            "elu" => Activation::Elu,
            _ => Activation::Relu,
        };
        assert_eq!(imported.model.architecture.activation, activation);
    }
    let qrdqn = load("qrdqn").unwrap();
    compare(&qrdqn, &here.join("qrdqn.json"));
    assert_eq!(qrdqn.model.architecture.head, Head::Quantile { quantiles: 7 });
    assert_eq!(load("unclipped").unwrap().config.optimizer.max_grad_norm, None);
    assert_eq!(load("sgd").unwrap().config.optimizer.momentum, 0.9);
    assert_eq!(load("soft").unwrap().config.target_network.tau, 0.05);
    assert_eq!(load("schedule").unwrap().defaults, ["learning_rate = 0.0001", "train_freq = 4"]);
    for (name, expected) in [
        ("refused_activation", "its activation function is Sigmoid"),
        ("refused_own_class", "its activation function is __main__.ReLU"),
        ("refused_a2c", "its policy is one of 'stable_baselines3.common.policies'"),
        ("refused_cnn", "features extractor"),
        ("refused_image", "images"),
    ] {
        let error = load(name).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&format!("{name}.zip")), "{error}");
    }
}
