//! Losses, gradients and targets of the distributional heads and of Munchausen against PyTorch's numbers.
//!
//! Recorded by `oracles/pytorch_heads.py`; inputs are computed here as there, from a hash of the index.

mod common;

use common::uniform;
use quarl::loss::categorical::{self, Support};
use quarl::loss::quantile;
use quarl::network::QValues;
use quarl::target::{self, Munchausen, TargetKind, TargetRule, Values};
use serde_json::Value;

const ITEMS: usize = 7;
const ACTIONS: usize = 3;
/// Columns an array is padded to.
const STRIDE: usize = 16;

fn recorded() -> Value {
    serde_json::from_str(include_str!("fixtures/pytorch_heads.json")).unwrap()
}

/// `[item][n]` as `[n][STRIDE]`.
fn columns(rows: &[f32], n: usize) -> Vec<f32> {
    let mut columns = vec![0.0; n * STRIDE];
    for (at, x) in rows.iter().enumerate() {
        columns[at % n * STRIDE + at / n] = *x;
    }
    columns
}

fn softmax(logits: &[f32], n: usize) -> Vec<f32> {
    let weights: Vec<f64> = logits.iter().map(|x| f64::from(*x).exp()).collect();
    weights.chunks_exact(n).flat_map(|row| row.iter().map(|x| (x / row.iter().sum::<f64>()) as f32)).collect()
}

fn rewards_and_discounts() -> (Vec<f32>, Vec<f32>) {
    let discounts = (0..ITEMS).map(|item| if item % 3 == 2 { 0.0 } else { 0.9 }).collect();
    (uniform(50, ITEMS, -2.0, 2.0), discounts)
}

#[track_caller]
fn assert_near(actual: f32, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((f64::from(actual) - expected).abs() <= 4e-6 * (1.0 + expected.abs()), "{what}: {actual}, not {expected}");
}

#[test]
fn projections_cross_entropies_and_their_gradients_are_pytorchs() {
    let (rewards, discounts) = rewards_and_discounts();
    for case in recorded()["categorical"].as_array().unwrap() {
        let atoms = case["atoms"].as_u64().unwrap() as usize;
        let float = |key: &str| case[key].as_f64().unwrap() as f32;
        let support = Support { atoms, v_min: float("v_min"), v_max: float("v_max") };
        let next = columns(&softmax(&uniform(51, ITEMS * atoms, -3.0, 3.0), atoms), atoms);
        let mut target = vec![f32::NAN; next.len()];
        categorical::project(support, &rewards, &discounts, &next, STRIDE, &mut target);
        let rows = uniform(52, ITEMS * atoms, -4.0, 4.0);
        let (logits, probabilities) = (columns(&rows, atoms), columns(&softmax(&rows, atoms), atoms));
        for item in 0..ITEMS {
            for atom in 0..atoms {
                let (at, recorded) = (atom * STRIDE + item, item * atoms + atom);
                assert_near(target[at], &case["target"][recorded], "a projected atom");
                assert_near(probabilities[at] - target[at], &case["gradients"][recorded], "a logit's gradient");
            }
            let loss = categorical::cross_entropy(&logits, &probabilities, &target, STRIDE, item);
            let entropy = categorical::entropy(&target, STRIDE, item);
            assert_near(loss, &case["losses"][item], "a cross-entropy");
            assert_near(loss - entropy, &case["divergences"][item], "a divergence");
        }
    }
}

#[test]
fn quantile_huber_losses_and_their_gradients_are_pytorchs() {
    for case in recorded()["quantile"].as_array().unwrap() {
        let size = |key: &str| case[key].as_u64().unwrap() as usize;
        let (predictions, samples) = (size("predictions"), size("samples"));
        let theta = uniform(53, ITEMS * predictions, -2.0, 2.0);
        let target = uniform(54, ITEMS * samples, -3.0, 3.0);
        let levels = uniform(55, ITEMS * predictions, 0.0, 1.0);
        for item in 0..ITEMS {
            let (mut loss, mut distance) = (0.0, 0.0);
            for at in item * predictions..(item + 1) * predictions {
                let mut slope = 0.0;
                for sample in &target[item * samples..(item + 1) * samples] {
                    let error = sample - theta[at];
                    let (value, gradient) = quantile::value_and_gradient(levels[at], error);
                    loss += value / samples as f32;
                    slope += gradient / samples as f32;
                    distance += error.abs() / (predictions * samples) as f32;
                }
                assert_near(slope, &case["gradients"][at], "a quantile's gradient");
            }
            assert_near(loss, &case["losses"][item], "a quantile Huber loss");
            assert_near(distance, &case["distances"][item], "a mean absolute TD error");
        }
    }
}

#[test]
fn munchausens_targets_are_pytorchs() {
    let (rewards, discounts) = rewards_and_discounts();
    let now = columns(&uniform(56, ITEMS * ACTIONS, -1.0, 1.0), ACTIONS);
    let next = columns(&uniform(57, ITEMS * ACTIONS, -1.0, 1.0), ACTIONS);
    let actions: Vec<usize> = (0..ITEMS).map(|item| item % ACTIONS).collect();
    for case in recorded()["munchausen"].as_array().unwrap() {
        let float = |key: &str| case[key].as_f64().unwrap() as f32;
        let settings = Munchausen { alpha: float("alpha"), temperature: float("temperature"), floor: float("floor") };
        let rule = TargetRule::new(TargetKind::Munchausen).with_munchausen(settings);
        let present = QValues::new(&now, ACTIONS, STRIDE);
        let values =
            Values { target_present: Some(present), ..Values::of_target_network(QValues::new(&next, ACTIONS, STRIDE)) };
        let mut targets = [0.0; ITEMS];
        target::td_targets(&rule, &values, &rewards, &discounts, &actions, &mut targets);
        for (item, target) in targets.iter().enumerate() {
            assert_near(*target, &case["targets"][item], "a target");
        }
    }
}
