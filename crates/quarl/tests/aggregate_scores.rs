//! Aggregate scores agree with rliable (numbers recorded by oracles/rliable_scores.py): points exactly, intervals within the
//! error of two independent bootstraps.

use proptest::prelude::*;
use quarl::stats::*;
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/rliable.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn scores(value: &Value) -> TaskScores {
    TaskScores::new(value.as_array().unwrap().iter().map(numbers).collect())
}

#[track_caller]
fn assert_close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((actual - expected).abs() <= tolerance, "{what}: {actual} is not {expected}");
}

#[test]
fn points_equal_rliables() {
    let fixture = fixture();
    let thresholds = numbers(&fixture["thresholds"]);
    for case in fixture["cases"].as_array().unwrap() {
        let (own, other, name) = (scores(&case["own"]), scores(&case["other"]), case["name"].as_str().unwrap());
        let points = [own.mean(), own.median(), own.iqm(), own.optimality_gap(1.0)];
        for (actual, expected) in points.into_iter().zip(numbers(&case["aggregates"])) {
            assert_close(actual, expected, 1e-12, name);
        }
        let probability = case["probability"].as_f64().unwrap();
        assert_close(own.probability_of_improvement(&other), probability, 1e-12, name);
        assert_close(other.probability_of_improvement(&own), 1.0 - probability, 1e-12, name);
        for (actual, expected) in own.performance_profile(&thresholds).into_iter().zip(numbers(&case["profile"])) {
            assert_close(actual, expected, 1e-12, name);
        }
    }
}

/// A bootstrap's quantile at 2.5% from B resamples has a standard error of about sqrt(0.025 * 0.975 / B) / density; with
/// B = 50,000 that is below 1% of the interval's width, with B = 2,000 about 5%.
#[test]
fn intervals_agree_with_rliables_within_monte_carlo_error() {
    let fixture = fixture();
    let thresholds = numbers(&fixture["thresholds"]);
    let bootstrap = Bootstrap { resamples: 50_000, ..Bootstrap::default() };
    for case in fixture["cases"].as_array().unwrap() {
        let (own, other, name) = (scores(&case["own"]), scores(&case["other"]), case["name"].as_str().unwrap());
        let check = |actual: Interval, expected: &Value, share: f64, step: f64| {
            let expected = numbers(expected);
            let tolerance = (share * (expected[1] - expected[0])).max(step);
            assert_close(actual.low, expected[0], tolerance + 1e-9, name);
            assert_close(actual.high, expected[1], tolerance + 1e-9, name);
        };
        let intervals = own.intervals(1.0, &bootstrap, &mut resampler(1));
        let all = [intervals.mean, intervals.median, intervals.iqm, intervals.optimality_gap];
        for (actual, expected) in all.into_iter().zip(case["intervals"].as_array().unwrap()) {
            check(actual, expected, 0.03, 0.0);
        }
        check(own.probability_interval(&other, &bootstrap, &mut resampler(2)), &case["probability_interval"], 0.1, 0.0);
        // Shares of runs are multiples of 1 / n: neighbouring quantiles differ by that much.
        let runs: usize = own.tasks().iter().map(Vec::len).sum();
        let profile = own.profile_intervals(&thresholds, &bootstrap, &mut resampler(3));
        for (actual, expected) in profile.into_iter().zip(case["profile_intervals"].as_array().unwrap()) {
            check(actual, expected, 0.05, 1.0 / runs as f64);
        }
    }
}

#[test]
fn pairing_by_seed_narrows_the_interval_where_seeds_decide_together() {
    let luck = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0];
    let own: Vec<f64> = luck.iter().map(|luck| luck + 5.0).collect();
    let difference = paired_difference(&own, &luck, &Bootstrap::default(), &mut resampler(0));
    assert_eq!((difference.mean, difference.paired), (5.0, Interval { low: 5.0, high: 5.0 }));
    assert!(difference.unpaired.low < 0.0 && difference.unpaired.high > 10.0, "{difference:?}");
    let few = paired_difference(&own[..2], &luck[..2], &Bootstrap::default(), &mut resampler(0));
    assert!(few.mean == 5.0 && few.paired.low.is_nan() && few.unpaired.high.is_nan());
}

#[test]
fn the_area_under_a_curve_is_its_mean_height() {
    assert_eq!(area_under_curve(&[(0.0, 0.0), (10.0, 100.0)]), 50.0);
    assert_eq!(area_under_curve(&[(5.0, 20.0), (10.0, 20.0), (30.0, 40.0)]), 28.0);
    assert!(area_under_curve(&[(1.0, 1.0)]).is_nan() && area_under_curve(&[]).is_nan());
}

#[test]
fn what_cannot_be_compared_is_not_a_number() {
    let scores = |tasks: &[&[f64]]| TaskScores::new(tasks.iter().map(|runs| runs.to_vec()).collect());
    let bootstrap = Bootstrap { resamples: 100, ..Bootstrap::default() };
    let few = scores(&[&[1.0, 2.0], &[1.0, 2.0, 3.0]]);
    assert!(few.mean() == 1.75 && few.intervals(1.0, &bootstrap, &mut resampler(0)).mean.low.is_nan());
    assert!(few.profile_intervals(&[0.0], &bootstrap, &mut resampler(0))[0].low.is_nan());
    let one = scores(&[&[1.0, 2.0, 3.0]]);
    assert!(one.probability_of_improvement(&few).is_nan(), "other tasks");
    assert!(one.probability_of_improvement(&scores(&[&[]])).is_nan(), "no runs");
    let nothing = TaskScores::default();
    assert!(nothing.mean().is_nan() && nothing.iqm().is_nan() && nothing.optimality_gap(1.0).is_nan());
}

fn some_scores() -> impl Strategy<Value = TaskScores> {
    let task = prop::collection::vec((-8_i32..8).prop_map(f64::from), 3..9);
    prop::collection::vec(task, 1..4).prop_map(TaskScores::new)
}

proptest! {
    #[test]
    fn every_interval_of_a_resampled_score_lies_within_the_scores(own in some_scores(), seed in 0_u64..100) {
        let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let all = own.tasks().concat();
        let (low, high) = (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let intervals = own.intervals(1.0, &bootstrap, &mut resampler(seed));
        for interval in [intervals.mean, intervals.median, intervals.iqm] {
            prop_assert!(low <= interval.low && interval.low <= interval.high && interval.high <= high);
        }
        prop_assert!(intervals.optimality_gap.low >= 0.0);
    }

    /// A resample in which each run is drawn once is the data itself.
    #[test]
    fn a_resample_of_the_runs_themselves_gives_the_points(own in some_scores()) {
        let mut next = 0;
        let mut in_turn = |n: usize| { next += 1; (next - 1) % n };
        let once = TaskScores::new(own.tasks().iter().map(|runs| runs[..3].to_vec()).collect());
        let bootstrap = Bootstrap { resamples: 1, ..Bootstrap::default() };
        let intervals = once.intervals(1.0, &bootstrap, &mut in_turn);
        let points = [once.mean(), once.median(), once.iqm(), once.optimality_gap(1.0)];
        let resampled = [intervals.mean, intervals.median, intervals.iqm, intervals.optimality_gap];
        for (point, interval) in points.into_iter().zip(resampled) {
            prop_assert!((point - interval.low).abs() < 1e-12 && (point - interval.high).abs() < 1e-12);
        }
    }
}
