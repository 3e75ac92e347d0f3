//! Training allocates nothing per step. This test has its own file, because it counts the allocations of the whole process.

#[path = "common/allocator.rs"]
mod allocator;
mod common;

use common::layered;
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::exploration::Exploration;
use quarl::train::{Event, Trainer};

fn config(env: &str, assignments: &[&str]) -> TrainConfig {
    let id = format!("env.id={env}");
    let no_evaluation = [&*id, "training.steps=1000000", "evaluation.every_steps=1000000", "network.hidden=[32, 20]"];
    layered("textbook", &no_evaluation, assignments)
}

/// The number of allocations in the steps from `warm_up` to `warm_up + steps`, and the numbers of updates and finished
/// episodes among them.
fn allocations(config: TrainConfig, warm_up: usize, steps: usize) -> (usize, usize, usize) {
    let mut trainer = Trainer::builder(config).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
    while trainer.env_steps() < warm_up as u64 {
        trainer.next().unwrap().unwrap();
    }
    let (mut updates, mut episodes) = (0, 0);
    let before = allocator::calls();
    while trainer.env_steps() < (warm_up + steps) as u64 {
        match trainer.next().unwrap().unwrap() {
            Event::Learn { .. } => updates += 1,
            Event::Episode(_) => episodes += 1,
            Event::Step { .. } => {}
            event => panic!("{event:?} is not due"),
        }
    }
    (allocator::calls() - before, updates, episodes)
}

// A single test, because other tests of the same process would allocate too.
#[test]
fn a_step_of_training_allocates_nothing() {
    let everything = [
        "replay.capacity=300",
        "agent.n_step=4",
        "agent.target=double",
        "agent.loss=huber",
        "target_network.every_steps=5",
        "target_network.tau=0.1",
        "optimizer.max_grad_norm=1.0",
        "training.gradient_steps=3",
        "exploration.epsilon={ kind = \"exponential\", from = 1.0, to = 0.1, half_life = 50 }",
    ];
    let wrapped = ["env.clip_reward=[-0.5, 0.5]", "env.frame_stack=2", "env.normalize_observation=true"];
    for env in ["CartPole-v0", "Acrobot-v1", "MountainCar-v0"] {
        for assignments in [&[][..], &everything[..], &wrapped[..]] {
            let (allocations, updates, episodes) = allocations(config(env, assignments), 600, 1500);
            assert_eq!(allocations, 0, "{env} with {assignments:?}");
            assert!(updates >= 1500 && episodes >= 2, "{env}: {updates} updates, {episodes} episodes");
        }
    }
    acting_with_a_policy_allocates_nothing();
}

fn acting_with_a_policy_allocates_nothing() {
    let heads = [
        &[][..],
        &["network.head=implicit", "network.dueling=true", "network.layer_norm=true"],
        &["network.head=categorical", "network.v_min=0", "network.v_max=50", "network.noisy=true"],
        &["network.head=quantile", "network.weight_norm=true", "env.normalize_observation=true"],
    ];
    for assignments in heads {
        let mut policy = Trainer::new(config("CartPole-v0", assignments)).unwrap().agent().policy().unwrap();
        let before = allocator::calls();
        for i in 0..100 {
            let observation = [0.01 * i as f32, 0.0, 0.1, -0.2];
            policy.act(&observation, Some(&[true, i % 2 == 0])).unwrap();
            policy.probabilities(&observation, None, Exploration::EpsilonGreedy(0.1)).unwrap();
        }
        assert_eq!(allocator::calls() - before, 0, "{assignments:?}");
    }
}
