//! Gradients against finite differences of a simple network in `f64`, and the initial parameters.

use std::collections::HashMap;
use std::ops::Range;

use quarl::agent::Agent;
use quarl::config::{InitialTarget, TrainConfig};
use quarl::engine::cpu::network::QNetwork;
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::env;
use quarl::network::{Activation, Architecture, Head};
use quarl::rng::Rng;

const BATCHES: [usize; 4] = [1, 3, 16, 21];
/// The number of quantile levels of an implicit head.
const LEVELS: usize = 3;

/// Plain networks, then every switch alone and several together.
fn architectures() -> Vec<Architecture> {
    let plain = |inputs: usize, hidden: &[usize], actions: usize| Architecture::plain(inputs, hidden, actions);
    let base = plain(4, &[7, 5], 3);
    let dueling = |base: Architecture| Architecture { dueling: true, dueling_hidden: Some(6), ..base };
    let categorical = Head::Categorical { atoms: 6, v_min: -3.0, v_max: 2.0 };
    let quantile = Head::Quantile { quantiles: 4 };
    let implicit = Head::Implicit { cosines: 6, acting_quantiles: 5 };
    vec![
        plain(1, &[], 1),
        plain(5, &[], 3),
        plain(3, &[1], 2),
        plain(4, &[16], 2),
        plain(2, &[17, 5], 3),
        plain(6, &[32, 32], 4),
        plain(4, &[7, 33, 10], 5),
        Architecture { activation: Activation::Tanh, ..base.clone() },
        Architecture { activation: Activation::Elu, ..base.clone() },
        Architecture { layer_norm: true, ..base.clone() },
        Architecture { layer_norm: true, activation: Activation::Tanh, ..plain(3, &[17, 20], 2) },
        Architecture { dueling: true, ..base.clone() },
        Architecture { dueling: true, ..plain(3, &[], 1) },
        dueling(base.clone()),
        Architecture { dueling_hidden: Some(17), ..dueling(plain(3, &[], 2)) },
        Architecture { activation: Activation::Elu, ..dueling(plain(3, &[16, 20], 2)) },
        Architecture { noisy: true, ..base.clone() },
        Architecture { weight_norm: true, ..base.clone() },
        Architecture { weight_norm: true, noisy: true, head: quantile, ..dueling(base.clone()) },
        Architecture { head: categorical, ..base.clone() },
        Architecture { head: quantile, ..base.clone() },
        Architecture { head: implicit, ..base.clone() },
        Architecture { head: implicit, ..plain(3, &[], 2) },
        Architecture { head: categorical, dueling: true, noisy: true, ..base.clone() },
        Architecture { head: categorical, noisy: true, ..dueling(base.clone()) },
        Architecture { head: quantile, layer_norm: true, ..dueling(base.clone()) },
        Architecture { head: implicit, ..dueling(plain(3, &[], 2)) },
        Architecture { head: implicit, noisy: true, activation: Activation::Tanh, ..dueling(base.clone()) },
        Architecture { head: implicit, noisy: true, layer_norm: true, activation: Activation::Elu, ..dueling(base) },
    ]
}

/// A batch, and the weights of an artificial loss: the weighted sum of the outputs.
struct Task {
    ranges: HashMap<String, Range<usize>>,
    batch: usize,
    levels: usize,
    obs: Vec<f32>,
    /// `[item][level]`
    quantile_levels: Vec<f32>,
    noise: Vec<f32>,
    /// `[item][action][atom or level]`
    coefficients: Vec<f32>,
}

impl Task {
    fn new(network: &QNetwork, batch: usize, rng: &mut Rng) -> Self {
        let Architecture { inputs, actions, head, .. } = network.architecture();
        let levels = if matches!(head, Head::Implicit { .. }) { LEVELS } else { 1 };
        let mut noise = network.no_noise();
        network.draw_noise(rng, &mut noise);
        Self {
            ranges: network.layers().tensors().into_iter().map(|tensor| (tensor.name, tensor.range)).collect(),
            batch,
            levels,
            obs: (0..batch * inputs).map(|_| rng.uniform_in(-2.0, 2.0) as f32).collect(),
            quantile_levels: (0..batch * levels).map(|_| rng.uniform() as f32).collect(),
            noise,
            coefficients: (0..batch * actions * head.atoms() * levels)
                .map(|_| rng.uniform_in(-1.0, 1.0) as f32)
                .collect(),
        }
    }
}

/// What the simple network reports besides: how near a unit is to the kink of its ReLU, where finite differences fail.
struct Kinks(f64);

/// The place of each tensor in the flat vector, by name.
struct Parameters<'a> {
    values: &'a [f64],
    ranges: &'a HashMap<String, Range<usize>>,
}

impl Parameters<'_> {
    fn get(&self, name: &str) -> Option<&[f64]> {
        Some(&self.values[self.ranges.get(name)?.clone()])
    }
}

/// Weight times input plus bias, with the noise of a noisy layer.
fn linear(parameters: &Parameters, name: &str, noise: &mut &[f32], x: &[f64]) -> Vec<f64> {
    let part = |part: &str| parameters.get(&format!("{name}.{part}"));
    let (weight, bias) = (part("weight").unwrap(), part("bias").unwrap());
    // Weight normalisation: each row of the weight at its learnt length.
    let normalised: Option<Vec<f64>> = part("weight_g").map(|lengths| {
        let rows = weight.chunks(of_row(weight, bias)).zip(lengths);
        rows.flat_map(|(row, g)| {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter().map(move |x| g * x / length)
        })
        .collect()
    });
    let weight = normalised.as_deref().unwrap_or(weight);
    let sigmas = part("weight_sigma").zip(part("bias_sigma"));
    let (of_inputs, of_outputs) = match sigmas {
        Some(_) => {
            let (of_inputs, rest) = noise.split_at(x.len());
            let (of_outputs, rest) = rest.split_at(bias.len());
            *noise = rest;
            (of_inputs, of_outputs)
        }
        None => (&[][..], &[][..]),
    };
    (0..bias.len())
        .map(|row| {
            let mut y = bias[row];
            if let Some((_, sigma)) = sigmas {
                y += sigma[row] * f64::from(of_outputs[row]);
            }
            for (column, x) in x.iter().enumerate() {
                let at = row * of_row(weight, bias) + column;
                let mut weight = weight[at];
                if let Some((sigma, _)) = sigmas {
                    weight += sigma[at] * f64::from(of_outputs[row]) * f64::from(of_inputs[column]);
                }
                y += weight * x;
            }
            y
        })
        .collect()
}

/// How many numbers a row of the weight has.
fn of_row(weight: &[f64], bias: &[f64]) -> usize {
    weight.len() / bias.len()
}

/// A hidden layer: linear, normalised where there is layer normalisation, activated.
fn hidden(
    activation: Activation,
    parameters: &Parameters,
    (name, norm): (&str, &str),
    noise: &mut &[f32],
    x: &[f64],
    kinks: &mut Kinks,
) -> Vec<f64> {
    let mut x = linear(parameters, name, noise, x);
    if let Some(weight) = parameters.get(&format!("{norm}.weight")) {
        let bias = parameters.get(&format!("{norm}.bias")).unwrap();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        for (unit, x) in x.iter_mut().enumerate() {
            let normalised = (*x - mean) / (variance + 1e-5).sqrt();
            *x = normalised * weight[unit] + bias[unit];
        }
    }
    for x in &mut x {
        *x = match activation {
            Activation::Relu => {
                kinks.0 = kinks.0.min(x.abs());
                x.max(0.0)
            }
            Activation::Tanh => x.tanh(),
            Activation::Elu if *x > 0.0 => *x,
            Activation::Elu => x.exp() - 1.0,
        };
    }
    x
}

/// One item's outputs at one quantile level, `[action][atom]`, layer by layer and number by number.
fn plain_outputs(
    network: &QNetwork,
    parameters: &[f64],
    task: &Task,
    item: usize,
    level: usize,
    kinks: &mut Kinks,
) -> Vec<f64> {
    let architecture = network.architecture();
    let parameters = &Parameters { values: parameters, ranges: &task.ranges };
    let mut noise = &task.noise[..];
    let Architecture { inputs, activation, .. } = *architecture;
    let mut x: Vec<f64> = task.obs[item * inputs..(item + 1) * inputs].iter().map(|x| f64::from(*x)).collect();
    let trunk = architecture.hidden.len();
    for i in 1..=trunk {
        x = hidden(activation, parameters, (&format!("l{i}"), &format!("norm{i}")), &mut noise, &x, kinks);
    }
    if let Head::Implicit { cosines, .. } = architecture.head {
        let tau = f64::from(task.quantile_levels[item * task.levels + level]);
        let cosines: Vec<f64> = (0..cosines).map(|i| (std::f64::consts::PI * i as f64 * tau).cos()).collect();
        let embedded = linear(parameters, "embedding", &mut noise, &cosines);
        for (x, embedded) in x.iter_mut().zip(embedded) {
            kinks.0 = kinks.0.min(embedded.abs());
            *x *= embedded.max(0.0);
        }
    }
    let mut outputs = Vec::new();
    let streams = if architecture.dueling { vec!["value", "advantage"] } else { vec![] };
    for stream in &streams {
        let names = (format!("{stream}_hidden"), format!("{stream}_norm"));
        let own = architecture.dueling_hidden.is_some();
        let own = own.then(|| hidden(activation, parameters, (&names.0, &names.1), &mut noise, &x, kinks));
        outputs.extend(linear(parameters, stream, &mut noise, own.as_ref().unwrap_or(&x)));
    }
    if streams.is_empty() {
        outputs = linear(parameters, &format!("l{}", trunk + 1), &mut noise, &x);
    }
    if !architecture.dueling {
        return outputs;
    }
    let (atoms, actions) = (architecture.head.atoms(), architecture.actions);
    let advantage = |action: usize, atom: usize| outputs[(1 + action) * atoms + atom];
    (0..actions * atoms)
        .map(|at| {
            let (action, atom) = (at / atoms, at % atoms);
            let mean = (0..actions).map(|action| advantage(action, atom)).sum::<f64>() / actions as f64;
            outputs[atom] + advantage(action, atom) - mean
        })
        .collect()
}

/// The artificial loss in `f64`, and its distance from a kink.
fn plain_loss(network: &QNetwork, parameters: &[f64], task: &Task) -> (f64, f64) {
    let mut kinks = Kinks(f64::INFINITY);
    let per_item = task.coefficients.len() / task.batch;
    let mut loss = 0.0;
    for item in 0..task.batch {
        for level in 0..task.levels {
            let outputs = plain_outputs(network, parameters, task, item, level, &mut kinks);
            for (at, output) in outputs.iter().enumerate() {
                loss += output * f64::from(task.coefficients[item * per_item + at * task.levels + level]);
            }
        }
    }
    (loss, kinks.0)
}

/// The activations and gradients that the network computes.
fn computed_gradients(network: &QNetwork, parameters: &[f32], task: &Task) -> Vec<f32> {
    let mut activations = network.activations(task.batch, task.levels);
    activations.set_inputs(&task.obs).unwrap();
    let stride = activations.stride();
    for (at, level) in task.quantile_levels.iter().enumerate() {
        if let Some(place) = activations.levels_mut().get_mut(at % task.levels * stride + at / task.levels) {
            *place = *level;
        }
    }
    let mut effective = vec![f32::NAN; network.forward_parameter_count()];
    network.effective_parameters(parameters, &task.noise, &mut effective);
    network.forward(&effective, &mut activations);
    let mut scratch = network.backward_scratch(&activations);
    let deltas = scratch.output_deltas();
    let per_item = task.coefficients.len() / task.batch;
    for (at, coefficient) in task.coefficients.iter().enumerate() {
        deltas[at % per_item * stride + at / per_item] = *coefficient;
    }
    let mut gradients = vec![f32::NAN; network.parameter_count()];
    network.backward(&effective, &activations, &mut scratch, &mut gradients);
    network.gradients_from_effective(parameters, &task.noise, &mut gradients);
    gradients
}

/// First parameters away from the special values that some have (sigmas all alike, normalisations the identity).
fn random_parameters(network: &QNetwork, rng: &mut Rng) -> Vec<f32> {
    let mut parameters = network.layers().initial_parameters(0.5, rng);
    parameters.iter_mut().for_each(|x| *x += rng.uniform_in(-0.2, 0.2) as f32);
    parameters
}

#[test]
fn backward_gives_the_slopes_that_finite_differences_give() {
    const STEP: f64 = 1e-6;
    let mut rng = Rng::from_seed(1);
    for architecture in architectures() {
        for batch in BATCHES {
            let network = QNetwork::new(architecture.clone(), CpuPath::available()[0]);
            // Away from the kinks of the ReLUs, where there is no slope.
            let (parameters, exact, task) = (0..1000)
                .map(|_| {
                    let parameters = random_parameters(&network, &mut rng);
                    let exact: Vec<f64> = parameters.iter().map(|x| f64::from(*x)).collect();
                    (parameters, exact, Task::new(&network, batch, &mut rng))
                })
                .find(|(_, exact, task)| plain_loss(&network, exact, task).1 > 20.0 * STEP)
                .expect("some batch lies away from the kinks");
            let slopes: Vec<f64> = (0..exact.len())
                .map(|i| {
                    let at = |x: f64| {
                        let mut moved = exact.clone();
                        moved[i] = x;
                        plain_loss(&network, &moved, &task).0
                    };
                    (at(exact[i] + STEP) - at(exact[i] - STEP)) / (2.0 * STEP)
                })
                .collect();
            let steepest = slopes.iter().fold(0.0_f64, |steepest, slope| steepest.max(slope.abs()));
            let gradients = computed_gradients(&network, &parameters, &task);
            for (i, (gradient, slope)) in gradients.iter().zip(&slopes).enumerate() {
                let error = (f64::from(*gradient) - slope).abs();
                // A few roundings in f32; the differences themselves are exact to about 1e-9.
                assert!(
                    error <= 5e-6 * steepest + 1e-7,
                    "{architecture:?}, batch {batch}: parameter {i} has {gradient}, not {slope}"
                );
            }
        }
    }
}

#[test]
fn acting_sees_the_q_values_that_learning_sees() {
    let mut rng = Rng::from_seed(2);
    for architecture in architectures() {
        let network = QNetwork::new(architecture.clone(), CpuPath::available()[0]);
        let parameters = random_parameters(&network, &mut rng);
        let levels = match architecture.head {
            Head::Implicit { acting_quantiles, .. } => acting_quantiles,
            _ => 1,
        };
        let obs: Vec<f32> = (0..5 * architecture.inputs).map(|_| rng.uniform_in(-2.0, 2.0) as f32).collect();
        let mut activations = network.activations(5, levels);
        activations.set_inputs(&obs).unwrap();
        let stride = activations.stride();
        let mut scratch = network.single_scratch();
        for (row, middle) in activations.levels_mut().chunks_exact_mut(stride).zip(scratch.levels_mut()) {
            row.fill(*middle);
        }
        network.forward(&parameters, &mut activations);
        for (item, obs) in obs.chunks_exact(architecture.inputs).enumerate() {
            let q = network.q_values(&parameters, obs, &mut scratch).unwrap();
            for action in 0..architecture.actions {
                // Summed in another order.
                let (acting, learning) = (q.get(0, action), activations.q_values().get(item, action));
                assert!((acting - learning).abs() < 1e-5, "{architecture:?}: {acting} and {learning}");
            }
        }
    }
}

/// Q-values of every head are means: of the quantiles, or of the atoms under their probabilities.
#[test]
fn every_head_offers_q_values() {
    let mut rng = Rng::from_seed(4);
    for architecture in architectures() {
        let network = QNetwork::new(architecture.clone(), CpuPath::available()[0]);
        let parameters = random_parameters(&network, &mut rng);
        let levels = if matches!(architecture.head, Head::Implicit { .. }) { LEVELS } else { 1 };
        let mut activations = network.activations(3, levels);
        let obs: Vec<f32> = (0..3 * architecture.inputs).map(|i| i as f32 * 0.3 - 1.0).collect();
        activations.set_inputs(&obs).unwrap();
        network.forward(&parameters, &mut activations);
        let (stride, atoms) = (activations.stride(), architecture.head.atoms() * levels);
        for item in 0..3 {
            for action in 0..architecture.actions {
                let outputs: Vec<f64> = (0..atoms)
                    .map(|atom| f64::from(activations.outputs()[(action * atoms + atom) * stride + item]))
                    .collect();
                let expected = match architecture.head {
                    Head::Categorical { v_min, v_max, .. } => {
                        let sum: f64 = outputs.iter().map(|x| x.exp()).sum();
                        let value = |atom: usize| v_min + (v_max - v_min) * atom as f64 / (atoms - 1) as f64;
                        outputs.iter().enumerate().map(|(atom, x)| value(atom) * x.exp() / sum).sum::<f64>()
                    }
                    _ => outputs.iter().sum::<f64>() / atoms as f64,
                };
                let q = f64::from(activations.q_values().get(item, action));
                assert!((q - expected).abs() < 1e-5, "{architecture:?}: {q}, not {expected}");
            }
        }
    }
}

#[test]
fn first_parameters_are_uniform_between_plus_and_minus_one_over_the_root_of_the_inputs() {
    let architecture = Architecture::plain(37, &[128, 300], 100);
    let network = QNetwork::new(architecture, CpuPath::Scalar);
    let parameters = network.layers().initial_parameters(0.5, &mut Rng::from_seed(3));
    for layer in network.layers().linears() {
        let bound = 1.0 / (layer.inputs as f64).sqrt();
        let both = [&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]];
        for (part, values) in ["weight", "bias"].into_iter().zip(both) {
            // In units of the bound: uniform in [-1, 1), of mean 0 and variance 1/3. Five standard errors each.
            let x: Vec<f64> = values.iter().map(|x| f64::from(*x) / bound).collect();
            let n = x.len() as f64;
            assert!(x.iter().all(|x| x.abs() <= 1.0 + 1e-7), "{} {part}", layer.name);
            let mean = x.iter().sum::<f64>() / n;
            assert!(mean.abs() < 5.0 * (1.0 / (3.0 * n)).sqrt(), "{} {part}: mean {mean}", layer.name);
            let variance = x.iter().map(|x| x * x).sum::<f64>() / n;
            assert!(
                (variance - 1.0 / 3.0).abs() < 5.0 * (4.0 / (45.0 * n)).sqrt(),
                "{} {part}: {variance}",
                layer.name
            );
            // Flat: in each tenth of the range a tenth of the numbers.
            let mut tenths = [0.0_f64; 10];
            for x in &x {
                tenths[((x + 1.0) * 5.0).clamp(0.0, 9.0) as usize] += 1.0;
            }
            let chi_squared: f64 = tenths.iter().map(|count| (count - n / 10.0).powi(2) / (n / 10.0)).sum();
            // Nine degrees of freedom: above 40 once in 100,000 times.
            assert!(chi_squared < 40.0, "{} {part}: {tenths:?}", layer.name);
        }
    }
}

/// Both networks' parameters.
fn online_and_target(agent: &Agent) -> (Vec<f32>, Vec<f32>) {
    let state = agent.engine().state();
    assert_eq!(state.online, agent.parameters());
    (state.online, state.target)
}

#[test]
fn a_random_target_network_starts_apart_and_an_online_one_equal() {
    let mut config = TrainConfig::preset("textbook").build().unwrap();
    let env = env::make(&config.env.id).unwrap();
    for (initial, equal) in [(InitialTarget::Random, false), (InitialTarget::Online, true)] {
        config.target_network.initial = initial;
        let mut agent = Agent::with_engine(&config, env.spec(), 7, cpu::on(CpuPath::Scalar)).unwrap();
        let (online, target) = online_and_target(&agent);
        assert_eq!(online == target, equal, "{initial:?}");
        // No draw is used twice.
        assert!(equal || online.iter().zip(&target).filter(|(a, b)| a == b).count() < 10, "{initial:?}");
        agent.update_target();
        let (online, target) = online_and_target(&agent);
        assert_eq!(online, target, "{initial:?}");
    }
}
