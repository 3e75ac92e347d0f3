//! Measures the statistics of a comparison: 10 configurations, 100 runs each, 50,000 bootstrap resamples.
//!
//! ```text
//! cargo run --release --package quarl --example statistics_cost
//! ```

use std::time::Instant;

use quarl::rng::Rng;
use quarl::stats::{Bootstrap, TaskScores, bootstrap_iqm, paired_difference, resampler};

const CONFIGURATIONS: usize = 10;
const RUNS: usize = 100;
/// The values of the normalised score at which a performance profile is drawn.
const PROFILE: usize = 121;

fn main() {
    let bootstrap = Bootstrap { resamples: 50_000, ..Bootstrap::default() };
    let mut rng = Rng::from_seed(0);
    let mut scores = || (0..RUNS).map(|_| rng.uniform()).collect::<Vec<f64>>();
    let all: Vec<TaskScores> = (0..CONFIGURATIONS).map(|_| TaskScores::new(vec![scores()])).collect();
    let thresholds: Vec<f64> = (0..PROFILE).map(|i| i as f64 / (PROFILE - 1) as f64).collect();
    let runs = |scores: &TaskScores| scores.tasks()[0].clone();
    let mut total = 0.0;
    let mut time = |what: &str, compute: &dyn Fn(&TaskScores) -> f64| {
        let started = Instant::now();
        let width: f64 = all.iter().map(compute).sum::<f64>() / all.len() as f64;
        let seconds = started.elapsed().as_secs_f64();
        total += seconds;
        println!("{what:<56} {seconds:6.2} s   mean width of the intervals {width:.4}");
    };
    time("mean, median, IQM and optimality gap", &|scores| {
        let iqm = scores.intervals(1.0, &bootstrap, &mut resampler(0)).iqm;
        iqm.high - iqm.low
    });
    time("area under the curve (IQM)", &|scores| {
        let interval = bootstrap_iqm(&runs(scores), &bootstrap, &mut resampler(0));
        interval.high - interval.low
    });
    time("probability of improvement over the first", &|scores| {
        let interval = scores.probability_interval(&all[0], &bootstrap, &mut resampler(0));
        interval.high - interval.low
    });
    time("difference to the first, paired and unpaired", &|scores| {
        let difference = paired_difference(&runs(scores), &runs(&all[0]), &bootstrap, &mut resampler(0));
        difference.paired.high - difference.paired.low
    });
    time("performance profile", &|scores| {
        let intervals = scores.profile_intervals(&thresholds, &bootstrap, &mut resampler(0));
        intervals.iter().map(|interval| interval.high - interval.low).sum::<f64>() / PROFILE as f64
    });
    println!("{:<56} {total:6.2} s", format!("{CONFIGURATIONS} configurations, {RUNS} runs each, 50,000 resamples"));
}
