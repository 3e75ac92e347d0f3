//! Several environments in one run: each behaves as on its own, steps are counted over all, and the result is
//! deterministic.

mod common;

use common::{layered, results};
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::train::{Event, Trainer};

fn config(assignments: &[&str]) -> TrainConfig {
    let small = ["env.id=CartPole-v1", "network.hidden=[16]", "training.steps=700", "evaluation.episodes=1"];
    layered("textbook", &small, assignments)
}

fn events(config: TrainConfig, path: CpuPath) -> Vec<String> {
    results(&mut Trainer::builder(config).engine(cpu::on(path)).build().unwrap()).collect()
}

/// The returns of all complete episodes of the run.
fn returns(assignments: &[&str]) -> Vec<f64> {
    let random = ["exploration.epsilon=1.0", "training.learning_starts=1000000"];
    let trainer = Trainer::new(config(&[&random[..], assignments].concat())).unwrap();
    let episode = |event| if let Event::Episode(record) = event { Some(record.total_reward) } else { None };
    trainer.filter_map(|event| episode(event.unwrap())).collect()
}

/// The actions of each environment of a run, all of them random.
fn actions(envs: usize, seed: u64) -> Vec<Vec<usize>> {
    let (envs_key, seed) = (format!("training.num_envs={envs}"), format!("training.seed={seed}"));
    let steps = format!("training.steps={}", 64 * envs);
    let random = ["exploration.epsilon=1.0", "training.learning_starts=1000000", &envs_key, &seed, &steps];
    let mut actions = vec![Vec::new(); envs];
    for event in Trainer::new(config(&random)).unwrap() {
        if let Event::Step { env_steps, action, .. } = event.unwrap() {
            actions[(env_steps as usize - 1) % envs].push(action);
        }
    }
    actions
}

#[test]
fn environment_0_of_several_is_what_it_would_be_alone() {
    let alone = returns(&["training.steps=300", "training.seed=4"]);
    let together = returns(&["training.steps=900", "training.seed=4", "training.num_envs=3"]);
    assert!(alone.len() > 5 && alone.iter().all(|episode| together.contains(episode)), "{alone:?} {together:?}");
    assert_eq!(actions(1, 4)[0], actions(3, 4)[0]);
}

#[test]
fn runs_of_neighbouring_seeds_share_no_environment() {
    let all: Vec<Vec<usize>> = [0, 1, 2, 3, u64::MAX >> 1].into_iter().flat_map(|seed| actions(4, seed)).collect();
    let distinct: std::collections::HashSet<&Vec<usize>> = all.iter().collect();
    assert_eq!(distinct.len(), 20);
}

#[test]
fn steps_are_counted_over_all_environments() {
    let several = config(&["training.num_envs=4", "training.learning_starts=100", "training.train_frequency=5"]);
    let (mut steps, mut updates) = (0, Vec::new());
    for event in Trainer::new(several).unwrap() {
        match event.unwrap() {
            Event::Step { env_steps, .. } => {
                steps += 1;
                assert_eq!(env_steps, steps);
            }
            Event::Learn { env_steps, .. } => updates.push(env_steps),
            _ => {}
        }
    }
    assert_eq!(steps, 700);
    assert_eq!(updates, (100..=700).step_by(5).collect::<Vec<u64>>());
}

#[test]
fn several_environments_give_one_result_on_every_path_and_across_a_pause() {
    let several = || config(&["training.num_envs=3", "agent.n_step=3", "training.steps=400"]);
    let expected = events(several(), CpuPath::Scalar);
    for path in CpuPath::available() {
        assert_eq!(events(several(), path), expected, "{}", path.name());
    }
    for cut in [1, 2, 3, 100, 101, 102, 103] {
        let mut interrupted = Trainer::builder(several()).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        let mut all: Vec<String> = results(&mut interrupted).take(cut).collect();
        let state = interrupted.save_state().unwrap();
        let mut continued = Trainer::builder(several()).engine(cpu::on(CpuPath::available()[0])).build().unwrap();
        continued.load_state(&state).unwrap();
        all.extend(results(&mut continued));
        assert_eq!(all, expected, "interrupted after {cut} events");
    }
}

#[test]
fn a_state_of_more_environments_is_refused() {
    let state = Trainer::new(config(&["training.num_envs=3"])).unwrap().save_state().unwrap();
    assert!(Trainer::new(config(&["training.num_envs=2"])).unwrap().load_state(&state).is_err());
}
