//! Parameter importance by PED-ANOVA (Watanabe, Bansal & Hutter 2023, "PED-ANOVA: efficiently quantifying hyperparameter
//! importance in arbitrary subspaces").
//!
//! A parameter is important if its values in the best trials are distributed differently from its values in all trials.
//! The measure is the Pearson divergence of the two densities, `mean over all trials' density q of (p(x) / q(x) - 1)^2`,
//! where p is the density in the best trials. Both densities are estimated on a grid. The importances of all parameters
//! are divided by their sum.

use super::parameter::Parameter;

/// The smallest number of ended trials: of fewer, the best ones say nothing.
pub(super) const FEWEST_TRIALS: usize = 10;
/// The number of cells of the grid of a range.
const CELLS: usize = 50;

/// The number of trials that count as the best: a tenth, at least five.
pub(super) fn best_trials(trials: usize) -> usize {
    trials.div_ceil(10).max(5).min(trials)
}

/// The importance of each parameter, from the coordinates of the trials, best first. `None` for fewer than
/// [`FEWEST_TRIALS`]; all zero if no parameter differs.
pub(super) fn importance(parameters: &[Parameter], ranked: &[Vec<f64>]) -> Option<Vec<f64>> {
    if ranked.len() < FEWEST_TRIALS {
        return None;
    }
    let divergence = |(i, parameter): (usize, &Parameter)| {
        let all: Vec<f64> = ranked.iter().map(|trial| trial[i]).collect();
        let best = &all[..best_trials(all.len())];
        match parameter.values.choices() {
            Some(choices) => pearson(&frequencies(best, choices), &frequencies(&all, choices)),
            None => pearson(&density(best), &density(&all)),
        }
    };
    let divergences: Vec<f64> = parameters.iter().enumerate().map(divergence).collect();
    let sum: f64 = divergences.iter().sum();
    Some(divergences.into_iter().map(|divergence| if sum > 0.0 { divergence / sum } else { 0.0 }).collect())
}

/// The Pearson divergence of probabilities `p` from `q`.
fn pearson(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| q * (p / q - 1.0) * (p / q - 1.0)).sum()
}

/// The probability of each choice, with a prior of one observation in all.
fn frequencies(values: &[f64], choices: usize) -> Vec<f64> {
    let count = |choice: usize| values.iter().filter(|value| **value == choice as f64).count() as f64;
    let total = values.len() as f64 + 1.0;
    (0..choices).map(|choice| (count(choice) + 1.0 / choices as f64) / total).collect()
}

/// The probability of each cell of [0, 1]: normal kernels with Scott's bandwidth, and a uniform prior of one observation.
fn density(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let deviation = crate::stats::sample_std(values);
    let spread = if deviation.is_finite() { deviation } else { 0.0 };
    let bandwidth = (1.059 * spread * libm::pow(n, -0.2)).max(0.5 / CELLS as f64);
    let below = |edge: usize, mean: f64| {
        let x = edge as f64 / CELLS as f64;
        0.5 * (1.0 + libm::erf((x - mean) / (bandwidth * std::f64::consts::SQRT_2)))
    };
    let mass =
        |cell: usize, mean: f64| (below(cell + 1, mean) - below(cell, mean)) / (below(CELLS, mean) - below(0, mean));
    let cell = |cell: usize| {
        let kernels: f64 = values.iter().map(|mean| mass(cell, *mean)).sum();
        (kernels + 1.0 / CELLS as f64) / (n + 1.0)
    };
    (0..CELLS).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parameter::Values;
    use super::*;

    fn parameter(key: &str, values: Values) -> Parameter {
        Parameter { key: key.to_owned(), values }
    }

    #[test]
    fn the_importance_of_choices_is_as_computed_by_hand() {
        let choices = || Values::Choices(vec![true.into(), false.into()]);
        let parameters = [parameter("a", choices()), parameter("b", choices())];
        // Ten trials, of which the best five all have a = 0, the others a = 1. b: of the best five 3 zeros, of all 5.
        let b = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let ranked: Vec<Vec<f64>> = (0..10).map(|i| vec![if i < 5 { 0.0 } else { 1.0 }, b[i]]).collect();
        // With half an observation of each choice, p(a) = (5.5/6, 0.5/6), q(a) = (1/2, 1/2), p(b) = (3.5/6, 2.5/6).
        // Divergences: a: ((5.5/3 - 1)^2 + (0.5/3 - 1)^2) / 2 = 25/36; b: ((3.5/3 - 1)^2 + (2.5/3 - 1)^2) / 2 = 1/36.
        let found = importance(&parameters, &ranked).unwrap();
        assert!((found[0] - 25.0 / 26.0).abs() < 1e-12 && (found[1] - 1.0 / 26.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_number_that_decides_the_score_is_more_important_than_one_that_does_not() {
        let number = || Values::Numbers { low: 0.0, high: 1.0, log: false };
        let parameters = [parameter("decides", number()), parameter("does not", number())];
        let ranked: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i) / 50.0, f64::from(i * 37 % 50) / 50.0]).collect();
        let found = importance(&parameters, &ranked).unwrap();
        assert!(found[0] > 0.9 && (found[0] + found[1] - 1.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn densities_are_probabilities_and_few_or_equal_trials_have_no_importance() {
        for values in [vec![0.0], vec![1.0, 1.0], vec![0.2, 0.5, 0.9]] {
            assert!((density(&values).iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        let parameters = [parameter("a", Values::Numbers { low: 0.0, high: 1.0, log: false })];
        assert_eq!(importance(&parameters, &vec![vec![0.5]; 9]), None);
        assert!(importance(&parameters, &vec![vec![0.5]; 10]).unwrap()[0].is_finite());
    }
}
