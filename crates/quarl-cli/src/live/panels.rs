//! The panels of one run.

use quarl::render::scene_cells;
use quarl::render::terminal::CellColor;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};

use super::chart::{self, Drawn, Kind, sparkline};
use super::curve::Curve;
use super::history::{DIAGNOSTICS, History};
use super::player::Picture;
use super::screen::Theme;
use crate::progress::{self, MEAN_WINDOW, layout, number};

/// The smallest size, in columns and rows, that shows anything.
const SMALLEST: (u16, u16) = (40, 10);
/// The smallest size that shows all panels.
const ALL_PANELS: (u16, u16) = (70, 18);

/// What is shown of a run.
pub(crate) struct RunView<'a> {
    /// Environment, seed and directory.
    pub(crate) title: String,
    /// What the run is doing, such as `paused`.
    pub(crate) state: String,
    pub(crate) history: &'a History,
    /// Environment steps per second.
    pub(crate) rate: Option<f64>,
    /// The curve of the rate over time.
    pub(crate) rates: &'a Curve,
    pub(crate) seconds_left: Option<f64>,
    pub(crate) is_complete: bool,
    /// Values of the present moment, which no curve has.
    pub(crate) now: Vec<(String, f64)>,
    /// The environment as it is played, and what is played; `None` if that is not wanted.
    pub(crate) picture: Option<(&'static str, Option<&'a Picture>)>,
    /// A message in place of the latest warning.
    pub(crate) notice: Option<String>,
    pub(crate) keys: &'static str,
}

/// Draws a run, as much of it as there is space for.
pub(crate) fn draw(frame: &mut Frame<'_>, view: &RunView<'_>, theme: &Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    let Some(main) = surround(buffer, area, &view.surroundings(), theme) else { return };
    let has_statistics = main.height + 4 >= ALL_PANELS.1;
    if area.width < ALL_PANELS.0 {
        let has_picture = view.picture.is_some() && has_statistics;
        let (above, below) = rows(main, if has_picture { main.height / 2 } else { main.height });
        learning_curve(buffer, above, view, theme);
        if has_picture {
            picture(buffer, below, view, theme);
        }
        return;
    }
    let (left, right) = columns(main, main.width * 3 / 5);
    if !has_statistics {
        learning_curve(buffer, left, view, theme);
        match view.picture {
            Some(_) => picture(buffer, right, view, theme),
            None => statistics(buffer, right, view, theme),
        }
        return;
    }
    let upper = main.height * 11 / 20;
    let (above, below) = rows(left, upper);
    learning_curve(buffer, above, view, theme);
    let (loss, mean_q) = columns(below, below.width / 2);
    let updates = [
        (loss, "Loss", &view.history.loss, Color::Yellow),
        (mean_q, "Mean Q-value", &view.history.mean_q, Color::Magenta),
    ];
    for (area, name, curve, color) in updates {
        let value = curve.latest().map_or_else(String::new, |value| format!(" {}", number(value)));
        let title = Line::from(vec![Span::styled(name, theme.color(color)), Span::raw(value)]);
        let drawn = [Drawn { curve, kind: Kind::Line, color }];
        chart::draw(buffer, area, title, &drawn, "No episode with updates has ended.", theme);
    }
    let (above, below) = rows(right, if view.picture.is_some() { main.height * 9 / 20 } else { 0 });
    if view.picture.is_some() {
        picture(buffer, above, view, theme);
    }
    statistics(buffer, below, view, theme);
}

/// The lines above and below the panels.
pub(crate) struct Surroundings<'a> {
    pub(crate) title: &'a str,
    pub(crate) state: &'a str,
    /// The share of the work that is done, and the parts of the progress line.
    pub(crate) share: f64,
    pub(crate) parts: Vec<progress::Part>,
    pub(crate) message: Option<&'a str>,
    pub(crate) keys: &'a str,
}

/// Draws the lines above and below the panels, and returns the space between them; `None` if there is none.
pub(crate) fn surround(buffer: &mut Buffer, area: Rect, lines: &Surroundings<'_>, theme: &Theme) -> Option<Rect> {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (columns, rows) = SMALLEST;
        let text = format!("The terminal is too small: {columns}x{rows} is needed. q: leave");
        Paragraph::new(text).wrap(Wrap { trim: true }).render(area, buffer);
        return None;
    }
    let line = |y: u16| Rect { y: area.y + y, height: 1, ..area };
    let state = format!(" {} ", lines.state);
    let width = state.chars().count().min(usize::from(area.width)) as u16;
    let (title, right) = columns(line(0), area.width - width);
    Paragraph::new(lines.title).style(theme.bold()).render(title, buffer);
    Paragraph::new(state).style(theme.bold()).alignment(Alignment::Right).render(right, buffer);
    let (progress, _) = layout(lines.share, &lines.parts, usize::from(area.width), false);
    Paragraph::new(progress).style(theme.color(Color::Cyan)).render(line(1), buffer);
    let message = lines.message.unwrap_or_default().replace(char::is_control, " ");
    Paragraph::new(message).style(theme.color(Color::Red)).render(line(area.height - 2), buffer);
    Paragraph::new(lines.keys).style(theme.dim()).render(line(area.height - 1), buffer);
    Some(Rect { y: area.y + 2, height: area.height - 4, ..area })
}

impl RunView<'_> {
    fn surroundings(&self) -> Surroundings<'_> {
        let tally = &self.history.tally;
        let mut parts = vec![tally.done()];
        parts.extend(tally.parts(self.rate));
        if !self.is_complete {
            parts.push(progress::left(self.seconds_left));
        }
        Surroundings {
            title: &self.title,
            state: &self.state,
            share: progress::shown(tally.share(), self.is_complete),
            parts,
            message: self.notice.as_deref().or(self.history.warnings.last().map(String::as_str)),
            keys: self.keys,
        }
    }
}

fn learning_curve(buffer: &mut Buffer, area: Rect, view: &RunView<'_>, theme: &Theme) {
    let History { returns, mean, evaluations, .. } = view.history;
    let title = Line::from(vec![
        Span::raw("Return: "),
        Span::styled("⠶ episodes", theme.color(Color::Gray)),
        Span::raw(" "),
        Span::styled(format!("─ mean of {MEAN_WINDOW}"), theme.color(Color::Cyan)),
        Span::raw(" "),
        Span::styled("• evaluations", theme.color(Color::Green)),
    ]);
    let drawn = [
        Drawn { curve: returns, kind: Kind::Dots, color: Color::Gray },
        Drawn { curve: mean, kind: Kind::Line, color: Color::Cyan },
        Drawn { curve: evaluations, kind: Kind::Marks, color: Color::Green },
    ];
    chart::draw(buffer, area, title, &drawn, "No episode has ended.", theme);
}

fn picture(buffer: &mut Buffer, area: Rect, view: &RunView<'_>, theme: &Theme) {
    let Some((title, picture)) = view.picture else { return };
    let block = Block::bordered().border_style(theme.dim()).title(title);
    let inner = block.inner(area);
    block.render(area, buffer);
    let message = |buffer: &mut Buffer, text: &str| {
        Paragraph::new(text).wrap(Wrap { trim: true }).style(theme.dim()).render(inner, buffer);
    };
    let (scene, caption) = match picture {
        None => return message(buffer, "Waiting for the first greedy episode."),
        Some(Picture::Message(text)) => return message(buffer, text),
        Some(Picture::Scene { scene, caption }) => (scene, caption),
    };
    let (above, below) = rows(inner, inner.height.saturating_sub(1));
    Paragraph::new(caption.as_str()).alignment(Alignment::Center).render(below, buffer);
    if above.is_empty() {
        return;
    }
    let cells = match scene_cells(scene, above.width.into(), above.height.into(), theme.scenes) {
        Ok(cells) => cells,
        Err(error) => return message(buffer, &error.to_string()),
    };
    let width = cells.iter().map(Vec::len).max().unwrap_or(0) as u16;
    let (left, top) = (
        above.x + (above.width.saturating_sub(width)) / 2,
        above.y + (above.height.saturating_sub(cells.len() as u16)) / 2,
    );
    let color = |color: CellColor| match color {
        CellColor::Rgb(r, g, b) => Color::Rgb(r, g, b),
        CellColor::Index(index) => Color::Indexed(index),
    };
    for (y, row) in (top..).zip(&cells) {
        for (x, cell) in (left..).zip(row) {
            if let Some(target) = buffer.cell_mut((x, y)) {
                let style = Style { fg: cell.foreground.map(color), bg: cell.background.map(color), ..Style::new() };
                target.set_char(cell.symbol).set_style(style);
            }
        }
    }
}

fn statistics(buffer: &mut Buffer, area: Rect, view: &RunView<'_>, theme: &Theme) {
    let history = view.history;
    let block = Block::bordered().border_style(theme.dim()).title("Statistics");
    let width = usize::from(block.inner(area).width);
    let row = |name: &str, value: Option<f64>, curve: Option<&Curve>| {
        let value = value.map_or_else(|| "-".to_owned(), number);
        let text = format!("{name:<16} {value:>8} ");
        let curve =
            curve.map_or_else(String::new, |curve| sparkline(curve, width.saturating_sub(text.chars().count())));
        Line::from(vec![Span::raw(text), Span::styled(curve, theme.color(Color::Cyan))])
    };
    let mut now = view.now.iter().map(|(name, value)| row(name, Some(*value), None));
    let mut lines: Vec<Line<'_>> = now.next().into_iter().collect();
    lines.push(row("epsilon", history.epsilon.latest(), Some(&history.epsilon)));
    lines.push(row("steps per second", view.rate, Some(view.rates)));
    for ((name, _), curve) in DIAGNOSTICS.iter().zip(&history.diagnostics) {
        if curve.latest().is_some() {
            lines.push(row(name, curve.latest(), Some(curve)));
        }
    }
    lines.extend(now);
    if !history.has_diagnostics {
        lines.push(Line::styled("More: --set training.diagnostics=true", theme.dim()));
    }
    Paragraph::new(lines).wrap(Wrap { trim: false }).block(block).render(area, buffer);
}

/// Draws a box with lines of text over everything else.
pub(crate) fn dialog(frame: &mut Frame<'_>, title: &str, lines: &[&str], theme: &Theme) {
    let area = frame.area();
    let wide = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) as u16 + 4;
    let width = wide.min(area.width);
    // Lines that do not fit are wrapped.
    let inner = usize::from(width.saturating_sub(2)).max(1);
    let count: usize = lines.iter().map(|line| (line.chars().count() + 1).div_ceil(inner).max(1)).sum();
    let height = (count as u16 + 2).min(area.height);
    let (x, y) = ((area.width - width) / 2, (area.height - height) / 2);
    let inside = Rect { x: area.x + x, y: area.y + y, width, height };
    let text: Vec<Line<'_>> = lines.iter().map(|line| Line::from(format!(" {line}"))).collect();
    let block = Block::bordered().title(title.to_owned()).border_style(theme.bold());
    frame.render_widget(Clear, inside);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(block), inside);
}

/// The upper `height` rows, and the rest.
pub(crate) fn rows(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// The left `width` columns, and the rest.
pub(crate) fn columns(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

#[cfg(test)]
mod tests {
    use quarl::TrainConfig;
    use quarl::env::Environment;
    use quarl::render::{Scene, TextStyle};
    use quarl::train::{Event, Trainer};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    const BRAILLE: Theme = Theme { has_colors: false, scenes: TextStyle::Braille };

    /// The history of a short run, and a picture.
    fn run() -> (History, Scene) {
        let config = TrainConfig::preset("textbook").set("training.episodes", 6).set("network.hidden", vec![8_i64]);
        let config = config.set("training.diagnostics", true).build().unwrap();
        let trainer = Trainer::new(config).unwrap();
        let mut history = History::new(trainer.config());
        for event in trainer {
            history.event(&event.unwrap());
        }
        history.event(&Event::Warning { message: "a warning\nof two lines".to_owned() });
        let mut env = quarl::env::make("CartPole-v0").unwrap();
        env.reset(Some(0), &mut [0.0; 4]).unwrap();
        (history, env.scene().unwrap().unwrap())
    }

    fn drawn(history: &History, picture: Option<&Picture>, size: (u16, u16), theme: &Theme) -> Buffer {
        let view = RunView {
            title: "CartPole-v0  seed 0  run".to_owned(),
            state: "paused".to_owned(),
            history,
            rate: Some(1234.0),
            rates: &Curve::default(),
            seconds_left: Some(65.0),
            is_complete: false,
            now: vec![("return, step 3".to_owned(), 3.0)],
            picture: picture.map(|picture| ("Training episode", Some(picture))),
            notice: None,
            keys: "q stop",
        };
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal
            .draw(|frame| {
                draw(frame, &view, theme);
                theme.finish(frame.buffer_mut());
            })
            .unwrap();
        terminal.backend().buffer().clone()
    }

    fn text(buffer: &Buffer) -> Vec<String> {
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..buffer.area.height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    #[test]
    fn every_size_of_terminal_is_filled_without_failing() {
        let (history, scene) = run();
        let picture = Picture::Scene { scene, caption: "step 3".to_owned() };
        let empty = History::default();
        for size in (1..=130).step_by(3).flat_map(|width| (1..=45).step_by(2).map(move |height| (width, height))) {
            for (history, picture) in [(&history, Some(&picture)), (&empty, None)] {
                let rows = text(&drawn(history, picture, size, &BRAILLE));
                let is_too_small = size.0 < SMALLEST.0 || size.1 < SMALLEST.1;
                assert_eq!(rows.last().unwrap().starts_with("q stop"), !is_too_small, "{size:?}");
            }
        }
        let small = text(&drawn(&history, None, (20, 5), &BRAILLE));
        assert_eq!(small, ["The terminal is too", "small: 40x10 is", "needed. q: leave", "", ""]);
    }

    #[test]
    fn a_terminal_of_80_by_24_shows_all_panels() {
        let (history, scene) = run();
        let picture = Picture::Scene { scene, caption: "step 3".to_owned() };
        let rows = text(&drawn(&history, Some(&picture), (80, 24), &BRAILLE));
        assert_eq!(rows[0], format!("CartPole-v0  seed 0  run{:>55}", "paused"));
        assert!(rows[1].contains("6/6") && rows[1].ends_with("1:05 left"), "{rows:?}");
        assert!(
            rows[2].starts_with("┌Return: ⠶ episodes ─ mean of 50 • evaluations") && rows[2].contains("┌Training ep")
        );
        for part in [
            "┌Loss ",
            "┌Mean Q-value ",
            "┌Statistics",
            "│return, step 3 ",
            "│epsilon ",
            "│TD error ",
            "│gradient norm ",
        ] {
            assert!(rows.iter().any(|row| row.contains(part)), "{part}: {rows:#?}");
        }
        assert_eq!(rows[22], "a warning of two lines");
        let hidden = text(&drawn(&history, None, (80, 24), &BRAILLE));
        assert!(!hidden.iter().any(|row| row.contains("Training episode")));
        assert!(hidden.iter().any(|row| row.contains("│highest priority ")), "more space for the statistics");
    }

    #[test]
    fn colours_and_unicode_are_used_only_where_the_terminal_has_them() {
        let (history, scene) = run();
        let picture = Picture::Scene { scene, caption: "step 3".to_owned() };
        let colors = |theme: &Theme| {
            let buffer = drawn(&history, Some(&picture), (120, 40), theme);
            buffer.content.iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
        };
        assert_eq!(colors(&BRAILLE), 0);
        assert!(colors(&Theme { has_colors: true, scenes: TextStyle::TrueColor }) > 500);
        let ascii = Theme { has_colors: false, scenes: TextStyle::Ascii };
        let buffer = drawn(&history, Some(&picture), (120, 40), &ascii);
        assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()), "{:#?}", text(&buffer));
        let none = Picture::new(None, String::new());
        let rows = text(&drawn(&history, Some(&none), (120, 40), &BRAILLE));
        assert!(rows.iter().any(|row| row.contains("This environment cannot be drawn.")));
    }
}
