//! Bar charts: one horizontal bar for each name.

use super::WIDTH;
use super::layout::{
    AXIS, GRID, LABEL_SIZE, MARGIN, MUTED, NOTE_LINE, NOTE_SIZE, PALETTE, TEXT, TICK_SIZE, TITLE_SIZE, text,
};
use super::marks::{Anchor, Mark, Page, Sheet, Stroke, Weight};
use super::scale::{Scale, extent};
use crate::Error;
use quarl_render::font::Fonts;

/// The height of a bar with its space, in CSS pixels.
const BAR: f64 = 30.0;

/// A chart of horizontal bars, which start at 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarChart {
    /// The title above the plot.
    pub title: String,
    /// The label of the x axis.
    pub x_label: String,
    /// The name and the length of each bar, from top to bottom. Lengths are at least 0; others are drawn as 0.
    pub bars: Vec<(String, f64)>,
    /// A note below the plot, at most three lines.
    pub note: String,
}

impl BarChart {
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
        let width = |words: &str| fonts.width(words, Weight::Regular, TICK_SIZE);
        // An SVG may be shown in a font that is wider by a tenth.
        let names =
            self.bars.iter().map(|(name, _)| width(name) * 1.1).fold(0.0, f64::max).min(f64::from(WIDTH) * 0.45);
        let (left, right) = (MARGIN + names + 10.0, f64::from(WIDTH) - MARGIN - 44.0);
        let top = MARGIN + 38.0;
        let bottom = top + BAR * self.bars.len().max(1) as f64;
        let largest =
            extent(self.bars.iter().map(|bar| bar.1)).map_or(1.0, |(_, high)| if high > 0.0 { high } else { 1.0 });
        let scale = Scale::new((0.0, largest * 1.02), 5.0, false);
        let x = |value: f64| left + (right - left) * scale.share(value);
        let line = |lines, color| Mark::Lines {
            lines,
            stroke: Stroke { color, width: 1.0, alpha: 1.0, dash: None },
            clipped: false,
        };

        let title = fonts.fit(&self.title, Weight::Semibold, TITLE_SIZE, f64::from(WIDTH) - 2.0 * MARGIN);
        let mut marks = vec![text((MARGIN, MARGIN + 16.0), title, TITLE_SIZE, Weight::Semibold, Anchor::Start, TEXT)];
        marks.push(line(
            scale.ticks.iter().map(|(value, _)| vec![(x(*value), top), (x(*value), bottom)]).collect(),
            GRID,
        ));
        for (value, label) in &scale.ticks {
            marks.push(text(
                (x(*value), bottom + 19.5),
                label.clone(),
                TICK_SIZE,
                Weight::Regular,
                Anchor::Middle,
                MUTED,
            ));
        }
        for (i, (name, length)) in self.bars.iter().enumerate() {
            let middle = top + BAR * (i as f64 + 0.5);
            let end = x(if length.is_finite() { length.max(0.0) } else { 0.0 });
            let outline = vec![(left, middle - 9.0), (end, middle - 9.0), (end, middle + 9.0), (left, middle + 9.0)];
            marks.push(Mark::Area { outline, color: PALETTE[0], alpha: 1.0, clipped: false });
            let base = middle + TICK_SIZE * 0.36;
            let name = fonts.fit(name, Weight::Regular, TICK_SIZE, names);
            marks.push(text((left - 9.0, base), name, TICK_SIZE, Weight::Regular, Anchor::End, TEXT));
            marks.push(text(
                (end + 6.0, base),
                format!("{length:.2}"),
                TICK_SIZE,
                Weight::Regular,
                Anchor::Start,
                MUTED,
            ));
        }
        marks.push(line(vec![vec![(left, top), (left, bottom)]], AXIS));
        let middle = ((left + right) / 2.0, bottom + 44.0);
        marks.push(text(middle, self.x_label.clone(), LABEL_SIZE, Weight::Regular, Anchor::Middle, TEXT));
        let note = fonts.wrap(&self.note, Weight::Regular, NOTE_SIZE, f64::from(WIDTH) - 2.0 * MARGIN, 3);
        let mut y = bottom + 56.0;
        for words in note {
            y += NOTE_LINE;
            marks.push(text((MARGIN, y), words, NOTE_SIZE, Weight::Regular, Anchor::Start, MUTED));
        }
        let sheet = Sheet::alone(&self.title, [left, top, right, bottom], marks);
        Ok(Page { width: WIDTH, height: (y + MARGIN) as u32, sheets: vec![sheet] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bars = vec![("agent.gamma".to_owned(), 0.75), ("a".to_owned(), 0.25), ("b".to_owned(), f64::NAN)];
        let chart = BarChart { bars, ..BarChart::default() };
        let page = chart.page().unwrap();
        let lengths: Vec<f64> = page.sheets[0]
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Area { outline, .. } => Some(outline[1].0 - outline[0].0),
                _ => None,
            })
            .collect();
        assert!((lengths[0] / lengths[1] - 3.0).abs() < 1e-9 && lengths[2] == 0.0, "{lengths:?}");
        assert!(super::super::svg::write(&page).contains("agent.gamma"));
        for bars in [Vec::new(), vec![(String::new(), 0.0)]] {
            super::super::raster::encode(&BarChart { bars, ..BarChart::default() }.page().unwrap()).unwrap();
        }
    }
}
