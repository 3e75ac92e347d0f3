//! Documents: what is written, and what is read of this and of earlier formats.

use super::config;
use crate::config::{TargetNetworkKind, TrainConfig, presets};

#[test]
fn every_document_is_complete_and_reads_back_as_it_was() {
    for (preset, _) in presets::list() {
        for env in ["CartPole-v0", "CartPole-v1", "MountainCar-v0", "Acrobot-v1", "gym:CartPole-v1"] {
            let config = TrainConfig::preset(preset).set("env.id", env).build().unwrap();
            assert_eq!(config.env.id, env);
            for text in [config.to_toml(), config.to_commented_toml(), presets::text(preset, Some(env)).unwrap()] {
                assert_eq!(TrainConfig::from_toml("test", &text).unwrap(), config, "{text}");
                assert!(!text.contains("fraction"), "schedules are in steps");
            }
            for (key, value) in TrainConfig::keys().into_iter().zip(config.values()) {
                let line = format!("\n{} = ", key.name);
                let section = config.to_toml();
                let section = section.split(&format!("[{}]\n", key.section)).nth(1).unwrap_or_default();
                let section = section.split("\n\n").next().unwrap();
                let written = format!("\n{section}").contains(&line);
                // What has no value is off.
                assert_eq!(written, key.applies(&config) && value.is_some(), "{preset}: {}", key.path());
            }
        }
    }
    let precise = config(&["agent.gamma=0.123456789012345", "optimizer.eps=1e-11"]);
    assert_eq!(TrainConfig::from_toml("test", &precise.to_toml()).unwrap(), precise);
}

#[test]
fn every_key_has_one_short_comment() {
    for key in TrainConfig::keys() {
        let meaning = key.meaning();
        assert!((1..=120).contains(&meaning.len()) && !meaning.contains('`'), "{}: {meaning}", key.path());
        assert!(meaning.ends_with('.'), "{}: {meaning}", key.path());
    }
    let text = presets::text("textbook", None).unwrap();
    assert!(text.contains("# Discount factor. A number from 0 to 1.\ngamma = 0.98\n"), "{text}");
}

#[test]
fn only_known_formats_are_read() {
    let text = config(&[]).to_toml();
    assert!(text.starts_with("format = 2\n"));
    let with =
        |format: &str| TrainConfig::from_toml("run.toml", &text.replace("format = 2", format)).unwrap_err().to_string();
    assert!(with("format = 3").starts_with("run.toml: format: 3 is newer than this version of quarl reads"));
    assert!(with("format = 0").starts_with("run.toml: format: 0 is not a whole number from 1 to 2"));
    assert!(with("format = \"1\"").starts_with("run.toml: format: \"1\" is not"));
}

/// What an earlier version wrote: no format, keys of every head, keys of replay where there is none, defaults left out.
#[test]
fn a_document_without_a_format_is_read_with_the_defaults_of_format_1() {
    let old = r#"
        env = { id = "CartPole-v0" }
        network = { hidden = [128], activation = "relu", layer_norm = false, dueling = false, noisy = false,
            noisy_sigma = 0.5, head = "scalar", atoms = 51, v_min = -10.0, v_max = 10.0, quantiles = 64,
            acting_quantiles = 32, cosines = 64 }
        replay = { kind = "none", capacity = 10000 }
        agent = { gamma = 0.98, n_step = 1, target = "max", munchausen_alpha = 0.9, munchausen_temperature = 0.03,
            munchausen_floor = -1.0, loss = "mse", batch_size = 32, time_limit = "terminal" }
        target_network = { initial = "random", every_episodes = 20, tau = 1.0 }
        exploration = { kind = "epsilon_greedy", epsilon = 0.1 }
        optimizer = { kind = "rmsprop", lr = 0.0005 }
        training = { seed = 0, episodes = 300, learning_starts = 0, train_frequency = 1, gradient_steps = 1,
            diagnostics = false }
        evaluation = { every_episodes = 20, episodes = 10 }
    "#;
    let config = TrainConfig::from_toml("old.toml", old).unwrap();
    assert_eq!((config.optimizer.alpha, config.optimizer.eps, config.optimizer.momentum), (0.99, 1e-8, 0.0));
    assert_eq!((config.training.num_envs, config.target_network.kind), (1, TargetNetworkKind::Hard));
    assert_eq!(TrainConfig::from_toml("new.toml", &config.to_toml()).unwrap(), config);
}

/// Format 1 had Gymnasium's settings in `[env]`, and left out keys whose absence meant a default.
#[test]
fn a_document_of_format_1_is_read() {
    let config = |keys: &str| TrainConfig::preset("textbook").file("run.toml", keys).build();
    let old = r#"
        format = 1
        env = { id = "gym:Walk-v0", python = "python3.12", imports = ["walk"], args = { speed = 2 }, timeout_seconds = 5 }
    "#;
    let gym = config(old).unwrap().env.gym;
    assert_eq!((&*gym.python, &*gym.imports, gym.timeout_seconds), ("python3.12", &["walk".to_owned()][..], 5));
    assert_eq!((gym.kwargs["speed"].as_integer(), gym.environments_per_worker), (Some(2), 1));
    config(&old.replace("format = 1", "")).unwrap();
    let message = config(&old.replace("format = 1", "format = 2")).unwrap_err().to_string();
    assert!(message.starts_with("run.toml: env.python: unknown key: did you mean env.gym.python?"), "{message}");
}

#[test]
fn no_key_is_left_out_because_its_absence_means_a_default() {
    let gym = TrainConfig::preset("dqn").set("env.id", "gym:CartPole-v1").build().unwrap();
    let text = gym.to_toml();
    for line in [
        "max_episode_steps = \"environment\"",
        "reward_scale = 1.0",
        "frame_stack = 1",
        "\n[env.gym]\npython = \"auto\"\nimports = []\nkwargs = {}\ntimeout_seconds = 60\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let dueling = TrainConfig::preset("dueling").set("network.hidden", vec![32, 48]).build().unwrap();
    assert!(dueling.to_toml().contains("dueling_hidden = 48"));
    let json = serde_json::to_value(&gym).unwrap();
    assert_eq!((&json["env"]["gym"]["python"], &json["format"]), (&"auto".into(), &2.into()));
    // What may be absent is off: an interval, a bound, the other of two ways to say a length.
    let off = [
        "env.clip_reward",
        "optimizer.max_grad_norm",
        "training.episodes",
        "training.steps",
        "evaluation.stop_at",
        "evaluation.patience",
    ];
    for (preset, _) in presets::list() {
        let config = TrainConfig::preset(preset).build().unwrap();
        let keys = TrainConfig::keys().into_iter().zip(config.values());
        for (key, _) in keys.filter(|(key, value)| key.applies(&config) && value.is_none()) {
            let is_interval = ["every_episodes", "every_steps"].contains(&key.name);
            assert!(is_interval || off.contains(&key.path().as_str()), "{preset}: {}", key.path());
        }
    }
}

#[test]
fn what_is_missing_in_a_file_is_listed() {
    let missing = TrainConfig::from_toml("part.toml", "[agent]\ngamma = 0.9\n").unwrap_err().to_string();
    assert!(missing.starts_with("part.toml: [env], agent.n_step, agent.target, "), "{missing}");
    let head = TrainConfig::from_toml("part.toml", "[network]\nhead = \"categorical\"\n").unwrap_err().to_string();
    assert!(head.starts_with("part.toml: [env], [agent], ") && !head.contains("reward"), "{head}");
}

#[test]
fn broken_toml_is_located() {
    let parse = |text: &str| TrainConfig::from_toml("run.toml", text).unwrap_err().to_string();
    assert!(parse("[env]\nid = \n").starts_with("run.toml: not valid TOML in line 2"));
    let digits = parse("[training]\nseed = 99999999999999999999\n");
    assert!(digits.starts_with("run.toml: not valid TOML in line 2") && !digits.contains("i64"), "{digits}");
}

#[test]
fn keys_that_differ_are_named() {
    let (one, another) = (config(&[]), config(&["agent.gamma=0.9", "replay.kind=prioritized"]));
    let differences = one.differences(&another);
    let keys: Vec<&str> = differences.iter().filter_map(|difference| Some(difference.split_once(' ')?.0)).collect();
    assert_eq!(keys, ["replay.kind", "replay.alpha", "replay.beta", "replay.eps", "agent.gamma"]);
    assert!(differences[0].starts_with("replay.kind is \"uniform\" there and \"prioritized\" here"), "{differences:?}");
    let mut same = one.clone();
    same.replay.alpha = 0.1;
    assert_eq!(same, one, "a key that does not apply does not count");
}
