//! The panels of a study: the score of every trial, and a table.

use quarl::tune::{StudyFollower, Trial, TrialState};
use ratatui::Frame;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget};

use super::chart::{self, Drawn, Kind};
use super::curve::Curve;
use super::panels::{Surroundings, rows, surround};
use super::screen::Theme;
use crate::progress::{self, Part};

/// What is shown of a study.
pub(crate) struct StudyView<'a> {
    pub(crate) title: &'a str,
    pub(crate) study: &'a StudyFollower,
    /// The number of rows of the table, the latest trial first, that are scrolled out of it.
    pub(crate) scrolled: usize,
    pub(crate) seconds_left: Option<f64>,
    pub(crate) message: Option<&'a str>,
    pub(crate) keys: &'a str,
}

/// The numbers of trials by state, and of runs with fresh seeds.
pub(crate) fn counts(study: &StudyFollower) -> String {
    let count = |wanted: TrialState| study.trials().filter(|trial| trial.state == wanted).count();
    let is_unfinished = |trial: &&Trial| trial.state == TrialState::Running;
    let (running, unfinished): (Vec<&Trial>, Vec<&Trial>) =
        study.trials().filter(is_unfinished).partition(|trial| study.is_running(trial));
    let complete = format!("{} of {} trials complete", count(TrialState::Complete), study.planned());
    let others = [
        (count(TrialState::Pruned), "pruned"),
        (count(TrialState::Failed), "failed"),
        (running.len(), "running"),
        (unfinished.len(), "unfinished"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    let (confirmed, confirmations) = study.confirmed();
    let fresh = (confirmed > 0).then(|| format!("{confirmed} of {confirmations} fresh seeds"));
    std::iter::once(complete).chain(others).chain(fresh).collect::<Vec<_>>().join(", ")
}

/// The best trial so far.
pub(crate) fn best(study: &StudyFollower) -> Option<String> {
    let best = study.best()?;
    Some(format!("best: trial {}, score {:.3}: {}", best.number, best.score?, parameters(best)))
}

/// The warning that the best trial is arbitrary.
pub(crate) fn tie(study: &StudyFollower) -> Option<&'static str> {
    study.all_tie().then_some("all complete trials have the same score so far: the best is merely the first of them")
}

/// A row of the table.
pub(crate) fn row(study: &StudyFollower, trial: &Trial) -> String {
    let state = match trial.state {
        TrialState::Running if !study.is_running(trial) => "unfinished",
        state => state.name(),
    };
    let detail = match (trial.state, trial.score) {
        (TrialState::Running, _) => format!("{} of {} runs", trial.scores().len(), study.seeds().len()),
        (_, Some(score)) => format!("score {score:.3}"),
        (..) => "-".to_owned(),
    };
    let error = trial.error.as_ref().map_or(String::new(), |error| format!("  {error}"));
    format!("trial {:<4} {state:<10}  {detail:<14}  {}{error}", trial.number, parameters(trial))
}

fn parameters(trial: &Trial) -> String {
    let value = |value: &toml::Value| match value {
        toml::Value::Float(number) if number.abs() < 0.001 && *number != 0.0 => format!("{number:.2e}"),
        toml::Value::Float(number) => format!("{number:.4}"),
        other => other.to_string(),
    };
    let shown = trial.parameters.iter().map(|(key, found)| format!("{key} {}", value(found)));
    shown.collect::<Vec<_>>().join(", ")
}

/// Draws a study.
pub(crate) fn draw(frame: &mut Frame<'_>, view: &StudyView<'_>, theme: &Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let study = view.study;
    let is_complete = study.config().is_some() && study.share() >= 1.0;
    let text = counts(study);
    let mut parts = vec![Part::new(8, text.clone(), text)];
    if !is_complete {
        parts.push(progress::left(view.seconds_left));
    }
    let state = match study.runs() {
        _ if is_complete => "complete".to_owned(),
        0 => "no run is being trained".to_owned(),
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    };
    let surroundings = Surroundings {
        title: view.title,
        state: &state,
        share: progress::shown(study.share(), is_complete),
        parts,
        message: view.message,
        keys: view.keys,
    };
    let Some(main) = surround(buffer, area, &surroundings, theme) else { return };
    let wanted = (study.trials().count() as u16).saturating_add(3);
    let (above, below) = rows(main, main.height - wanted.min(main.height / 2).max(4));

    let points = |wanted: TrialState| {
        let mut curve = Curve::default();
        let trials = study.trials().filter(|trial| trial.state == wanted);
        trials.filter_map(|trial| Some((trial.number, trial.score?))).for_each(|(x, y)| curve.push(x as f64, y));
        curve
    };
    let (complete, pruned) = (points(TrialState::Complete), points(TrialState::Pruned));
    let (mut so_far, mut highest) = (Curve::default(), f64::NEG_INFINITY);
    for trial in study.trials().filter(|trial| trial.state == TrialState::Complete) {
        highest = highest.max(trial.score.unwrap_or(f64::NEG_INFINITY));
        so_far.push(trial.number as f64, highest);
    }
    let marks = |letter| if theme.has_colors { Kind::Marks } else { Kind::Letter(letter) };
    let drawn = [
        Drawn { curve: &pruned, kind: marks('p'), color: Color::DarkGray },
        Drawn { curve: &so_far, kind: Kind::Line, color: Color::Yellow },
        Drawn { curve: &complete, kind: marks('c'), color: Color::Cyan },
    ];
    let title = Line::from(vec![
        Span::raw("Score of each trial: "),
        Span::styled("complete", theme.color(Color::Cyan)),
        Span::raw(", "),
        Span::styled("pruned", theme.dim()),
        Span::raw(", "),
        Span::styled("the best so far", theme.color(Color::Yellow)),
    ]);
    chart::draw(buffer, above, title, &drawn, "No trial has ended.", theme);

    let title = best(study).unwrap_or_else(|| "Trials".to_owned());
    let block = Block::bordered().border_style(theme.dim()).title(Line::from(title));
    let height = usize::from(block.inner(below).height);
    let style = |trial: &Trial| match trial.state {
        _ if study.best().is_some_and(|best| best.number == trial.number) => {
            theme.color(Color::Green).patch(theme.bold())
        }
        TrialState::Running => theme.bold(),
        TrialState::Failed => theme.color(Color::Red),
        _ => ratatui::style::Style::new(),
    };
    let first = view.scrolled.min(study.trials().count().saturating_sub(height));
    let shown = study.trials().rev().skip(first).take(height);
    let lines: Vec<Line<'_>> = shown.map(|trial| Line::from(Span::styled(row(study, trial), style(trial)))).collect();
    Paragraph::new(lines).block(block).render(below, buffer);
}
