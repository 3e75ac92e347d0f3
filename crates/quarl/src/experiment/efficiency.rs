//! Sample efficiency: the scores of the agents during training, over environment steps.

use serde::{Deserialize, Serialize};

use crate::scores::{ends, finite};
use crate::stats::{Bootstrap, bootstrap_iqm, interquartile_mean, resampler};

/// The largest number of points of a curve.
const MOST_POINTS: usize = 100;

/// A point of a sample-efficiency curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EfficiencyPoint {
    /// Environment steps.
    pub env_steps: u64,
    /// The interquartile mean over the runs of their latest greedy evaluation.
    pub iqm: f64,
    /// The lower end of its 95% bootstrap interval; `None` for fewer than three runs.
    pub lower: Option<f64>,
    /// The upper end.
    pub upper: Option<f64>,
    /// The number of runs that were evaluated by then.
    pub n: usize,
}

/// The sample-efficiency curve of runs, each given by environment steps and mean return of its evaluations. At a step, a run
/// counts with its latest evaluation; a run that ended early keeps the last one.
pub(super) fn efficiency(runs: &[Vec<(u64, f64)>]) -> Vec<EfficiencyPoint> {
    let point = |env_steps: u64| {
        let latest = |run: &Vec<(u64, f64)>| {
            let evaluated = run.partition_point(|(step, _)| *step <= env_steps);
            Some(run[evaluated.checked_sub(1)?].1)
        };
        let values: Vec<f64> = runs.iter().filter_map(latest).collect();
        let interval = bootstrap_iqm(&values, &Bootstrap::default(), &mut resampler(0));
        let (lower, upper) = ends(interval).map(|[lower, upper]| (lower, upper)).unzip();
        let n = values.len();
        finite(interquartile_mean(&values)).map(|iqm| EfficiencyPoint { env_steps, iqm, lower, upper, n })
    };
    steps(runs).into_iter().filter_map(point).collect()
}

/// The steps at which runs were evaluated, or evenly spaced ones if there are too many.
fn steps(runs: &[Vec<(u64, f64)>]) -> Vec<u64> {
    let mut steps: Vec<u64> = runs.iter().flatten().map(|(step, _)| *step).collect();
    steps.sort_unstable();
    steps.dedup();
    match (steps.first(), steps.last()) {
        (Some(&first), Some(&last)) if steps.len() > MOST_POINTS => {
            (0..MOST_POINTS as u64).map(|i| first + (last - first) * i / (MOST_POINTS as u64 - 1)).collect()
        }
        _ => steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_with_its_latest_evaluation() {
        let runs = [vec![(100, 1.0), (200, 5.0)], vec![(100, 3.0), (200, 7.0), (300, 9.0)], vec![(200, 6.0)]];
        let points: Vec<(u64, f64, usize)> =
            efficiency(&runs).iter().map(|point| (point.env_steps, point.iqm, point.n)).collect();
        assert_eq!(points, [(100, 2.0, 2), (200, 6.0, 3), (300, 20.0 / 3.0, 3)]);
        let curve = efficiency(&runs);
        assert!(curve[0].lower.is_none() && curve[1].lower.unwrap() >= 5.0 && curve[1].upper.unwrap() <= 7.0);
        assert!(efficiency(&[]).is_empty() && efficiency(&[vec![]]).is_empty());
    }

    #[test]
    fn many_evaluations_become_a_hundred_points() {
        let run: Vec<(u64, f64)> = (1..=1000).map(|i| (i * 7, i as f64)).collect();
        let curve = efficiency(&[run]);
        assert_eq!((curve.len(), curve[0].env_steps, curve[99].env_steps), (100, 7, 7000));
        assert!(curve.iter().all(|point| point.iqm == (point.env_steps / 7) as f64));
    }
}
