//! Values that are refused, and the messages.

use super::{config, message, refused, textbook};
use crate::config::{TrainConfig, errors, reference};
use crate::schedule::{Changing, Schedule};

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
fn the_names_of_stable_baselines3_are_answered_with_the_key() {
    let message = message(&["agent.buffer_size=1000"]);
    assert!(message.contains("agent.buffer_size: unknown key: did you mean replay.capacity?"), "{message}");
    let Err(error) = reference::find("train_freq") else { panic!("there is no such key") };
    assert!(error.to_string().contains("did you mean training.train_frequency?"), "{error}");
    let keys: Vec<String> = TrainConfig::keys().iter().map(|key| key.path()).collect();
    let named = include_str!("../../../../../docs/from-sb3.md").split('`').filter_map(errors::key_of_stable_baselines3);
    assert!(named.clone().count() > 8 && named.clone().all(|key| keys.contains(&key.to_owned())));
}
