//! The embedded font: how wide a text is, and the outlines of its letters.

use ab_glyph::{Font as _, FontRef, Outline};

use super::marks::Weight;
use crate::Error;

/// The text's font in both weights. Its licence lies beside it.
pub(super) struct Fonts {
    regular: FontRef<'static>,
    semibold: FontRef<'static>,
}

impl Fonts {
    pub(super) fn embedded() -> Result<Self, Error> {
        let read = |bytes| {
            FontRef::try_from_slice(bytes)
                .map_err(|error| Error::Draw { what: "text".to_owned(), message: format!("embedded font: {error}") })
        };
        Ok(Self {
            regular: read(include_bytes!("../../assets/fonts/OpenSans-Regular.ttf"))?,
            semibold: read(include_bytes!("../../assets/fonts/OpenSans-Semibold.ttf"))?,
        })
    }

    fn cut(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Semibold => &self.semibold,
        }
    }

    /// Sets a text on a line: for each letter where it begins, its glyph, and where it ends; in font units, of which
    /// [`units_per_em`](Self::units_per_em) make the text's size.
    fn set<'a>(&'a self, words: &'a str, weight: Weight) -> impl Iterator<Item = (f64, ab_glyph::GlyphId, f64)> + 'a {
        let font = self.cut(weight);
        let (mut x, mut previous) = (0.0, None);
        words.chars().map(move |letter| {
            let glyph = font.glyph_id(letter);
            if let Some(previous) = previous {
                x += f64::from(font.kern_unscaled(previous, glyph));
            }
            previous = Some(glyph);
            let start = x;
            // What this font lacks, a reader's other font will show, in the width of a square at most.
            let missing = glyph.0 == 0;
            x += if missing { self.units_per_em(weight) } else { f64::from(font.h_advance_unscaled(glyph)) };
            (start, glyph, x)
        })
    }

    /// How many of the outlines' units make the size of a text.
    pub(super) fn units_per_em(&self, weight: Weight) -> f64 {
        f64::from(self.cut(weight).units_per_em().unwrap_or(2048.0))
    }

    /// The letters' outlines, each with its offset to the right, in font units with y upwards.
    pub(super) fn outlines<'a>(&'a self, words: &'a str, weight: Weight) -> impl Iterator<Item = (f64, Outline)> + 'a {
        self.set(words, weight).filter_map(move |(x, glyph, _)| Some((x, self.cut(weight).outline(glyph)?)))
    }

    /// How wide a text is at this size.
    pub(super) fn width(&self, words: &str, weight: Weight, size: f64) -> f64 {
        let units = self.set(words, weight).last().map_or(0.0, |(_, _, end)| end);
        units * size / self.units_per_em(weight)
    }

    /// The text on one line, cut with an ellipsis to fit into `width`.
    pub(super) fn fit(&self, words: &str, weight: Weight, size: f64, width: f64) -> String {
        // No text of more letters than this fits anywhere; without the cut a megabyte of title would take minutes.
        let words: String = words.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut kept = words.trim().to_owned();
        if self.width(&kept, weight, size) <= width {
            return kept;
        }
        while kept.pop().is_some() {
            let shortened = format!("{}…", kept.trim_end());
            if self.width(&shortened, weight, size) <= width {
                return shortened;
            }
        }
        String::new()
    }
}
