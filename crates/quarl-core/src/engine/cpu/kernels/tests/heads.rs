//! Activations, layer normalisation, softmax and the quantile Huber loss: the same bits on every path, and close to `f64`.

use super::super::{
    LayerNormCache, QuantileHuber, activate, activation_gradient, layer_norm, layer_norm_gradient, quantile_huber,
    softmax,
};
use super::{Implementation, LANES, ODD_SIZES, any_float, assert_same, cases, name};
use crate::engine::cpu::buffer::Buffer;
use crate::loss::quantile;
use crate::network::Activation;
use crate::rng::Rng;

const ACTIVATIONS: [Activation; 3] = [Activation::Relu, Activation::Tanh, Activation::Elu];

fn uniform(rng: &mut Rng, len: usize, bound: f64) -> Vec<f32> {
    (0..len).map(|_| rng.uniform_in(-bound, bound) as f32).collect()
}

fn exact(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Elu => x.max(0.0) + x.min(0.0).exp_m1(),
    }
}

#[test]
fn activations_are_the_same_on_every_path_and_what_f64_says() {
    let mut rng = Rng::from_seed(1);
    for activation in ACTIVATIONS {
        for case in 0..cases(300) {
            let x: Vec<f32> = if case % 3 == 0 {
                (0..48).map(|_| any_float(&mut rng)).collect()
            } else {
                uniform(&mut rng, 48, [20.0, 1.0, 1e-3][case % 3])
            };
            let mut expected = x.clone();
            activate(Implementation::Scalar, activation, &mut expected);
            let upstream = uniform(&mut rng, 48, 1.0);
            let mut slopes = upstream.clone();
            activation_gradient(Implementation::Scalar, activation, &expected, &mut slopes);
            for path in Implementation::available() {
                let mut y = x.clone();
                activate(path, activation, &mut y);
                assert_same(&y, &expected, &format!("{activation:?} on {}", name(path)));
                let mut deltas = upstream.clone();
                activation_gradient(path, activation, &y, &mut deltas);
                assert_same(&deltas, &slopes, &format!("{activation:?}'s gradient on {}", name(path)));
            }
            if case % 3 != 0 {
                for (i, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
                    let y = exact(activation, x);
                    assert!((f64::from(expected[i]) - y).abs() <= 1.5e-7 * x.abs().max(1.0), "{activation:?}({x})");
                    // A central difference in f64, wherever there is no kink.
                    let slope = (exact(activation, x + 1e-6) - exact(activation, x - 1e-6)) / 2e-6;
                    let error = f64::from(slopes[i]) - slope * f64::from(upstream[i]);
                    assert!(error.abs() < 1e-6 || x.abs() < 1e-5, "{activation:?}'({x}): {error}");
                }
            }
        }
    }
}

#[test]
fn activations_are_the_same_on_every_path_at_odd_sizes() {
    let mut rng = Rng::from_seed(8);
    for activation in ACTIVATIONS {
        for size in ODD_SIZES.map(|size| size.next_multiple_of(LANES)) {
            let x = uniform(&mut rng, size, 3.0);
            let upstream = uniform(&mut rng, size, 1.0);
            for path in Implementation::available() {
                let (mut y, mut deltas) = (x.clone(), upstream.clone());
                activate(path, activation, &mut y);
                activation_gradient(path, activation, &y, &mut deltas);
                for (i, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
                    let y = f64::from(y[i]);
                    assert!((y - exact(activation, x)).abs() <= 1.5e-7 * x.abs().max(1.0), "{activation:?}({x})");
                    let slope = match activation {
                        Activation::Relu => f64::from(u8::from(y > 0.0)),
                        Activation::Tanh => 1.0 - y * y,
                        Activation::Elu => y.min(0.0) + 1.0,
                    };
                    let error = f64::from(deltas[i]) - slope * f64::from(upstream[i]);
                    assert!(error.abs() < 1e-6, "{activation:?}'({x}) on {}: {error}", name(path));
                }
            }
        }
    }
}

#[test]
fn layer_normalisation_is_the_same_on_every_path_and_what_f64_says() {
    let mut rng = Rng::from_seed(2);
    for _ in 0..cases(60) {
        let (units, stride) = (1 + rng.below(40), 16 * (1 + rng.below(3)));
        check_layer_norm(&mut rng, units, stride);
    }
}

#[test]
fn layer_normalisation_is_what_f64_says_at_odd_sizes() {
    let mut rng = Rng::from_seed(5);
    for units in ODD_SIZES {
        check_layer_norm(&mut rng, units, (50 - units).next_multiple_of(LANES));
    }
}

fn check_layer_norm(rng: &mut Rng, units: usize, stride: usize) {
    let x = uniform(rng, units * stride, 3.0);
    let (weight, bias) = (uniform(rng, units, 2.0), uniform(rng, units, 2.0));
    let upstream = uniform(rng, units * stride, 1.0);
    let run = |path: Implementation| {
        let mut pass =
            LayerNormCache { normalised: Buffer::zeros(units * stride), inverse_deviations: Buffer::zeros(stride) };
        let (mut y, mut deltas) = (x.clone(), upstream.clone());
        let (mut of_weight, mut of_bias) = (vec![0.0; units], vec![0.0; units]);
        layer_norm(path, &mut pass, &weight, &bias, &mut y);
        layer_norm_gradient(path, &pass, &weight, &mut deltas, &mut of_weight, &mut of_bias);
        [y, deltas, of_weight, of_bias].concat()
    };
    let expected = run(Implementation::Scalar);
    for path in Implementation::available() {
        assert_same(&run(path), &expected, &format!("{units} units on {}", name(path)));
    }
    for item in 0..stride {
        let column: Vec<f64> = (0..units).map(|unit| f64::from(x[unit * stride + item])).collect();
        let mean = column.iter().sum::<f64>() / units as f64;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / units as f64;
        for (unit, x) in column.iter().enumerate() {
            let normalised = (x - mean) / (variance + f64::from(crate::network::LAYER_NORM_EPS)).sqrt();
            let y = normalised * f64::from(weight[unit]) + f64::from(bias[unit]);
            // Where the units are nearly equal, the rounding of the mean matters more.
            let tolerance = 1e-6 * (1.0 + 3.0 / (variance + 1e-5).sqrt());
            assert!((f64::from(expected[unit * stride + item]) - y).abs() < tolerance, "{units} units: {y}");
        }
    }
}

#[test]
fn a_softmax_is_the_same_on_every_path_and_what_f64_says() {
    let mut rng = Rng::from_seed(3);
    for case in 0..cases(200) {
        let (atoms, stride) = (1 + rng.below(60), 16 * (1 + rng.below(3)));
        check_softmax(&mut rng, atoms, stride, [0.1, 5.0, 200.0][case % 3]);
    }
}

#[test]
fn a_softmax_is_what_f64_says_at_odd_sizes() {
    let mut rng = Rng::from_seed(6);
    for atoms in ODD_SIZES {
        check_softmax(&mut rng, atoms, (50 - atoms).next_multiple_of(LANES), 5.0);
    }
}

fn check_softmax(rng: &mut Rng, atoms: usize, stride: usize, bound: f64) {
    let logits = uniform(rng, atoms * stride, bound);
    let mut expected = vec![f32::NAN; logits.len()];
    softmax(Implementation::Scalar, &logits, stride, &mut expected);
    for path in Implementation::available() {
        let mut probabilities = vec![f32::NAN; logits.len()];
        softmax(path, &logits, stride, &mut probabilities);
        assert_same(&probabilities, &expected, &name(path));
    }
    for item in 0..stride {
        let column = (item..logits.len()).step_by(stride);
        let largest = column.clone().map(|at| logits[at]).fold(f32::MIN, f32::max);
        let weight = |at: usize| f64::from(logits[at] - largest).exp();
        let sum: f64 = column.clone().map(weight).sum();
        for at in column {
            assert!((f64::from(expected[at]) - weight(at) / sum).abs() < 3e-7, "{atoms} atoms");
        }
    }
}

#[test]
fn the_quantile_huber_loss_is_the_same_on_every_path_and_the_sum_over_all_pairs() {
    let mut rng = Rng::from_seed(4);
    for case in 0..cases(100) {
        let (count, samples, stride) = (1 + rng.below(20), 1 + rng.below(20), 16 * (1 + rng.below(2)));
        check_quantile_huber(&mut rng, (count, samples), stride, [0.5, 3.0][case % 2]);
    }
}

#[test]
fn the_quantile_huber_loss_is_the_sum_over_all_pairs_at_odd_sizes() {
    let mut rng = Rng::from_seed(7);
    for (count, samples, stride) in [(1, 7, 32), (7, 1, 16), (17, 7, 16), (1, 33, 48)] {
        check_quantile_huber(&mut rng, (count, samples), stride, 3.0);
    }
}

fn check_quantile_huber(rng: &mut Rng, (count, samples): (usize, usize), stride: usize, bound: f64) {
    let (predictions, targets) = (uniform(rng, count * stride, bound), uniform(rng, samples * stride, bound));
    let levels: Vec<f32> = (0..count * stride).map(|_| rng.uniform() as f32).collect();
    let run = |path: Implementation| {
        let mut gradients = vec![f32::NAN; count * stride];
        let (mut losses, mut distances) = (vec![f32::NAN; stride], vec![f32::NAN; stride]);
        quantile_huber(
            path,
            &mut QuantileHuber {
                predictions: &predictions,
                levels: &levels,
                targets: &targets,
                gradients: &mut gradients,
                losses: &mut losses,
                distances: &mut distances,
            },
        );
        (losses, distances, gradients)
    };
    let (losses, distances, gradients) = run(Implementation::Scalar);
    for path in Implementation::available() {
        let (l, d, g) = run(path);
        assert_same(&[l, d, g].concat(), &[&losses[..], &distances, &gradients].concat(), &name(path));
    }
    for item in 0..stride {
        let (mut loss, mut distance) = (0.0, 0.0);
        for i in 0..count {
            let at = i * stride + item;
            let mut slope = 0.0;
            for j in 0..samples {
                let error = targets[j * stride + item] - predictions[at];
                let (value, gradient) = quantile::value_and_gradient(levels[at], error);
                loss += f64::from(value) / samples as f64;
                slope += f64::from(gradient) / samples as f64;
                distance += f64::from(error.abs()) / (count * samples) as f64;
            }
            assert!((f64::from(gradients[at]) - slope).abs() < 1e-5);
        }
        assert!((f64::from(losses[item]) - loss).abs() < 1e-5 * (1.0 + loss));
        assert!((f64::from(distances[item]) - distance).abs() < 1e-5 * (1.0 + distance));
    }
}
