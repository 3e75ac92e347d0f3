//! Dueling networks (Wang et al. 2016) are PyTorch's: outputs and gradients of every head, with and without given noise.
//!
//! Recorded by `oracles/pytorch_dueling.py`; inputs are computed here as there, from a hash of the index.

mod common;

use common::uniform;
use quarl::engine::cpu::kernels::CpuPath;
use quarl::engine::cpu::network::QNetwork;
use quarl::network::{Architecture, Head};
use serde_json::Value;

const INPUTS: usize = 3;
const ACTIONS: usize = 3;
const BATCH: usize = 5;
const LEVELS: usize = 2;

fn architecture(case: &Value) -> Architecture {
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let hidden: Vec<usize> = serde_json::from_value(case["hidden"].clone()).unwrap();
    Architecture {
        dueling: true,
        dueling_hidden: Some(size("dueling_hidden")),
        noisy: case["noisy"] == true,
        layer_norm: case["layer_norm"] == true,
        head: match case["head"].as_str().unwrap() {
            "scalar" => Head::Scalar,
            "categorical" => Head::Categorical { atoms: size("atoms"), v_min: -1.0, v_max: 1.0 },
            "quantile" => Head::Quantile { quantiles: size("atoms") },
            _ => Head::Implicit { cosines: size("cosines"), acting_quantiles: LEVELS },
        },
        ..Architecture::plain(INPUTS, &hidden, ACTIONS)
    }
}

#[track_caller]
fn assert_recorded(actual: &[f32], expected: &Value, what: &str) {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(actual.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        let error = (f64::from(*actual) - expected).abs();
        assert!(error <= 3e-6 * largest, "{what}[{i}] is {actual}, not {expected}");
    }
}

#[test]
fn dueling_outputs_and_gradients_are_pytorchs() {
    let oracle: Value = serde_json::from_str(include_str!("fixtures/pytorch_dueling.json")).unwrap();
    for case in oracle["cases"].as_array().unwrap() {
        for path in CpuPath::available() {
            let network = QNetwork::new(architecture(case), path);
            let what = format!("{:?} on {}", network.architecture(), path.name());
            let tensors = network.layers().tensors();
            let recorded: Vec<(String, Value)> = serde_json::from_value(case["gradients"].clone()).unwrap();
            assert_eq!(tensors.len(), recorded.len(), "{what}");
            let place = |name: &str| tensors.iter().find(|tensor| tensor.name == name).unwrap().range.clone();

            let mut parameters = vec![f32::NAN; network.parameter_count()];
            for (i, (name, _)) in recorded.iter().enumerate() {
                let range = place(name);
                parameters[range.clone()].copy_from_slice(&uniform(100 + i as u32, range.len(), -1.0, 1.0));
            }
            let noises = case["noise"].as_u64().unwrap() as usize;
            let noise = &uniform(200, 1000, -1.5, 1.5)[..noises];
            assert_eq!(noises, network.no_noise().len(), "{what}");
            let mut perturbed = vec![0.0; network.forward_parameter_count()];
            network.effective_parameters(&parameters, noise, &mut perturbed);

            let is_implicit = matches!(network.architecture().head, Head::Implicit { .. });
            let mut activations = network.activations(BATCH, if is_implicit { LEVELS } else { 1 });
            let stride = activations.stride();
            activations.set_inputs(&uniform(201, BATCH * INPUTS, -2.0, 2.0)).unwrap();
            for (at, level) in uniform(202, BATCH * LEVELS, 0.0, 1.0).into_iter().enumerate() {
                if let Some(place) = activations.levels_mut().get_mut(at % LEVELS * stride + at / LEVELS) {
                    *place = level;
                }
            }
            network.forward(&perturbed, &mut activations);
            let per_item = activations.outputs().len() / stride;
            let at = |i: usize| i % per_item * stride + i / per_item;
            let outputs: Vec<f32> = (0..BATCH * per_item).map(|i| activations.outputs()[at(i)]).collect();
            assert_recorded(&outputs, &case["outputs"], &format!("{what}: an output"));

            let mut scratch = network.backward_scratch(&activations);
            let deltas = scratch.output_deltas();
            for (i, weight) in uniform(203, BATCH * per_item, -1.0, 1.0).into_iter().enumerate() {
                deltas[at(i)] = weight;
            }
            let mut gradients = vec![f32::NAN; network.parameter_count()];
            network.backward(&perturbed, &activations, &mut scratch, &mut gradients);
            network.gradients_from_effective(&parameters, noise, &mut gradients);
            for (name, expected) in &recorded {
                assert_recorded(&gradients[place(name)], expected, &format!("{what}: the gradient of {name}"));
            }
        }
    }
}
