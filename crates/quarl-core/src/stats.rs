//! Statistics of returns: means, spreads and confidence intervals.
//!
//! Everything here is a pure function of slices. An undefined number (the mean of nothing, the spread of one value) is NaN,
//! which a figure leaves blank; nothing panics.
//!
//! ```
//! use quarl::stats::{Bootstrap, bootstrap_mean, interquartile_mean, resampler, wilson};
//!
//! let final_returns = [200.0, 187.0, 200.0, 41.0, 200.0, 195.0, 168.0, 200.0];
//! assert_eq!(interquartile_mean(&final_returns), 195.5); // the one failed run does not drag it down
//! let interval = bootstrap_mean(&final_returns, &Bootstrap::default(), &mut resampler(0));
//! assert!(interval.low < 173.875 && 173.875 < interval.high);
//! let solved = wilson(5, 8, 0.95); // five of eight seeds reached 195
//! assert!(solved.low > 0.3 && solved.high < 0.87);
//! ```

mod aggregate;
mod bootstrap;

pub use aggregate::{AggregateIntervals, PairedDifference, TaskScores, area_under_curve, paired_difference};

#[doc(hidden)]
pub use bootstrap::quantile_curve;
pub use bootstrap::{
    Bootstrap, Curve, bootstrap_interval, bootstrap_iqm, bootstrap_mean, mean_curve, mean_curve_with_band, resampler,
};

/// The minimum number of values for an interval. The resamples of two values are only the two values and their mean.
pub const MIN_FOR_INTERVAL: usize = 3;

/// Intervals of fewer values than this are rough, because a bootstrap of few values is too narrow. Whatever displays one
/// should say so.
pub const FEW_FOR_INTERVAL: usize = 10;

/// A confidence interval. Both ends are NaN where it is undefined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// An undefined interval.
    pub(crate) const UNDEFINED: Self = Self { low: f64::NAN, high: f64::NAN };
}

/// The arithmetic mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample standard deviation (division by n - 1); NaN of fewer than two values.
pub fn sample_std(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|x| (x - centre) * (x - centre)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The moving average: for each value, the mean of it and the `window - 1` values before it, or of those that exist. A
/// window of 0 or 1 returns the values unchanged.
///
/// Every window is summed separately: a running sum would accumulate rounding errors, and would not recover from NaN or
/// infinity.
pub fn moving_average(values: &[f64], window: usize) -> Vec<f64> {
    let window = window.max(1);
    (1..=values.len()).map(|end| mean(&values[end.saturating_sub(window)..end])).collect()
}

/// The median; NaN of no values, or if a value is NaN.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The `q`-quantile, 0 <= q <= 1, interpolated linearly between the two nearest values, as NumPy's default does. NaN of no
/// values, if a value is NaN, or if `q` is out of range.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    quantile_in_place(&mut values.to_vec(), q)
}

/// [`quantile`], which may reorder `values`.
fn quantile_in_place(values: &mut [f64], q: f64) -> f64 {
    if values.is_empty() || !(0.0..=1.0).contains(&q) || values.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let position = q * (values.len() - 1) as f64;
    let index = position as usize;
    let (_, &mut below, rest) = values.select_nth_unstable_by(index, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(below);
    between(below, above, position - index as f64)
}

/// Linear interpolation from `a` to `b` by the fraction `t`. Computed from the nearer end, as NumPy does, so that the
/// result is symmetric and never lies outside `a..=b`.
fn between(a: f64, b: f64, t: f64) -> f64 {
    if a == b || t == 0.0 {
        a // also keeps two equal infinities from turning into NaN
    } else if t < 0.5 {
        a + (b - a) * t
    } else {
        b - (b - a) * (1.0 - t)
    }
}

/// The interquartile mean: the mean of the middle half. A quarter of the values, rounded down, is dropped at each end, as
/// `scipy.stats.trim_mean(values, 0.25)` does. NaN of no values, or if a value is NaN.
///
/// Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice", recommend it for few runs:
/// it is less affected by a single outlier than the mean, and has a smaller variance than the median.
pub fn interquartile_mean(values: &[f64]) -> f64 {
    if values.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let dropped = sorted.len() / 4;
    mean(&sorted[dropped..sorted.len() - dropped])
}

/// The Wilson score interval of a proportion, for `successes` out of `trials`. Unlike the normal approximation, it stays
/// within 0..=1 and has a positive width even when all, or none, of the trials succeeded. `level` is the confidence, such
/// as 0.95. For no trials the interval is 0..=1.
///
/// Wilson 1927, without continuity correction. NaN if `level` is not between 0 and 1, or `successes` exceeds `trials`.
pub fn wilson(successes: usize, trials: usize, level: f64) -> Interval {
    if successes > trials || !(level > 0.0 && level < 1.0) {
        return Interval::UNDEFINED;
    }
    if trials == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let z = normal_deviate(level);
    let (centre, scale) = (p + z * z / (2.0 * n), 1.0 + z * z / n);
    let reach = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Interval {
        // At the ends the two terms cancel exactly in theory, but not in floating point.
        low: if successes == 0 { 0.0 } else { ((centre - reach) / scale).max(0.0) },
        high: if successes == trials { 1.0 } else { ((centre + reach) / scale).min(1.0) },
    }
}

/// The z for which a standard normal variable lies within -z..=z with probability `level`, 0 < level < 1.
fn normal_deviate(level: f64) -> f64 {
    // Newton's method on erfc(z / sqrt 2) = 1 - level. Right of 0 the function is convex, so the iterates from 0 approach
    // the root from the left and never overshoot; the iteration ends when they no longer change.
    let tail = 1.0 - level;
    let mut z = 0.0_f64;
    for _ in 0..200 {
        let excess = libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2) - tail;
        let slope = (2.0 / std::f64::consts::PI).sqrt() * libm::exp(-z * z / 2.0);
        let next = z + excess / slope;
        if next <= z {
            break;
        }
        z = next;
    }
    z
}
