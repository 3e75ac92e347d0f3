//! The figures of a study: its progress, parallel coordinates, and the importance of the parameters.

use std::path::Path;

use super::TrialState;
use super::importance::{FEWEST_TRIALS, best_trials};
use super::journal::State;
use super::parameter::{Parameter, Values};
use super::results::StudySummary;
use super::space::Space;
use super::trial::{Trial, ranked};
use crate::config::settings::show;
use crate::error::Error;
use crate::plot::{Axis, BarChart, Color, Figure, ParallelCoordinates, Reference, Series, Style};

/// Draws all figures as SVG and PNG. The figure of importance needs [`FEWEST_TRIALS`] trials.
pub(super) fn draw(out: &Path, space: &Space, state: &State, summary: &StudySummary) -> Result<(), Error> {
    let path = |name: &str, extension: &str| out.join(format!("{name}.{extension}"));
    let (progress, coordinates) = (progress(state, summary), parallel_coordinates(space, state, summary));
    for extension in ["svg", "png"] {
        progress.write(path("progress", extension))?;
        coordinates.write(path("coordinates", extension))?;
        if let Some(chart) = importance(state, summary) {
            chart.write(path("importance", extension))?;
        }
    }
    Ok(())
}

/// `Score` with what 0 and 1 are, or the return.
fn score_label(summary: &StudySummary) -> &'static str {
    match summary.score_range {
        Some(_) => "Score (random play 0, threshold 1)",
        None => "Score (mean return)",
    }
}

/// The score of every trial, and the best score so far.
pub(super) fn progress(state: &State, summary: &StudySummary) -> Figure {
    let points = |wanted: TrialState| -> Vec<(f64, f64)> {
        let trials = state.trials.values().filter(|trial| trial.state == wanted);
        trials.filter_map(|trial| Some((trial.number as f64, trial.score?))).collect()
    };
    let complete = points(TrialState::Complete);
    let mut best = f64::NEG_INFINITY;
    let mut so_far: Vec<(f64, f64)> = complete
        .iter()
        .map(|(number, score)| {
            best = best.max(*score);
            (*number, best)
        })
        .collect();
    if let (Some((_, best)), Some(last)) = (so_far.last().copied(), state.trials.keys().last()) {
        so_far.push((*last as f64, best));
    }
    let dots = |name: &str, color: Color, points| Series {
        name: name.to_owned(),
        color: Some(color),
        points,
        style: Style::Points,
        ..Series::default()
    };
    let series = vec![
        dots("pruned", Color(0xa6, 0xa6, 0xa6), points(TrialState::Pruned)),
        Series {
            name: "best so far".to_owned(),
            color: Some(Color(0xd5, 0x5e, 0x00)),
            points: so_far,
            style: Style::Step,
            ..Series::default()
        },
        dots("complete", Color(0x00, 0x72, 0xb2), complete),
    ];
    let confirmed = summary.confirmation.as_ref().and_then(|confirmation| confirmation.score);
    let references =
        confirmed.map(|score| Reference { value: score, label: format!("best trial, fresh seeds: {score:.2}") });
    let seeds = summary.seeds.len();
    let of_seeds = if seeds == 1 { "of one seed".to_owned() } else { format!("the worse half of {seeds} seeds") };
    let pruned = if summary.pruned > 0 { "; of a pruned trial: at its last evaluation" } else { "" };
    let scale = if summary.score_range.is_some() { "0 is random play, 1 the threshold" } else { "a mean return" };
    let failed =
        if summary.failed > 0 { format!("; {} failed trials have none", summary.failed) } else { String::new() };
    Figure {
        title: format!("{}: {} trials", summary.env, state.trials.len()),
        x_label: "Trial".to_owned(),
        y_label: "Score".to_owned(),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        references: references.into_iter().collect(),
        note: Some(format!("Score of the final models ({scale}), {of_seeds}{pruned}{failed}.")),
        ..Figure::default()
    }
}

/// Each trial as a line through its parameters.
pub(super) fn parallel_coordinates(space: &Space, state: &State, summary: &StudySummary) -> ParallelCoordinates {
    let axis = |parameter: &Parameter| Axis { label: parameter.key.clone(), ticks: ticks(&parameter.values) };
    let position = |parameter: &Parameter, trial: &Trial| {
        let coordinate = trial.parameters.get(&parameter.key).map_or(0.0, |value| parameter.values.coordinate(value));
        match parameter.values.choices() {
            Some(choices) => (coordinate + 0.5) / choices as f64,
            None => coordinate,
        }
    };
    let line = |trial: &&Trial| {
        let positions = space.parameters().iter().map(|parameter| position(parameter, trial)).collect();
        (positions, trial.score.unwrap_or(f64::NAN))
    };
    let complete: Vec<&Trial> =
        ranked(state.trials.values()).into_iter().filter(|trial| trial.state == TrialState::Complete).collect();
    ParallelCoordinates {
        title: format!("{}: parameters of {} complete trials", summary.env, complete.len()),
        value_label: score_label(summary).to_owned(),
        axes: space.parameters().iter().map(axis).collect(),
        lines: complete.iter().map(line).collect(),
    }
}

/// The labels of an axis, at positions from 0 to 1.
fn ticks(values: &Values) -> Vec<(f64, String)> {
    match values {
        Values::Choices(choices) => {
            let n = choices.len() as f64;
            let text = |value: &toml::Value| value.as_str().map_or_else(|| show(value), str::to_owned);
            choices.iter().enumerate().map(|(i, value)| ((i as f64 + 0.5) / n, text(value))).collect()
        }
        _ => [0.0, 0.5, 1.0]
            .into_iter()
            .map(|share| {
                let value = values.at(share);
                (values.coordinate(&value), short(&value))
            })
            .collect(),
    }
}

/// A number with three significant digits.
fn short(value: &toml::Value) -> String {
    let Some(x) = value.as_float() else { return show(value) };
    if x != 0.0 && !(1e-3..1e5).contains(&x.abs()) {
        format!("{x:.1e}")
    } else {
        format!("{:.2e}", x).parse::<f64>().unwrap_or(x).to_string()
    }
}

pub(super) fn importance(state: &State, summary: &StudySummary) -> Option<BarChart> {
    let found = summary.importance.as_ref()?;
    let trials = ranked(state.trials.values()).len();
    debug_assert!(trials >= FEWEST_TRIALS);
    Some(BarChart {
        title: format!("{}: importance of the parameters", summary.env),
        x_label: "Importance".to_owned(),
        bars: found.iter().map(|found| (found.key.clone(), found.importance)).collect(),
        note: format!(
            "PED-ANOVA (Watanabe et al. 2023): how the best {} of {trials} trials differ from all, as a share of the sum.",
            best_trials(trials)
        ),
    })
}
