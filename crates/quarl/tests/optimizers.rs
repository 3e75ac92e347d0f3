//! Every optimizer against PyTorch's over a hundred updates. The numbers come from `oracles/pytorch_optimizers.py`.

use quarl::config::{OptimizerConfig, TrainConfig};
use quarl::engine::cpu::buffer::Buffer;
use quarl::engine::cpu::kernels::CpuPath;
use quarl::engine::cpu::optimizer::{Optimizer, Step};
use serde_json::Value;

const COUNT: usize = 40;
/// The allowed error, as a multiple of PyTorch's own float32 error.
const ALLOWANCE: f64 = 4.0;

/// `uniform` of the oracle.
fn uniform(stream: u32, low: f64, high: f64) -> Vec<f32> {
    (0..COUNT as u32)
        .map(|i| {
            let mut x = i.wrapping_add(stream.wrapping_mul(1_000_000));
            for (shift, multiplier) in [(16, 0x7feb_352d), (15, 0x846c_a68b)] {
                x = (x ^ (x >> shift)).wrapping_mul(multiplier);
            }
            x ^= x >> 16;
            (low + (high - low) * (f64::from(x) / 4_294_967_296.0)) as f32
        })
        .collect()
}

fn optimizer(config: &OptimizerConfig) -> Optimizer {
    Optimizer::new(COUNT, config)
}

/// The configuration of a recorded case.
fn config(case: &Value) -> OptimizerConfig {
    let kind = case["name"].as_str().unwrap().split('_').next().unwrap();
    let settings = case["settings"].as_object().unwrap().iter();
    let builder = TrainConfig::preset("textbook").set("optimizer.kind", kind);
    builder.assign_all(settings.map(|(key, value)| format!("optimizer.{key}={value}"))).build().unwrap().optimizer
}

/// Parameters after each of a hundred updates.
fn run(config: &OptimizerConfig, path: CpuPath, lr: f64, scale: f32) -> Vec<Vec<f32>> {
    let mut optimizer = optimizer(config);
    let mut parameters = Buffer::from_slice(&uniform(0, -1.0, 1.0));
    (1..=100)
        .map(|update| {
            let noise = uniform(update, -1.0, 1.0);
            let gradients: Vec<f32> =
                parameters.iter().zip(noise).map(|(p, noise)| (p * 0.5 + noise) / scale).collect();
            assert!(optimizer.step(step(path, lr, scale, &Buffer::from_slice(&gradients)), &mut parameters));
            parameters.to_vec()
        })
        .collect()
}

fn oracle() -> Value {
    serde_json::from_str(include_str!("fixtures/pytorch_optimizers.json")).unwrap()
}

fn step(path: CpuPath, learning_rate: f64, gradient_scale: f32, gradients: &Buffer) -> Step<'_> {
    Step { path, learning_rate, gradient_scale, gradients }
}

#[test]
fn a_hundred_updates_are_pytorchs_on_every_path() {
    let oracle = oracle();
    let lr = oracle["lr"].as_f64().unwrap();
    for case in oracle["cases"].as_array().unwrap() {
        let (config, name) = (config(case), case["name"].as_str().unwrap());
        let expected = run(&config, CpuPath::Scalar, lr, 1.0);
        for path in CpuPath::available() {
            assert!(run(&config, path, lr, 1.0) == expected, "{name} differs on {}", path.name());
        }
        // A power of two: the gradients that reach the rule are the same to the last bit.
        assert!(run(&config, CpuPath::Scalar, lr, 0.25) == expected, "{name}: clipped");
        let allowed = ALLOWANCE * case["float32_error"].as_f64().unwrap();
        assert!(allowed > 0.0 && allowed < 1e-4, "{name}: {allowed}");
        for (row, update) in case["values"].as_array().unwrap().iter().zip(oracle["updates"].as_array().unwrap()) {
            let actual = &expected[update.as_u64().unwrap() as usize - 1];
            for (i, (a, e)) in actual.iter().zip(row.as_array().unwrap()).enumerate() {
                let error = (f64::from(*a) - e.as_f64().unwrap()).abs();
                assert!(error <= allowed, "{name}, update {update}: parameter {i} is {a}, not {e}");
            }
        }
    }
}

#[test]
fn averages_that_fade_away_become_zero_not_subnormal() {
    for case in oracle()["cases"].as_array().unwrap() {
        let config = config(case);
        let mut optimizer = optimizer(&config);
        let mut parameters = Buffer::zeros(COUNT);
        let once = Buffer::from_slice(&uniform(1, 1e-12, 1e-10));
        let nothing = Buffer::zeros(COUNT);
        assert!(optimizer.step(step(CpuPath::Scalar, 1e-3, 1.0, &once), &mut parameters));
        for _ in 0..2000 {
            assert!(optimizer.step(step(CpuPath::Scalar, 1e-3, 1.0, &nothing), &mut parameters));
        }
        let state = serde_json::to_string(&optimizer.arrays()).unwrap();
        assert!(!state.contains("e-3") && !state.contains("e-4"), "{}: {state}", case["name"]);
    }
}

#[test]
fn a_parameter_that_is_no_number_is_told() {
    for case in oracle()["cases"].as_array().unwrap() {
        for path in CpuPath::available() {
            let mut gradients = Buffer::zeros(COUNT);
            gradients[COUNT - 1] = f32::NAN;
            let finite = optimizer(&config(case)).step(step(path, 1e-3, 1.0, &gradients), &mut Buffer::zeros(COUNT));
            assert!(!finite, "{} on {}", case["name"], path.name());
        }
    }
}
