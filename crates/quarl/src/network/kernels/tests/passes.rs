//! One pass over all parameters: Adam, and moving the target network.

use super::super::{AdamPass, adam, blend};
use super::{CpuPath, LANES, any_float, assert_same, cases, ordinary};
use crate::rng::Rng;

/// What one pass of Adam reads and writes.
#[derive(Clone, Debug)]
struct Moments {
    parameters: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// The rates of one pass.
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
    fn pass(&mut self, path: CpuPath, gradients: &[f32], rates: Rates) -> f32 {
        let mut pass = AdamPass {
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
        adam(path, &mut pass)
    }

    /// The pass's definition, number by number.
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
fn a_pass_of_adam_is_its_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(1);
    for case in 0..cases(2000) {
        let len = LANES * (case % 20);
        let mut numbers = |len| -> Vec<f32> {
            if case % 2 == 1 { ordinary(&mut rng, len) } else { (0..len).map(|_| any_float(&mut rng)).collect() }
        };
        let gradients = numbers(len);
        let second = numbers(len).into_iter().map(f32::abs).collect();
        let before = Moments { parameters: numbers(len), first: numbers(len), second };
        let expected = before.expected(&gradients, USUAL);
        let finite = expected.parameters.iter().all(|x| x.is_finite());
        for path in CpuPath::available() {
            let mut after = before.clone();
            let nothing = after.pass(path, &gradients, USUAL);
            let case = format!("{} {len} parameters", path.name());
            assert_same(&after.parameters, &expected.parameters, &case);
            assert_same(&after.first, &expected.first, &case);
            assert_same(&after.second, &expected.second, &case);
            assert_eq!(nothing == 0.0, finite, "{case}: {nothing}");
            assert_eq!(nothing.is_nan(), !finite, "{case}: {nothing}");
        }
    }
}

#[test]
fn a_pass_of_adam_is_kingma_and_bas_formula_in_f64_up_to_rounding() {
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
    for path in CpuPath::available() {
        let mut moments = Moments { parameters: vec![0.0; LANES], first: vec![0.0; LANES], second: vec![0.0; LANES] };
        assert!(moments.pass(path, &gradients, rates).is_nan());
        assert_same(&moments.first[..8], &expected, path.name());
        assert!(moments.second[0] == 0.0 && moments.second[6].is_nan(), "{}", path.name());
    }
}

#[test]
fn one_parameter_that_is_not_finite_is_noticed_wherever_it_is() {
    for path in CpuPath::available() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..3 * LANES {
                let zeros = vec![0.0; 3 * LANES];
                let mut moments = Moments { parameters: zeros.clone(), first: zeros.clone(), second: zeros.clone() };
                assert_eq!(moments.pass(path, &zeros, USUAL), 0.0);
                moments.parameters[at] = bad;
                assert!(moments.pass(path, &zeros, USUAL).is_nan(), "{} {bad} at {at}", path.name());
            }
        }
    }
}

#[test]
fn moving_the_target_is_its_definition_bit_for_bit_on_every_path() {
    let mut rng = Rng::from_seed(3);
    for case in 0..cases(2000) {
        let len = LANES * (case % 20);
        let target: Vec<f32> = (0..len).map(|_| any_float(&mut rng)).collect();
        let source: Vec<f32> = (0..len).map(|_| any_float(&mut rng)).collect();
        let tau = rng.uniform() as f32;
        let expected: Vec<f32> = target.iter().zip(&source).map(|(t, s)| (s - t).mul_add(tau, *t)).collect();
        for path in CpuPath::available() {
            let mut moved = target.clone();
            blend(path, &mut moved, &source, tau);
            assert_same(&moved, &expected, path.name());
        }
    }
}
