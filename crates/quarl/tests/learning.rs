//! Agents learn: values that can be computed by hand, and a task within its budget of episodes.

mod common;

use common::{layered, textbook};
use quarl::Error;
use quarl::accumulator::{Accumulator, Next};
use quarl::agent::Agent;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env::{End, EnvironmentSpec};
use quarl::exploration::{Exploration, Explorer};
use quarl::rng::Rng;
use quarl::space::{BoxSpace, Discrete};
use quarl::train::{Event, Trainer};

/// A corridor of four rooms: action 1 moves right, action 0 left (the wall stops it). Leaving the last room to the right
/// gives reward 1 and terminates; every other reward is 0. The observation is one-hot: one number for each room.
struct Corridor {
    room: usize,
}

impl Corridor {
    const ROOMS: usize = 4;

    fn spec() -> EnvironmentSpec {
        EnvironmentSpec {
            id: "Corridor".to_owned(),
            observation_space: BoxSpace::vector(vec![0.0; Self::ROOMS], vec![1.0; Self::ROOMS]),
            action_space: Discrete { n: 2 },
            max_episode_steps: None,
            reward_threshold: None,
            render_fps: 1,
            has_action_mask: false,
        }
    }

    fn seen(room: usize) -> [f32; Self::ROOMS] {
        std::array::from_fn(|i| f32::from(u8::from(i == room)))
    }

    fn step(&mut self, action: usize) -> (f64, Option<End>) {
        match (action, self.room) {
            (1, 3) => return (1.0, Some(End::Terminated)),
            (1, _) => self.room += 1,
            (_, room) => self.room = room.saturating_sub(1),
        }
        (0.0, None)
    }

    /// The optimal value of each action: gamma^(3 - s) for moving right in room s; moving left costs one step more than the
    /// room that it leads to.
    fn best_values(gamma: f64, room: usize) -> [f64; 2] {
        let right = |room: usize| gamma.powi(3 - room as i32);
        [gamma * right(room.saturating_sub(1)), right(room)]
    }
}

/// Lets an agent act randomly in the corridor and learn after each step; returns its Q-values, `[room][action]`.
fn values_learnt_in_the_corridor(assignments: &[&str]) -> Vec<[f64; 2]> {
    let corridor = [
        "replay.capacity=500",
        "target_network.initial=online",
        "agent.gamma=0.8",
        "optimizer.lr={ kind = \"linear\", from = 1e-2, to = 0.0, steps = 6000 }",
        "network.hidden=[]",
    ];
    let config = layered("textbook", &corridor, assignments);
    let mut agent = Agent::with_engine(&config, &Corridor::spec(), 0, cpu::on(CpuPath::available()[0])).unwrap();
    let mut accumulator = Accumulator::new(config.agent.n_step, config.agent.gamma, Corridor::ROOMS);
    let (mut corridor, mut rng) = (Corridor { room: 0 }, Rng::from_seed(0));
    let mut explorer = Explorer::new(0, 0);
    for step in 1..=6000 {
        let obs = Corridor::seen(corridor.room);
        let action = agent.act(&obs, None, Exploration::EpsilonGreedy(1.0), &mut explorer).unwrap();
        let (reward, end) = corridor.step(action);
        let seen = Corridor::seen(corridor.room);
        let next = Next { obs: &seen, mask: None };
        accumulator.push(&obs, action, reward, next, end, |transition| agent.observe(transition)).unwrap();
        if end.is_some() {
            corridor.room = rng.below(Corridor::ROOMS);
        }
        if agent.replay_len() >= config.agent.batch_size {
            agent.learn(step).unwrap();
        }
        if step % 50 == 0 {
            agent.update_target();
        }
    }
    let mut policy = agent.policy().unwrap();
    (0..Corridor::ROOMS)
        .map(|room| {
            let q = policy.q_values(&Corridor::seen(room)).unwrap();
            [q.get(0, 0), q.get(0, 1)].map(f64::from)
        })
        .collect()
}

#[test]
fn values_converge_to_those_worked_out_by_hand() {
    for assignments in [
        &[][..],
        &["agent.target=double"],
        &["agent.loss=huber"],
        &["network.hidden=[16]"],
        &["network.hidden=[16]", "agent.target=double", "agent.loss=huber", "optimizer.max_grad_norm=1.0"],
        &["network.hidden=[16]", "network.activation=tanh"],
        &["network.hidden=[16]", "network.activation=elu", "network.layer_norm=true"],
        &["network.dueling=true", "network.dueling_hidden=16"],
        &["network.head=categorical", "network.v_min=0", "network.v_max=1"],
        &[
            "network.head=categorical",
            "network.v_min=0",
            "network.v_max=1",
            "network.dueling=true",
            "network.dueling_hidden=16",
            "agent.target=double",
        ],
        &["network.head=quantile", "network.quantiles=8"],
        &["network.head=quantile", "network.quantiles=1", "agent.target=double"],
        &["network.head=implicit", "network.quantiles=8", "network.cosines=8", "network.hidden=[32]"],
    ] {
        for (room, learnt) in values_learnt_in_the_corridor(assignments).into_iter().enumerate() {
            let best = Corridor::best_values(0.8, room);
            for action in 0..2 {
                let error = (learnt[action] - best[action]).abs();
                assert!(error < 0.02, "{assignments:?}: room {room} is worth {learnt:?}, not {best:?}");
            }
        }
    }
}

/// The mean learnt value of MountainCar's transitions.
///
/// Random actions never reach the goal: every episode is 200 rewards of -1, then the time limit. With returns over the rest
/// of the episode, the transition k steps before the end has the value -(1 - gamma^k) / (1 - gamma), plus gamma^k times the
/// value of the final observation where the time limit bootstraps. A linear network is right on average.
fn mean_value_under_a_time_limit(time_limit: &str) -> f64 {
    let config = textbook(&[
        "env.id=MountainCar-v0",
        "network.hidden=[]",
        "agent.n_step=200",
        "agent.gamma=0.99",
        &format!("agent.time_limit={time_limit}"),
        "exploration.epsilon=1.0",
        "optimizer.lr=0.2",
        "target_network.every_steps=100",
        "training.episodes=60",
        "evaluation.every_episodes=1000",
        "evaluation.episodes=1",
    ]);
    let mut mean_q = Vec::new();
    for event in &mut Trainer::new(config).unwrap() {
        if let Event::Episode(episode) = event.unwrap() {
            assert_eq!(episode.length, 200, "nobody should reach the top by chance");
            mean_q.extend(episode.mean_q);
        }
    }
    let last = &mean_q[mean_q.len() - 20..];
    last.iter().sum::<f64>() / 20.0
}

#[test]
fn a_time_limit_bootstraps_or_ends_as_configured() {
    let gamma = 0.99_f64;
    let mean_power = (1..=200).map(|k| gamma.powi(k)).sum::<f64>() / 200.0;
    let ended = -(1.0 - mean_power) / (1.0 - gamma);
    let endless = -1.0 / (1.0 - gamma);
    assert!((ended + 57.2).abs() < 0.1 && (endless + 100.0).abs() < 1e-9);
    let learnt = mean_value_under_a_time_limit("terminal");
    assert!((learnt - ended).abs() < 3.0, "{learnt}, not {ended}");
    let learnt = mean_value_under_a_time_limit("bootstrap");
    assert!((learnt - endless).abs() < 5.0, "{learnt}, not {endless}");
}

#[test]
fn cartpole_is_learnt_within_a_hundred_and_fifty_episodes() {
    for seed in 0..3 {
        let config = textbook(&[
            "network.hidden=[64, 64]",
            "optimizer.lr=1e-3",
            "training.episodes=150",
            "evaluation.every_episodes=10",
            &format!("training.seed={seed}"),
        ]);
        let (mut first, mut best) = (Vec::new(), 0.0_f64);
        for event in &mut Trainer::new(config).unwrap() {
            match event.unwrap() {
                Event::Episode(episode) if episode.episode < 10 => first.push(episode.total_reward),
                Event::Evaluation(evaluation) => best = best.max(evaluation.mean_return),
                _ => {}
            }
        }
        assert!(first.iter().sum::<f64>() / 10.0 < 50.0, "seed {seed} began too well: {first:?}");
        assert!(best >= 150.0, "seed {seed}: the best evaluation was {best}");
    }
}

#[test]
fn a_run_that_diverges_stops_with_an_error_that_names_the_step() {
    for assignments in [
        &["optimizer.lr=1e30"][..],
        &["optimizer.lr=1e38"],
        &["optimizer.lr=1e38", "agent.loss=huber"],
        &["optimizer.lr=1e38", "agent.target=double", "optimizer.max_grad_norm=1.0"],
        &["optimizer.lr=1e38", "network.hidden=[]"],
    ] {
        let short = ["network.hidden=[8]", "training.episodes=30", "evaluation.episodes=1"];
        for path in CpuPath::available() {
            let mut trainer =
                Trainer::builder(layered("textbook", &short, assignments)).engine(cpu::on(path)).build().unwrap();
            let error = trainer.by_ref().find_map(Result::err).unwrap_or_else(|| panic!("{assignments:?}: no error"));
            let Error::NotFinite { step, .. } = error else { panic!("{assignments:?}: {error}") };
            assert_eq!(step, trainer.env_steps());
            assert!(error.to_string().contains(&format!("at step {step}: lower optimizer.lr")), "{error}");
            assert!(trainer.next().is_none(), "nothing comes after an error");
        }
    }
}
