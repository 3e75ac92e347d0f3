//! Parallel coordinates: one vertical axis for each parameter, and a line for each trial, coloured by its value.

use super::layout::{AXIS, GRID, MARGIN, MUTED, TEXT, TICK_SIZE, TITLE_SIZE, text};
use super::marks::{Anchor, Mark, Page, Point, Sheet, Stroke, Weight};
use super::scale::extent;
use super::{Color, HEIGHT};
use crate::Error;
use quarl_render::font::Fonts;

/// The width of one axis with its space, in CSS pixels.
const AXIS_WIDTH: f64 = 118.0;
const NARROWEST: f64 = 640.0;
/// The number of steps of the colour bar.
const STEPS: usize = 48;
/// The colours of the lowest to the highest value: cividis (Nuñez et al. 2018), which readers with any colour vision can
/// order, without its palest end.
const COLORS: [Color; 5] = [
    Color(0xd9, 0xc7, 0x5f),
    Color(0xa5, 0x9c, 0x74),
    Color(0x7c, 0x7b, 0x78),
    Color(0x4d, 0x56, 0x6d),
    Color(0x00, 0x20, 0x4d),
];

/// A figure of parallel coordinates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParallelCoordinates {
    /// The title above the plot.
    pub title: String,
    /// The label of the colour bar.
    pub value_label: String,
    /// The axes, from left to right.
    pub axes: Vec<Axis>,
    /// For each line, its position on every axis, from 0 to 1, and its value. Lines with higher values are drawn last.
    pub lines: Vec<(Vec<f64>, f64)>,
}

/// One axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// The name.
    pub label: String,
    /// The labels, at positions from 0 to 1.
    pub ticks: Vec<(f64, String)>,
}

impl ParallelCoordinates {
    /// The figure as an SVG document.
    ///
    /// # Errors
    /// Those of [`super::to_svg`].
    pub fn to_svg(&self) -> Result<String, Error> {
        Ok(super::svg::write(&self.page()?))
    }

    /// The figure as a PNG image.
    ///
    /// # Errors
    /// Those of [`super::to_png`].
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        super::raster::encode(&self.page()?)
    }

    /// Writes the figure to a file, in the format of its extension, `.svg` or `.png`.
    ///
    /// # Errors
    /// Those of [`super::write()`].
    #[cfg(feature = "files")]
    pub fn write(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        super::write_page(&self.page()?, path.as_ref())
    }

    fn page(&self) -> Result<Page, Error> {
        let fonts = Fonts::embedded()?;
        let width = (2.0 * MARGIN + AXIS_WIDTH * self.axes.len() as f64).max(NARROWEST);
        let (left, right) = (MARGIN, width - MARGIN);
        let (top, bottom) = (MARGIN + 92.0, f64::from(HEIGHT) - 84.0);
        let mut marks = Vec::new();
        let title = fonts.fit(&self.title, Weight::Semibold, TITLE_SIZE, right - left);
        marks.push(text((left, MARGIN + 16.0), title, TITLE_SIZE, Weight::Semibold, Anchor::Start, TEXT));

        let range = extent(self.lines.iter().map(|line| line.1)).unwrap_or((0.0, 1.0));
        self.color_bar(range, left, MARGIN + 46.0, &mut marks);
        let step = (right - left) / self.axes.len().max(1) as f64;
        let x = |axis: usize| left + step * (axis as f64 + 0.5);
        let y = |share: f64| bottom - (bottom - top) * share;
        let line = |from: Point, to: Point, color| Mark::Lines {
            lines: vec![vec![from, to]],
            stroke: Stroke { color, width: 1.0, alpha: 1.0, dash: None },
            clipped: false,
        };
        for i in 0..self.axes.len() {
            marks.push(line((x(i), top), (x(i), bottom), AXIS));
        }
        let mut lines: Vec<&(Vec<f64>, f64)> = self.lines.iter().filter(|line| line.1.is_finite()).collect();
        lines.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (positions, value) in lines {
            let points = positions.iter().enumerate().map(|(i, share)| (x(i), y(*share))).collect();
            let stroke = Stroke { color: color(*value, range), width: 1.6, alpha: 0.75, dash: None };
            marks.push(Mark::Lines { lines: vec![points], stroke, clipped: false });
        }
        for (i, axis) in self.axes.iter().enumerate() {
            for (share, label) in &axis.ticks {
                marks.push(line((x(i) - 3.0, y(*share)), (x(i) + 3.0, y(*share)), AXIS));
                let label = fonts.fit(label, Weight::Regular, TICK_SIZE, step - 14.0);
                // A pale ground keeps the label legible over the lines.
                let (wide, at) = (fonts.width(&label, Weight::Regular, TICK_SIZE), (x(i) + 7.0, y(*share)));
                let outline = [(-2.0, -9.0), (wide + 2.0, -9.0), (wide + 2.0, 9.0), (-2.0, 9.0)];
                let outline = outline.map(|(dx, dy)| (at.0 + dx, at.1 + dy)).to_vec();
                marks.push(Mark::Area { outline, color: Color(0xff, 0xff, 0xff), alpha: 0.8, clipped: false });
                let at = (at.0, at.1 + TICK_SIZE * 0.36);
                marks.push(text(at, label, TICK_SIZE, Weight::Regular, Anchor::Start, MUTED));
            }
            // The name in the section, then the name of the key below it.
            let names =
                axis.label.split_once('.').map_or(vec![axis.label.as_str()], |(section, key)| vec![section, key]);
            for (row, name) in names.into_iter().enumerate() {
                let name = fonts.fit(name, Weight::Regular, TICK_SIZE, step - 6.0);
                let at = (x(i), bottom + 30.0 + 18.0 * row as f64);
                marks.push(text(at, name, TICK_SIZE, Weight::Regular, Anchor::Middle, TEXT));
            }
        }
        if self.lines.is_empty() {
            let at = ((left + right) / 2.0, (top + bottom) / 2.0);
            marks.push(text(at, "no data yet".to_owned(), TICK_SIZE, Weight::Regular, Anchor::Middle, MUTED));
        }
        let sheet = Sheet::alone(&self.title, [left, top, right, bottom], marks);
        Ok(Page { width: width as u32, height: HEIGHT, sheets: vec![sheet] })
    }

    /// The colours with the lowest and the highest value.
    fn color_bar(&self, range: (f64, f64), left: f64, middle: f64, marks: &mut Vec<Mark>) {
        let label = |x: f64, words: String, anchor| {
            text((x, middle + TICK_SIZE * 0.36), words, TICK_SIZE, Weight::Regular, anchor, TEXT)
        };
        let (low, high) = (format!("{:.2}", range.0), format!("{:.2}", range.1));
        let (from, width) = (left + 52.0, 130.0);
        marks.push(label(from - 8.0, low.replace('-', "\u{2212}"), Anchor::End));
        for i in 0..STEPS {
            // Each step extends to the end, below the next one, so that no seam shows.
            let (x, next) = (from + width * i as f64 / STEPS as f64, from + width);
            let outline = vec![(x, middle - 7.0), (next, middle - 7.0), (next, middle + 7.0), (x, middle + 7.0)];
            let color = blend(i as f64 / (STEPS - 1) as f64);
            marks.push(Mark::Area { outline, color, alpha: 1.0, clipped: false });
        }
        let end = from + width;
        marks.push(label(end + 8.0, high.replace('-', "\u{2212}"), Anchor::Start));
        marks.push(label(end + 70.0, self.value_label.clone(), Anchor::Start));
        let grid = Stroke { color: GRID, width: 1.0, alpha: 1.0, dash: None };
        marks.push(Mark::Lines {
            lines: vec![vec![(from, middle + 7.0), (end, middle + 7.0)]],
            stroke: grid,
            clipped: false,
        });
    }
}

/// The colour of a value within a range.
fn color(value: f64, (low, high): (f64, f64)) -> Color {
    if high > low { blend((value - low) / (high - low)) } else { blend(1.0) }
}

/// The colour at a position from 0 to 1.
fn blend(share: f64) -> Color {
    let at = share.clamp(0.0, 1.0) * (COLORS.len() - 1) as f64;
    let i = (at as usize).min(COLORS.len() - 2);
    let (Color(r, g, b), Color(next_r, next_g, next_b)) = (COLORS[i], COLORS[i + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * (at - i as f64)).round() as u8;
    Color(mix(r, next_r), mix(g, next_g), mix(b, next_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_line_is_drawn_last_and_colours_follow_the_values() {
        let axis = |label: &str| Axis { label: label.to_owned(), ticks: vec![(0.0, "low".to_owned())] };
        let figure = ParallelCoordinates {
            axes: vec![axis("agent.gamma"), axis("replay.alpha")],
            lines: vec![(vec![0.0, 1.0], 2.0), (vec![0.5, 0.5], 1.0), (vec![0.5, 0.5], f64::NAN)],
            ..ParallelCoordinates::default()
        };
        let page = figure.page().unwrap();
        let drawn: Vec<Color> = page.sheets[0]
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Lines { stroke, .. } if stroke.width > 1.5 => Some(stroke.color),
                _ => None,
            })
            .collect();
        assert_eq!(drawn, [COLORS[0], COLORS[4]], "the value that is not a number is left out");
        assert_eq!(blend(0.5), COLORS[2]);
    }

    #[test]
    fn any_number_of_axes_and_lines_can_be_drawn() {
        for axes in [0, 1, 30] {
            let axes = vec![Axis::default(); axes];
            let lines = vec![(vec![0.5; axes.len()], 0.3)];
            let figure = ParallelCoordinates { axes, lines, ..ParallelCoordinates::default() };
            assert!(super::super::svg::write(&figure.page().unwrap()).contains("</svg>"));
            super::super::raster::encode(&figure.page().unwrap()).unwrap();
        }
    }
}
