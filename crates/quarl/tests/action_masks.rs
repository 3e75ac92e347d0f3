//! Action masks: a forbidden action is never taken and never bootstrapped from.

mod common;

use common::layered;
use quarl::agent::Agent;
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env::EnvironmentSpec;
use quarl::exploration::{Exploration, Explorer};
use quarl::space::{BoxSpace, Discrete};
use quarl::transition::Transition;

fn config(assignments: &[&str]) -> TrainConfig {
    let small =
        ["network.hidden=[]", "replay.capacity=8", "agent.batch_size=1", "agent.gamma=1.0", "optimizer.lr=1e-2"];
    layered("textbook", &small, assignments)
}

fn agent(assignments: &[&str], has_action_mask: bool) -> Agent {
    let spec = EnvironmentSpec {
        id: "Masked".to_owned(),
        observation_space: BoxSpace::vector(vec![0.0], vec![1.0]),
        action_space: Discrete { n: 3 },
        max_episode_steps: None,
        reward_threshold: None,
        render_fps: 1,
        has_action_mask,
    };
    Agent::with_engine(&config(assignments), &spec, 0, cpu::on(CpuPath::available()[0])).unwrap()
}

/// The TD error of one update on one transition whose next observation has the action mask `mask`.
fn td_error(assignments: &[&str], mask: Option<&[bool]>, discount: f32) -> f32 {
    let mut agent = agent(assignments, mask.is_some());
    // So large a reward that the error is above 0.
    agent
        .observe(Transition { obs: &[0.0], action: 0, reward: 10.0, discount, next_obs: &[1.0], next_mask: mask })
        .unwrap();
    agent.learn(1).unwrap();
    agent.td_errors()[0]
}

#[test]
fn the_bootstrap_is_the_best_of_what_is_allowed() {
    for target in ["agent.target=max", "agent.target=double"] {
        // With a single allowed action, its value is the bootstrap, for both max and double.
        let single = [0, 1, 2].map(|only| td_error(&[target], Some(&[0, 1, 2].map(|a| a == only)), 1.0));
        assert!(single[0] != single[1] && single[1] != single[2], "{single:?}");
        let all = td_error(&[target], None, 1.0);
        assert_eq!(
            td_error(&[target], Some(&[true; 3]), 1.0),
            all,
            "{target}: a mask that allows everything is no mask"
        );
        let best = [0, 1, 2].into_iter().find(|a| single[*a] == all).expect("one action is the best");
        let without = td_error(&[target], Some(&[0, 1, 2].map(|a| a != best)), 1.0);
        let others: Vec<f32> = (0..3).filter(|a| *a != best).map(|a| single[a]).collect();
        assert!(others.contains(&without), "{target}: {without} of {others:?}");
    }
    // For max, the bootstrap is the larger value of the other actions.
    let single = [0, 1, 2].map(|only| td_error(&[], Some(&[0, 1, 2].map(|a| a == only)), 1.0));
    for forbidden in 0..3 {
        let expected = (0..3).filter(|a| *a != forbidden).map(|a| single[a]).fold(f32::MIN, f32::max);
        assert_eq!(td_error(&[], Some(&[0, 1, 2].map(|a| a != forbidden)), 1.0), expected);
    }
}

#[test]
fn where_nothing_follows_the_mask_does_not_matter() {
    assert_eq!(td_error(&[], Some(&[false; 3]), 0.0), td_error(&[], None, 0.0));
}

#[test]
fn forbidden_actions_are_not_taken_at_any_epsilon() {
    let mut agent = agent(&[], true);
    let mut explorer = Explorer::new(0, 0);
    for epsilon in [0.0, 0.5, 1.0] {
        for allowed in 0..3 {
            let mask = [0, 1, 2].map(|a| a == allowed);
            assert!(
                (0..50).all(|_| agent
                    .act(&[0.5], Some(&mask), Exploration::EpsilonGreedy(epsilon), &mut explorer)
                    .unwrap()
                    == allowed)
            );
        }
    }
}

#[test]
fn masks_survive_saving_and_a_maskless_agents_state_is_refused() {
    let mut masked = agent(&[], true);
    let transition = Transition {
        obs: &[0.0],
        action: 0,
        reward: 0.0,
        discount: 1.0,
        next_obs: &[1.0],
        next_mask: Some(&[false, true, false]),
    };
    masked.observe(transition).unwrap();
    let mut restored = agent(&[], true);
    restored.set_state(masked.state().into_owned()).unwrap();
    masked.learn(1).unwrap();
    restored.learn(1).unwrap();
    assert_eq!(masked.td_errors(), restored.td_errors());
    assert!(restored.set_state(agent(&[], false).state().into_owned()).is_err());
}
