//! The default support of a categorical head.

use super::{config, message};
use crate::config::{Head, TrainConfig, presets};

#[test]
fn the_support_of_a_task_whose_rewards_are_known_follows_from_them() {
    let support =
        |assignments: &[&str]| match config(&[&["network.head=categorical"], assignments].concat()).network.head {
            Head::Categorical { v_min, v_max, .. } => (v_min, v_max),
            head => panic!("{head:?}"),
        };
    assert_eq!(support(&[]), (0.0, 50.0), "the discount factor is 0.98");
    assert_eq!(support(&["agent.gamma=1"]), (0.0, 200.0), "an episode has at most 200 steps");
    assert_eq!(support(&["agent.gamma=0.99", "env.id=MountainCar-v0"]), (-100.0, 0.0));
    assert_eq!(support(&["env.reward_scale=-2"]), (-100.0, 0.0));
    assert_eq!(support(&["env.reward_scale=4", "env.clip_reward=[-1, 2]"]), (0.0, 100.0));
}

#[test]
fn the_rewards_that_a_support_is_chosen_for_are_those_that_the_environment_pays() {
    for id in crate::env::ids() {
        let [low, high] = crate::env::known_rewards(id).unwrap().range;
        let mut env = crate::env::make(id).unwrap();
        let mut observation = vec![0.0; env.spec().observation_space.len()];
        let actions = env.spec().action_space.n;
        let mut paid = [f64::INFINITY, f64::NEG_INFINITY];
        for episode in 0..20 {
            env.reset(Some(episode), &mut observation).unwrap();
            for step in 0.. {
                let outcome = env.step((step / 7 + episode as usize) % actions, &mut observation).unwrap();
                paid = [paid[0].min(outcome.reward), paid[1].max(outcome.reward)];
                if outcome.end.is_some() {
                    break;
                }
            }
        }
        assert!(low <= paid[0] && paid[1] <= high, "{id}: {paid:?} is not within {low} to {high}");
        assert_eq!(paid[0], low, "{id}");
    }
}

#[test]
fn a_support_is_asked_for_where_arguments_can_change_the_rewards() {
    let with = |kwargs: toml::Table| {
        TrainConfig::preset("c51").set("env.id", "gym:CartPole-v1").set("env.gym.kwargs", kwargs).build()
    };
    assert!(with(toml::Table::new()).is_ok());
    let argument = toml::Table::from_iter([("sutton_barto_reward".to_owned(), true.into())]);
    let message = with(argument).unwrap_err().to_string();
    assert!(message.starts_with("network.v_min: needed"), "{message}");
}

#[test]
fn a_template_for_an_environment_that_nothing_is_known_of_says_what_to_fill_in() {
    let text = presets::text("c51", Some("gym:LunarLander-v3")).unwrap();
    assert!(text.contains("\n# v_min =\n") && text.contains("\n# v_max =\n"), "{text}");
    assert!(text.contains("smallest reward times 100"), "{text}");
    let error = |text: &str| TrainConfig::from_toml("c51.toml", text).unwrap_err().to_string();
    assert!(error(&text).starts_with("c51.toml: network.v_min: needed"), "{}", error(&text));
    let filled = text.replace("# v_min =", "v_min = -300").replace("# v_max =", "v_max = 300");
    assert_eq!(TrainConfig::from_toml("c51.toml", &filled).unwrap().env.id, "gym:LunarLander-v3");
}

#[test]
fn a_categorical_head_needs_a_support_where_none_is_known() {
    for preset in ["c51", "rainbow"] {
        let support = |env: &str| {
            TrainConfig::preset(preset).set("env.id", env).build().map(|config| match config.network.head {
                Head::Categorical { v_min, v_max, .. } => (v_min, v_max),
                head => panic!("{head:?}"),
            })
        };
        for env in ["CartPole-v0", "CartPole-v1", "gym:CartPole-v1"] {
            assert_eq!(support(env).unwrap(), (0.0, 100.0), "{preset} {env}");
        }
        for env in ["MountainCar-v0", "Acrobot-v1", "gym:MountainCar-v0", "gym:Acrobot-v1"] {
            assert_eq!(support(env).unwrap(), (-100.0, 0.0), "{preset} {env}");
        }
        let advice = support("gym:LunarLander-v3").unwrap_err().to_string();
        assert!(
            advice.starts_with("network.v_min: needed") && advice.contains("times 100 (1 / (1 - agent.gamma))"),
            "{advice}"
        );
        let builder = TrainConfig::preset(preset).set("env.id", "gym:LunarLander-v3");
        builder.set("network.v_min", -300.0).set("network.v_max", 300.0).build().unwrap();
    }
    let advice = message(&["network.head=categorical", "network.v_max=1", "env.id=gym:LunarLander-v3"]);
    assert!(advice.starts_with("network.v_min: needed") && advice.contains("times 50 "), "{advice}");
}
