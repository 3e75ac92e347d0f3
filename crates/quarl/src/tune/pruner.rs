//! Pruners: whether a trial is stopped before its runs have ended.
//!
//! A rung is a fraction of a run. The first periodic evaluation at or after it gives the run's value at the rung. A trial
//! is compared with the others over the seeds that have reached the rung in this trial: their values are combined as
//! scores are ([`worse_half`]), and trials without one of these seeds at the rung are left out. All trials use the same
//! seeds, so luck with a seed helps no trial.

use serde::{Deserialize, Serialize};

use super::objective::worse_half;
use crate::stats::median;

/// The rule that stops trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pruner {
    /// Stops a trial whose best value so far is below the median of the other trials' values at a rung.
    Median,
    /// Hyperband (Li et al. 2018) with asynchronous successive halving (Li et al. 2020): a trial goes on at a rung if it is
    /// in the best third of its bracket. The brackets differ in the rung at which halving begins. The trial's number
    /// determines its bracket.
    #[default]
    Hyperband,
    /// Stops no trial.
    None,
}

/// The ratio of the rungs of Hyperband, and the share of trials that goes on.
const ETA: u64 = 3;
/// The largest number of rungs of Hyperband: with more, the first is at less than 1% of the run.
const MOST_HALVINGS: u32 = 4;
/// The number of rungs of median pruning.
const MEDIAN_RUNGS: u64 = 10;
/// The number of other trials that median pruning waits for.
const MEDIAN_STARTUP: usize = 5;

/// The values of a trial: for each seed in order, its values at the rungs that it has reached.
pub(super) type Values = Vec<Vec<f64>>;

impl Pruner {
    /// The rungs of runs with `evaluations` periodic evaluations, as fractions of the run below 1, ascending.
    pub(super) fn rungs(self, evaluations: u64) -> Vec<f64> {
        match self {
            Self::None => Vec::new(),
            Self::Median => {
                let rungs = MEDIAN_RUNGS.min(evaluations);
                (1..rungs).map(|rung| rung as f64 / rungs as f64).collect()
            }
            Self::Hyperband => {
                let halvings = (1..=MOST_HALVINGS).take_while(|k| ETA.pow(*k) <= evaluations).count() as u32;
                (1..=halvings).rev().map(|k| 1.0 / ETA.pow(k) as f64).collect()
            }
        }
    }

    /// Whether to stop the trial with this number and these values after a run has reached `rung`; `others` are the numbers
    /// and values of all other trials.
    pub(super) fn stops(
        self,
        number: u64,
        values: &Values,
        rung: usize,
        rungs: usize,
        others: &[(u64, Values)],
    ) -> bool {
        let seeds: Vec<usize> = (0..values.len()).filter(|seed| values[*seed].len() > rung).collect();
        let at = |values: &Values, rung: usize| {
            let values: Option<Vec<f64>> = seeds.iter().map(|seed| values.get(*seed)?.get(rung).copied()).collect();
            values.filter(|values| !values.is_empty()).map(|values| worse_half(&values))
        };
        let Some(value) = at(values, rung) else { return false };
        let compared = |of_bracket: Option<usize>| -> Vec<f64> {
            let others =
                others.iter().filter(|(number, _)| of_bracket.is_none_or(|own| bracket(*number, rungs) == own));
            others.filter_map(|(_, values)| at(values, rung)).collect()
        };
        match self {
            Self::None => false,
            Self::Median => {
                let others = compared(None);
                let best = (0..=rung).filter_map(|rung| at(values, rung)).fold(f64::NEG_INFINITY, f64::max);
                others.len() >= MEDIAN_STARTUP && best < median(&others)
            }
            Self::Hyperband => {
                let own = bracket(number, rungs);
                if rung < own {
                    return false;
                }
                let mut all = compared(Some(own));
                all.push(value);
                all.sort_by(|a, b| b.total_cmp(a));
                let promoted = (all.len() / ETA as usize).max(1);
                value < all[promoted - 1]
            }
        }
    }
}

/// The bracket of a trial: the rung at which halving begins, from 0; `rungs` for the bracket without halving.
///
/// As many trials fall to each bracket as in Hyperband, `ceil((s_max + 1) / (s + 1) * eta^s)` for s halvings, and they are
/// spread over the trials: each trial falls to the bracket that is furthest behind its share.
fn bracket(number: u64, rungs: usize) -> usize {
    let sizes: Vec<u64> = (0..=rungs)
        .map(|bracket| {
            let halvings = (rungs - bracket) as u64;
            ((rungs as u64 + 1) * ETA.pow(halvings as u32)).div_ceil(halvings + 1)
        })
        .collect();
    let total: u64 = sizes.iter().sum();
    let mut given = vec![0_u64; sizes.len()];
    let mut chosen = 0;
    for trial in 0..=number % total {
        let behind = |bracket: &usize| (sizes[*bracket] * (trial + 1)) as i128 - (given[*bracket] * total) as i128;
        chosen = (0..sizes.len()).rev().max_by_key(behind).unwrap_or(0);
        given[chosen] += 1;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_seed(values: &[f64]) -> Values {
        vec![values.to_vec()]
    }

    #[test]
    fn rungs_are_fractions_of_the_run() {
        assert_eq!(Pruner::Hyperband.rungs(20), [1.0 / 9.0, 1.0 / 3.0]);
        assert_eq!(Pruner::Hyperband.rungs(1_000_000).len(), 4);
        assert_eq!(Pruner::Hyperband.rungs(2), [0.0; 0]);
        assert_eq!(Pruner::Median.rungs(4), [0.25, 0.5, 0.75]);
        assert_eq!((Pruner::Median.rungs(1_000_000).len(), Pruner::None.rungs(20).len()), (9, 0));
    }

    #[test]
    fn brackets_have_the_sizes_of_hyperband_and_follow_from_the_number() {
        // Li et al. 2018, table 1, with eta = 3 and three halvings: 27, 12, 6 and 4 configurations.
        let mut sizes = [0; 4];
        (0..49).for_each(|number| sizes[bracket(number, 3)] += 1);
        assert_eq!(sizes, [27, 12, 6, 4]);
        assert_eq!(
            (49..98).map(|number| bracket(number, 3)).collect::<Vec<_>>(),
            (0..49).map(|number| bracket(number, 3)).collect::<Vec<_>>()
        );
        let first: std::collections::BTreeSet<usize> = (0..10).map(|number| bracket(number, 3)).collect();
        assert!(first.len() >= 3, "spread over the trials: {first:?}");
        assert_eq!((0..5).map(|number| bracket(number, 0)).max(), Some(0));
    }

    #[test]
    fn the_median_pruner_waits_for_five_trials_and_stops_below_their_median() {
        let others = |n: u64| (0..n).map(|i| (i, one_seed(&[i as f64]))).collect::<Vec<_>>();
        let stops = |value: f64, n: u64| Pruner::Median.stops(9, &one_seed(&[value]), 0, 9, &others(n));
        assert!(!stops(-1.0, 4) && stops(1.9, 5) && !stops(2.0, 5));
        let fallen = one_seed(&[5.0, 0.0]);
        let others: Vec<_> = (0..5).map(|i| (i, one_seed(&[1.0, 3.0]))).collect();
        assert!(!Pruner::Median.stops(9, &fallen, 1, 9, &others), "its best value counts");
    }

    #[test]
    fn hyperband_continues_the_best_third_of_the_bracket() {
        let in_bracket: Vec<u64> = (0..200).filter(|number| bracket(*number, 2) == 0).take(9).collect();
        let others: Vec<_> =
            in_bracket[..8].iter().enumerate().map(|(i, number)| (*number, one_seed(&[i as f64]))).collect();
        let stops = |value: f64| Pruner::Hyperband.stops(in_bracket[8], &one_seed(&[value]), 0, 2, &others);
        // Nine trials: three continue, which now have 5.5 or more.
        assert!(stops(4.9) && !stops(5.5) && !stops(6.0));
        assert!(!Pruner::Hyperband.stops(in_bracket[8], &one_seed(&[0.0]), 0, 2, &[]), "alone, it is the best");
        let without = (0..200).find(|number| bracket(*number, 2) == 2).unwrap();
        assert!(
            !Pruner::Hyperband.stops(without, &one_seed(&[-1.0, -1.0]), 1, 2, &others),
            "its bracket has no halving"
        );
        let ties: Vec<_> = in_bracket[..8].iter().map(|number| (*number, one_seed(&[0.0]))).collect();
        assert!(!Pruner::Hyperband.stops(in_bracket[8], &one_seed(&[0.0]), 0, 2, &ties), "equal trials all continue");
    }

    #[test]
    fn trials_are_compared_over_the_seeds_that_both_have() {
        let others: Vec<(u64, Values)> = (0..5).map(|i| (i, vec![vec![1.0], vec![9.0]])).collect();
        let second_seed_first = vec![vec![], vec![8.0]];
        assert!(Pruner::Median.stops(9, &second_seed_first, 0, 9, &others), "8 is below 9 of the same seed");
        let first_seed = vec![vec![2.0], vec![]];
        assert!(!Pruner::Median.stops(9, &first_seed, 0, 9, &others), "2 is above 1 of the same seed");
    }
}
