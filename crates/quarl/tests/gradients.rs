//! Gradients against finite differences of a network written out plainly in `f64`; and the first parameters.

use quarl::agent::Agent;
use quarl::config::{InitialTarget, presets};
use quarl::env;
use quarl::network::kernels::CpuPath;
use quarl::network::{Architecture, QNetwork, init};
use quarl::rng::Rng;

/// Inputs, hidden layers, actions.
const ARCHITECTURES: [(usize, &[usize], usize); 7] =
    [(1, &[], 1), (5, &[], 3), (3, &[1], 2), (4, &[16], 2), (2, &[17, 5], 3), (6, &[32, 32], 4), (4, &[7, 33, 10], 5)];
const BATCHES: [usize; 5] = [1, 3, 16, 17, 37];

/// A batch to descend on: the mean of (Q(s, a) - y)^2.
struct Task {
    obs: Vec<f32>,
    actions: Vec<usize>,
    targets: Vec<f32>,
}

impl Task {
    fn new(network: &QNetwork, batch: usize, rng: &mut Rng) -> Self {
        let Architecture { inputs, actions, .. } = network.architecture();
        Self {
            obs: (0..batch * inputs).map(|_| rng.uniform_in(-2.0, 2.0) as f32).collect(),
            actions: (0..batch).map(|_| rng.below(*actions)).collect(),
            targets: (0..batch).map(|_| rng.uniform_in(-2.0, 2.0) as f32).collect(),
        }
    }
}

/// The loss in `f64`, layer by layer and number by number; and how near to zero any hidden unit came before its ReLU.
fn plain_loss(network: &QNetwork, parameters: &[f64], task: &Task) -> (f64, f64) {
    let (mut loss, mut nearest_kink) = (0.0, f64::INFINITY);
    for (item, obs) in task.obs.chunks_exact(network.architecture().inputs).enumerate() {
        let mut x: Vec<f64> = obs.iter().map(|x| f64::from(*x)).collect();
        for (i, layer) in network.layers().iter().enumerate() {
            let weight = &parameters[layer.weight.clone()];
            let bias = &parameters[layer.bias.clone()];
            let y = weight.chunks_exact(layer.inputs).zip(bias);
            let y = y.map(|(row, bias)| bias + row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>());
            x = if i + 1 == network.layers().len() {
                y.collect()
            } else {
                y.inspect(|y| nearest_kink = nearest_kink.min(y.abs())).map(|y| y.max(0.0)).collect()
            };
        }
        loss += (x[task.actions[item]] - f64::from(task.targets[item])).powi(2) / task.targets.len() as f64;
    }
    (loss, nearest_kink)
}

/// The gradients that the network computes.
fn computed_gradients(network: &QNetwork, parameters: &[f32], task: &Task) -> Vec<f32> {
    let mut activations = network.activations(task.actions.len());
    activations.set_inputs(&task.obs);
    network.forward(parameters, &mut activations);
    let mut scratch = network.backward_scratch(&activations);
    let q = activations.q_values();
    let deltas = scratch.output_deltas();
    let stride = deltas.len() / network.architecture().actions;
    for (item, action) in task.actions.iter().copied().enumerate() {
        deltas[action * stride + item] = 2.0 * (q.get(item, action) - task.targets[item]) / task.actions.len() as f32;
    }
    let mut gradients = vec![f32::NAN; network.parameter_count()];
    network.backward(parameters, &activations, &mut scratch, &mut gradients);
    gradients
}

#[test]
fn backward_gives_the_slopes_that_finite_differences_give() {
    const STEP: f64 = 1e-6;
    let mut rng = Rng::from_seed(1);
    for (inputs, hidden, actions) in ARCHITECTURES {
        for batch in BATCHES {
            let architecture = Architecture { inputs, hidden: hidden.to_vec(), actions };
            let network = QNetwork::new(architecture, CpuPath::available()[0]);
            // Away from the kinks of the ReLUs, where there is no slope.
            let (parameters, exact, task) = (0..1000)
                .map(|_| {
                    let parameters = init::pytorch_default(&network, &mut rng);
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
                    error <= 2e-6 * steepest + 1e-8,
                    "{inputs}-{hidden:?}-{actions}, batch {batch}: parameter {i} has {gradient}, not {slope}"
                );
            }
        }
    }
}

#[test]
fn acting_sees_the_q_values_that_learning_sees() {
    let mut rng = Rng::from_seed(2);
    for (inputs, hidden, actions) in ARCHITECTURES {
        let architecture = Architecture { inputs, hidden: hidden.to_vec(), actions };
        let network = QNetwork::new(architecture, CpuPath::available()[0]);
        let parameters = init::pytorch_default(&network, &mut rng);
        let task = Task::new(&network, 5, &mut rng);
        let mut activations = network.activations(5);
        activations.set_inputs(&task.obs);
        network.forward(&parameters, &mut activations);
        let mut scratch = network.single_scratch();
        for (item, obs) in task.obs.chunks_exact(inputs).enumerate() {
            let q = network.q_values(&parameters, obs, &mut scratch);
            for action in 0..actions {
                // Summed in another order.
                assert!((q.get(0, action) - activations.q_values().get(item, action)).abs() < 2e-6);
            }
        }
    }
}

#[test]
fn first_parameters_are_uniform_between_plus_and_minus_one_over_the_root_of_the_inputs() {
    let architecture = Architecture { inputs: 37, hidden: vec![128, 300], actions: 100 };
    let network = QNetwork::new(architecture, CpuPath::Scalar);
    let parameters = init::pytorch_default(&network, &mut Rng::from_seed(3));
    for layer in network.layers() {
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

/// Both networks' parameters: what a saved agent begins with.
fn online_and_target(agent: &Agent) -> (Vec<f32>, Vec<f32>) {
    let bytes = postcard::to_stdvec(agent.state()).unwrap();
    let (online, target): (Vec<f32>, Vec<f32>) = postcard::take_from_bytes(&bytes).unwrap().0;
    assert_eq!(online, agent.parameters());
    (online, target)
}

#[test]
fn a_random_target_network_starts_apart_and_an_online_one_equal() {
    let mut config = presets::config("textbook", None).unwrap();
    let env = env::make(&config.env.id).unwrap();
    for (initial, equal) in [(InitialTarget::Random, false), (InitialTarget::Online, true)] {
        config.target_network.initial = initial;
        let mut agent = Agent::new(&config, env.spec(), 7, CpuPath::Scalar).unwrap();
        let (online, target) = online_and_target(&agent);
        assert_eq!(online == target, equal, "{initial:?}");
        // No draw is used twice.
        assert!(equal || online.iter().zip(&target).filter(|(a, b)| a == b).count() < 10, "{initial:?}");
        agent.sync_target();
        let (online, target) = online_and_target(&agent);
        assert_eq!(online, target, "{initial:?}");
    }
}
