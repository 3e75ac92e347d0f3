//! The statistics agree with NumPy and SciPy (numbers recorded by oracles/stats.py) and keep their promises on
//! anything else.

use proptest::prelude::*;
use quarl::stats::*;
use serde_json::Value;

fn oracle() -> Value {
    serde_json::from_str(include_str!("oracles/stats.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// A number; the oracle writes null for one that does not exist.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[track_caller]
fn assert_close(actual: f64, expected: f64) {
    let equal = (actual - expected).abs() <= 1e-12 * expected.abs().max(1.0);
    assert!(equal || (actual.is_nan() && expected.is_nan()), "{actual} is not {expected}");
}

#[track_caller]
fn assert_interval(actual: Interval, expected: &Value) {
    let expected = if expected.is_null() { vec![f64::NAN; 2] } else { numbers(expected) };
    assert_close(actual.low, expected[0]);
    assert_close(actual.high, expected[1]);
}

fn settings(case: &Value) -> (Bootstrap, u64) {
    let resamples = case["resamples"].as_u64().unwrap() as usize;
    (Bootstrap { resamples, level: number(&case["level"]) }, case["seed"].as_u64().unwrap())
}

#[test]
fn descriptive_statistics_agree_with_numpy_and_scipy() {
    for sample in oracle()["samples"].as_array().unwrap() {
        let values = numbers(&sample["values"]);
        assert_close(mean(&values), number(&sample["mean"]));
        assert_close(sample_std(&values), number(&sample["std"]));
        assert_close(median(&values), number(&sample["median"]));
        assert_close(interquartile_mean(&values), number(&sample["iqm"]));
        for pair in sample["quantiles"].as_array().unwrap() {
            assert_close(quantile(&values, number(&pair[0])), number(&pair[1]));
        }
        for pair in sample["moving_average"].as_array().unwrap() {
            let averaged = moving_average(&values, pair[0].as_u64().unwrap() as usize);
            let expected = numbers(&pair[1]);
            assert_eq!(averaged.len(), expected.len());
            averaged.iter().zip(expected).for_each(|(&a, e)| assert_close(a, e));
        }
    }
}

#[test]
fn bootstrap_intervals_agree_with_numpy_on_the_same_resamples() {
    for case in oracle()["bootstrap"].as_array().unwrap() {
        let (bootstrap, seed) = settings(case);
        let statistic = match case["statistic"].as_str().unwrap() {
            "mean" => mean,
            "median" => median,
            "iqm" => interquartile_mean,
            other => panic!("unknown statistic {other}"),
        };
        let values = numbers(&case["values"]);
        assert_interval(bootstrap_interval(&values, statistic, &bootstrap, &mut resampler(seed)), &case["interval"]);
    }
}

#[test]
fn mean_curves_of_unequal_runs_agree_with_numpy_on_the_same_resamples() {
    for case in oracle()["bands"].as_array().unwrap() {
        let (bootstrap, seed) = settings(case);
        let runs: Vec<Vec<f64>> = case["runs"].as_array().unwrap().iter().map(numbers).collect();
        let curve = mean_curve_with_band(&runs, &bootstrap, &mut resampler(seed));
        assert_eq!(curve.n.iter().map(|&n| n as f64).collect::<Vec<_>>(), numbers(&case["n"]));
        curve.mean.iter().zip(numbers(&case["mean"])).for_each(|(&a, e)| assert_close(a, e));
        for (i, expected) in case["intervals"].as_array().unwrap().iter().enumerate() {
            assert_interval(Interval { low: curve.low[i], high: curve.high[i] }, expected);
        }
    }
}

#[test]
fn wilson_intervals_agree_with_scipy() {
    for case in oracle()["wilson"].as_array().unwrap() {
        let (k, n) = (case["successes"].as_u64().unwrap() as usize, case["trials"].as_u64().unwrap() as usize);
        assert_interval(wilson(k, n, number(&case["level"])), &case["interval"]);
    }
    assert_eq!(wilson(0, 0, 0.95), Interval { low: 0.0, high: 1.0 });
}

#[test]
fn what_the_data_do_not_say_is_nan_and_never_a_panic() {
    assert!(mean(&[]).is_nan() && sample_std(&[1.0]).is_nan() && median(&[]).is_nan());
    assert!(interquartile_mean(&[]).is_nan() && interquartile_mean(&[1.0, f64::NAN]).is_nan());
    assert!(quantile(&[1.0, 2.0], 1.5).is_nan() && quantile(&[1.0, 2.0], f64::NAN).is_nan());
    assert!(quantile(&[1.0, f64::NAN], 0.5).is_nan());
    assert!(wilson(3, 2, 0.95).low.is_nan() && wilson(1, 2, 1.0).low.is_nan());
    let bootstrap = Bootstrap::default();
    assert!(bootstrap_mean(&[5.0], &bootstrap, &mut resampler(0)).low.is_nan());
    assert!(bootstrap_mean(&[5.0, 6.0], &bootstrap, &mut resampler(0)).low.is_nan());
    assert!(bootstrap_mean(&[5.0, 6.0, 7.0], &bootstrap, &mut resampler(0)).low.is_finite());
    let nothing = Bootstrap { resamples: 0, ..bootstrap };
    assert!(bootstrap_mean(&[5.0, 6.0, 7.0], &nothing, &mut resampler(0)).low.is_nan());
    assert_eq!(mean_curve_with_band::<Vec<f64>>(&[], &bootstrap, &mut resampler(0)), Curve::default());
    assert_eq!(mean_curve_with_band(&[vec![]], &bootstrap, &mut resampler(0)).n, Vec::<usize>::new());
    assert_eq!(moving_average(&[], 3), Vec::<f64>::new());
}

#[test]
fn a_gap_in_one_run_leaves_the_others_counting() {
    let curve = mean_curve(&[vec![1.0, f64::NAN, 3.0], vec![3.0, 4.0]]);
    assert_eq!((curve.mean, curve.n), (vec![2.0, 4.0, 3.0], vec![2, 1, 1]));
}

#[test]
fn quantiles_of_equal_infinities_are_that_infinity() {
    assert_eq!(quantile(&[f64::INFINITY; 4], 0.3), f64::INFINITY);
}

#[test]
fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
    let values: Vec<f64> = (0..30).map(|i| f64::from(i * i % 17)).collect();
    let interval = |seed| bootstrap_mean(&values, &Bootstrap::default(), &mut resampler(seed));
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1), interval(2));
}

#[test]
fn a_95_percent_interval_of_the_mean_holds_the_true_mean_about_95_times_in_100() {
    let mut draw = resampler(9);
    let bootstrap = Bootstrap { resamples: 400, ..Bootstrap::default() };
    let hits = (0..400)
        .filter(|_| {
            let values: Vec<f64> = (0..40).map(|_| draw(1001) as f64).collect();
            let interval = bootstrap_mean(&values, &bootstrap, &mut draw);
            interval.low <= 500.0 && 500.0 <= interval.high
        })
        .count();
    assert!((360..=396).contains(&hits), "{hits} of 400");
}

proptest! {
    #[test]
    fn quantiles_rise_with_q_and_stay_within_the_values(
        values in prop::collection::vec(-1e9..1e9_f64, 1..60), a in 0.0..=1.0_f64, b in 0.0..=1.0_f64,
    ) {
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(quantile(&values, low) <= quantile(&values, high));
        prop_assert_eq!(quantile(&values, 0.0), values.iter().copied().fold(f64::INFINITY, f64::min));
        prop_assert_eq!(quantile(&values, 1.0), values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    }

    #[test]
    fn centres_lie_within_the_values_and_ignore_their_order(values in prop::collection::vec(-1e6..1e6_f64, 1..60)) {
        let (low, high) = (quantile(&values, 0.0), quantile(&values, 1.0));
        let mut reversed = values.clone();
        reversed.reverse();
        for centre in [median, interquartile_mean] {
            prop_assert!(low - 1e-9 <= centre(&values) && centre(&values) <= high + 1e-9);
            prop_assert_eq!(centre(&values), centre(&reversed));
        }
    }

    #[test]
    fn a_moving_average_has_one_value_for_each_and_ends_with_the_mean_of_the_last_window(
        values in prop::collection::vec(-1e6..1e6_f64, 0..60), window in 0_usize..80,
    ) {
        let averaged = moving_average(&values, window);
        prop_assert_eq!(averaged.len(), values.len());
        if let Some(&last) = averaged.last() {
            prop_assert_eq!(last, mean(&values[values.len().saturating_sub(window.max(1))..]));
            prop_assert_eq!(averaged[0], values[0]);
        }
    }

    #[test]
    fn a_bootstrap_interval_is_ordered_and_within_the_values(
        values in prop::collection::vec(-1e6..1e6_f64, 3..30), seed: u64,
    ) {
        let bootstrap = Bootstrap { resamples: 50, level: 0.9 };
        let interval = bootstrap_mean(&values, &bootstrap, &mut resampler(seed));
        prop_assert!(quantile(&values, 0.0) - 1e-9 <= interval.low && interval.low <= interval.high);
        prop_assert!(interval.high <= quantile(&values, 1.0) + 1e-9);
    }

    #[test]
    fn a_wilson_interval_holds_the_observed_share_and_narrows_with_more_trials(
        (k, n) in (1_usize..500).prop_flat_map(|n| (0..=n, Just(n))), level in 0.01..0.9999_f64,
    ) {
        let (interval, share) = (wilson(k, n, level), k as f64 / n as f64);
        prop_assert!(0.0 <= interval.low && interval.low <= share && share <= interval.high && interval.high <= 1.0);
        let more = wilson(k * 4, n * 4, level);
        prop_assert!(more.high - more.low < interval.high - interval.low);
    }

    #[test]
    fn a_resampler_answers_below_n(seed: u64, n in 1..usize::MAX) {
        prop_assert!(resampler(seed)(n) < n);
    }

    #[test]
    fn hostile_runs_never_panic(
        runs in prop::collection::vec(prop::collection::vec(prop::num::f64::ANY, 0..5), 0..5), seed: u64,
    ) {
        let curve = mean_curve_with_band(&runs, &Bootstrap { resamples: 9, level: 0.8 }, &mut resampler(seed));
        prop_assert_eq!(curve.low.len(), runs.iter().map(Vec::len).max().unwrap_or(0));
    }
}
