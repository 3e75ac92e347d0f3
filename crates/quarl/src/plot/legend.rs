//! The legend: a row of samples between title and plot, in as many lines as it needs, so that it covers nothing.

use super::Style;
use super::layout::{Look, TEXT, band_alpha};
use super::marks::{Anchor, Mark, Stroke, Text, Weight};
use crate::Error;
use quarl_render::font::Fonts;

/// The height of one line of the legend.
const LINE: f64 = 23.0;
/// The maximum number of lines, because more would leave no space for the plot.
const MAX_LINES: usize = 16;
const SIZE: f64 = 15.0;
const SAMPLE: f64 = 26.0;

/// A name and its drawing style.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) look: Look,
    pub(super) has_band: bool,
}

/// Draws the legend from `left` to `right`, downwards from `top`. Returns its lower end.
pub(super) fn draw(
    entries: &[Entry],
    fonts: &Fonts,
    [left, right, top]: [f64; 3],
    marks: &mut Vec<Mark>,
) -> Result<f64, Error> {
    let (mut x, mut line) = (left, 0);
    for (i, entry) in entries.iter().enumerate() {
        let name = fonts.fit(&entry.name, Weight::Regular, SIZE, right - left - SAMPLE - 8.0);
        // An SVG may be shown in a wider font (DejaVu Sans is wider by a tenth); names must not overlap then.
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

/// A name, vertically centred at `at`.
fn text(at: (f64, f64), words: String) -> Mark {
    let at = (at.0, at.1 + SIZE * 0.36);
    let (anchor, weight) = (Anchor::Start, Weight::Regular);
    Mark::Text(Text { at, words, size: SIZE, weight, anchor, color: TEXT, upright: false })
}

/// A sample of a series, its left end at `x`.
fn sample(entry: &Entry, x: f64, y: f64, marks: &mut Vec<Mark>) {
    let Look { color, width, alpha, dash, style } = entry.look;
    if entry.has_band {
        let outline = vec![(x, y - 6.0), (x + SAMPLE, y - 6.0), (x + SAMPLE, y + 6.0), (x, y + 6.0)];
        marks.push(Mark::Area { outline, color, alpha: band_alpha(style), clipped: false });
    }
    match style {
        Style::Points => {
            let centers = vec![(x + SAMPLE / 2.0, y)];
            marks.push(Mark::Dots { centers, radius: 4.0, color, clipped: false });
        }
        Style::Band => {}
        Style::Line | Style::Faint | Style::Step => {
            let (lines, stroke) = (vec![vec![(x, y), (x + SAMPLE, y)]], Stroke { color, width, alpha, dash });
            marks.push(Mark::Lines { lines, stroke, clipped: false });
        }
    }
}
