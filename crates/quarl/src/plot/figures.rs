//! The usual figures of results: of a run, of an experiment, and comparisons.

use super::{Color, Figure, Reference, Series, Style};
use crate::stats::{
    Bootstrap, Curve, FEW_FOR_INTERVAL, MIN_FOR_INTERVAL, TaskScores, mean_curve_with_band, moving_average,
    quantile_curve, resampler,
};

/// The maximum number of runs that are drawn as single lines behind their mean; more runs are summarised by a band.
const MAX_SINGLE_LINES: usize = 20;

/// The largest number of curves that are drawn with bands: more bands than that cannot be told apart.
pub(super) const MOST_BANDS: usize = 8;

/// The finished episodes of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The number of environment steps at the end of each episode, ascending. Figures over episodes do not need it.
    pub env_steps: Vec<u64>,
    /// The return of each episode.
    pub returns: Vec<f64>,
}

/// The runs of one configuration in a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The name in the legend.
    pub name: String,
    /// The finished runs.
    pub runs: Vec<Run>,
    /// The number of planned runs, which exceeds the number of finished runs if some failed or are unfinished.
    pub planned: usize,
}

impl Group {
    /// The number of runs as text: `10 runs`, or `8 of 10 runs` if two are missing.
    pub fn counted(&self) -> String {
        match (self.runs.len(), self.planned) {
            (runs, planned) if runs < planned => format!("{runs} of {}", counted(planned, "run")),
            (runs, _) => counted(runs, "run"),
        }
    }
}

/// The quantity on a figure's x axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XAxis {
    /// Episodes, counted from 0.
    #[default]
    Episodes,
    /// Environment steps: the right axis for runs with the same budget of steps, in which better agents have fewer, longer
    /// episodes.
    Steps,
}

/// The figure of one run: the return of every episode, its moving average over `window` episodes (at least one), and
/// evaluations as (x, mean return) dots. `threshold` is the return from which the environment counts as solved.
pub fn run_figure(
    title: &str,
    run: &Run,
    x: XAxis,
    window: usize,
    evaluations: &[(f64, f64)],
    threshold: Option<f64>,
) -> Figure {
    let window = window.max(1);
    let single = Series { name: "each episode".to_owned(), points: points(run, x), ..Series::default() };
    let mut series = if window > 1 {
        let color = Some(Color(0x00, 0x72, 0xb2));
        let smooth = Run { env_steps: run.env_steps.clone(), returns: moving_average(&run.returns, window) };
        let name = format!("moving average over {}", counted(window, "episode"));
        vec![
            Series { color, style: Style::Faint, ..single },
            Series { name, color, points: points(&smooth, x), ..Series::default() },
        ]
    } else {
        vec![single]
    };
    if !evaluations.is_empty() {
        series.push(Series {
            name: "greedy evaluation".to_owned(),
            color: Some(Color(0xd5, 0x5e, 0x00)),
            points: evaluations.to_vec(),
            style: Style::Points,
            ..Series::default()
        });
    }
    let note =
        (window > 1).then(|| format!("Moving average: mean of the last {window} episodes (fewer at the start)."));
    Figure { series, note, ..axes(title, x, threshold) }
}

/// The figure of many runs of one configuration: the mean of their moving averages over `window` episodes, with its 95%
/// bootstrap interval for three or more runs. Behind it are the single runs, or the range of the middle 80% of more than
/// twenty runs.
///
/// Over episodes, runs may differ in length: each mean is over the runs that reached the episode.
pub fn experiment_figure(title: &str, runs: &[Run], x: XAxis, window: usize, threshold: Option<f64>) -> Figure {
    let Summary { x: xs, smooth, curve } = summarise(runs, x, window);
    let at = |values: &[f64]| -> Vec<(f64, f64)> { xs.iter().copied().zip(values.iter().copied()).collect() };
    let mut mean = Series { name: format!("mean of {}", counted(runs.len(), "run")), ..series(&xs, &curve) };
    let mut all = Vec::new();
    let is_crowded = runs.len() > MAX_SINGLE_LINES;
    let behind = if is_crowded {
        let (low, high) = (quantile_curve(&smooth, 0.1), quantile_curve(&smooth, 0.9));
        all.push(Series {
            name: "middle 80% of runs".to_owned(),
            color: Some(Color(0x9a, 0xc4, 0xdf)),
            points: at(&curve.mean),
            band: low.into_iter().zip(high).collect(),
            style: Style::Band,
            ..Series::default()
        });
        mean.color = Some(Color(0x00, 0x72, 0xb2));
        "light band: from the 10% to the 90% quantile of the runs"
    } else {
        mean.background = runs.iter().map(|run| points(run, x)).collect();
        "thin lines: single runs"
    };
    let dark = match (has_band(&mean), is_crowded) {
        (true, true) => "dark band: 95% bootstrap interval of the mean; ",
        (true, false) => "band: 95% bootstrap interval of the mean; ",
        (false, _) => "",
    };
    let lengths = if x == XAxis::Episodes { lengths(runs) } else { String::new() };
    let note = format!("Mean over runs{}; {dark}{behind}.{lengths}{}", smoothed(window), caveat(&[runs.len()]));
    all.push(mean);
    Figure { series: all, note: Some(note), ..axes(title, x, threshold) }
}

/// The comparison of several configurations: the mean over the runs of each, smoothed by a moving average over `window`
/// episodes, with its 95% bootstrap interval for three or more runs.
pub fn comparison_figure(title: &str, groups: &[&Group], x: XAxis, window: usize, threshold: Option<f64>) -> Figure {
    let of = |group: &&Group| {
        let Summary { x, curve, .. } = summarise(&group.runs, x, window);
        Series { name: format!("{} ({})", group.name, group.counted()), ..series(&x, &curve) }
    };
    let mut all: Vec<Series> = groups.iter().map(of).collect();
    if all.len() > MOST_BANDS {
        all.iter_mut().for_each(|series| series.band.clear());
    }
    let bands = if all.iter().any(has_band) { "; bands: 95% bootstrap intervals of the mean" } else { "" };
    let counts: Vec<usize> = groups.iter().map(|group| group.runs.len()).collect();
    let what = match (counts.iter().all(|&n| n == 1), window > 1) {
        (true, true) => format!("Moving average over {window} episodes of one run each"),
        (true, false) => "Each episode of one run each".to_owned(),
        (false, _) => format!("Mean over runs{}", smoothed(window)),
    };
    let note = format!("{what}{bands}.{}", caveat(&counts));
    Figure { series: all, note: Some(note), ..axes(title, x, threshold) }
}

/// The performance profiles of several configurations: for each normalised score, the share of runs over all environments
/// that score higher, with pointwise 95% bootstrap intervals (Agarwal et al. 2021).
pub fn profile_figure(scores: &[(&str, &TaskScores)]) -> Figure {
    const POINTS: usize = 121;
    let all = || scores.iter().flat_map(|(_, scores)| scores.tasks().iter().flatten().copied());
    let low = all().fold(0.0, f64::min);
    let high = all().fold(1.0, f64::max);
    let at: Vec<f64> = (0..POINTS).map(|i| low + (high - low) * i as f64 / (POINTS - 1) as f64).collect();
    let profile = |(name, own): &(&str, &TaskScores)| {
        let intervals = own.profile_intervals(&at, &Bootstrap::default(), &mut resampler(0));
        let band: Vec<(f64, f64)> = intervals.iter().map(|interval| (interval.low, interval.high)).collect();
        let runs: usize = own.tasks().iter().map(Vec::len).sum();
        Series {
            name: format!("{name} ({})", counted(runs, "run")),
            points: at.iter().copied().zip(own.performance_profile(&at)).collect(),
            band: if scores.len() <= MOST_BANDS && band.iter().any(|(low, _)| low.is_finite()) {
                band
            } else {
                Vec::new()
            },
            style: Style::Step,
            ..Series::default()
        }
    };
    let series: Vec<Series> = scores.iter().map(profile).collect();
    let counts: Vec<usize> = scores.iter().flat_map(|(_, scores)| scores.tasks().iter().map(Vec::len)).collect();
    let bands = if series.iter().any(has_band) { "; bands: pointwise 95% bootstrap intervals" } else { "" };
    Figure {
        title: "Performance profiles".to_owned(),
        x_label: "Normalised score".to_owned(),
        y_label: "Share of runs above the score".to_owned(),
        y_range: Some((0.0, 1.0)),
        series,
        note: Some(format!("Greedy evaluation at the end of each run{bands}.{}", caveat(&counts))),
        ..Figure::default()
    }
}

/// The aggregated curves of several runs.
struct Summary {
    /// The x value of each point.
    x: Vec<f64>,
    /// The moving average of each run at these points; NaN where it has none.
    smooth: Vec<Vec<f64>>,
    /// The mean with its interval.
    curve: Curve,
}

/// The runs' moving averages and their mean, at each episode or at evenly spaced steps. At a step, a run counts with its
/// latest finished episodes; the curve begins where every run has one.
fn summarise(runs: &[Run], x: XAxis, window: usize) -> Summary {
    const POINTS: usize = 200;
    let smooth = runs.iter().map(|run| moving_average(&run.returns, window));
    let (x, smooth): (Vec<f64>, Vec<Vec<f64>>) = match x {
        XAxis::Episodes => {
            let smooth: Vec<_> = smooth.collect();
            let length = smooth.iter().map(Vec::len).max().unwrap_or(0);
            ((0..length).map(|episode| episode as f64).collect(), smooth)
        }
        XAxis::Steps => {
            let begin = runs.iter().filter_map(|run| run.env_steps.first()).max().copied().unwrap_or(0);
            let end = runs.iter().filter_map(|run| run.env_steps.last()).max().copied().unwrap_or(0).max(begin);
            let x: Vec<f64> = (0..POINTS)
                .map(|point| begin as f64 + (end - begin) as f64 * point as f64 / (POINTS - 1) as f64)
                .collect();
            let sampled = smooth.zip(runs).map(|(smooth, run)| {
                let latest = |&x: &f64| run.env_steps.partition_point(|step| *step as f64 <= x).checked_sub(1);
                x.iter().map(|x| latest(x).and_then(|i| smooth.get(i).copied()).unwrap_or(f64::NAN)).collect()
            });
            let sampled = sampled.collect();
            (x, sampled)
        }
    };
    // A fixed seed, so that a figure depends only on its data.
    let curve = mean_curve_with_band(&smooth, &Bootstrap::default(), &mut resampler(0));
    Summary { x, smooth, curve }
}

/// The mean as a line, with its interval if there is one.
fn series(x: &[f64], curve: &Curve) -> Series {
    let band: Vec<(f64, f64)> = curve.low.iter().copied().zip(curve.high.iter().copied()).collect();
    let points = x.iter().copied().zip(curve.mean.iter().copied()).collect();
    let band = if band.iter().any(|(low, _)| low.is_finite()) { band } else { Vec::new() };
    Series { points, band, ..Series::default() }
}

fn has_band(series: &Series) -> bool {
    !series.band.is_empty()
}

/// A caution about intervals of few runs.
pub(super) fn caveat(counts: &[usize]) -> String {
    let any = |range: std::ops::Range<usize>| counts.iter().any(|n| range.contains(n));
    let none = if any(0..MIN_FOR_INTERVAL) {
        format!(" No interval for fewer than {MIN_FOR_INTERVAL} runs.")
    } else {
        String::new()
    };
    let rough = if any(MIN_FOR_INTERVAL..FEW_FOR_INTERVAL) {
        format!(" Intervals of fewer than {FEW_FOR_INTERVAL} runs are rough.")
    } else {
        String::new()
    };
    none + &rough
}

fn smoothed(window: usize) -> String {
    if window > 1 { format!(" of the moving average over {window} episodes") } else { String::new() }
}

/// The axes that all these figures have in common.
fn axes(title: &str, x: XAxis, threshold: Option<f64>) -> Figure {
    Figure {
        title: title.to_owned(),
        x_label: if x == XAxis::Steps { "Environment steps" } else { "Episode" }.to_owned(),
        y_label: "Return".to_owned(),
        references: threshold.into_iter().map(solved).collect(),
        ..Figure::default()
    }
}

/// The line of the return from which the environment counts as solved.
pub(super) fn solved(value: f64) -> Reference {
    Reference { value, label: format!("solved: {value}").replace('-', "\u{2212}") }
}

/// A run's returns as points of a curve.
fn points(run: &Run, x: XAxis) -> Vec<(f64, f64)> {
    let returns = run.returns.iter().copied();
    match x {
        XAxis::Episodes => returns.enumerate().map(|(episode, value)| (episode as f64, value)).collect(),
        XAxis::Steps => run.env_steps.iter().map(|&steps| steps as f64).zip(returns).collect(),
    }
}

/// A note if the runs differ in length: the mean at the right end is then over fewer runs.
fn lengths(runs: &[Run]) -> String {
    let lengths = || runs.iter().map(|run| run.returns.len());
    match (lengths().min(), lengths().max()) {
        (Some(least), Some(most)) if least < most => format!(" Runs have {least} to {most} episodes."),
        _ => String::new(),
    }
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
