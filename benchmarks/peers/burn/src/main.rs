//! The study note's DQN in burn, timed as the other peers are: `burn-peer --time STEPS` prints JSON.
//!
//! Pinning to one core is the caller's part (`taskset`); `--runs N` shows that the agent does learn.

mod agent;
mod cartpole;
mod random;

use std::time::Instant;

use agent::{Agent, Transition};
use burn::tensor::Device;
use cartpole::CartPole;
use random::Random;

const SYNC_INTERVAL: usize = 20;
const WARM_UP: usize = 2_000;
const BLOCKS: usize = 10;

struct Training {
    agent: Agent,
    env: CartPole,
    random: Random,
    episode: usize,
    episode_return: f32,
}

impl Training {
    fn new(seed: u64) -> Self {
        let device = Device::flex();
        device.seed(seed);
        let mut random = Random::new(seed + 1);
        let env = CartPole::new(&mut random);
        Training { agent: Agent::new(device), env, random, episode: 0, episode_return: 0.0 }
    }

    /// One whole training step; the return where an episode has just ended.
    fn step(&mut self) -> Option<f32> {
        let obs = self.env.obs;
        let action = self.agent.act(obs, &mut self.random);
        let done = self.env.step(action);
        self.agent.store(Transition { obs, action, reward: 1.0, next_obs: self.env.obs, done });
        self.agent.learn(&mut self.random);
        self.episode_return += 1.0;
        if !done {
            return None;
        }
        if self.episode.is_multiple_of(SYNC_INTERVAL) {
            self.agent.sync_target();
        }
        self.env.reset(&mut self.random);
        self.episode += 1;
        Some(std::mem::take(&mut self.episode_return))
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Ten measurements of `work(length)`, in microseconds for each of its `length` rounds.
fn blocks(length: usize, mut work: impl FnMut()) -> Vec<f64> {
    let measure = |_| {
        let began = Instant::now();
        (0..length).for_each(|_| work());
        began.elapsed().as_secs_f64() * 1e6 / length as f64
    };
    (0..BLOCKS).map(measure).collect()
}

fn time(steps: usize) {
    let mut training = Training::new(0);
    for _ in 0..WARM_UP {
        training.step();
    }
    let length = (steps / BLOCKS).max(1);
    let step_us = blocks(length, || _ = training.step());
    let update_us = blocks(length, || training.agent.learn(&mut training.random));
    println!(
        r#"{{"peer": "burn", "step_us": {}, "step_us_blocks": {step_us:?}, "update_us": {}, "update_us_blocks": {update_us:?}, "version": "burn 0.22.1"}}"#,
        median(&step_us),
        median(&update_us),
    );
}

fn learn(runs: u64) {
    for seed in 0..runs {
        let mut training = Training::new(seed);
        let mut returns = Vec::new();
        while returns.len() < 300 {
            returns.extend(training.step());
        }
        let windows: Vec<f32> = returns.chunks(50).map(|window| window.iter().sum::<f32>() / 50.0).collect();
        println!("seed {seed}: mean return by 50 episodes {windows:.0?}");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "--time", steps] => time(steps.parse().expect("--time takes a number of steps")),
        [_, "--runs", runs] => learn(runs.parse().expect("--runs takes a number of runs")),
        _ => {
            eprintln!("usage: burn-peer --time STEPS | --runs N");
            std::process::exit(2);
        }
    }
}
