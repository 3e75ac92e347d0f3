use super::*;
use crate::config::TrainConfig;
use crate::env;

fn config(preset: &str, assignments: &[&str]) -> TrainConfig {
    TrainConfig::preset(preset).assign_all(assignments).build().unwrap()
}

fn spec(config: &TrainConfig) -> EnvironmentSpec {
    env::make(&config.env.id).unwrap().spec().clone()
}

fn bytes(config: &TrainConfig, name: &str) -> u64 {
    requirements(config, &spec(config)).iter().find(|part| part.name.contains(name)).unwrap().bytes
}

#[test]
fn sizes_by_hand() {
    let textbook = config("textbook", &[]);
    // CartPole: 4 numbers an observation; action, reward and discount.
    assert_eq!(bytes(&textbook, "replay buffer"), 10_000 * (2 * 4 * 4 + 3 * 4));
    // 4-128-128-2, in vectors of 16; online, target, gradients, best, one copy; two moments.
    let parameters: u64 = 5 * 128 + 129 * 128 + 129 * 2_u64;
    let padded = parameters.next_multiple_of(16);
    assert_eq!(bytes(&textbook, "parameters"), 5 * padded * 4);
    assert_eq!(bytes(&textbook, "moments"), 2 * padded * 4);
    assert_eq!(bytes(&textbook, "priorities"), 0);
    assert_eq!(bytes(&config("textbook", &["agent.n_step=3"]), "n-step"), 3 * (4 * 4 + 8 + 16));
    // 100 weights are 13 nodes of 8, their sums 2 nodes, the root 1.
    let prioritized = config("textbook", &["replay.kind=prioritized", "replay.capacity=100"]);
    assert_eq!(bytes(&prioritized, "priorities"), (13 + 2 + 1) * 64);
}

#[test]
fn what_does_not_fit_is_refused_with_its_largest_part_and_the_key_to_lower() {
    let gigabyte = 1 << 30;
    for (assignments, expected) in [
        (&["replay.capacity=4000000000"][..], "replay.capacity: the run needs"),
        (&["replay.kind=prioritized", "replay.capacity=1000000000"], "replay.capacity: "),
        (&["network.hidden=[65536, 65536]"], "network.hidden: "),
        (&["agent.batch_size=4000000", "replay.capacity=4000000"], "agent.batch_size: "),
        (
            &[
                "agent.batch_size=256",
                "network.head=implicit",
                "network.quantiles=4096",
                "network.acting_quantiles=4096",
            ],
            "network.quantiles: ",
        ),
    ] {
        let config = config("textbook", assignments);
        let error = check_within(gigabyte, &config, &spec(&config), 1).unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.contains("1.0 GiB is available"), "{assignments:?}: {error}");
    }
    let hopeless =
        ["agent.batch_size=4294967295", "replay.capacity=4294967295", "network.hidden=[65536, 65536, 65536]"];
    let hopeless = config("textbook", &hopeless);
    assert!(check_within(u64::MAX / 4096, &hopeless, &spec(&hopeless), 1).is_err(), "without an overflow");

    let textbook = config("textbook", &[]);
    check_within(16 << 20, &textbook, &spec(&textbook), 1).unwrap();
    let error = check_within(16 << 20, &textbook, &spec(&textbook), 64).unwrap_err().to_string();
    assert!(error.contains("64 runs at a time need") && error.contains("or run fewer at a time"), "{error}");
}
