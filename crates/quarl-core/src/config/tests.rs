//! What a user may say, and what the answer is.

use super::{ConfigBuilder, Head, ReplayKind, TargetNetworkKind, TrainConfig, errors, presets};
use crate::schedule::{Changing, Schedule};

fn textbook(assignments: &[&str]) -> ConfigBuilder {
    TrainConfig::preset("textbook").assign_all(assignments)
}

fn config(assignments: &[&str]) -> TrainConfig {
    textbook(assignments).build().unwrap()
}

fn message(assignments: &[&str]) -> String {
    textbook(assignments).build().unwrap_err().to_string()
}

#[track_caller]
fn refused(assignments: &[&str], expected: &str) {
    let message = message(assignments);
    assert!(message.starts_with(expected), "{assignments:?}: {message}");
}

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

#[test]
fn mistakes_are_named_with_the_nearest_right_name() {
    for (assignment, expected) in [
        ("agent.gama=0.9", "agent.gama: unknown key: did you mean gamma? known: gamma, n_step"),
        ("agnet.gamma=0.9", "[agnet]: unknown section: did you mean agent?"),
        ("gamma=0.9", "gamma: expected section.key=value, such as agent.gamma=0.99; did you mean agent.gamma?"),
        ("agent.gamma", "agent.gamma: expected section.key=value"),
        ("env.python=python3", "env.python: unknown key: did you mean env.gym.python?"),
        ("env.gym.pyton=python3", "env.gym.pyton: unknown key: did you mean python?"),
        ("env.gym=3", "env.gym: this is a section: write [env.gym], then its keys"),
        (
            "agent.target=dubble",
            "agent.target: \"dubble\" is not one of max, double, clipped_double, munchausen: did you mean double?",
        ),
        ("optimizer.kind=Adam", "optimizer.kind: \"Adam\" is not one of adam, rmsprop, sgd: did you mean adam?"),
        ("agent.target=3", "agent.target: 3 is not one of max, double, clipped_double, munchausen"),
    ] {
        refused(&[assignment], expected);
    }
}

#[test]
fn a_value_of_the_wrong_type_or_range_is_answered_in_the_users_terms() {
    for (assignment, expected) in [
        ("agent.batch_size=-5", "agent.batch_size: -5 is not a whole number of at least 1"),
        ("agent.batch_size=1.5", "agent.batch_size: 1.5 is not a whole number of at least 1"),
        ("agent.batch_size=0", "agent.batch_size: 0 is not a whole number of at least 1"),
        ("agent.batch_size=many", "agent.batch_size: \"many\" is not a whole number"),
        (
            "replay.capacity=99999999999999999999",
            "replay.capacity: 99999999999999999999 is beyond the largest whole number",
        ),
        ("replay.capacity=0", "replay.capacity: 0 is not a whole number from 1 to 4294967295"),
        ("agent.gamma=high", "agent.gamma: \"high\" is not a number from 0 to 1"),
        ("agent.gamma=2", "agent.gamma: 2 is not a number from 0 to 1"),
        ("agent.gamma=nan", "agent.gamma: nan is not a number from 0 to 1"),
        ("network.dueling=yes", "network.dueling: \"yes\" is not true or false"),
        ("network.hidden=64", "network.hidden: 64 is not a list of whole numbers from 1 to 65536"),
        ("network.hidden=[64, 0]", "network.hidden: [64, 0] is not a list of whole numbers from 1 to 65536"),
        ("network.hidden=[64.5]", "network.hidden: [64.5] is not a list"),
        ("env.id=3", "env.id: 3 is not a text"),
        ("env.gym.imports=ale_py", "env.gym.imports: \"ale_py\" is not a list of texts"),
        ("env.gym.imports=[1]", "env.gym.imports: [1] is not a list of texts"),
        ("env.gym.kwargs=3", "env.gym.kwargs: 3 is not a table"),
        ("env.frame_stack=0", "env.frame_stack: 0 is not a whole number from 1 to 1024"),
        (
            "env.max_episode_steps=5000000000",
            "env.max_episode_steps: 5000000000 is not a whole number from 0 to 4294967295",
        ),
        (
            "evaluation.max_episode_steps=0",
            "evaluation.max_episode_steps: 0 is not a whole number of at least 1, or \"environment\" for the",
        ),
        (
            "env.max_episode_steps=none",
            "env.max_episode_steps: \"none\" is not a whole number of at least 1, or \"environment\" for the",
        ),
        ("env.clip_reward=[1.0, -1.0]", "env.clip_reward: [1.0, -1.0] is not two numbers, the smaller one first"),
        ("env.clip_reward=1", "env.clip_reward: 1 is not two numbers"),
        ("env.reward_scale=0", "env.reward_scale: 0 is not a number other than 0"),
        ("target_network.tau=0", "target_network.tau: 0 is not a number above 0 and at most 1"),
        ("target_network.every_steps=0", "target_network.every_steps: 0 is not a whole number of at least 1"),
        ("optimizer.beta2=1", "optimizer.beta2: 1 is not a number from 0 to below 1"),
        ("optimizer.lr=-1", "optimizer.lr: -1 is not a number of at least 0"),
        ("training.num_envs=0", "training.num_envs: 0 is not a whole number from 1 to 1024"),
        ("agent=3", "agent: expected section.key=value"),
    ] {
        refused(&[assignment], expected);
    }
}

#[test]
fn schedules_are_read_key_by_key() {
    let linear = r#"exploration.epsilon={ kind = "linear", from = 1, to = 0.1, steps = 100 }"#;
    assert_eq!(config(&[linear]).exploration.at(50).epsilon(), 0.55);
    assert_eq!(config(&["exploration.epsilon=0"]).exploration.at(50).epsilon(), 0.0);
    for (schedule, expected) in [
        ("much", "exploration.epsilon: \"much\" is not a number from 0 to 1, or a schedule"),
        (
            r#"{ kind = "liner" }"#,
            "exploration.epsilon.kind: \"liner\" is not one of linear, exponential: did you mean linear?",
        ),
        (r#"{ kind = 3 }"#, "exploration.epsilon.kind: 3 is not a text"),
        (r#"{ from = 1.0 }"#, "exploration.epsilon.kind: not given"),
        (r#"{ knd = "linear" }"#, "exploration.epsilon.knd: unknown key: did you mean kind?"),
        (r#"{ kind = "linear", from = 1.0, to = 0.1 }"#, "exploration.epsilon.steps: not given"),
        (
            r#"{ kind = "linear", from = 1.0, too = 0.1, steps = 3 }"#,
            "exploration.epsilon.too: unknown key: did you mean to?",
        ),
        (r#"{ kind = "linear", from = 1.0, to = 0.1, half_life = 3 }"#, "exploration.epsilon.half_life: unknown key"),
        (r#"{ kind = "linear", from = nan, to = 0.1, steps = 3 }"#, "exploration.epsilon.from: nan is not a number"),
        (r#"{ kind = "linear", from = 1.0, to = nan, steps = 3 }"#, "exploration.epsilon.to: nan is not a number"),
        (r#"{ kind = "linear", from = 1.0, to = inf, steps = 3 }"#, "exploration.epsilon.to: inf is not a number"),
        (
            r#"{ kind = "linear", from = 2.0, to = 0.1, steps = 3 }"#,
            "exploration.epsilon.from: 2.0 is not a number from 0",
        ),
        (r#"{ kind = "linear", from = "a", to = 0.1, steps = 3 }"#, "exploration.epsilon.from: \"a\" is not a number"),
        (
            r#"{ kind = "linear", from = 1.0, to = 0.1, steps = -3 }"#,
            "exploration.epsilon.steps: -3 is not a whole number",
        ),
        (
            r#"{ kind = "exponential", from = 1.0, to = 0.1, half_life = 0 }"#,
            "exploration.epsilon.half_life: 0 is not a",
        ),
    ] {
        refused(&[&format!("exploration.epsilon={schedule}")], expected);
    }
}

#[test]
fn a_fraction_is_a_share_of_the_budget_in_steps() {
    let linear = r#"exploration.epsilon={ kind = "linear", from = 1.0, to = 0.0, fraction = 0.2 }"#;
    let schedule = config(&["training.steps=1000", linear]).exploration;
    assert_eq!([0, 100, 200, 1000].map(|step| schedule.at(step).epsilon()), [1.0, 0.5, 0.0, 0.0]);
    refused(
        &[linear, "training.episodes=300"],
        "exploration.epsilon.fraction: 0.2 is a fraction of the run's length in environment steps, but training.steps is not \
         set: set it instead of training.episodes, or give the schedule steps instead of a fraction",
    );
    let both = r#"optimizer.lr={ kind = "linear", from = 1.0, to = 0.0, fraction = 0.2, steps = 3 }"#;
    refused(&[both, "training.steps=10"], "optimizer.lr.fraction: steps and fraction are both given");
    let large = r#"optimizer.lr={ kind = "linear", from = 1.0, to = 0.0, fraction = 20 }"#;
    refused(&[large, "training.steps=10"], "optimizer.lr.fraction: 20 is not a number from 0 to 1");
}

/// Every number of every section, in configurations in which it applies.
#[test]
fn numbers_that_single_precision_cannot_hold_are_refused_wherever_they_stand() {
    let switches: [&[&str]; 6] = [
        &["replay.kind=prioritized", "agent.target=munchausen", "network.noisy=true"],
        &["network.head=categorical", "network.v_min=-1", "network.v_max=1"],
        &["optimizer.kind=rmsprop"],
        &["optimizer.kind=sgd"],
        &["target_network.kind=soft", "target_network.tau=0.5"],
        &["exploration.kind=softmax"],
    ];
    let mut checked = std::collections::BTreeSet::new();
    for switches in switches {
        let config = config(switches);
        for key in TrainConfig::keys().iter().filter(|key| key.applies(&config) && key.expected().contains("number")) {
            let is_whole = key.expected().contains("whole");
            let text = |number: &str| match key.path().as_str() {
                "env.clip_reward" => format!("[{number}, 3.0]"),
                "network.hidden" => format!("[{number}]"),
                _ => number.to_owned(),
            };
            for number in ["nan", "inf", "-inf", "1e-300", "1e300", "1e-42"] {
                let path = key.path();
                let builder = textbook(&[switches, &[&*format!("{path}={}", text(number))]].concat());
                let error = builder.build().map(|_| ()).unwrap_err().to_string();
                assert!(error.starts_with(&path), "{path} = {number}: {error}");
            }
            checked.insert((key.path(), is_whole));
        }
    }
    let numbers = checked.iter().filter(|(_, is_whole)| !is_whole).count();
    assert!(numbers >= 20, "{numbers}: {checked:?}");
}

#[test]
fn numbers_that_become_equal_or_an_end_of_their_range_in_single_precision_are_refused() {
    let support = |v_min: &str, v_max: &str| {
        message(&["network.head=categorical", &format!("network.v_min={v_min}"), &format!("network.v_max={v_max}")])
    };
    assert!(support("1.0", "1.0").starts_with("network.v_max: 1.0 is not above network.v_min = 1.0"));
    assert!(support("1.0", "1.00000000001").starts_with("network.v_max: 1.00000000001 is too near"));
    assert!(support("1e8", "1.00000016e8").starts_with("network.v_max: 100000016.0 is too near"));
    refused(&["agent.gamma=0.99999999999"], "agent.gamma: 0.99999999999 becomes 1.0 in single precision");
    refused(&["optimizer.beta2=0.99999999999"], "optimizer.beta2: 0.99999999999 becomes 1.0 in single precision");
    refused(&["env.clip_reward=[1.0, 1.00000000001]"], "env.clip_reward: 1.0 and 1.00000000001 are equal in single");
    // Changed in a program, values are checked as well.
    let mut changed = config(&[]);
    changed.exploration.epsilon = Schedule::Changing(Changing::Linear { from: f64::NAN, to: 0.0, steps: 3 });
    assert!(changed.validate().unwrap_err().to_string().starts_with("exploration.epsilon.from: nan"));
}

#[test]
fn values_that_contradict_each_other_are_refused_with_the_reason() {
    refused(
        &["replay.capacity=16"],
        "agent.batch_size: 32 is larger than replay.capacity = 16: a batch cannot be larger than the buffer",
    );
    refused(
        &["target_network.kind=soft"],
        "target_network.tau: needed, because target_network.kind = \"soft\": set it, such as 0.005",
    );
    refused(
        &["target_network.kind=soft", "target_network.tau=1"],
        "target_network.tau: 1 would copy: soft updates need",
    );
    refused(&["exploration.kind=noisy"], "exploration.kind: \"noisy\" needs a noisy network");
    refused(&["optimizer.kind=sgd", "optimizer.nesterov=true"], "optimizer.nesterov: true needs optimizer.momentum");
    refused(&["agent.target=munchausen", "agent.n_step=3"], "agent.target: \"munchausen\" needs agent.n_step = 1");
}

#[test]
fn a_run_that_would_learn_nothing_is_warned_of() {
    let warnings = |assignments: &[&str]| config(assignments).warnings();
    assert!(warnings(&["training.steps=100", "training.learning_starts=100"])[0].contains("nothing is learnt"));
    assert!(warnings(&["training.steps=20"])[0].contains("agent.batch_size = 32"));
    assert!(warnings(&["training.steps=101", "training.learning_starts=100"]).is_empty());
    assert!(warnings(&[]).is_empty());
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

#[test]
fn the_names_of_stable_baselines3_are_answered_with_the_key() {
    let message = message(&["agent.buffer_size=1000"]);
    assert!(message.contains("agent.buffer_size: unknown key: did you mean replay.capacity?"), "{message}");
    let Err(error) = super::reference::find("train_freq") else { panic!("there is no such key") };
    assert!(error.to_string().contains("did you mean training.train_frequency?"), "{error}");
    let keys: Vec<String> = TrainConfig::keys().iter().map(|key| key.path()).collect();
    let named = include_str!("../../../../docs/from-sb3.md").split('`').filter_map(errors::key_of_stable_baselines3);
    assert!(named.clone().count() > 8 && named.clone().all(|key| keys.contains(&key.to_owned())));
}
