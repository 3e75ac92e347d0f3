//! The figures that a learner's results are usually shown in.

use super::{Figure, Reference, Series, Style};
use crate::stats::{Bootstrap, Curve, mean_curve_with_band, moving_average, resampler};

/// One run: the return of every episode, its moving average over `window` episodes (a trailing window of at least one),
/// and evaluations as (episode, mean return) dots. Episodes count from 0. `threshold` is the return at which the
/// environment counts as solved.
pub fn run_figure(
    title: &str,
    returns: &[f64],
    window: usize,
    evaluations: &[(f64, f64)],
    threshold: Option<f64>,
) -> Figure {
    let window = window.max(1);
    let average = Series {
        name: format!("moving average over {}", counted(window, "episode")),
        points: by_episode(&moving_average(returns, window)),
        ..Series::default()
    };
    let single = Series { points: by_episode(returns), ..Series::default() };
    let mut series = if window > 1 {
        let color = Some(super::Color(0x00, 0x72, 0xb2));
        vec![
            Series { name: "each episode".to_owned(), color, style: Style::Faint, ..single },
            Series { color, ..average },
        ]
    } else {
        vec![Series { name: "each episode".to_owned(), ..single }]
    };
    if !evaluations.is_empty() {
        series.push(Series {
            name: "greedy evaluation".to_owned(),
            color: Some(super::Color(0xd5, 0x5e, 0x00)),
            points: evaluations.to_vec(),
            style: Style::Points,
            ..Series::default()
        });
    }
    let note =
        (window > 1).then(|| format!("Moving average: mean of the last {window} episodes (fewer at the start).",));
    Figure { series, note, ..over_episodes(title, threshold) }
}

/// Many runs of one configuration: the mean return of each episode with its 95% bootstrap interval, over the single
/// runs. Runs may differ in length; a mean is over those that got that far.
pub fn experiment_figure<R: AsRef<[f64]>>(title: &str, runs: &[R], threshold: Option<f64>) -> Figure {
    let curve = banded(runs);
    let mean = Series {
        name: format!("mean of {}", counted(runs.len(), "run")),
        background: runs.iter().map(|run| by_episode(run.as_ref())).collect(),
        ..summary(&curve)
    };
    let band = if runs.len() > 1 { "band: 95% bootstrap interval of the mean; " } else { "" };
    let note = capitalised(&format!("{band}thin lines: single runs.{}", lengths(runs)));
    Figure { series: vec![mean], note: Some(note), ..over_episodes(title, threshold) }
}

/// Several configurations, each with its name and its runs: the mean over the runs, after each was smoothed by a moving
/// average over `window` episodes, with its 95% bootstrap interval.
pub fn comparison_figure<R: AsRef<[f64]>>(
    title: &str,
    experiments: &[(&str, &[R])],
    window: usize,
    threshold: Option<f64>,
) -> Figure {
    let window = window.max(1);
    let of = |(name, runs): &(&str, &[R])| {
        let smooth: Vec<_> = runs.iter().map(|run| moving_average(run.as_ref(), window)).collect();
        Series { name: format!("{name} ({})", counted(runs.len(), "run")), ..summary(&banded(&smooth)) }
    };
    let note = comparison_note(window, experiments.iter().any(|(_, runs)| runs.len() > 1));
    Figure { series: experiments.iter().map(of).collect(), note: Some(note), ..over_episodes(title, threshold) }
}

/// A run's finished episodes, for figures over environment steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// How many environment steps the run had taken at the end of each episode, ascending.
    pub env_steps: Vec<u64>,
    /// Each episode's return.
    pub returns: Vec<f64>,
}

/// As [`experiment_figure`], over environment steps: the right axis where runs have the same budget of steps, and the better
/// ones therefore fewer, longer episodes. The mean is that of moving averages over `window` episodes.
pub fn experiment_figure_by_steps(title: &str, runs: &[Run], window: usize, threshold: Option<f64>) -> Figure {
    let single = |run: &Run| -> Vec<(f64, f64)> {
        run.env_steps.iter().zip(&run.returns).map(|(step, value)| (*step as f64, *value)).collect()
    };
    let mean = Series {
        name: format!("mean of {}", counted(runs.len(), "run")),
        background: runs.iter().map(single).collect(),
        ..summary_by_steps(runs, window)
    };
    let band = if runs.len() > 1 { "; band: 95% bootstrap interval of it" } else { "" };
    let note = format!("Mean over runs{}{band}; thin lines: single runs.", smoothed(window));
    Figure { series: vec![mean], note: Some(note), ..over_steps(title, threshold) }
}

/// As [`comparison_figure`], over environment steps.
pub fn comparison_figure_by_steps(
    title: &str,
    experiments: &[(&str, &[Run])],
    window: usize,
    threshold: Option<f64>,
) -> Figure {
    let of = |(name, runs): &(&str, &[Run])| Series {
        name: format!("{name} ({})", counted(runs.len(), "run")),
        ..summary_by_steps(runs, window)
    };
    let note = comparison_note(window, experiments.iter().any(|(_, runs)| runs.len() > 1));
    Figure { series: experiments.iter().map(of).collect(), note: Some(note), ..over_steps(title, threshold) }
}

/// The mean of runs' moving averages with its interval, at evenly spaced steps. At a step, a run counts with its latest
/// finished episodes; the curve begins where each run has one.
fn summary_by_steps(runs: &[Run], window: usize) -> Series {
    const POINTS: usize = 200;
    let begin = runs.iter().filter_map(|run| run.env_steps.first()).max().copied().unwrap_or(0);
    let end = runs.iter().filter_map(|run| run.env_steps.last()).max().copied().unwrap_or(0).max(begin);
    let at = |point: usize| begin as f64 + (end - begin) as f64 * point as f64 / (POINTS - 1) as f64;
    let sampled: Vec<Vec<f64>> = runs
        .iter()
        .map(|run| {
            let smooth = moving_average(&run.returns, window.max(1));
            let latest = |point| run.env_steps.partition_point(|step| *step as f64 <= at(point)).checked_sub(1);
            (0..POINTS).map(|point| latest(point).map_or(f64::NAN, |episode| smooth[episode])).collect()
        })
        .collect();
    let mut series = summary(&banded(&sampled));
    series.points.iter_mut().enumerate().for_each(|(point, (x, _))| *x = at(point));
    series
}

fn smoothed(window: usize) -> String {
    if window > 1 { format!(" of the moving average over {window} episodes") } else { String::new() }
}

fn comparison_note(window: usize, has_bands: bool) -> String {
    let bands = if has_bands { "; bands: 95% bootstrap intervals of the mean" } else { "" };
    format!("Mean over runs{}{bands}.", smoothed(window))
}

fn over_steps(title: &str, threshold: Option<f64>) -> Figure {
    Figure { x_label: "Environment steps".to_owned(), ..over_episodes(title, threshold) }
}

/// The axes that all these figures share.
fn over_episodes(title: &str, threshold: Option<f64>) -> Figure {
    let solved = |value: f64| Reference { value, label: format!("solved: {value}").replace('-', "\u{2212}") };
    Figure {
        title: title.to_owned(),
        x_label: "Episode".to_owned(),
        y_label: "Return".to_owned(),
        references: threshold.into_iter().map(solved).collect(),
        ..Figure::default()
    }
}

fn by_episode(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(episode, &value)| (episode as f64, value)).collect()
}

/// The mean and its 95% interval. The seed is fixed: a figure is a function of its data.
fn banded<R: AsRef<[f64]>>(runs: &[R]) -> Curve {
    mean_curve_with_band(runs, &Bootstrap::default(), &mut resampler(0))
}

fn summary(curve: &Curve) -> Series {
    let has_band = curve.n.iter().any(|&n| n > 1);
    let band = curve.low.iter().copied().zip(curve.high.iter().copied());
    Series {
        points: by_episode(&curve.mean),
        band: if has_band { band.collect() } else { Vec::new() },
        ..Series::default()
    }
}

/// A remark where not all runs are equally long: the mean's right end is then over fewer.
fn lengths<R: AsRef<[f64]>>(runs: &[R]) -> String {
    let lengths = || runs.iter().map(|run| run.as_ref().len());
    match (lengths().min(), lengths().max()) {
        (Some(least), Some(most)) if least < most => format!(" Runs have {least} to {most} episodes."),
        _ => String::new(),
    }
}

fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
