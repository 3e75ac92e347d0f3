//! Aggregate scores over runs and tasks, with stratified bootstrap intervals (Agarwal et al. 2021, "Deep reinforcement
//! learning at the edge of the statistical precipice"; the definitions of its package rliable).
//!
//! A score is a return, normalised so that tasks can be averaged. The bootstrap resamples the runs of each task separately
//! (it is stratified by task): the tasks are fixed, and other seeds would give other runs.

use serde::{Deserialize, Serialize};

use super::bootstrap::{counted_iqm, interval_of_counts};
use super::{Bootstrap, Interval, MIN_FOR_INTERVAL, interquartile_mean, mean, median};

/// The scores of one configuration: for each task, one score for each run.
///
/// ```
/// use quarl::stats::{Bootstrap, TaskScores, resampler};
///
/// let scores = TaskScores::new(vec![vec![0.9, 1.0, 0.2, 1.0], vec![0.5, 0.7, 0.6, 0.4]]);
/// assert_eq!(scores.iqm(), 0.675); // the mean of 0.5, 0.6, 0.7 and 0.9
/// let intervals = scores.intervals(1.0, &Bootstrap::default(), &mut resampler(0));
/// assert!(intervals.iqm.low < 0.675 && 0.675 < intervals.iqm.high);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskScores {
    tasks: Vec<Vec<f64>>,
}

/// Bootstrap intervals of the aggregate scores of a configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AggregateIntervals {
    /// Of [`TaskScores::mean`].
    pub mean: Interval,
    /// Of [`TaskScores::median`].
    pub median: Interval,
    /// Of [`TaskScores::iqm`].
    pub iqm: Interval,
    /// Of [`TaskScores::optimality_gap`].
    pub optimality_gap: Interval,
}

impl TaskScores {
    /// The scores of each task's runs. Tasks may have different numbers of runs.
    pub fn new(tasks: Vec<Vec<f64>>) -> Self {
        Self { tasks }
    }

    /// The scores of each task's runs.
    pub fn tasks(&self) -> &[Vec<f64>] {
        &self.tasks
    }

    /// The mean over tasks of the mean score over runs.
    pub fn mean(&self) -> f64 {
        mean(&self.task_means())
    }

    /// The median over tasks of the mean score over runs.
    pub fn median(&self) -> f64 {
        median(&self.task_means())
    }

    /// The interquartile mean over all runs of all tasks.
    pub fn iqm(&self) -> f64 {
        interquartile_mean(&self.tasks.concat())
    }

    /// The amount by which the scores fall short of `target`: the mean over tasks of the mean over runs of
    /// `target - min(score, target)`. 0 is best.
    pub fn optimality_gap(&self, target: f64) -> f64 {
        let gap = |runs: &Vec<f64>| mean(&runs.iter().map(|score| shortfall(*score, target)).collect::<Vec<_>>());
        mean(&self.tasks.iter().map(gap).collect::<Vec<_>>())
    }

    fn task_means(&self) -> Vec<f64> {
        self.tasks.iter().map(|runs| mean(runs)).collect()
    }

    /// The number of runs over all tasks.
    fn count(&self) -> usize {
        self.tasks.iter().map(Vec::len).sum()
    }

    /// Whether an interval can be computed: every task has at least [`MIN_FOR_INTERVAL`] runs, and no score is NaN.
    fn has_intervals(&self) -> bool {
        let is_enough = |runs: &Vec<f64>| runs.len() >= MIN_FOR_INTERVAL && !runs.iter().any(|score| score.is_nan());
        !self.tasks.is_empty() && self.tasks.iter().all(is_enough)
    }

    /// Bootstrap intervals of all aggregate scores, from the same resamples; `target` is that of the optimality gap.
    /// Undefined (NaN) where a task has fewer than [`MIN_FOR_INTERVAL`] runs.
    ///
    /// # Panics
    /// When `draw(n)` returns an index that is not below `n`.
    pub fn intervals(
        &self,
        target: f64,
        bootstrap: &Bootstrap,
        draw: &mut dyn FnMut(usize) -> usize,
    ) -> AggregateIntervals {
        let undefined = Interval::UNDEFINED;
        if !self.has_intervals() {
            return AggregateIntervals {
                mean: undefined,
                median: undefined,
                iqm: undefined,
                optimality_gap: undefined,
            };
        }
        // The scores are sorted once; a resample is the number of times that each of them was drawn.
        let scores = self.tasks.concat();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let mut counts = vec![0_u32; scores.len()];
        let mut task_means = vec![0.0; self.tasks.len()];
        let mut resampled: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::with_capacity(bootstrap.resamples));
        for _ in 0..bootstrap.resamples {
            self.resample(&mut counts, draw);
            let (mut gap, mut start) = (0.0, 0);
            for (task_mean, runs) in task_means.iter_mut().zip(&self.tasks) {
                let drawn = || runs.iter().zip(&counts[start..]).map(|(score, count)| (*score, f64::from(*count)));
                let n = runs.len() as f64;
                *task_mean = drawn().map(|(score, count)| score * count).sum::<f64>() / n;
                gap += drawn().map(|(score, count)| shortfall(score, target) * count).sum::<f64>() / n;
                start += runs.len();
            }
            resampled[0].push(mean(&task_means));
            resampled[1].push(median(&task_means));
            resampled[2].push(counted_iqm(order.iter().map(|i| (scores[*i], counts[*i] as usize)), scores.len()));
            resampled[3].push(gap / self.tasks.len() as f64);
        }
        let [mean, median, iqm, optimality_gap] = resampled.map(|mut resampled| bootstrap.interval_of(&mut resampled));
        AggregateIntervals { mean, median, iqm, optimality_gap }
    }

    /// Draws as many runs of each task as it has, with replacement: the number of times that each was drawn.
    fn resample(&self, counts: &mut [u32], draw: &mut dyn FnMut(usize) -> usize) {
        counts.fill(0);
        let mut start = 0;
        for runs in &self.tasks {
            let counts = &mut counts[start..start + runs.len()];
            (0..runs.len()).for_each(|_| counts[draw(runs.len())] += 1);
            start += runs.len();
        }
    }

    /// The performance profile: for each threshold, the share of runs, over all tasks, whose score is above it.
    pub fn performance_profile(&self, thresholds: &[f64]) -> Vec<f64> {
        let above = |threshold: &f64| self.tasks.iter().flatten().filter(|score| *score > threshold).count();
        thresholds.iter().map(|threshold| above(threshold) as f64 / self.count() as f64).collect()
    }

    /// Pointwise bootstrap intervals of the performance profile.
    ///
    /// # Panics
    /// When `draw(n)` returns an index that is not below `n`.
    pub fn profile_intervals(
        &self,
        thresholds: &[f64],
        bootstrap: &Bootstrap,
        draw: &mut dyn FnMut(usize) -> usize,
    ) -> Vec<Interval> {
        if !self.has_intervals() {
            return vec![Interval::UNDEFINED; thresholds.len()];
        }
        let scores = self.tasks.concat();
        let mut sorted: Vec<f64> = thresholds.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        // The number of thresholds below each score: the score counts for all of these.
        let passed: Vec<usize> = scores.iter().map(|score| sorted.partition_point(|x| x < score)).collect();
        let mut counts = vec![0_u32; scores.len()];
        // How often each number of runs was above the threshold: there are far more resamples than different numbers.
        let mut frequencies = vec![vec![0_usize; scores.len() + 1]; sorted.len()];
        let mut ending = vec![0_u32; sorted.len() + 1];
        for _ in 0..bootstrap.resamples {
            self.resample(&mut counts, draw);
            ending.fill(0);
            passed.iter().zip(&counts).for_each(|(passed, count)| ending[*passed] += count);
            let mut above = 0;
            for (at, frequency) in frequencies.iter_mut().enumerate().rev() {
                above += ending[at + 1];
                frequency[above as usize] += 1;
            }
        }
        let share = |above: usize| above as f64 / scores.len() as f64;
        let intervals: Vec<Interval> =
            frequencies.iter().map(|frequency| interval_of_counts(frequency, share, bootstrap)).collect();
        thresholds.iter().map(|threshold| intervals[sorted.partition_point(|x| x < threshold)]).collect()
    }

    /// The probability that a run of this configuration scores higher than a run of `other` on the same task, averaged over
    /// tasks; equal scores count half (the Mann-Whitney U statistic, divided by the number of pairs).
    ///
    /// NaN if the configurations do not have the same number of tasks, or a task has no runs.
    pub fn probability_of_improvement(&self, other: &Self) -> f64 {
        self.improvement(other).map_or(f64::NAN, |tasks| {
            mean(&tasks.iter().map(|(task, _)| task.probability(&vec![1; task.ranks.len()])).collect::<Vec<_>>())
        })
    }

    /// A bootstrap interval of [`TaskScores::probability_of_improvement`]; the runs of the two configurations are resampled
    /// independently.
    ///
    /// # Panics
    /// When `draw(n)` returns an index that is not below `n`.
    pub fn probability_interval(
        &self,
        other: &Self,
        bootstrap: &Bootstrap,
        draw: &mut dyn FnMut(usize) -> usize,
    ) -> Interval {
        let Some(tasks) = self.improvement(other).filter(|_| self.has_intervals() && other.has_intervals()) else {
            return Interval::UNDEFINED;
        };
        let mut counts: Vec<Vec<u32>> = tasks.iter().map(|(task, _)| vec![0; task.ranks.len()]).collect();
        let mut resampled = Vec::with_capacity(bootstrap.resamples);
        for _ in 0..bootstrap.resamples {
            let mut sum = 0.0;
            for ((task, first), counts) in tasks.iter().zip(&mut counts) {
                counts.fill(0);
                let (own, others) = counts.split_at_mut(*first);
                (0..own.len()).for_each(|_| own[draw(own.len())] += 1);
                (0..others.len()).for_each(|_| others[draw(others.len())] += 1);
                sum += task.probability(counts);
            }
            resampled.push(sum / tasks.len() as f64);
        }
        bootstrap.interval_of(&mut resampled)
    }

    /// For each task, the pairs of runs to compare, and the number of this configuration's runs.
    fn improvement(&self, other: &Self) -> Option<Vec<(Pairs, usize)>> {
        let is_complete = |scores: &Self| !scores.tasks.iter().any(Vec::is_empty);
        let comparable = self.tasks.len() == other.tasks.len() && !self.tasks.is_empty();
        let pairs = |(own, others): (&Vec<f64>, &Vec<f64>)| (Pairs::new(own, others), own.len());
        (comparable && is_complete(self) && is_complete(other))
            .then(|| self.tasks.iter().zip(&other.tasks).map(pairs).collect())
    }
}

/// The scores of two configurations on one task, as ranks.
struct Pairs {
    /// For each run, this configuration's first: the rank of its score among the distinct scores.
    ranks: Vec<usize>,
    distinct: usize,
    first: usize,
}

impl Pairs {
    fn new(own: &[f64], others: &[f64]) -> Self {
        let scores = [own, others].concat();
        let mut distinct = scores.clone();
        distinct.sort_unstable_by(f64::total_cmp);
        distinct.dedup();
        let ranks = scores.iter().map(|score| distinct.partition_point(|x| x < score)).collect();
        Self { ranks, distinct: distinct.len(), first: own.len() }
    }

    /// The probability of improvement if each run is present `counts` times.
    fn probability(&self, counts: &[u32]) -> f64 {
        let mut present = vec![[0_u32; 2]; self.distinct];
        for (run, (rank, count)) in self.ranks.iter().zip(counts).enumerate() {
            present[*rank][usize::from(run >= self.first)] += count;
        }
        // Twice the Mann-Whitney statistic, which is a whole number.
        let (mut twice, mut below) = (0_u64, 0_u64);
        for [own, others] in present {
            let (own, others) = (u64::from(own), u64::from(others));
            twice += own * (2 * below + others);
            below += others;
        }
        twice as f64 / (2 * self.first * (counts.len() - self.first)) as f64
    }
}

fn shortfall(score: f64, target: f64) -> f64 {
    target - score.min(target)
}

/// The mean difference of two configurations whose runs are paired by seed, with two bootstrap intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedDifference {
    /// The mean of the differences.
    pub mean: f64,
    /// The interval if pairs are resampled. Narrower than `unpaired` where runs with the same seed do well or badly
    /// together.
    pub paired: Interval,
    /// The interval if the runs of the two configurations are resampled independently.
    pub unpaired: Interval,
}

/// The mean of `own - other` over pairs of runs with the same seed.
///
/// # Panics
/// When the slices differ in length, or `draw(n)` returns an index that is not below `n`.
pub fn paired_difference(
    own: &[f64],
    other: &[f64],
    bootstrap: &Bootstrap,
    draw: &mut dyn FnMut(usize) -> usize,
) -> PairedDifference {
    assert_eq!(own.len(), other.len(), "runs are paired");
    let (n, differences) = (own.len(), own.iter().zip(other).map(|(own, other)| own - other).collect::<Vec<_>>());
    if n < MIN_FOR_INTERVAL {
        return PairedDifference {
            mean: mean(&differences),
            paired: Interval::UNDEFINED,
            unpaired: Interval::UNDEFINED,
        };
    }
    let paired = super::bootstrap_mean(&differences, bootstrap, draw);
    let mut resampled_mean = |values: &[f64]| (0..n).map(|_| values[draw(n)]).sum::<f64>() / n as f64;
    let mut resampled: Vec<f64> =
        (0..bootstrap.resamples).map(|_| resampled_mean(own) - resampled_mean(other)).collect();
    PairedDifference { mean: mean(&differences), paired, unpaired: bootstrap.interval_of(&mut resampled) }
}

/// The area under a curve between its first and its last point, divided by the distance between them: the mean height of
/// the curve, by the trapezoidal rule. NaN of fewer than two points or of points at one place.
pub fn area_under_curve(points: &[(f64, f64)]) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return f64::NAN };
    let area: f64 = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum();
    area / (last.0 - first.0)
}
