//! Quantiles of Student's t distribution, for intervals and for Welch's test, whose degrees of freedom are not integers.

/// The quantile of the t distribution with `freedom` degrees of freedom for a probability from 0.5 to below 1. Infinite for
/// 0 degrees of freedom, because a single run gives no estimate of the spread.
pub(crate) fn quantile(probability: f64, freedom: f64) -> f64 {
    if freedom.is_nan() || freedom <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while below(high, freedom) < probability {
        high *= 2.0;
    }
    // Halving the interval 60 times exhausts the precision of f64.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if below(middle, freedom) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability of a value below `t`, which is at least 0.
fn below(t: f64, freedom: f64) -> f64 {
    1.0 - 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The regularised incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun 26.5.8).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side; the other side follows by symmetry.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let log_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let front = (a * x.ln() + b * (1.0 - x).ln() - log_beta).exp() / a;
    // Evaluated backwards; 200 terms are enough for all degrees of freedom used here.
    let fraction = (1..=200).rev().fold(1.0, |rest, term| {
        let m = f64::from(term / 2);
        let coefficient = if term % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        1.0 + coefficient / rest
    });
    front / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: scipy.stats.t.ppf(probability, freedom).
    #[test]
    fn quantiles_are_scipys() {
        for (probability, freedom, expected) in ORACLE {
            let got = quantile(probability, freedom);
            assert!((got - expected).abs() < 1e-9 * expected, "t({probability}, {freedom}) = {got}, not {expected}");
        }
        assert_eq!(quantile(0.975, 0.0), f64::INFINITY);
    }

    const ORACLE: [(f64, f64, f64); 6] = [
        (0.975, 1.0, 12.706204736174694),
        (0.975, 9.0, 2.262157162798205),
        (0.975, 18.0, 2.1009220402410382),
        (0.975, 99.0, 1.9842169515864174),
        (0.9979166666666667, 23.7, 3.1704704639779724),
        (0.995, 250.5, 2.5955978081906577),
    ];
}
