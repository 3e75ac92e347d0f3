//! Summary statistics of greedy returns.

use serde::{Deserialize, Serialize};

use crate::stats::{
    Bootstrap, Interval, MIN_FOR_INTERVAL, bootstrap_iqm, bootstrap_mean, interquartile_mean, mean, resampler,
    sample_std, wilson,
};

/// Summary statistics of returns: of one agent's episodes, or of the mean returns of several agents.
///
/// Intervals have a confidence of 95%; there is no interval of fewer than three values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The number of values.
    pub n: usize,
    /// The number of failed attempts, which have no value.
    pub failed: usize,
    /// The mean.
    pub mean: Option<f64>,
    /// A bootstrap confidence interval of the mean.
    pub mean_interval: Option<[f64; 2]>,
    /// The sample standard deviation; `None` for a single value.
    pub std: Option<f64>,
    /// The interquartile mean (Agarwal et al. 2021).
    pub iqm: Option<f64>,
    /// A bootstrap confidence interval of the interquartile mean.
    pub iqm_interval: Option<[f64; 2]>,
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// The return from which the environment counts as solved, if there is one.
    pub threshold: Option<f64>,
    /// The number of values at or above the threshold.
    pub reached: Option<usize>,
    /// The share of all attempts, failed ones included, at or above the threshold.
    pub reached_share: Option<f64>,
    /// A Wilson confidence interval of that share.
    pub reached_interval: Option<[f64; 2]>,
}

impl Scores {
    /// The statistics of `returns`. `failed` further attempts gave no return; they count as below the threshold.
    pub fn of(returns: &[f64], failed: usize, threshold: Option<f64>) -> Self {
        let bootstrap = Bootstrap::default();
        let tried = returns.len() + failed;
        let reached = threshold.map(|threshold| returns.iter().filter(|value| **value >= threshold).count());
        Self {
            n: returns.len(),
            failed,
            mean: finite(mean(returns)),
            mean_interval: ends(bootstrap_mean(returns, &bootstrap, &mut resampler(0))),
            std: finite(sample_std(returns)),
            iqm: finite(interquartile_mean(returns)),
            iqm_interval: ends(bootstrap_iqm(returns, &bootstrap, &mut resampler(0))),
            min: returns.iter().copied().reduce(f64::min),
            max: returns.iter().copied().reduce(f64::max),
            threshold,
            reached,
            reached_share: reached.and_then(|reached| finite(reached as f64 / tried as f64)),
            reached_interval: reached
                .filter(|_| tried >= MIN_FOR_INTERVAL)
                .and_then(|reached| ends(wilson(reached, tried, 0.95))),
        }
    }
}

/// JSON has no NaN: an undefined number becomes null.
pub(crate) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

pub(crate) fn ends(interval: Interval) -> Option<[f64; 2]> {
    (interval.low.is_finite() && interval.high.is_finite()).then_some([interval.low, interval.high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_the_statistics_of_the_returns() {
        let returns = [200.0, 187.0, 200.0, 41.0, 200.0, 195.0, 168.0, 200.0];
        let scores = Scores::of(&returns, 0, Some(195.0));
        assert_eq!((scores.n, scores.mean, scores.iqm), (8, Some(173.875), Some(195.5)));
        assert_eq!((scores.min, scores.max), (Some(41.0), Some(200.0)));
        assert_eq!((scores.reached, scores.reached_share), (Some(5), Some(0.625)), "195 itself counts");
        let [low, high] = scores.mean_interval.unwrap();
        assert!(low < 173.875 && 173.875 < high);
        let interval = wilson(5, 8, 0.95);
        assert_eq!(scores.reached_interval, Some([interval.low, interval.high]));
    }

    #[test]
    fn there_is_no_interval_of_fewer_than_three_values_and_nothing_of_none() {
        let two = Scores::of(&[1.0, 2.0], 0, Some(1.5));
        assert_eq!((two.mean_interval, two.iqm_interval, two.reached_interval), (None, None, None));
        assert_eq!((two.mean, two.reached), (Some(1.5), Some(1)));
        assert_eq!(Scores::of(&[1.0], 0, None).std, None);
        let none = Scores::of(&[], 0, Some(1.0));
        assert_eq!((none.mean, none.iqm, none.min, none.reached_share), (None, None, None, None));
    }

    #[test]
    fn what_failed_counts_as_not_reaching_the_threshold() {
        let scores = Scores::of(&[200.0, 200.0], 2, Some(195.0));
        assert_eq!((scores.n, scores.mean), (2, Some(200.0)));
        assert_eq!((scores.reached, scores.reached_share), (Some(2), Some(0.5)));
    }
}
