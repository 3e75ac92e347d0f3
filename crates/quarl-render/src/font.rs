//! The embedded fonts of figures and scenes: text widths and letter outlines.

use ab_glyph::{Font as _, FontRef, GlyphId, OutlineCurve};
use tiny_skia::PathBuilder;

use quarl_core::Error;

/// The weights of the font.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Ordinary text.
    Regular,
    /// Titles.
    Semibold,
}

/// The text font in two weights, and a font for Hangul. Their licences are in the fonts' directory.
pub struct Fonts {
    regular: FontRef<'static>,
    semibold: FontRef<'static>,
    hangul: FontRef<'static>,
}

/// A glyph placed on a line. Lengths are in units of [`Fonts::units_per_em`].
struct Placed<'a> {
    font: &'a FontRef<'static>,
    glyph: GlyphId,
    /// The left end.
    start: f64,
    /// The right end.
    end: f64,
    /// The size of one unit of its font.
    scale: f64,
}

impl Fonts {
    pub fn embedded() -> Result<Self, Error> {
        let read = |bytes| {
            FontRef::try_from_slice(bytes)
                .map_err(|error| Error::Draw { what: "text".to_owned(), message: format!("embedded font: {error}") })
        };
        Ok(Self {
            regular: read(include_bytes!("../assets/fonts/OpenSans-Regular.ttf"))?,
            semibold: read(include_bytes!("../assets/fonts/OpenSans-Semibold.ttf"))?,
            hangul: read(include_bytes!("../assets/fonts/QuarlHangul.ttf"))?,
        })
    }

    fn cut(&self, weight: Weight) -> &FontRef<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Semibold => &self.semibold,
        }
    }

    /// Places the glyphs of a text on a line.
    fn set<'a>(&'a self, words: &'a str, weight: Weight) -> impl Iterator<Item = Placed<'a>> + 'a {
        let units = self.units_per_em(weight);
        let (mut x, mut previous) = (0.0, None);
        words.chars().map(move |letter| {
            let font = if self.hangul.glyph_id(letter).0 == 0 { self.cut(weight) } else { &self.hangul };
            let scale = units / f64::from(font.units_per_em().unwrap_or(1000.0));
            let glyph = font.glyph_id(letter);
            if let Some((_, previous)) = previous.filter(|(before, _)| std::ptr::eq::<FontRef>(*before, font)) {
                x += f64::from(font.kern_unscaled(previous, glyph)) * scale;
            }
            previous = Some((font, glyph));
            let start = x;
            // A viewer's font will show a letter that no embedded font has, at most as wide as a square.
            let missing = glyph.0 == 0;
            x += if missing { units } else { f64::from(font.h_advance_unscaled(glyph)) * scale };
            Placed { font, glyph, start, end: x, scale }
        })
    }

    /// The number of units in the size of a text.
    pub fn units_per_em(&self, weight: Weight) -> f64 {
        f64::from(self.cut(weight).units_per_em().unwrap_or(2048.0))
    }

    /// Adds the outlines of the letters to `path`. `place` maps a point to the path's coordinates; points are in units of
    /// [`Fonts::units_per_em`], from the left end of the text on its baseline, with y upwards.
    pub fn push_outlines(
        &self,
        words: &str,
        weight: Weight,
        path: &mut PathBuilder,
        place: impl Fn(f32, f32) -> (f32, f32),
    ) {
        for letter in self.set(words, weight) {
            let Some(outline) = letter.font.outline(letter.glyph) else { continue };
            let (start, scale) = (letter.start as f32, letter.scale as f32);
            trace(&outline.curves, path, |point| place(point.x * scale + start, point.y * scale));
        }
    }

    /// The width of a text at this size.
    pub fn width(&self, words: &str, weight: Weight, size: f64) -> f64 {
        let units = self.set(words, weight).last().map_or(0.0, |letter| letter.end);
        units * size / self.units_per_em(weight)
    }

    /// The text, cut with an ellipsis if it is wider than `width`.
    pub fn fit(&self, words: &str, weight: Weight, size: f64, width: f64) -> String {
        let mut kept = cleaned(words);
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

    /// The text in lines of at most `width`, broken at spaces, and cut with an ellipsis after `most` lines.
    pub fn wrap(&self, words: &str, weight: Weight, size: f64, width: f64, most: usize) -> Vec<String> {
        let mut rest = cleaned(words);
        let mut lines = Vec::new();
        while lines.len() + 1 < most && self.width(&rest, weight, size) > width {
            let spaces = rest.match_indices(' ').map(|(at, _)| at);
            let Some(at) = spaces.take_while(|&at| self.width(&rest[..at], weight, size) <= width).last() else {
                break;
            };
            lines.push(rest[..at].to_owned());
            rest = rest[at..].trim_start().to_owned();
        }
        lines.push(self.fit(&rest, weight, size, width));
        lines
    }
}

/// The contours of a letter. The font gives their curves one after the other: a new contour begins where a curve does not
/// start at the end of the previous one.
fn trace(curves: &[OutlineCurve], path: &mut PathBuilder, place: impl Fn(&ab_glyph::Point) -> (f32, f32)) {
    let mut end = None;
    for curve in curves {
        let (start, next) = match curve {
            OutlineCurve::Line(a, b) | OutlineCurve::Quad(a, _, b) | OutlineCurve::Cubic(a, _, _, b) => (*a, *b),
        };
        if end != Some(start) {
            let (x, y) = place(&start);
            path.move_to(x, y);
        }
        match curve {
            OutlineCurve::Line(_, b) => {
                let (x, y) = place(b);
                path.line_to(x, y);
            }
            OutlineCurve::Quad(_, b, c) => {
                let ((x1, y1), (x, y)) = (place(b), place(c));
                path.quad_to(x1, y1, x, y);
            }
            OutlineCurve::Cubic(_, b, c, d) => {
                let ((x1, y1), (x2, y2), (x, y)) = (place(b), place(c), place(d));
                path.cubic_to(x1, y1, x2, y2, x, y);
            }
        }
        end = Some(next);
    }
}

/// The text without control characters and with composed Hangul, cut to a length that can be measured quickly: a title of a
/// megabyte would take minutes.
fn cleaned(words: &str) -> String {
    let letters = words.chars().take(1200).map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text = String::new();
    for letter in letters {
        match text.chars().next_back().and_then(|before| syllable(before, letter)) {
            Some(joined) => {
                text.pop();
                text.push(joined);
            }
            None => text.push(letter),
        }
    }
    text.chars().take(400).collect::<String>().trim().to_owned()
}

/// The Hangul syllable of a consonant and a vowel, or of an open syllable and a final consonant. macOS writes file names in
/// such parts (Unicode 15, section 3.12).
fn syllable(before: char, letter: char) -> Option<char> {
    const SYLLABLES: u32 = 0xac00;
    const LEADING: u32 = 0x1100;
    const VOWELS: u32 = 0x1161;
    const TRAILING: u32 = 0x11a7; // one before the first: an open syllable
    let (before, letter) = (u32::from(before), u32::from(letter));
    let open = |code: u32| (SYLLABLES..SYLLABLES + 11172).contains(&code) && (code - SYLLABLES).is_multiple_of(28);
    if (LEADING..LEADING + 19).contains(&before) && (VOWELS..VOWELS + 21).contains(&letter) {
        char::from_u32(SYLLABLES + ((before - LEADING) * 21 + (letter - VOWELS)) * 28)
    } else if open(before) && (TRAILING + 1..TRAILING + 28).contains(&letter) {
        char::from_u32(before + (letter - TRAILING))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_in_parts_is_composed() {
        let parts = "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} a\u{11ab}";
        assert_eq!(cleaned(parts), "한글 a\u{11ab}");
    }

    #[test]
    fn the_hangul_syllables_in_use_and_all_letters_have_outlines() {
        let fonts = Fonts::embedded().unwrap();
        let has_outline = |letter: &char| fonts.hangul.outline(fonts.hangul.glyph_id(*letter)).is_some();
        // KS X 1001 has 2,350 syllables.
        assert!(('가'..='힣').filter(has_outline).count() >= 2350);
        for letter in "강화학습경험재생목표신경망보상곡선에피소드탐욕행동평균시드실행환경".chars().chain('ㄱ'..='ㅎ')
        {
            assert!(has_outline(&letter), "{letter}");
        }
    }

    #[test]
    fn hangul_is_as_wide_as_its_size_says_beside_latin_letters() {
        let fonts = Fonts::embedded().unwrap();
        let width = |words| fonts.width(words, Weight::Regular, 10.0);
        assert!((8.0..10.5).contains(&width("한")), "{}", width("한"));
        assert!((width("한a글") - width("한") - width("a") - width("글")).abs() < 1e-9);
    }

    #[test]
    fn a_note_that_is_too_long_for_one_line_goes_on_on_a_second() {
        let fonts = Fonts::embedded().unwrap();
        let lines = fonts.wrap("one two three four", Weight::Regular, 10.0, 60.0, 2);
        assert_eq!(lines, ["one two", "three four"]);
        assert_eq!(fonts.wrap("short", Weight::Regular, 10.0, 60.0, 2), ["short"]);
    }
}
