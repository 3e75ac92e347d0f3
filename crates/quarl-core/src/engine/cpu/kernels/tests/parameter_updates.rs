//! Kernels that update all parameters: the optimizers and Polyak averaging, against their definitions.

use super::super::{AdamStep, RmsPropStep, SgdStep, adam, polyak_update, rmsprop, sgd};
use super::{Implementation, LANES, ODD_SIZES, any_float, assert_same, cases, name, ordinary};
use crate::rng::Rng;

/// The arrays of an Adam step.
#[derive(Clone, Debug)]
struct Moments {
    parameters: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// The scalars of an Adam step.
#[derive(Clone, Copy, Debug)]
struct Rates {
    gradient_scale: f32,
    beta1: f64,
    beta2: f64,
    root_scale: f32,
    eps: f32,
    step_size: f32,
}

const USUAL: Rates =
    Rates { gradient_scale: 0.5, beta1: 0.9, beta2: 0.999, root_scale: 3.25, eps: 1e-8, step_size: 5e-3 };

impl Moments {
    fn step(&mut self, path: Implementation, gradients: &[f32], rates: Rates) -> f32 {
        let mut step = AdamStep {
            parameters: &mut self.parameters,
            gradients,
            first_moment: &mut self.first,
            second_moment: &mut self.second,
            gradient_scale: rates.gradient_scale,
            one_minus_beta1: (1.0 - rates.beta1) as f32,
            beta2: rates.beta2 as f32,
            one_minus_beta2: (1.0 - rates.beta2) as f32,
            root_scale: rates.root_scale,
            eps: rates.eps,
            step_size: rates.step_size,
        };
        adam(path, &mut step)
    }

    /// The definition of the step, number by number.
    fn expected(&self, gradients: &[f32], rates: Rates) -> Self {
        let mut after = self.clone();
        let flush = |x: f32| if x.abs() < 1e-30 { 0.0 } else { x };
        for (i, gradient) in gradients.iter().enumerate() {
            let gradient = gradient * rates.gradient_scale;
            let first = flush((gradient - self.first[i]).mul_add((1.0 - rates.beta1) as f32, self.first[i]));
            let second =
                flush((gradient * gradient).mul_add((1.0 - rates.beta2) as f32, self.second[i] * rates.beta2 as f32));
            let denominator = second.sqrt().mul_add(rates.root_scale, rates.eps);
            after.first[i] = first;
            after.second[i] = second;
            after.parameters[i] -= first * rates.step_size / denominator;
        }
        after
    }
}

#[test]
fn an_adam_step_is_its_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(1);
    for case in 0..cases(2000) {
        let len = LANES * (case % 20);
        check_adam(&mut rng, case, len);
    }
}

#[test]
fn an_adam_step_is_its_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(4);
    for size in ODD_SIZES {
        check_adam(&mut rng, 1, size.next_multiple_of(LANES));
    }
}

fn check_adam(rng: &mut Rng, case: usize, len: usize) {
    let mut numbers = |len| -> Vec<f32> {
        if case % 2 == 1 { ordinary(rng, len) } else { (0..len).map(|_| any_float(rng)).collect() }
    };
    let gradients = numbers(len);
    let second = numbers(len).into_iter().map(f32::abs).collect();
    let before = Moments { parameters: numbers(len), first: numbers(len), second };
    let expected = before.expected(&gradients, USUAL);
    let finite = expected.parameters.iter().all(|x| x.is_finite());
    for path in Implementation::available() {
        let mut after = before.clone();
        let nothing = after.step(path, &gradients, USUAL);
        let case = format!("{} {len} parameters", name(path));
        assert_same(&after.parameters, &expected.parameters, &case);
        assert_same(&after.first, &expected.first, &case);
        assert_same(&after.second, &expected.second, &case);
        assert_eq!(nothing == 0.0, finite, "{case}: {nothing}");
        assert_eq!(nothing.is_nan(), !finite, "{case}: {nothing}");
    }
}

#[test]
fn an_adam_step_is_kingma_and_bas_formula_in_f64_up_to_rounding() {
    let mut rng = Rng::from_seed(2);
    let before = Moments {
        parameters: ordinary(&mut rng, 512),
        first: ordinary(&mut rng, 512),
        second: ordinary(&mut rng, 512).into_iter().map(f32::abs).collect(),
    };
    let gradients = ordinary(&mut rng, 512);
    let after = before.expected(&gradients, USUAL);
    for (i, gradient) in gradients.iter().enumerate() {
        let g = f64::from(*gradient) * f64::from(USUAL.gradient_scale);
        let m = USUAL.beta1 * f64::from(before.first[i]) + (1.0 - USUAL.beta1) * g;
        let v = USUAL.beta2 * f64::from(before.second[i]) + (1.0 - USUAL.beta2) * g * g;
        let update = f64::from(USUAL.step_size) * m / (f64::from(USUAL.root_scale) * v.sqrt() + f64::from(USUAL.eps));
        let theta = f64::from(before.parameters[i]) - update;
        assert!((f64::from(after.first[i]) - m).abs() < 2e-7, "first moment {i}");
        assert!((f64::from(after.second[i]) - v).abs() < 2e-7, "second moment {i}");
        assert!((f64::from(after.parameters[i]) - theta).abs() < 3e-7 * (1.0 + update.abs()), "parameter {i}");
    }
}

#[test]
fn moments_too_small_to_matter_become_zero_and_nan_stays() {
    let (below, above) = (f32::from_bits(1e-30_f32.to_bits() - 1), 1e-30);
    let values = [below, -below, above, -above, f32::from_bits(1), 0.0, f32::NAN, f32::INFINITY];
    let expected = [0.0, 0.0, above, -above, 0.0, 0.0, f32::NAN, f32::INFINITY];
    // With beta1 = 0 and no moment yet, the first moment is the gradient.
    let rates = Rates { gradient_scale: 1.0, beta1: 0.0, ..USUAL };
    let mut gradients = vec![1.0; LANES];
    gradients[..8].copy_from_slice(&values);
    for path in Implementation::available() {
        let mut moments = Moments { parameters: vec![0.0; LANES], first: vec![0.0; LANES], second: vec![0.0; LANES] };
        assert!(moments.step(path, &gradients, rates).is_nan());
        assert_same(&moments.first[..8], &expected, &name(path));
        assert!(moments.second[0] == 0.0 && moments.second[6].is_nan(), "{}", name(path));
    }
}

#[test]
fn one_parameter_that_is_not_finite_is_noticed_wherever_it_is() {
    for path in Implementation::available() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..3 * LANES {
                let zeros = vec![0.0; 3 * LANES];
                let mut moments = Moments { parameters: zeros.clone(), first: zeros.clone(), second: zeros.clone() };
                assert_eq!(moments.step(path, &zeros, USUAL), 0.0);
                moments.parameters[at] = bad;
                assert!(moments.step(path, &zeros, USUAL).is_nan(), "{} {bad} at {at}", name(path));
            }
        }
    }
}

#[test]
fn polyak_averaging_is_its_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(3);
    for case in 0..cases(2000) {
        let len = LANES * (case % 20);
        check_polyak_update(&mut rng, len);
    }
}

#[test]
fn polyak_averaging_is_its_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(5);
    for size in ODD_SIZES {
        check_polyak_update(&mut rng, size.next_multiple_of(LANES));
    }
}

fn check_polyak_update(rng: &mut Rng, len: usize) {
    let target: Vec<f32> = (0..len).map(|_| any_float(rng)).collect();
    let source: Vec<f32> = (0..len).map(|_| any_float(rng)).collect();
    let tau = rng.uniform() as f32;
    let expected: Vec<f32> = target.iter().zip(&source).map(|(t, s)| (s - t).mul_add(tau, *t)).collect();
    for path in Implementation::available() {
        let mut moved = target.clone();
        polyak_update(path, &mut moved, &source, tau);
        assert_same(&moved, &expected, &name(path));
    }
}

/// The switches of RMSProp and SGD.
#[derive(Clone, Copy, Debug)]
struct Switches {
    centered: bool,
    momentum: bool,
    nesterov: bool,
}

const SWITCHES: [Switches; 4] = [
    Switches { centered: false, momentum: false, nesterov: false },
    Switches { centered: true, momentum: false, nesterov: false },
    Switches { centered: false, momentum: true, nesterov: false },
    Switches { centered: true, momentum: true, nesterov: true },
];

/// `values`, or no numbers if a switch is off.
fn only_if(on: bool, values: &[f32]) -> Vec<f32> {
    if on { values.to_vec() } else { Vec::new() }
}

#[test]
fn a_step_of_rmsprop_is_its_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(6);
    let (scale, alpha, momentum, lr) = (0.5_f32, 0.95_f32, 0.9_f32, 1e-2_f32);
    for len in ODD_SIZES.map(|size| size.next_multiple_of(LANES)) {
        for (switches, eps_inside, eps_outside) in SWITCHES.map(|s| (s, if s.nesterov { 1e-2 } else { 0.0 }, 1e-8_f32))
        {
            let (parameters, gradients) = (ordinary(&mut rng, len), ordinary(&mut rng, len));
            let square: Vec<f32> = ordinary(&mut rng, len).into_iter().map(f32::abs).collect();
            let mean = only_if(switches.centered, &ordinary(&mut rng, len));
            let velocity = only_if(switches.momentum, &ordinary(&mut rng, len));
            let mut expected = [parameters.clone(), square.clone(), mean.clone(), velocity.clone()];
            for i in 0..len {
                let [parameters, square, mean, velocity] = &mut expected;
                let gradient = gradients[i] * scale;
                square[i] = (gradient * gradient).mul_add(1.0 - alpha, square[i] * alpha);
                let mut under_root = square[i];
                if switches.centered {
                    mean[i] = (gradient - mean[i]).mul_add(1.0 - alpha, mean[i]);
                    under_root = (square[i] - mean[i] * mean[i]).max(0.0);
                }
                let mut update = gradient / ((under_root + eps_inside).sqrt() + eps_outside);
                if switches.momentum {
                    update = velocity[i].mul_add(momentum, update);
                    velocity[i] = update;
                }
                parameters[i] -= update * lr;
            }
            for path in Implementation::available() {
                let mut after = [parameters.clone(), square.clone(), mean.clone(), velocity.clone()];
                let [parameters, square, mean, velocity] = &mut after;
                let mut step = RmsPropStep {
                    parameters,
                    gradients: &gradients,
                    square,
                    mean,
                    velocity,
                    gradient_scale: scale,
                    alpha,
                    one_minus_alpha: 1.0 - alpha,
                    eps_inside,
                    eps_outside,
                    momentum,
                    lr,
                };
                assert_eq!(rmsprop(path, &mut step), 0.0);
                assert_same(&after.concat(), &expected.concat(), &format!("{} {len} {switches:?}", name(path)));
            }
        }
    }
}

#[test]
fn a_step_of_sgd_is_its_definition_at_odd_sizes() {
    let mut rng = Rng::from_seed(7);
    let (scale, momentum, lr) = (0.5_f32, 0.9_f32, 1e-2_f32);
    for len in ODD_SIZES.map(|size| size.next_multiple_of(LANES)) {
        for switches in SWITCHES {
            let (parameters, gradients) = (ordinary(&mut rng, len), ordinary(&mut rng, len));
            let velocity = only_if(switches.momentum, &ordinary(&mut rng, len));
            let mut expected = [parameters.clone(), velocity.clone()];
            for i in 0..len {
                let [parameters, velocity] = &mut expected;
                let gradient = gradients[i] * scale;
                let mut update = gradient;
                if switches.momentum {
                    velocity[i] = velocity[i].mul_add(momentum, gradient);
                    update = if switches.nesterov { velocity[i].mul_add(momentum, gradient) } else { velocity[i] };
                }
                parameters[i] -= update * lr;
            }
            for path in Implementation::available() {
                let mut after = [parameters.clone(), velocity.clone()];
                let [parameters, velocity] = &mut after;
                let nesterov = switches.nesterov;
                let mut step = SgdStep {
                    parameters,
                    gradients: &gradients,
                    velocity,
                    gradient_scale: scale,
                    momentum,
                    nesterov,
                    lr,
                };
                assert_eq!(sgd(path, &mut step), 0.0);
                assert_same(&after.concat(), &expected.concat(), &format!("{} {len} {switches:?}", name(path)));
            }
        }
    }
}
