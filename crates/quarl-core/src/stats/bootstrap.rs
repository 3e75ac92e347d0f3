//! Bootstrap confidence intervals (Efron 1979; percentile intervals): runs are resampled with replacement, to estimate how
//! much a statistic would vary with other seeds.
//!
//! Randomness comes from a closure, `draw(n)`, which returns an index below `n`; [`resampler`] makes one.

use super::{Interval, MIN_FOR_INTERVAL, between, mean, quantile_in_place};

/// The settings of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// The number of resamples. With 2000, the ends of a 95% interval are accurate to a few percent of its width.
    pub resamples: usize,
    /// The confidence, between 0 and 1.
    pub level: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95 }
    }
}

impl Bootstrap {
    /// The middle `level` of the resampled statistics.
    pub(super) fn interval_of(&self, resampled: &mut [f64]) -> Interval {
        let tail = (1.0 - self.level) / 2.0;
        Interval { low: quantile_in_place(resampled, tail), high: quantile_in_place(resampled, 1.0 - tail) }
    }
}

/// A source of random indexes: SplitMix64 (Steele et al. 2014). The same seed gives the same indexes on every machine, so
/// that an interval depends only on its data.
pub fn resampler(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |n| draw_index(&mut state, n)
}

// Never inlined, because the caller's crate may be compiled without optimisation.
#[inline(never)]
fn draw_index(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // The high half of a 64 by 64 bit product scales to 0..n; its bias, n / 2^64, is negligible.
    ((u128::from(z) * n as u128) >> 64) as usize
}

/// The percentile bootstrap interval of a statistic of the values, such as [`median`](super::median) or
/// [`interquartile_mean`](super::interquartile_mean).
///
/// Undefined (NaN) for fewer than [`MIN_FOR_INTERVAL`] values.
///
/// # Panics
/// When `draw(n)` returns an index that is not below `n`.
pub fn bootstrap_interval(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    bootstrap: &Bootstrap,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Interval {
    interval_of_statistic(values, &statistic, bootstrap, draw)
}

fn interval_of_statistic(
    values: &[f64],
    statistic: &dyn Fn(&[f64]) -> f64,
    bootstrap: &Bootstrap,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Interval {
    if values.len() < MIN_FOR_INTERVAL {
        return Interval::UNDEFINED;
    }
    let mut sample = vec![0.0; values.len()];
    let mut resampled = Vec::with_capacity(bootstrap.resamples);
    for _ in 0..bootstrap.resamples {
        sample.fill_with(|| values[draw(values.len())]);
        resampled.push(statistic(&sample));
    }
    bootstrap.interval_of(&mut resampled)
}

/// The percentile bootstrap interval of the mean; see [`bootstrap_interval`].
///
/// # Panics
/// When `draw(n)` returns an index that is not below `n`.
pub fn bootstrap_mean(values: &[f64], bootstrap: &Bootstrap, draw: &mut dyn FnMut(usize) -> usize) -> Interval {
    bootstrap_interval(values, mean, bootstrap, draw)
}

/// The percentile bootstrap interval of the [interquartile mean](super::interquartile_mean). The values are sorted once, not in
/// every resample as [`bootstrap_interval`] would.
///
/// # Panics
/// When `draw(n)` returns an index that is not below `n`.
pub fn bootstrap_iqm(values: &[f64], bootstrap: &Bootstrap, draw: &mut dyn FnMut(usize) -> usize) -> Interval {
    if values.len() < MIN_FOR_INTERVAL || values.iter().any(|value| value.is_nan()) {
        return Interval::UNDEFINED;
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut counts = vec![0_usize; values.len()];
    let mut resampled = Vec::with_capacity(bootstrap.resamples);
    for _ in 0..bootstrap.resamples {
        counts.fill(0);
        (0..values.len()).for_each(|_| counts[draw(values.len())] += 1);
        resampled.push(counted_iqm(order.iter().map(|i| (values[*i], counts[*i])), values.len()));
    }
    bootstrap.interval_of(&mut resampled)
}

/// The interquartile mean of sorted scores, each present a number of times; `n` in all.
pub(super) fn counted_iqm(sorted: impl Iterator<Item = (f64, usize)>, n: usize) -> f64 {
    let dropped = n / 4;
    let (mut to_drop, mut to_take, mut sum) = (dropped, n - 2 * dropped, 0.0);
    for (score, count) in sorted {
        let kept = count - count.min(to_drop);
        to_drop -= count - kept;
        let taken = kept.min(to_take);
        sum += score * taken as f64;
        to_take -= taken;
        if to_take == 0 {
            break;
        }
    }
    sum / (n - 2 * dropped) as f64
}

/// The interval of resampled values of which `frequencies[i]` are `value(i)`, in ascending order of `i`.
pub(super) fn interval_of_counts(
    frequencies: &[usize],
    value: impl Fn(usize) -> f64,
    bootstrap: &Bootstrap,
) -> Interval {
    let last = frequencies.iter().sum::<usize>().saturating_sub(1);
    // The value at this position of all sorted values.
    let at = |position: usize| {
        let mut seen = 0;
        let found = frequencies.iter().position(|frequency| {
            seen += frequency;
            seen > position
        });
        found.map_or(f64::NAN, &value)
    };
    let quantile = |q: f64| {
        let position = q * last as f64;
        let index = position as usize;
        between(at(index), at((index + 1).min(last)), position - index as f64)
    };
    let tail = (1.0 - bootstrap.level) / 2.0;
    Interval { low: quantile(tail), high: quantile(1.0 - tail) }
}

/// The pointwise mean of several curves with a confidence band. All four vectors have the length of the longest run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The mean over the runs that have a value at this point; NaN where none has.
    pub mean: Vec<f64>,
    /// The lower edge of the band; NaN where fewer than [`MIN_FOR_INTERVAL`] runs have a value, or without a band.
    pub low: Vec<f64>,
    /// The upper edge of the band; NaN where `low` is.
    pub high: Vec<f64>,
    /// The number of runs that have a value at this point.
    pub n: Vec<usize>,
}

/// The mean over the runs, episode by episode. Runs may differ in length; a run does not count beyond its end, and where it
/// is NaN.
pub fn mean_curve<R: AsRef<[f64]>>(runs: &[R]) -> Curve {
    mean_of_slices(&slices(runs))
}

/// The runs as slices. What computes takes slices, so that it is compiled here, with optimisation, and not in the caller's
/// crate.
fn slices<R: AsRef<[f64]>>(runs: &[R]) -> Vec<&[f64]> {
    runs.iter().map(AsRef::as_ref).collect()
}

fn mean_of_slices(runs: &[&[f64]]) -> Curve {
    let length = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let (mut sum, mut n) = (vec![0.0; length], vec![0; length]);
    for run in runs {
        for ((sum, n), &x) in sum.iter_mut().zip(&mut n).zip(*run) {
            if !x.is_nan() {
                *sum += x;
                *n += 1;
            }
        }
    }
    let mean = sum.iter().zip(&n).map(|(sum, &n)| sum / n as f64).collect();
    Curve { mean, low: vec![f64::NAN; length], high: vec![f64::NAN; length], n }
}

/// [`mean_curve`] with a bootstrap interval of the mean at each episode. Whole runs are resampled, the same ones for every
/// episode, so the band is as smooth as the curves. The confidence level holds for each episode separately (pointwise), not
/// for the curve as a whole.
///
/// # Panics
/// When `draw(n)` returns an index that is not below `n`.
pub fn mean_curve_with_band<R: AsRef<[f64]>>(
    runs: &[R],
    bootstrap: &Bootstrap,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Curve {
    mean_of_slices_with_band(&slices(runs), bootstrap, draw)
}

fn mean_of_slices_with_band(runs: &[&[f64]], bootstrap: &Bootstrap, draw: &mut dyn FnMut(usize) -> usize) -> Curve {
    let mut curve = mean_of_slices(runs);
    let (length, resamples) = (curve.mean.len(), bootstrap.resamples);

    // How often each run appears in each resample: a run is added once, times its count.
    let mut counts = vec![0.0; resamples * runs.len()];
    for counts in counts.chunks_exact_mut(runs.len().max(1)) {
        for _ in 0..runs.len() {
            counts[draw(runs.len())] += 1.0;
        }
    }

    // Blocks of episodes, to limit the memory for long runs: resamples x BLOCK means.
    const BLOCK: usize = 256;
    let (mut sum, mut weight) = ([0.0; BLOCK], [0.0; BLOCK]);
    let mut resampled = vec![0.0; resamples * BLOCK];
    let mut present = Vec::with_capacity(resamples);
    for start in (0..length).step_by(BLOCK) {
        let width = BLOCK.min(length - start);
        for resample in 0..resamples {
            sum.fill(0.0);
            weight.fill(0.0);
            let counts = &counts[resample * runs.len()..][..runs.len()];
            for (run, &count) in runs.iter().zip(counts).filter(|&(_, &count)| count > 0.0) {
                let values = run.get(start..).unwrap_or(&[]);
                for ((sum, weight), &x) in sum[..width].iter_mut().zip(&mut weight[..width]).zip(values) {
                    *sum += if x.is_nan() { 0.0 } else { count * x };
                    *weight += if x.is_nan() { 0.0 } else { count };
                }
            }
            for offset in 0..width {
                resampled[offset * resamples + resample] = sum[offset] / weight[offset];
            }
        }
        for offset in (0..width).filter(|offset| curve.n[start + offset] >= MIN_FOR_INTERVAL) {
            // A resample in which no run reaches this episode has no mean, and is left out.
            present.clear();
            present.extend(resampled[offset * resamples..][..resamples].iter().filter(|mean| !mean.is_nan()));
            let interval = bootstrap.interval_of(&mut present);
            (curve.low[start + offset], curve.high[start + offset]) = (interval.low, interval.high);
        }
    }
    curve
}

/// The `q`-quantile over the runs that have a value, episode by episode; NaN where none has.
#[doc(hidden)]
pub fn quantile_curve<R: AsRef<[f64]>>(runs: &[R], q: f64) -> Vec<f64> {
    quantile_of_slices(&slices(runs), q)
}

fn quantile_of_slices(runs: &[&[f64]], q: f64) -> Vec<f64> {
    let length = runs.iter().map(|run| run.len()).max().unwrap_or(0);
    let mut here = Vec::with_capacity(runs.len());
    let mut at = |index: usize| {
        here.clear();
        here.extend(runs.iter().filter_map(|run| run.get(index).copied()).filter(|x| !x.is_nan()));
        quantile_in_place(&mut here, q)
    };
    (0..length).map(&mut at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{interquartile_mean, resampler};

    #[test]
    fn the_interval_of_the_interquartile_mean_is_the_general_one() {
        let mut draw = resampler(7);
        for n in 3..40 {
            let values: Vec<f64> = (0..n).map(|_| draw(20) as f64 / 8.0).collect();
            let bootstrap = Bootstrap { resamples: 300, ..Bootstrap::default() };
            let general = bootstrap_interval(&values, interquartile_mean, &bootstrap, &mut resampler(n as u64));
            let own = bootstrap_iqm(&values, &bootstrap, &mut resampler(n as u64));
            assert!((general.low - own.low).abs() < 1e-12 && (general.high - own.high).abs() < 1e-12, "{n} values");
        }
        assert!(bootstrap_iqm(&[1.0, 2.0], &Bootstrap::default(), &mut resampler(0)).low.is_nan());
    }

    #[test]
    fn an_interval_of_counts_is_that_of_the_values() {
        let mut draw = resampler(3);
        for resamples in [1, 2, 3, 40, 1000] {
            let bootstrap = Bootstrap { resamples, level: 0.9 };
            let mut frequencies = [0; 11];
            let mut values: Vec<f64> = (0..resamples)
                .map(|_| {
                    let i = draw(11);
                    frequencies[i] += 1;
                    i as f64 / 10.0
                })
                .collect();
            let own = interval_of_counts(&frequencies, |i| i as f64 / 10.0, &bootstrap);
            assert_eq!(own, bootstrap.interval_of(&mut values), "{resamples} values");
        }
    }
}
