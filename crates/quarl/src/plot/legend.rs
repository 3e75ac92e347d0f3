//! The legend: a row of samples between title and plot, in as many lines as it needs. Nothing is ever covered by it.

use super::font::Fonts;
use super::layout::{BAND_ALPHA, Look, TEXT, background_look};
use super::marks::{Anchor, Mark, Stroke, Text, Weight};
use super::{Color, Style};
use crate::Error;

/// The height of one line of the legend.
const LINE: f64 = 21.0;
/// More lines would leave no room for the plot.
const MAX_LINES: usize = 6;
const SIZE: f64 = 13.0;
const SAMPLE: f64 = 26.0;

/// A name and what it looks like.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) has_band: bool,
    pub(super) has_background: bool,
}

/// Draws the legend from `left` to `right` downwards from `top`; answers where it ends.
pub(super) fn draw(
    entries: &[Entry],
    fonts: &Fonts,
    [left, right, top]: [f64; 3],
    marks: &mut Vec<Mark>,
) -> Result<f64, Error> {
    let (mut x, mut line) = (left, 0);
    for (i, entry) in entries.iter().enumerate() {
        let name = fonts.fit(&entry.name, Weight::Regular, SIZE, right - left - SAMPLE - 8.0);
        // An SVG may be shown in a wider font (DejaVu Sans is, by a tenth): its names must not run into each other.
        let width = SAMPLE + 8.0 + fonts.width(&name, Weight::Regular, SIZE) * 1.1;
        if x > left && x + width > right {
            (x, line) = (left, line + 1);
        }
        let y = top + LINE * (line as f64 + 0.5);
        if line == MAX_LINES {
            marks.push(text((left, y), format!("and {} more", entries.len() - i)));
            line += 1;
            return Ok(top + LINE * line as f64);
        }
        sample(entry, x, y, marks);
        marks.push(text((x + SAMPLE + 8.0, y), name));
        x += width + 16.0;
    }
    Ok(if entries.is_empty() { top } else { top + LINE * (line as f64 + 1.0) })
}

/// A name, its middle at the height of `at`.
fn text(at: (f64, f64), words: String) -> Mark {
    let at = (at.0, at.1 + SIZE * 0.36);
    let (anchor, weight) = (Anchor::Start, Weight::Regular);
    Mark::Text(Text { at, words, size: SIZE, weight, anchor, color: TEXT, upright: false })
}

/// A small picture of a series, its left end at `x`.
fn sample(entry: &Entry, x: f64, y: f64, marks: &mut Vec<Mark>) {
    let Look { color, width, alpha, dash, style } = entry.look;
    if entry.has_band {
        let outline = vec![(x, y - 6.0), (x + SAMPLE, y - 6.0), (x + SAMPLE, y + 6.0), (x, y + 6.0)];
        marks.push(Mark::Area { outline, color, alpha: BAND_ALPHA, clipped: false });
    }
    if entry.has_background {
        let zigzag = [(0.0, 4.0), (0.17, -5.0), (0.36, 5.0), (0.54, -4.0), (0.73, 5.0), (0.88, -5.0), (1.0, 2.0)];
        let behind = background_look(entry.look, 1);
        let points = zigzag.iter().map(|p| (x + p.0 * SAMPLE, y + p.1));
        push_line(marks, points, behind.color, behind.width, behind.alpha, None);
    }
    match style {
        Style::Points => {
            let centers = vec![(x + SAMPLE / 2.0, y)];
            marks.push(Mark::Dots { centers, radius: 4.0, color, clipped: false });
        }
        Style::Faint => {
            let zigzag = [(0.0, 3.0), (0.25, -4.0), (0.5, 3.5), (0.75, -4.0), (1.0, 2.0)];
            push_line(marks, zigzag.iter().map(|p| (x + p.0 * SAMPLE, y + p.1)), color, width, alpha, dash);
        }
        Style::Line | Style::Step => push_line(marks, [(x, y), (x + SAMPLE, y)].into_iter(), color, width, alpha, dash),
    }
}

fn push_line(
    marks: &mut Vec<Mark>,
    points: impl Iterator<Item = (f64, f64)>,
    color: Color,
    width: f64,
    alpha: f64,
    dash: Option<[f64; 2]>,
) {
    let stroke = Stroke { color, width, alpha, dash };
    marks.push(Mark::Lines { lines: vec![points.collect()], stroke, clipped: false });
}
