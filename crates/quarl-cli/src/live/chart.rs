//! Charts and sparklines of curves.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Widget, Wrap};

use super::curve::{Curve, Point};
use super::screen::Theme;
use crate::progress::number;

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Dots for the extremes: where points are merged, their range.
    Dots,
    /// A line through the means.
    Line,
    /// Large dots for the means.
    Marks,
    /// A letter for each mean, which distinguishes curves without colours.
    Letter(char),
}

/// A curve of a chart.
pub(crate) struct Drawn<'a> {
    pub(crate) curve: &'a Curve,
    pub(crate) kind: Kind,
    pub(crate) color: Color,
}

/// Draws a chart in a frame with a title, later curves over earlier ones. `empty` is the text without any point.
pub(crate) fn draw(buffer: &mut Buffer, area: Rect, title: Line<'_>, drawn: &[Drawn<'_>], empty: &str, theme: &Theme) {
    let block = Block::bordered().border_style(theme.dim()).title(title);
    let data: Vec<Vec<(f64, f64)>> = drawn.iter().map(|drawn| positions(drawn.curve, drawn.kind)).collect();
    let points = || data.iter().flatten();
    let Some([low, high]) = bounds(points().map(|(_, y)| *y)) else {
        Paragraph::new(empty).wrap(Wrap { trim: true }).style(theme.dim()).block(block).render(area, buffer);
        return;
    };
    let right = points().map(|(x, _)| *x).fold(1.0, f64::max);
    // Drawn in [0, 1]: clipping a line of extreme values to its axes does not end.
    let scaled = |(x, y): &(f64, f64)| (x / right, (y - low) / (high - low));
    let data: Vec<Vec<(f64, f64)>> = data.iter().map(|data| data.iter().map(scaled).collect()).collect();
    let datasets = drawn.iter().zip(&data).map(|(drawn, data)| {
        let (marker, graph) = match drawn.kind {
            Kind::Dots => (Marker::Braille, GraphType::Scatter),
            Kind::Line => (Marker::Braille, GraphType::Line),
            Kind::Marks => (Marker::Dot, GraphType::Scatter),
            Kind::Letter(letter) => (Marker::Custom(letter), GraphType::Scatter),
        };
        Dataset::default().marker(marker).graph_type(graph).style(theme.color(drawn.color)).data(data)
    });
    let labels = |values: &[f64]| values.iter().map(|value| Line::from(label(*value, values))).collect::<Vec<_>>();
    let middle = low / 2.0 + high / 2.0;
    let heights = if area.height >= 9 { vec![low, middle, high] } else { vec![low, high] };
    Chart::new(datasets.collect())
        .block(block)
        .legend_position(None)
        .x_axis(Axis::default().bounds([0.0, 1.0]).labels(["0".to_owned(), number(right.round())]).style(theme.dim()))
        .y_axis(Axis::default().bounds([0.0, 1.0]).labels(labels(&heights)).style(theme.dim()))
        .render(area, buffer);
}

/// The label of an axis at `value`, one of `all`, with as many decimals as distinguish them.
fn label(value: f64, all: &[f64]) -> String {
    let range = all[all.len() - 1] - all[0];
    let decimals = (1.0 - range.log10().floor()).max(0.0);
    if value.abs() >= 1e6 || decimals > 4.0 { number(value) } else { format!("{value:.0$}", decimals as usize) }
}

fn positions(curve: &Curve, kind: Kind) -> Vec<(f64, f64)> {
    let points = curve.points().iter();
    match kind {
        Kind::Dots => points.flat_map(|point| [(point.x(), point.low), (point.x(), point.high)]).collect(),
        Kind::Line | Kind::Marks | Kind::Letter(_) => points.map(|point| (point.x(), point.mean())).collect(),
    }
}

/// The bounds of an axis for these values; `None` without values, and for values too large for an axis.
fn bounds(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], y| [low.min(y), high.max(y)]);
    if !(high - low).is_finite() {
        return None;
    }
    // A constant needs an axis of some length.
    let margin = if high > low { 0.0 } else { (high.abs() * 0.1).max(1e-3) };
    Some([low - margin, high + margin])
}

/// A curve as a row of `width` blocks, the lowest value of the curve as the lowest block.
pub(crate) fn sparkline(curve: &Curve, width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let points = curve.points();
    let Some([low, high]) = bounds(points.iter().map(Point::mean)) else { return String::new() };
    let columns = width.min(points.len());
    let column = |i: usize| {
        let part = &points[i * points.len() / columns..(i + 1) * points.len() / columns];
        let mean = part.iter().map(Point::mean).sum::<f64>() / part.len() as f64;
        BLOCKS[(((mean - low) / (high - low) * 7.0).round() as usize).min(7)]
    };
    (0..columns).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarl::render::TextStyle;

    fn curve(values: &[f64]) -> Curve {
        let mut curve = Curve::default();
        values.iter().zip(0..).for_each(|(value, x)| curve.push(f64::from(x), *value));
        curve
    }

    fn chart(curve: &Curve, kind: Kind) -> Buffer {
        let theme = Theme { has_colors: false, scenes: TextStyle::Braille };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 16, 6));
        let drawn = [Drawn { curve, kind, color: Color::Cyan }];
        draw(&mut buffer, Rect::new(0, 0, 16, 6), Line::from("loss"), &drawn, "no update yet", &theme);
        buffer
    }

    #[test]
    fn a_chart_has_its_curve_and_the_ends_of_its_axes() {
        let drawn = chart(&curve(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), Kind::Line);
        let rows: Vec<String> = (0..6).map(|y| row(&drawn, y)).collect();
        let expected = [
            "┌loss──────────┐",
            "│8.0│      ⣀⠤⠒⠊│",
            "│0.0│⣀⠤⠒⠊⠉⠉    │",
            "│   └──────────│",
            "│   0         8│",
            "└──────────────┘",
        ];
        assert_eq!(rows, expected);
    }

    fn row(buffer: &Buffer, y: u16) -> String {
        (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect()
    }

    #[test]
    fn labels_have_the_decimals_that_distinguish_them() {
        let labels = |all: &[f64]| all.iter().map(|value| label(*value, all)).collect::<Vec<_>>();
        assert_eq!(labels(&[10.0, 115.5, 221.0]), ["10", "116", "221"]);
        assert_eq!(labels(&[0.005, 0.0075, 0.01]), ["0.0050", "0.0075", "0.0100"]);
        assert_eq!(labels(&[0.5, 9.0]), ["0.5", "9.0"]);
        assert_eq!(labels(&[0.0, 3e7]), ["0", "3.00e7"]);
        assert_eq!(labels(&[1e-9, 2e-9]), ["1.0e-9", "2.0e-9"]);
    }

    #[test]
    fn a_chart_without_points_says_so_and_any_values_can_be_drawn() {
        assert!(row(&chart(&curve(&[]), Kind::Line), 1).starts_with("│no update yet"));
        for values in [&[f64::NAN][..], &[5.0], &[0.0, 0.0], &[f64::MAX, f64::MIN], &[1e300, 1e308], &[-1e-300, 0.0]] {
            for kind in [Kind::Dots, Kind::Line, Kind::Marks] {
                chart(&curve(values), kind);
            }
        }
    }

    #[test]
    fn a_sparkline_has_a_block_for_each_part_of_its_curve() {
        assert_eq!(sparkline(&curve(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), 20), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&curve(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), 4), "▂▄▆█");
        assert_eq!(sparkline(&curve(&[]), 5), "");
        assert_eq!(sparkline(&curve(&[2.0, 2.0]), 5), "▄▄");
    }
}
