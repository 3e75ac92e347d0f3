//! The plot of a figure: its axes and its curves as marks.

use super::layout::{AXIS, GRID, Look, MUTED, REFERENCE, TICK_SIZE, band_alpha, text};
use super::marks::{Anchor, Mark, Point, Stroke, Weight};
use super::scale::Scale;
use super::thin::{stretches, thinned};
use super::{Color, Figure, Series, Style, WIDTH};
use quarl_render::font::Fonts;

/// The approximate total number of points of a figure's lines: with one decimal each, an SVG of about 300 kB.
const POINT_BUDGET: usize = 40_000;

/// The plot's position on the sheet, and its scales.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x_scale: Scale,
    pub(super) y_scale: Scale,
    /// Whether y is the index of a category, counted downwards.
    pub(super) categorical: bool,
}

impl Frame {
    /// The position of a value on the sheet; not finite if the value is not. Values far outside are moved closer, so that
    /// coordinates stay small; they are not visible anyway.
    fn place(&self, (x, y): Point) -> Point {
        if !(x.is_finite() && y.is_finite()) {
            return (f64::NAN, f64::NAN);
        }
        let (width, height) = (self.right - self.left, self.bottom - self.top);
        let (x, y) = (self.x_scale.share(x).clamp(-3.0, 4.0), self.y_scale.share(y).clamp(-3.0, 4.0));
        (self.left + width * x, self.bottom - height * y)
    }

    pub(super) fn axes(&self, fonts: &Fonts, marks: &mut Vec<Mark>) {
        let line = |lines, color| {
            let stroke = Stroke { color, width: 1.0, alpha: 1.0, dash: None };
            Mark::Lines { lines, stroke, clipped: false }
        };
        let (mut grid, mut labels) = (Vec::new(), Vec::new());
        for (value, label) in &self.y_scale.ticks {
            let y = self.place((self.x_scale.low, *value)).1;
            if !self.categorical {
                grid.push(vec![(self.left, y), (self.right, y)]);
            }
            let at = (self.left - 9.0, y + TICK_SIZE * 0.36);
            labels.push(text(at, label.clone(), TICK_SIZE, Weight::Regular, Anchor::End, MUTED));
        }
        let mut ticks = Vec::new();
        let mut occupied = 0.0;
        for (value, label) in &self.x_scale.ticks {
            let x = self.place((*value, self.y_scale.low)).0;
            grid.push(vec![(x, self.top), (x, self.bottom)]);
            ticks.push(vec![(x, self.bottom), (x, self.bottom + 4.0)]);
            let half = fonts.width(label, Weight::Regular, TICK_SIZE) / 2.0;
            // A label that would touch its neighbour or leave the sheet is left out; its tick stays.
            if x - half > occupied && x + half < f64::from(WIDTH) - 2.0 {
                let at = (x, self.bottom + 19.5);
                labels.push(text(at, label.clone(), TICK_SIZE, Weight::Regular, Anchor::Middle, MUTED));
                occupied = x + half + 6.0;
            }
        }
        marks.push(line(grid, GRID));
        ticks.push(vec![(self.left, self.bottom), (self.right, self.bottom)]);
        marks.push(line(ticks, AXIS));
        marks.extend(labels);
    }

    /// All curves: single runs behind bands behind references behind lines behind dots.
    pub(super) fn curves(&self, figure: &Figure, looks: &[Look], marks: &mut Vec<Mark>) {
        if self.categorical {
            return self.ranges(figure, looks, marks);
        }
        let series = || figure.series.iter().zip(looks);
        let lines: usize = figure.series.iter().map(|series| 1 + series.background.len()).sum();
        let budget = (POINT_BUDGET / lines.max(1)).min(3000);
        for (series, look) in series().filter(|(series, _)| !series.background.is_empty()) {
            let look = background_look(*look, series.background.len());
            let lines = series.background.iter().flat_map(|line| self.pieces(line, series.style, budget)).collect();
            self.push_lines(lines, look, marks);
        }
        for (series, look) in series() {
            self.push_band(series, *look, budget, marks);
        }
        for reference in figure.references.iter().filter(|reference| reference.value.is_finite()) {
            let y = self.place((self.x_scale.low, reference.value)).1;
            self.push_lines(vec![vec![(self.left, y), (self.right, y)]], REFERENCE, marks);
        }
        for drawn_now in [Style::Faint, Style::Line, Style::Points] {
            let is_drawn_now = |style| if style == Style::Step { Style::Line == drawn_now } else { style == drawn_now };
            for (series, look) in series().filter(|(series, _)| is_drawn_now(series.style)) {
                let pieces = self.pieces(&series.points, series.style, budget);
                if series.style == Style::Points {
                    let centers: Vec<Point> = pieces.into_iter().flatten().collect();
                    let radius = if centers.len() <= 60 { 4.0 } else { 2.4 };
                    marks.push(Mark::Dots { centers, radius, color: look.color, clipped: true });
                } else {
                    self.push_lines(pieces, *look, marks);
                }
            }
        }
    }

    /// The points of a figure with categories, each with its range of x as a bar. The ranges of several series lie below each
    /// other within the row of their category.
    fn ranges(&self, figure: &Figure, looks: &[Look], marks: &mut Vec<Mark>) {
        for reference in figure.references.iter().filter(|reference| reference.value.is_finite()) {
            let x = self.place((reference.value, 0.0)).0;
            self.push_lines(vec![vec![(x, self.top), (x, self.bottom)]], REFERENCE, marks);
        }
        let several = figure.series.len() as f64;
        for (i, (series, look)) in figure.series.iter().zip(looks).enumerate() {
            let offset = (i as f64 + 0.5) / several - 0.5;
            let y = |index: f64| -index - offset * 0.8;
            let at = |x: f64, index: f64| self.place((x, y(index)));
            let ranges = series.points.iter().zip(&series.band).filter(|(_, (low, high))| (low - high).is_finite());
            let bars = ranges.map(|(&(_, index), &(low, high))| vec![at(low, index), at(high, index)]);
            let width = (self.bottom - self.top) / figure.categories.len() as f64 / several * 0.5;
            let stroke = Stroke { color: look.color, width: width.clamp(2.0, 9.0), alpha: 0.4, dash: None };
            marks.push(Mark::Lines { lines: bars.collect(), stroke, clipped: true });
            let placed = series.points.iter().map(|&(x, index)| at(x, index));
            let centers = placed.filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
            marks.push(Mark::Dots { centers, radius: 4.0, color: look.color, clipped: true });
        }
    }

    /// The continuous pieces of a line, on the sheet.
    fn pieces(&self, line: &[Point], style: Style, budget: usize) -> Vec<Vec<Point>> {
        let pieces = stretches(line.iter().map(|&point| self.place(point)));
        let total = pieces.iter().map(Vec::len).sum::<usize>().max(1);
        let thin = |piece: Vec<Point>| {
            let share = budget * piece.len() / total;
            if style == Style::Step { stairs(&thinned(piece, share / 2)) } else { thinned(piece, share) }
        };
        pieces.into_iter().map(thin).collect()
    }

    /// Lines. A line of a single point, which has no length, becomes a dot.
    fn push_lines(&self, lines: Vec<Vec<Point>>, look: Look, marks: &mut Vec<Mark>) {
        let Look { color, width, alpha, dash, .. } = look;
        let (lines, single): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.len() > 1);
        if !lines.is_empty() {
            marks.push(Mark::Lines { lines, stroke: Stroke { color, width, alpha, dash }, clipped: true });
        }
        if !single.is_empty() {
            let centers = single.into_iter().flatten().collect();
            marks.push(Mark::Dots { centers, radius: width * 1.7, color, clipped: true });
        }
    }

    fn push_band(&self, series: &Series, look: Look, budget: usize, marks: &mut Vec<Mark>) {
        let edge = |pick: fn((f64, f64)) -> f64| {
            let points: Vec<Point> = series
                .points
                .iter()
                .zip(&series.band)
                // Both edges have gaps at the same points, so that their pieces match.
                .map(|(&(x, _), &band)| (x, if (band.0 - band.1).is_finite() { pick(band) } else { f64::NAN }))
                .collect();
            self.pieces(&points, series.style, budget)
        };
        for (mut lower, upper) in edge(|band| band.0).into_iter().zip(edge(|band| band.1)) {
            if lower.len() == 1 {
                let whisker = Look { width: 1.4, alpha: 0.6, dash: None, ..look };
                self.push_lines(vec![vec![lower[0], upper[0]]], whisker, marks);
                continue;
            }
            lower.extend(upper.into_iter().rev());
            let alpha = band_alpha(series.style);
            marks.push(Mark::Area { outline: lower, color: look.color, alpha, clipped: true });
        }
    }
}

/// The style of the lines behind a series: pale, and paler the more lines there are, because translucent lines add up.
fn background_look(look: Look, lines: usize) -> Look {
    let paler = |channel: u8| (f64::from(channel) * 0.25 + 200.0 * 0.75).round() as u8;
    let Color(red, green, blue) = look.color;
    let color = Color(paler(red), paler(green), paler(blue));
    let alpha = (2.2 / (lines as f64).sqrt()).clamp(0.15, 0.9);
    Look { color, width: 0.5, alpha, dash: None, ..look }
}

/// The line that keeps each point's height until the next point.
fn stairs(line: &[Point]) -> Vec<Point> {
    let corners = line.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(line.last().copied()).collect()
}
