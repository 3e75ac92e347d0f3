//! Layers of settings: presets, files and single keys over each other.

use super::{config, message, refused};
use crate::config::{Head, ReplayKind, TargetNetworkKind, TrainConfig, presets};

#[test]
fn the_order_of_what_is_set_does_not_matter() {
    let all = ["replay.alpha=0.9", "replay.kind=prioritized", "optimizer.momentum=0.5", "optimizer.kind=sgd"];
    let expected = config(&all);
    assert_eq!((expected.replay.alpha, expected.optimizer.momentum), (0.9, 0.5));
    let mut reversed = all;
    reversed.reverse();
    assert_eq!(config(&reversed), expected);
}

#[test]
fn two_values_of_one_key_are_refused_and_the_same_value_twice_is_not() {
    refused(&["agent.gamma=0.5", "agent.gamma=0.6"], "agent.gamma: 0.5 and 0.6 are both given: remove one");
    refused(&["env.id=CartPole-v1", "env.id=CartPole-v0"], "env.id: \"CartPole-v1\" and \"CartPole-v0\" are both");
    assert_eq!(
        config(&["agent.gamma=1", "agent.gamma=1.0", "env.id=CartPole-v0", "env.id=CartPole-v0"]).agent.gamma,
        1.0
    );
}

#[test]
fn a_coefficient_below_1_makes_the_target_network_soft_as_naming_the_kind_does() {
    for (preset, file) in [("textbook", ""), ("dqn", ""), ("dqn", "[target_network]\ntau = 0.5\nevery_steps = 1\n")] {
        let base = TrainConfig::preset(preset).file("target.toml", file);
        let target = |assignments: &[&str]| base.clone().assign_all(assignments).build().unwrap().target_network;
        let soft = target(&["target_network.tau=0.01"]);
        assert_eq!(soft, target(&["target_network.tau=0.01", "target_network.kind=soft"]), "{preset}");
        assert_eq!((soft.kind, soft.tau), (TargetNetworkKind::Soft, 0.01), "{preset}");
        // An interval of a hard target network goes, one of a soft one stays.
        assert_eq!((soft.every_episodes, soft.every_steps), (None, (!file.is_empty()).then_some(1)), "{preset}");
        let at_intervals = target(&["target_network.tau=0.01", "target_network.every_steps=7"]);
        assert_eq!((at_intervals.kind, at_intervals.every_steps), (TargetNetworkKind::Soft, Some(7)), "{preset}");
    }
    refused(&["target_network.tau=1"], "target_network.tau: applies only where target_network.kind = \"soft\"");
    let file = TrainConfig::preset("textbook").file("soft.toml", "[target_network]\ntau = 0.01\n").build().unwrap();
    assert_eq!(file, config(&["target_network.tau=0.01"]));
}

#[test]
fn what_belongs_to_an_environment_does_not_go_to_another_one() {
    let of = |file: &str, assignments: &[&str]| {
        TrainConfig::builder().file("run.toml", file).assign_all(assignments).build().unwrap()
    };
    let support = |config: &TrainConfig| match config.network.head {
        Head::Categorical { v_min, v_max, .. } => (v_min, v_max),
        head => panic!("{head:?}"),
    };
    let c51 = presets::text("c51", None).unwrap();
    assert!(c51.contains("v_max = 100.0"), "{c51}");
    for (to, expected) in
        [("MountainCar-v0", (-100.0, 0.0)), ("gym:Acrobot-v1", (-100.0, 0.0)), ("CartPole-v1", (0.0, 100.0))]
    {
        assert_eq!(support(&of(&c51, &[&format!("env.id={to}")])), expected, "{to}");
    }
    let explicit = ["env.id=MountainCar-v0", "network.v_min=-50"];
    assert_eq!(support(&of(&c51, &explicit)), (-50.0, 0.0));
    let unknown = TrainConfig::builder().file("run.toml", &c51).set("env.id", "gym:LunarLander-v3").build();
    assert!(unknown.unwrap_err().to_string().starts_with("network.v_min: needed"));
    // A file over a preset is a layer over another one, too.
    let over = TrainConfig::preset("c51").file("run.toml", "[env]\nid = \"MountainCar-v0\"\n").build().unwrap();
    assert_eq!(support(&over), (-100.0, 0.0));
    // A file that names no environment says nothing of which one its values are for.
    let nameless = c51.replace("id = \"CartPole-v1\"\n", "").replace("v_max = 100.0", "v_max = 30.0");
    assert_eq!(support(&of(&nameless, &["env.id=MountainCar-v0", "network.v_min=-1"])), (-1.0, 30.0));

    let limited = config(&["evaluation.max_episode_steps=200"]).to_toml();
    let limit = |assignments: &[&str]| of(&limited, assignments).evaluation.max_episode_steps.steps();
    assert_eq!(
        (limit(&[]), limit(&["env.id=CartPole-v0"]), limit(&["env.id=CartPole-v1"])),
        (Some(200), Some(200), None)
    );
    assert_eq!(limit(&["env.id=CartPole-v1", "evaluation.max_episode_steps=50"]), Some(50));
}

#[test]
fn keys_that_do_not_belong_to_the_kind_are_refused_with_the_condition() {
    for (assignments, expected) in [
        (&["replay.alpha=0.5"][..], "replay.alpha: applies only where replay.kind = \"prioritized\""),
        (
            &["optimizer.kind=sgd", "optimizer.beta1=0.5"],
            "optimizer.beta1: applies only where optimizer.kind = \"adam\"",
        ),
        (
            &["target_network.kind=none", "target_network.every_steps=10"],
            "target_network.every_steps: applies only where",
        ),
        (&["target_network.kind=hard", "target_network.tau=0.1"], "target_network.tau: applies only where"),
        (&["exploration.kind=softmax", "exploration.epsilon=0.1"], "exploration.epsilon: applies only where"),
        (&["network.v_min=0"], "network.v_min: applies only where network.head = \"categorical\""),
        (&["agent.munchausen_alpha=0.5"], "agent.munchausen_alpha: applies only where agent.target"),
        (&["env.gym.python=python3"], "env.gym.python: applies only where env.id = \"gym:ID\""),
        (&["replay.kind=none", "agent.batch_size=8"], "agent.batch_size: applies only where replay.kind"),
    ] {
        refused(assignments, expected);
    }
}

#[test]
fn another_kind_takes_the_presets_keys_of_the_old_one_away() {
    for preset in ["textbook", "tuned", "rainbow", "munchausen", "iqn"] {
        for switch in [
            "replay.kind=none",
            "replay.kind=prioritized",
            "replay.kind=uniform",
            "target_network.kind=none",
            "network.head=scalar",
            "network.head=quantile",
            "agent.target=max",
            "optimizer.kind=rmsprop",
            "optimizer.kind=sgd",
            "optimizer.kind=adam",
        ] {
            TrainConfig::preset(preset)
                .assign(switch)
                .build()
                .unwrap_or_else(|error| panic!("{preset} {switch}: {error}"));
        }
    }
    let soft = ["target_network.kind=soft", "target_network.tau=0.1"];
    assert!(config(&soft).target_network.follows_updates(), "the interval was meant for copies");
    let every = config(&["target_network.every_steps=3", soft[0], soft[1]]).target_network.every_steps;
    assert_eq!(every, Some(3), "an interval that the same layer sets is kept");
    assert_eq!(config(&["target_network.kind=hard"]).target_network.every_episodes, Some(20));
    assert_eq!(config(&["target_network.tau=0.1"]).target_network.kind, TargetNetworkKind::Soft);
}

#[test]
fn two_alternatives_of_one_layer_are_refused_and_an_upper_layer_replaces_a_lower_one() {
    let both = message(&["training.episodes=5", "training.steps=10"]);
    assert!(both.contains("training.episodes") && both.contains("training.steps"), "{both}");
    assert_eq!(message(&["training.steps=10", "training.episodes=5"]), both);
    let file = "[training]\nepisodes = 5\nsteps = 10\n";
    let both = TrainConfig::preset("textbook").file("run.toml", file).build().unwrap_err().to_string();
    assert!(both.starts_with("run.toml: training.episodes: training.steps is given, too"), "{both}");

    let replaced = config(&["target_network.every_steps=100", "training.steps=5000"]);
    assert_eq!((replaced.target_network.every_episodes, replaced.target_network.every_steps), (None, Some(100)));
    assert_eq!((replaced.training.episodes, replaced.training.steps), (None, Some(5000)));
    let over_file = TrainConfig::preset("textbook").file("run.toml", "[training]\nsteps = 10\n");
    let training = over_file.set("training.episodes", 7).build().unwrap().training;
    assert_eq!((training.episodes, training.steps), (Some(7), None));
}

#[test]
fn an_upper_layers_kind_takes_a_files_keys_of_the_old_kind_away_but_not_its_contradictions() {
    let file = "[replay]\nkind = \"prioritized\"\nalpha = 0.3\n";
    let over = |assignment: &str| TrainConfig::preset("textbook").file("mine.toml", file).assign(assignment).build();
    assert_eq!(over("agent.gamma=0.9").unwrap().replay.alpha, 0.3);
    assert_eq!(over("replay.kind=uniform").unwrap().replay.kind, ReplayKind::Uniform);
    let wrong = TrainConfig::preset("textbook").file("mine.toml", "[replay]\nalpha = 0.3\n");
    let message = wrong.build().unwrap_err().to_string();
    assert!(message.starts_with("mine.toml: replay.alpha: applies only where"), "{message}");
}
