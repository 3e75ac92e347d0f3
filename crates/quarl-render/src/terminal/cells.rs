//! Converts a frame to terminal cells, pixel by pixel.

use std::fmt::Write;

use super::super::pixels::Frame;
use super::TextStyle;
use super::shrink::{difference, ground};

/// Characters by the number of dots in a cell, from none to eight.
const SHADES: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '%', '#'];

/// One cell of a picture in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The character.
    pub symbol: char,
    /// The colour of the character; `None` for the terminal's own.
    pub foreground: Option<CellColor>,
    /// The colour behind the character; `None` for the terminal's own.
    pub background: Option<CellColor>,
}

/// The colour of a terminal cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellColor {
    /// 24-bit colour: red, green, blue.
    Rgb(u8, u8, u8),
    /// One of xterm's 256 colours.
    Index(u8),
}

impl CellColor {
    /// Appends the escape sequence of this colour; `ground` is 38 for the foreground and 48 for the background.
    fn select(self, ground: u8, text: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Rgb(r, g, b) => write!(text, "\x1b[{ground};2;{r};{g};{b}m"),
            Self::Index(index) => write!(text, "\x1b[{ground};5;{index}m"),
        };
    }
}

/// The rows of cells for `frame`; `style` determines the number of pixels in a cell.
pub(super) fn cells(frame: &Frame, style: TextStyle) -> Vec<Vec<Cell>> {
    match style {
        TextStyle::TrueColor => blocks(frame, |[r, g, b]| CellColor::Rgb(r, g, b)),
        TextStyle::Palette256 => blocks(frame, |rgb| CellColor::Index(nearest_index(rgb))),
        TextStyle::Braille => dots(frame, |dots| char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ')),
        TextStyle::Ascii => dots(frame, |dots| SHADES[dots.count_ones() as usize]),
    }
}

/// The text for rows of cells; `style` is the one that they were made with.
pub(super) fn text(rows: &[Vec<Cell>], style: TextStyle) -> String {
    let mut text = String::new();
    for row in rows {
        let start = text.len();
        let (mut foreground, mut background) = (None, None);
        for cell in row {
            if cell.background.is_some() && cell.background != background {
                cell.background.into_iter().for_each(|color| color.select(48, &mut text));
                background = cell.background;
            }
            if cell.foreground.is_some() && cell.foreground != foreground {
                cell.foreground.into_iter().for_each(|color| color.select(38, &mut text));
                foreground = cell.foreground;
            }
            text.push(cell.symbol);
        }
        if style.has_color() {
            text.push_str("\x1b[0m");
        } else {
            text.truncate(start + text[start..].trim_end_matches([' ', '\u{2800}']).len());
        }
        text.push('\n');
    }
    text
}

fn blocks(frame: &Frame, paint: impl Fn([u8; 3]) -> CellColor) -> Vec<Vec<Cell>> {
    let rows: Vec<&[[u8; 3]]> = frame.rgb.as_chunks::<3>().0.chunks_exact(frame.width as usize).collect();
    let cell = |pair: &[&[[u8; 3]]], x: usize| {
        let upper = paint(pair[0][x]);
        // With an odd number of rows, the last half cell keeps the terminal's background.
        let lower = pair.get(1).map(|row| paint(row[x]));
        let (symbol, foreground) = if lower == Some(upper) { (' ', None) } else { ('▀', Some(upper)) };
        Cell { symbol, foreground, background: lower }
    };
    rows.chunks(2).map(|pair| (0..frame.width as usize).map(|x| cell(pair, x)).collect()).collect()
}

/// The nearest of xterm's colours 16 to 255: a cube of six levels a channel, then 24 greys.
fn nearest_index(rgb: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = rgb.map(|value| (0..6).min_by_key(|i| LEVELS[*i].abs_diff(value)).unwrap_or(0));
    let mean = rgb.iter().map(|value| u32::from(*value)).sum::<u32>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let off = |other: [u8; 3]| rgb.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>();
    if off([8 + 10 * grey; 3]) < off(level.map(|i| LEVELS[i])) {
        232 + grey
    } else {
        (16 + 36 * level[0] + 6 * level[1] + level[2]) as u8
    }
}

/// Without colour, pixels are drawn that differ from the background by at least a quarter of the picture's contrast.
fn dots(frame: &Frame, symbol: impl Fn(u8) -> char) -> Vec<Vec<Cell>> {
    /// The bit of each dot of a braille cell, by row and column (Unicode, Braille Patterns).
    const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let ground = ground(&frame.rgb);
    let pixels = frame.rgb.as_chunks::<3>().0;
    let contrast = pixels.iter().map(|pixel| difference(*pixel, ground)).max().unwrap_or(0);
    let threshold = (contrast / 4).max(4);
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut rows = Vec::new();
    for top in (0..height).step_by(4) {
        let mut row = Vec::new();
        for left in (0..width).step_by(2) {
            let mut drawn = 0;
            for (y, bits) in (top..height).zip(BITS) {
                for (x, bit) in (left..width).zip(bits) {
                    if difference(pixels[y * width + x], ground) >= threshold {
                        drawn |= bit;
                    }
                }
            }
            row.push(Cell { symbol: symbol(drawn), foreground: None, background: None });
        }
        rows.push(row);
    }
    rows
}
