//! The panels of many runs: their mean learning curves, and a table.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget};

use super::chart::{self, Drawn, Kind};
use super::curve::Curve;
use super::group::{Group, Groups, Member, RunStatus};
use super::panels::{Surroundings, rows, surround};
use super::screen::Theme;
use crate::progress::{self, MEAN_WINDOW, Part, number};

/// The colours of the curves, in order.
const COLORS: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Magenta, Color::Green, Color::LightBlue, Color::LightRed];

/// The letters of the curves, in order.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// What is shown of many runs.
pub(crate) struct GroupsView<'a> {
    pub(crate) title: &'a str,
    pub(crate) groups: &'a Groups,
    /// The selected row of the table.
    pub(crate) selected: usize,
    pub(crate) seconds_left: Option<f64>,
    pub(crate) message: Option<&'a str>,
    pub(crate) keys: &'a str,
}

/// The table: the runs of a single experiment, or one row for each of several results.
pub(crate) fn table(groups: &Groups) -> Vec<String> {
    match &groups.groups[..] {
        [only] => only.members.iter().map(run_row).collect(),
        several => {
            let widest = |text: &dyn Fn(&Group) -> String| {
                several.iter().map(|group| text(group).chars().count()).max().unwrap_or(0)
            };
            let widths = [widest(&|group| group.name.clone()).min(32), widest(&|group| group.counts().text())];
            several.iter().enumerate().map(|(i, group)| group_row(i, group, widths)).collect()
        }
    }
}

fn run_row(member: &Member) -> String {
    let tally = &member.tally;
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let detail = match &member.status {
        RunStatus::Failed(error) | RunStatus::Unreadable(error) => format!("  {error}"),
        RunStatus::Complete { greedy_mean: Some(mean) } => format!("  greedy {}", number(*mean)),
        _ => String::new(),
    };
    format!(
        "seed {:<4} {:<11} {:>3.0}%  last return {:>7}  mean of {MEAN_WINDOW} {:>7}{detail}",
        member.seed,
        member.status.word(),
        (member.share() * 100.0).min(100.0).floor(),
        value(tally.last.as_ref().map(|record| record.total_reward)),
        value(tally.mean()),
    )
}

fn group_row(i: usize, group: &Group, [name_width, counts_width]: [usize; 2]) -> String {
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let name: String = group.name.chars().take(name_width).collect();
    let mean = group.mean_of(|member| member.tally.mean());
    let greedy = group.mean_of(|member| match member.status {
        RunStatus::Complete { greedy_mean } => greedy_mean,
        _ => None,
    });
    let (letter, counts) = (letter(i), group.counts().text());
    let (mean, greedy) = (value(mean), value(greedy));
    format!("{letter} {name:<name_width$}  {counts:<counts_width$}  mean {mean:>6}  greedy {greedy:>6}")
}

fn letter(i: usize) -> char {
    LETTERS.chars().nth(i % LETTERS.len()).unwrap_or('*')
}

/// Draws many runs.
pub(crate) fn draw(frame: &mut Frame<'_>, view: &GroupsView<'_>, theme: &Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let counts = view.groups.counts();
    let text = counts.text();
    let is_complete = counts.is_complete();
    let mut parts = vec![Part::new(8, text.clone(), text)];
    if !is_complete {
        parts.push(progress::left(view.seconds_left));
    }
    let surroundings = Surroundings {
        title: view.title,
        state: if is_complete { "complete" } else { "" },
        share: progress::shown(view.groups.share(), is_complete),
        parts,
        message: view.message,
        keys: view.keys,
    };
    let Some(main) = surround(buffer, area, &surroundings, theme) else { return };
    let lines = table(view.groups);
    let wanted = (lines.len() as u16).saturating_add(2);
    let (above, below) = rows(main, main.height - wanted.min(main.height / 2).max(3));
    curves(buffer, above, view, theme);

    let block = Block::bordered().border_style(theme.dim()).title(if view.groups.groups.len() > 1 {
        Line::from(format!("Configurations: mean of the last {MEAN_WINDOW} returns, greedy return at the end"))
    } else {
        Line::from("Runs")
    });
    let height = usize::from(block.inner(below).height);
    let selected = view.selected.min(lines.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(height);
    let several = view.groups.groups.len() > 1;
    let line = |(i, text): (usize, &String)| {
        let style = if several { theme.color(color(i)) } else { ratatui::style::Style::new() };
        let marked = if i == selected { style.patch(theme.bold()) } else { style };
        Line::from(Span::styled(text.clone(), marked))
    };
    let shown: Vec<Line<'_>> = lines.iter().enumerate().skip(first).take(height).map(line).collect();
    Paragraph::new(shown).block(block).render(below, buffer);
}

fn color(i: usize) -> Color {
    COLORS[i % COLORS.len()]
}

/// The mean learning curves of the groups in the environment of the selected one: returns in different environments cannot
/// be compared.
fn curves(buffer: &mut Buffer, area: Rect, view: &GroupsView<'_>, theme: &Theme) {
    let groups = &view.groups.groups;
    let several = groups.len() > 1;
    let env = if several { groups.get(view.selected) } else { groups.first() }.map_or("", Group::env);
    let shown: Vec<(usize, Curve)> = groups
        .iter()
        .enumerate()
        .filter(|(_, group)| group.env() == env)
        .map(|(i, group)| (i, group.mean_curve()))
        .collect();
    let drawn: Vec<Drawn<'_>> = shown
        .iter()
        .map(|(i, curve)| {
            let kind = if several && !theme.has_colors { Kind::Letter(letter(*i)) } else { Kind::Line };
            Drawn { curve, kind, color: color(*i) }
        })
        .collect();
    let title = format!("{env}: mean return over the runs so far");
    let title = Line::from(title.trim_start_matches(": ").to_owned());
    chart::draw(buffer, area, title, &drawn, "No episode has ended.", theme);
}
