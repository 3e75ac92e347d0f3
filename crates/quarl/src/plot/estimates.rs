//! Figures of comparisons: estimates with their intervals, and sample-efficiency curves.

use super::figures::{MOST_BANDS, caveat, solved};
use super::{Figure, Reference, Series, Style};

/// A value with its 95% interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The name.
    pub name: String,
    /// The value; `None` leaves the row empty.
    pub value: Option<f64>,
    /// The ends of the interval, if there is one.
    pub interval: Option<[f64; 2]>,
}

/// Estimates with their 95% intervals, one row for each, as in rliable's plots. `reference` is a value to compare them with
/// and its name; `counts` are the numbers of runs, for a caution about few runs.
pub fn estimates_figure(
    title: &str,
    x_label: &str,
    estimates: &[Estimate],
    reference: Option<(f64, String)>,
    counts: &[usize],
) -> Figure {
    let nan = f64::NAN;
    let points = estimates.iter().enumerate().map(|(i, estimate)| (estimate.value.unwrap_or(nan), i as f64));
    let band = estimates.iter().map(|estimate| estimate.interval.map_or((nan, nan), |[low, high]| (low, high)));
    let has_intervals = estimates.iter().any(|estimate| estimate.interval.is_some());
    let note = format!("{}{}", if has_intervals { "Bars: 95% intervals." } else { "" }, caveat(counts));
    Figure {
        title: title.to_owned(),
        x_label: x_label.to_owned(),
        categories: estimates.iter().map(|estimate| estimate.name.clone()).collect(),
        series: vec![Series {
            points: points.collect(),
            band: band.collect(),
            style: Style::Points,
            ..Series::default()
        }],
        references: reference.into_iter().map(|(value, label)| Reference { value, label }).collect(),
        note: Some(note.trim().to_owned()).filter(|note| !note.is_empty()),
        ..Figure::default()
    }
}

/// A sample-efficiency curve: an estimate at each of several numbers of environment steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EfficiencyCurve {
    /// The name in the legend.
    pub name: String,
    /// Environment steps and value, in order of the steps.
    pub points: Vec<(f64, f64)>,
    /// The 95% interval of each value; NaN where there is none.
    pub band: Vec<(f64, f64)>,
    /// The number of runs.
    pub runs: usize,
}

/// Sample-efficiency curves: the interquartile mean of the greedy evaluations of several runs over environment steps.
/// `threshold` is the return from which the environment counts as solved.
pub fn efficiency_figure(title: &str, curves: &[EfficiencyCurve], threshold: Option<f64>) -> Figure {
    let counts: Vec<usize> = curves.iter().map(|curve| curve.runs).collect();
    let series = curves.iter().map(|curve| {
        let has_band = curves.len() <= MOST_BANDS && curve.band.iter().any(|(low, high)| (low - high).is_finite());
        let band = if has_band { curve.band.clone() } else { Vec::new() };
        let runs = if curve.runs == 1 { "1 run".to_owned() } else { format!("{} runs", curve.runs) };
        Series { name: format!("{} ({runs})", curve.name), points: curve.points.clone(), band, ..Series::default() }
    });
    let series: Vec<Series> = series.collect();
    let bands =
        if series.iter().any(|series| !series.band.is_empty()) { "; bands: 95% bootstrap intervals" } else { "" };
    let note =
        format!("Interquartile mean over runs of the greedy evaluations during training{bands}.{}", caveat(&counts));
    Figure {
        title: title.to_owned(),
        x_label: "Environment steps".to_owned(),
        y_label: "Greedy return".to_owned(),
        series,
        references: threshold.into_iter().map(solved).collect(),
        note: Some(note),
        ..Figure::default()
    }
}
