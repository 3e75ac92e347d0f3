//! One update and a hundred are PyTorch's, up to rounding: Q-values, targets, losses, gradients, clipping, parameters.
//!
//! `oracles/pytorch_update.py` recorded PyTorch's numbers in float64, and how far PyTorch's own float32 is from them. This
//! crate, in float32 too, may be [`ALLOWANCE`] times as far.

mod common;

use common::uniform;
use quarl::agent::Agent;
use quarl::config::{AgentConfig, TrainConfig};
use quarl::engine::cpu;
use quarl::engine::cpu::buffer::Buffer;
use quarl::engine::cpu::kernels::CpuPath;
use quarl::engine::cpu::network::{Activations, QNetwork};
use quarl::engine::cpu::optimizer::clip_scale;
use quarl::env::EnvironmentSpec;
use quarl::loss::Loss;
use quarl::loss::scalar;
use quarl::network::Architecture;
use quarl::space::{BoxSpace, Discrete};
use quarl::target::{self, TargetKind, TargetRule, Values};
use quarl::transition::Transition;
use serde_json::Value;

/// The allowed error relative to PyTorch's float32 error, because sums have another order.
const ALLOWANCE: f64 = 4.0;
const INPUTS: usize = 4;
const ACTIONS: usize = 2;

fn oracle() -> Value {
    serde_json::from_str(include_str!("fixtures/pytorch_update.json")).unwrap()
}

/// One case of the recording: a network, a batch, and a way of learning.
struct Case {
    name: String,
    network: QNetwork,
    online: Vec<f32>,
    target: Vec<f32>,
    every: usize,
    obs: Vec<f32>,
    actions: Vec<usize>,
    rewards: Vec<f32>,
    discounts: Vec<f32>,
    next_obs: Vec<f32>,
    variant: Value,
}

impl Case {
    fn new(case: &Value, variant: &Value, path: CpuPath) -> Self {
        let hidden: Vec<usize> =
            case["hidden"].as_array().unwrap().iter().map(|units| units.as_u64().unwrap() as usize).collect();
        let network = QNetwork::new(Architecture::plain(INPUTS, &hidden, ACTIONS), path);
        let parameters = |stream: u32| -> Vec<f32> {
            let of_layer = |(i, layer): (usize, &quarl::engine::cpu::network::Linear)| {
                let bound = 1.0 / (layer.inputs as f64).sqrt();
                uniform(stream + i as u32, layer.inputs * layer.outputs + layer.outputs, -bound, bound)
            };
            network.layers().linears().enumerate().flat_map(of_layer).collect()
        };
        let size = case["batch"].as_u64().unwrap() as usize;
        Self {
            name: format!("{} {} on {}", case["name"], variant["name"], path.name()),
            online: parameters(0),
            target: parameters(10),
            every: case["every"].as_u64().unwrap() as usize,
            obs: uniform(20, size * INPUTS, -2.0, 2.0),
            actions: uniform(21, size, 0.0, 1.0).iter().map(|x| (x * ACTIONS as f32) as usize).collect(),
            rewards: uniform(22, size, -3.0, 3.0),
            discounts: (0..size).map(|item| if item % 5 == 0 { 0.0 } else { 0.98 }).collect(),
            next_obs: uniform(23, size * INPUTS, -2.0, 2.0),
            variant: variant.clone(),
            network,
        }
    }

    fn size(&self) -> usize {
        self.rewards.len()
    }

    /// `[agent]` with one key as the variant has it.
    fn settings(&self, key: &str, field: &str) -> AgentConfig {
        TrainConfig::preset("textbook").set(key, self.variant[field].as_str().unwrap()).build().unwrap().agent
    }

    fn loss(&self) -> Loss {
        self.settings("agent.loss", "loss").loss
    }

    fn target_kind(&self) -> TargetKind {
        self.settings("agent.target", "target").target
    }

    fn forward(&self, parameters: &[f32], inputs: &[f32]) -> Activations {
        let mut activations = self.network.activations(self.size(), 1);
        activations.set_inputs(inputs).unwrap();
        self.network.forward(parameters, &mut activations);
        activations
    }

    /// Compares with a recorded array: each recorded number and, where not all are recorded, the sum of all.
    #[track_caller]
    fn assert_recorded(&self, key: &str, actual: &[f32]) {
        let recorded = &self.variant["arrays"][key];
        let error = recorded["float32_error"].as_f64().unwrap();
        let expected: Vec<f64> = recorded["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let every = if key.starts_with("parameters") || key.contains("gradients") { self.every } else { 1 };
        let sampled: Vec<f64> = actual.iter().step_by(every).map(|x| f64::from(*x)).collect();
        assert_eq!(sampled.len(), expected.len(), "{}: {key}", self.name);
        let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        // The numbers were written with nine digits, and a lucky float32 may be exact.
        let allowed = ALLOWANCE * error.max(f64::from(f32::EPSILON) * largest);
        for (i, (a, e)) in sampled.iter().zip(&expected).enumerate() {
            assert!((a - e).abs() <= allowed, "{}: {key}[{i}] is {a}, not {e} (within {allowed:e})", self.name);
        }
        if every > 1 {
            let sum: f64 = actual.iter().map(|x| f64::from(*x)).sum();
            let expected = recorded["sum"].as_f64().unwrap();
            let allowed = allowed * (actual.len() as f64).sqrt();
            assert!((sum - expected).abs() <= allowed, "{}: {key} adds up to {sum}, not {expected}", self.name);
        }
    }

    /// An agent with these networks that has seen exactly this batch.
    fn agent(&self) -> Agent {
        let mut config: TrainConfig = TrainConfig::preset("textbook").build().unwrap();
        config.network.hidden = self.network.architecture().hidden.clone();
        config.replay.capacity = self.size();
        config.agent.batch_size = self.size();
        config.agent.target = self.target_kind();
        config.agent.loss = self.loss();
        config.optimizer.lr = quarl::schedule::Schedule::Constant(self.variant["lr"].as_f64().unwrap());
        config.optimizer.max_grad_norm = self.variant["max_grad_norm"].as_f64();
        config.validate().unwrap();
        let spec = EnvironmentSpec {
            id: "recorded".to_owned(),
            observation_space: BoxSpace::vector(vec![-2.0; INPUTS], vec![2.0; INPUTS]),
            action_space: Discrete { n: ACTIONS },
            max_episode_steps: None,
            reward_threshold: None,
            render_fps: 1,
            has_action_mask: false,
        };
        let mut agent = Agent::with_engine(&config, &spec, 0, cpu::on(self.network.path())).unwrap();
        let mut state = agent.state().into_owned();
        state.engine_mut().online.clone_from(&self.online);
        state.engine_mut().target.clone_from(&self.target);
        agent.set_state(state).unwrap();
        assert_eq!(agent.parameters(), self.online);
        for item in 0..self.size() {
            agent
                .observe(Transition {
                    obs: &self.obs[item * INPUTS..(item + 1) * INPUTS],
                    action: self.actions[item],
                    reward: self.rewards[item],
                    discount: self.discounts[item],
                    next_obs: &self.next_obs[item * INPUTS..(item + 1) * INPUTS],
                    next_mask: None,
                })
                .unwrap();
        }
        agent
    }
}

fn for_every_case(check: impl Fn(&Case)) {
    let oracle = oracle();
    for case in oracle["cases"].as_array().unwrap() {
        for variant in case["variants"].as_array().unwrap() {
            for path in CpuPath::available() {
                check(&Case::new(case, variant, path));
            }
        }
    }
}

#[test]
fn q_values_targets_gradients_and_clipping_are_pytorchs() {
    for_every_case(|case| {
        let online = case.forward(&case.online, &case.obs);
        let q = online.q_values();
        let items = 0..case.size();
        let rows: Vec<f32> = items.clone().flat_map(|item| (0..ACTIONS).map(move |a| q.get(item, a))).collect();
        case.assert_recorded("q", &rows);

        let target_next = case.forward(&case.target, &case.next_obs);
        let mut targets = vec![0.0; case.size()];
        let online_next = case.forward(&case.online, &case.next_obs);
        let values = Values::of_target_network(target_next.q_values());
        let values = match case.target_kind() {
            TargetKind::Double => Values { selection: online_next.q_values(), ..values },
            _ => values,
        };
        let rule = TargetRule::new(case.target_kind());
        target::td_targets(&rule, &values, &case.rewards, &case.discounts, &case.actions, &mut targets);
        case.assert_recorded("targets", &targets);

        let mut scratch = case.network.backward_scratch(&online);
        let deltas = scratch.output_deltas();
        assert_eq!(deltas.len(), ACTIONS * q.stride());
        let (weights, mut td_errors) = (vec![1.0; case.size()], vec![0.0; case.size()]);
        scalar::of_batch(case.loss(), q, &case.actions, &weights, &targets, deltas, &mut td_errors);
        let mut gradients = Buffer::zeros(case.network.parameter_count());
        case.network.backward(&case.online, &online, &mut scratch, &mut gradients);
        case.assert_recorded("gradients", &gradients);
        if let Some(max_norm) = case.variant["max_grad_norm"].as_f64() {
            let scale = clip_scale(case.network.path(), &gradients, max_norm);
            case.assert_recorded("norm", &[(max_norm / f64::from(scale) - 1e-6) as f32]);
            let clipped: Vec<f32> = gradients.iter().map(|gradient| gradient * scale).collect();
            case.assert_recorded("clipped_gradients", &clipped);
        }
    });
}

#[test]
fn a_hundred_updates_of_an_agent_are_pytorchs() {
    let updates: Vec<usize> = serde_json::from_value(oracle()["updates"].clone()).unwrap();
    for_every_case(|case| {
        let mut agent = case.agent();
        let (mut losses, mut mean_q) = (Vec::new(), Vec::new());
        for update in 1..=*updates.last().unwrap() {
            let report = agent.learn(update as u64).unwrap();
            losses.push(report.loss);
            mean_q.push(report.mean_q);
            if updates.contains(&update) {
                case.assert_recorded(&format!("parameters_{update}"), agent.parameters());
            }
        }
        case.assert_recorded("losses", &losses);
        case.assert_recorded("mean_q", &mean_q);
    });
}
