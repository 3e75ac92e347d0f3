//! Whole updates of an agent are PyTorch's: every head, target rule, sampler and mask, from experience to new parameters.
//!
//! `oracles/pytorch_whole_update.py` recorded PyTorch's numbers in float64, and how far PyTorch's own float32 is from them.
//! Each case runs through what training runs through: the accumulator, replay, [`Agent::learn`]. A weight, mask, discount or
//! target that is dropped anywhere on the way gives other numbers.

mod common;

use common::{layered, uniform};
use quarl::accumulator::{Accumulator, Next};
use quarl::agent::Agent;
use quarl::config::TrainConfig;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::engine::parameter_layout;
use quarl::env::{End, EnvironmentSpec};
use quarl::space::{BoxSpace, Discrete};
use serde_json::Value;

/// The allowed error relative to PyTorch's float32 error, because sums have another order.
const ALLOWANCE: f64 = 6.0;
const INPUTS: usize = 3;
const ACTIONS: usize = 3;
const STEPS: usize = 14;
const TRUNCATED: usize = 9;
const UPDATES: u64 = 3;

fn config(case: &Value) -> TrainConfig {
    let settings = case["settings"].as_object().unwrap().iter();
    let settings: Vec<String> = settings.map(|(key, value)| format!("{key}={value}")).collect();
    layered("textbook", &settings.iter().map(String::as_str).collect::<Vec<_>>(), &[])
}

/// An agent with the experience of the oracle script.
fn agent(case: &Value, path: CpuPath) -> Agent {
    let config = config(case);
    let has_action_mask = case["masks"] == true;
    let spec = EnvironmentSpec {
        id: "recorded".to_owned(),
        observation_space: BoxSpace::vector(vec![-2.0; INPUTS], vec![2.0; INPUTS]),
        action_space: Discrete { n: ACTIONS },
        max_episode_steps: None,
        reward_threshold: None,
        render_fps: 1,
        has_action_mask,
    };
    let mut agent = Agent::with_engine(&config, &spec, 0, cpu::on(path)).unwrap();
    let mut accumulator = Accumulator::new(config.agent.n_step, config.agent.gamma, INPUTS);
    let (obs, next_obs) = (uniform(300, STEPS * INPUTS, -2.0, 2.0), uniform(301, STEPS * INPUTS, -2.0, 2.0));
    let actions = uniform(302, STEPS, 0.0, 1.0).into_iter().map(|x| (x * ACTIONS as f32) as usize);
    let rewards = uniform(303, STEPS, -2.0, 2.0);
    let draws = uniform(304, STEPS * ACTIONS, 0.0, 1.0);
    for (t, action) in actions.enumerate() {
        let mut mask: Vec<bool> = draws[t * ACTIONS..(t + 1) * ACTIONS].iter().map(|draw| *draw < 0.6).collect();
        if t == TRUNCATED {
            mask.fill(false);
        } else if !mask.contains(&true) {
            mask[t % ACTIONS] = true;
        }
        let end = match t {
            4 | 13 => Some(End::Terminated),
            TRUNCATED => Some(End::Truncated),
            _ => None,
        };
        let of_step = t * INPUTS..(t + 1) * INPUTS;
        let next = Next { obs: &next_obs[of_step.clone()], mask: has_action_mask.then_some(&mask) };
        let obs = &obs[of_step];
        agent.update_observation_statistics(obs).unwrap();
        accumulator.push(obs, action, f64::from(rewards[t]), next, end, |each| agent.observe(each)).unwrap();
    }
    agent
}

#[track_caller]
fn assert_recorded(case: &Value, key: &str, actual: &[f32], path: CpuPath) {
    let recorded = &case["arrays"][key];
    let expected: Vec<f64> = serde_json::from_value(recorded["values"].clone()).unwrap();
    let what = format!("{} on {}: {key}", case["name"], path.name());
    assert_eq!(actual.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let allowed = ALLOWANCE * recorded["float32_error"].as_f64().unwrap().max(f64::from(f32::EPSILON) * largest);
    for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        let error = (f64::from(*actual) - expected).abs();
        assert!(error <= allowed, "{what}[{i}] is {actual}, not {expected} (within {allowed:e})");
    }
}

#[test]
fn three_whole_updates_are_pytorchs() {
    let oracle: Value = serde_json::from_str(include_str!("fixtures/pytorch_whole_update.json")).unwrap();
    for case in oracle["cases"].as_array().unwrap() {
        for path in CpuPath::available() {
            let mut agent = agent(case, path);
            let tensors = parameter_layout(agent.architecture());
            let parameters = |agent: &Agent| -> Vec<f32> {
                let names = case["tensors"].as_array().unwrap().iter();
                let ranges =
                    names.map(|name| tensors.iter().find(|tensor| tensor.name == *name).unwrap().range.clone());
                ranges.flat_map(|range| agent.parameters()[range].to_vec()).collect()
            };
            let (mut losses, mut mean_q, mut priorities, mut shares) = (vec![], vec![], vec![], vec![]);
            for update in 1..=UPDATES {
                let report = agent.learn(update).unwrap();
                losses.push(report.loss);
                mean_q.push(report.mean_q);
                priorities.extend_from_slice(agent.td_errors());
                shares.extend(report.clipped_share);
                if update == 1 {
                    assert_recorded(case, "parameters_1", &parameters(&agent), path);
                }
            }
            assert_recorded(case, "losses", &losses, path);
            assert_recorded(case, "mean_q", &mean_q, path);
            assert_recorded(case, "priorities", &priorities, path);
            assert_recorded(case, &format!("parameters_{UPDATES}"), &parameters(&agent), path);
            if case["arrays"].get("clipped_shares").is_some() {
                assert_recorded(case, "clipped_shares", &shares, path);
            } else {
                assert!(shares.is_empty());
            }
        }
    }
}
