//! Samplers: the parameters of the next trial.
//!
//! [`Sampler::Tpe`] is the multivariate tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for
//! hyper-parameter optimization"; Falkner et al. 2018, "BOHB") with the bandwidths of Optuna (analysed by Watanabe 2023,
//! "Tree-structured Parzen estimator: understanding its algorithm components"). The best trials give a density l(x), all
//! others a density g(x); of several samples of l, the one with the largest l(x) / g(x) is tried. Running trials count
//! among the others, so that parallel trials differ.

use serde::{Deserialize, Serialize};

use super::parameter::Parameter;
use crate::rng::Rng;

/// The method that chooses the parameters of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Tree-structured Parzen estimator.
    #[default]
    Tpe,
    /// Uniformly random.
    Random,
}

/// The number of random trials before the first estimate.
const STARTUP: usize = 10;
/// The number of samples of l(x) among which the best is chosen.
const CANDIDATES: usize = 24;
/// The largest number of trials in l(x).
const MOST_GOOD: usize = 25;

/// The coordinates of past trials; see [`Values::coordinate`](super::parameter::Values).
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Ended trials with a score or a value at a rung, best first.
    pub(super) ranked: Vec<Vec<f64>>,
    /// Failed and running trials.
    pub(super) others: Vec<Vec<f64>>,
}

/// The coordinates of the next trial.
pub(super) fn sample(sampler: Sampler, parameters: &[Parameter], history: &History, rng: &mut Rng) -> Vec<f64> {
    if sampler == Sampler::Random || history.ranked.len() < STARTUP {
        return parameters.iter().map(|parameter| uniform(parameter, rng)).collect();
    }
    let (good, bad) = history.ranked.split_at(good_trials(history.ranked.len()));
    let bad: Vec<&Vec<f64>> = bad.iter().chain(&history.others).collect();
    let good = Density::new(parameters, &good.iter().collect::<Vec<_>>());
    let bad = Density::new(parameters, &bad);
    let mut best = (f64::NEG_INFINITY, Vec::new());
    for _ in 0..CANDIDATES {
        // The density is that of the value that will be tried, which is rounded.
        let candidate: Vec<f64> =
            good.sample(rng).iter().zip(parameters).map(|(x, parameter)| snapped(parameter, *x)).collect();
        let gain = good.log_density(&candidate) - bad.log_density(&candidate);
        if gain > best.0 {
            best = (gain, candidate);
        }
    }
    best.1
}

/// The number of trials that count as good: the best tenth.
fn good_trials(trials: usize) -> usize {
    trials.div_ceil(10).min(MOST_GOOD)
}

fn uniform(parameter: &Parameter, rng: &mut Rng) -> f64 {
    match parameter.values.choices() {
        Some(choices) => rng.below(choices) as f64,
        None => snapped(parameter, rng.uniform()),
    }
}

/// The coordinate of the value that this coordinate stands for.
fn snapped(parameter: &Parameter, coordinate: f64) -> f64 {
    parameter.values.coordinate(&parameter.values.of_coordinate(coordinate))
}

/// A Parzen estimator: an equal mixture of one product of kernels for each trial, and a wide one, the prior.
struct Density {
    components: Vec<Vec<Kernel>>,
}

/// The kernel of one parameter in one component.
enum Kernel {
    /// A normal distribution, truncated to [0, 1].
    Normal { mean: f64, deviation: f64 },
    /// The probability of each choice.
    Choice(Vec<f64>),
}

impl Density {
    fn new(parameters: &[Parameter], trials: &[&Vec<f64>]) -> Self {
        let n = trials.len() as f64;
        // Scott's rule, and a lower limit that shrinks with the number of kernels.
        let scott = 0.2 * libm::pow(n.max(1.0), -1.0 / (parameters.len() as f64 + 4.0));
        let deviation = scott.max(1.0 / (n + 2.0).min(100.0));
        let kernel = |parameter: &Parameter, x: Option<f64>| match (parameter.values.choices(), x) {
            (Some(choices), Some(x)) => {
                // One observation, and the prior's share of the n + 1 kernels.
                let prior = 1.0 / (n + 1.0);
                let total = 1.0 + prior * choices as f64;
                Kernel::Choice((0..choices).map(|i| (prior + f64::from(u8::from(i as f64 == x))) / total).collect())
            }
            (Some(choices), None) => Kernel::Choice(vec![1.0 / choices as f64; choices]),
            (None, Some(mean)) => Kernel::Normal { mean, deviation },
            (None, None) => Kernel::Normal { mean: 0.5, deviation: 1.0 },
        };
        let of_trial =
            |x: &&Vec<f64>| parameters.iter().zip(x.iter()).map(|(parameter, x)| kernel(parameter, Some(*x))).collect();
        let prior = parameters.iter().map(|parameter| kernel(parameter, None)).collect();
        Self { components: trials.iter().map(of_trial).chain([prior]).collect() }
    }

    fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        let component = &self.components[rng.below(self.components.len())];
        component.iter().map(|kernel| kernel.sample(rng)).collect()
    }

    /// The logarithm of the density.
    fn log_density(&self, x: &[f64]) -> f64 {
        let logs: Vec<f64> = self
            .components
            .iter()
            .map(|component| component.iter().zip(x).map(|(kernel, x)| kernel.log_density(*x)).sum())
            .collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|log| libm::exp(log - largest)).sum();
        largest + libm::log(sum / logs.len() as f64)
    }
}

impl Kernel {
    fn sample(&self, rng: &mut Rng) -> f64 {
        match self {
            // The mean lies in [0, 1], so at least a third of the draws is accepted.
            Self::Normal { mean, deviation } => loop {
                let x = mean + deviation * rng.normal();
                if (0.0..=1.0).contains(&x) {
                    break x;
                }
            },
            Self::Choice(probabilities) => {
                let mut left = rng.uniform();
                let found = probabilities.iter().position(|probability| {
                    left -= probability;
                    left < 0.0
                });
                found.unwrap_or(probabilities.len() - 1) as f64
            }
        }
    }

    fn log_density(&self, x: f64) -> f64 {
        match self {
            Self::Normal { mean, deviation } => {
                let z = (x - mean) / deviation;
                let below = |x: f64| 0.5 * (1.0 + libm::erf((x - mean) / (deviation * std::f64::consts::SQRT_2)));
                let mass = below(1.0) - below(0.0);
                -0.5 * z * z - libm::log(deviation * mass * (2.0 * std::f64::consts::PI).sqrt())
            }
            Self::Choice(probabilities) => libm::log(probabilities[(x as usize).min(probabilities.len() - 1)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameter::Values;
    use super::*;

    fn parameters() -> Vec<Parameter> {
        let number = Values::Numbers { low: 0.0, high: 1.0, log: false };
        let choice = Values::Choices(vec!["a".into(), "b".into(), "c".into()]);
        [("x", number.clone()), ("y", number), ("kind", choice)]
            .map(|(key, values)| Parameter { key: key.to_owned(), values })
            .to_vec()
    }

    /// The best value after `trials` trials of a function with its maximum 0 at x = 0.3, y = 0.8, b.
    fn best(sampler: Sampler, seed: u64, trials: usize) -> f64 {
        let parameters = parameters();
        let value = |x: &Vec<f64>| -(x[0] - 0.3).abs() - (x[1] - 0.8).abs() - if x[2] == 1.0 { 0.0 } else { 0.5 };
        let mut history = History::default();
        for trial in 0..trials {
            let mut rng = crate::rng::Stream::Search.part_rng(seed, trial as u64);
            let x = sample(sampler, &parameters, &history, &mut rng);
            assert!(x[..2].iter().all(|x| (0.0..=1.0).contains(x)) && [0.0, 1.0, 2.0].contains(&x[2]), "{x:?}");
            history.ranked.push(x);
            history.ranked.sort_by(|a, b| value(b).total_cmp(&value(a)));
        }
        value(&history.ranked[0])
    }

    #[test]
    fn tpe_finds_a_maximum_that_random_search_misses() {
        let mean = |sampler| (0..10).map(|seed| best(sampler, seed, 60)).sum::<f64>() / 10.0;
        let (tpe, random) = (mean(Sampler::Tpe), mean(Sampler::Random));
        assert!(tpe > -0.06 && random < 1.5 * tpe, "TPE {tpe}, random {random}");
    }

    #[test]
    fn a_density_has_the_mass_one_and_is_that_of_its_samples() {
        let parameters = &parameters()[..1];
        let density = Density::new(parameters, &[&vec![0.1], &vec![0.9], &vec![0.95]]);
        let cells = 1000;
        let at = |i: usize| libm::exp(density.log_density(&[(i as f64 + 0.5) / cells as f64])) / cells as f64;
        let mass: f64 = (0..cells).map(at).sum();
        assert!((mass - 1.0).abs() < 1e-4, "{mass}");
        let mut rng = Rng::from_seed(1);
        let below = (0..20_000).filter(|_| density.sample(&mut rng)[0] < 0.5).count() as f64 / 20_000.0;
        let expected: f64 = (0..cells / 2).map(at).sum();
        assert!((below - expected).abs() < 0.015, "{below} and {expected}");
    }

    #[test]
    fn a_choice_has_the_observations_and_one_prior_shared_by_the_kernels() {
        let parameters = &parameters()[2..];
        let density = Density::new(parameters, &[&vec![1.0]]);
        // By hand: one kernel with weights 1/2, 3/2, 1/2 of 5/2 and the prior 1/3 each: (1/5 + 1/3)/2, (3/5 + 1/3)/2, ..
        for (choice, expected) in [(0.0, 8.0 / 30.0), (1.0, 14.0 / 30.0), (2.0, 8.0 / 30.0)] {
            assert!((libm::exp(density.log_density(&[choice])) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn running_trials_are_avoided() {
        let parameters = &parameters()[..1];
        let side = |i: u32| if i.is_multiple_of(2) { 0.02 } else { -0.02 };
        let ranked: Vec<Vec<f64>> = (0..20).map(|i| vec![0.5 + side(i) * f64::from(i)]).collect();
        let near = |others: Vec<Vec<f64>>| {
            let history = History { ranked: ranked.clone(), others };
            let near = |seed: &u64| {
                let x = sample(Sampler::Tpe, parameters, &history, &mut Rng::from_seed(*seed))[0];
                (x - 0.5).abs() < 0.1
            };
            (0..200).filter(near).count()
        };
        let (alone, shared) = (near(Vec::new()), near(vec![vec![0.5]; 8]));
        assert!(shared < alone, "{shared} of 200 near running trials, {alone} without");
    }
}
