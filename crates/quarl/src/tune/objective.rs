//! The score of a trial: the mean of the worse half of the normalised scores of its seeds.
//!
//! Deep reinforcement learning varies much between seeds. The mean of the worse half rewards settings that work on every
//! seed; with one seed it is that seed's score.

/// The mean of the worse half of the values: of the (n + 1) / 2 smallest ones. NaN for no values.
pub fn worse_half(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len().div_ceil(2);
    sorted[..half].iter().sum::<f64>() / half as f64
}

/// The mean of [`worse_half`] over all choices of `k` of the values: what `k` seeds score on average. It can be compared
/// with the score of a trial of `k` seeds, which the worse half of more seeds cannot. NaN for fewer than `k` values.
pub fn expected_worse_half(values: &[f64], k: usize) -> f64 {
    let n = values.len();
    if k == 0 || n < k {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = k.div_ceil(2);
    // The i-th smallest of k chosen values is the j-th smallest of all (both from 0) in C(j, i) C(n-1-j, k-1-i) of C(n, k) choices.
    let share = |i: usize, j: usize| libm::exp(log_choose(j, i) + log_choose(n - 1 - j, k - 1 - i) - log_choose(n, k));
    let ranks = |i: usize| (i..=n - k + i).map(move |j| (i, j));
    (0..half).flat_map(ranks).map(|(i, j)| share(i, j) * sorted[j]).sum::<f64>() / half as f64
}

/// The logarithm of the binomial coefficient.
fn log_choose(n: usize, k: usize) -> f64 {
    let factorial = |n: usize| libm::lgamma(n as f64 + 1.0);
    factorial(n) - factorial(k) - factorial(n - k)
}

/// The normalised score of a return: 0 and 1 are the ends of `range`; the return itself without a range.
pub(super) fn normalised(mean_return: f64, range: Option<[f64; 2]>) -> f64 {
    range.map_or(mean_return, |[low, high]| (mean_return - low) / (high - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_half_includes_the_middle() {
        assert_eq!(worse_half(&[3.0]), 3.0);
        assert_eq!(worse_half(&[3.0, 1.0]), 1.0);
        assert_eq!(worse_half(&[3.0, 1.0, 2.0]), 1.5);
        assert_eq!(worse_half(&[4.0, 3.0, 1.0, 2.0]), 1.5);
        assert!(worse_half(&[]).is_nan());
    }

    #[test]
    fn the_expected_worse_half_is_the_mean_over_all_choices() {
        let values = [5.0, 1.0, 4.0, 8.0, 2.0];
        // By hand: the minimum of two of 1, 2, 4, 5, 8 is 1 four times, 2 three times, 4 twice, 5 once.
        assert!((expected_worse_half(&values, 2) - (4.0 + 6.0 + 8.0 + 5.0) / 10.0).abs() < 1e-12);
        assert!((expected_worse_half(&values, 1) - 4.0).abs() < 1e-12, "of one seed: the mean");
        assert!((expected_worse_half(&values, 5) - worse_half(&values)).abs() < 1e-12);
        let mut sum = 0.0;
        let choices = (0..32_u32).filter(|chosen| chosen.count_ones() == 3);
        for chosen in choices.clone() {
            let chosen: Vec<f64> = (0..5).filter(|i| chosen & (1 << i) != 0).map(|i| values[i]).collect();
            sum += worse_half(&chosen);
        }
        assert!((expected_worse_half(&values, 3) - sum / choices.count() as f64).abs() < 1e-12);
        assert!(expected_worse_half(&values, 6).is_nan());
    }

    #[test]
    fn scores_are_0_at_random_play_and_1_at_the_threshold() {
        assert_eq!([20.0, 475.0, 247.5].map(|x| normalised(x, Some([20.0, 475.0]))), [0.0, 1.0, 0.5]);
        assert_eq!(normalised(-90.0, None), -90.0);
    }
}
