//! Pictures as text: half blocks in colour, or braille dots or letters without colour.
//!
//! A cell of a terminal is about twice as high as wide. In colour it shows two square pixels, one above the other (an
//! upper half block: its foreground is the upper pixel, its background the lower). Without colour it shows 2 x 4 braille
//! dots, or one ASCII character for how full these are.

mod cells;
mod shrink;

use self::shrink::shrink;
use super::pixels::{check_scene, draw_error, rasterize};
use super::resample::fit;
pub use cells::{Cell, CellColor};
use quarl_core::Error;
use quarl_core::scene::Scene;

/// The maximum number of columns and of rows.
const MAX_CELLS: u32 = 1_000;
/// For colour, scenes are drawn this many times finer than the cells' pixels, per side.
const FINER: u32 = 4;

/// The capabilities of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextStyle {
    /// 24-bit colour.
    TrueColor,
    /// The 256 colours of xterm.
    Palette256,
    /// No colour: braille dots.
    Braille,
    /// No colour and no Unicode: characters from ` ` to `#`, without escape sequences.
    Ascii,
}

impl TextStyle {
    /// Determines the style from environment variables, given a function that reads them (`|name|
    /// std::env::var(name).ok()`).
    ///
    /// `NO_COLOR` (set and not empty, see <https://no-color.org>) and `TERM=dumb` come first, then a character set other
    /// than UTF-8, then what is known about the terminal.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = value("TERM").unwrap_or_default();
        // A locale without a character set ("C", or none, as in containers) does not describe the terminal.
        let locale = value("LC_ALL").or_else(|| value("LC_CTYPE")).or_else(|| value("LANG")).unwrap_or_default();
        let charset = locale.split_once('.').map_or(String::new(), |(_, charset)| charset.to_lowercase());
        let unicode = charset.is_empty() || charset.starts_with("utf-8") || charset.starts_with("utf8");
        if term == "dumb" || !unicode {
            return Self::Ascii;
        }
        if value("NO_COLOR").is_some() {
            // The Linux console's font has no braille.
            return if term == "linux" { Self::Ascii } else { Self::Braille };
        }
        let says = |name: &str, words: &[&str]| {
            value(name).is_some_and(|value| words.iter().any(|word| value.to_lowercase().contains(word)))
        };
        if says("COLORTERM", &["truecolor", "24bit"])
            || says("TERM", &["truecolor", "direct", "kitty", "alacritty", "ghostty", "foot", "wezterm"])
            || says("TERM_PROGRAM", &["iterm", "wezterm", "vscode", "ghostty"])
            || value("WT_SESSION").is_some()
        {
            return Self::TrueColor;
        }
        Self::Palette256
    }

    fn has_color(self) -> bool {
        matches!(self, Self::TrueColor | Self::Palette256)
    }

    /// The width and height of a cell in pixels.
    fn cell(self) -> (u32, u32) {
        if self.has_color() { (1, 2) } else { (2, 4) }
    }
}

/// Renders `scene` as text of at most `columns` x `rows` cells with its proportions: lines that end with `
/// `, without cursor movements, and with colours reset at the end of each line.
///
/// Shapes are drawn for this size, so that thin lines stay visible.
///
/// # Errors
/// [`Error::Draw`] when there are no columns or no rows, and for a scene that cannot be drawn (see
/// [`rasterize`]).
pub fn scene_text(scene: &Scene, columns: u32, rows: u32, style: TextStyle) -> Result<String, Error> {
    Ok(cells::text(&scene_cells(scene, columns, rows, style)?, style))
}

/// [`scene_text`] as rows of cells, for programs that place them on the screen themselves.
///
/// # Errors
/// Those of [`scene_text`].
pub fn scene_cells(scene: &Scene, columns: u32, rows: u32, style: TextStyle) -> Result<Vec<Vec<Cell>>, Error> {
    let (max_width, max_height) = pixels_of(columns, rows, style)?;
    let (scene_width, scene_height) = check_scene(scene)?;
    let (width, height) = fit(scene_width, scene_height, max_width, max_height);
    let frame = match scene {
        Scene::Shapes { .. } => {
            // With blended edges, a slender shape would be faint: see `shrink`. Dots are not blended.
            let finer = if style.has_color() { FINER } else { 1 };
            let (drawn_width, drawn_height) = (width * finer, height * finer);
            let drawn = rasterize(scene, drawn_width, drawn_height)?;
            shrink((drawn_width, drawn_height), &drawn.rgb, (width, height))
        }
        Scene::Pixels { width: w, height: h, rgb } => shrink((*w, *h), rgb, (width, height)),
    };
    Ok(cells::cells(&frame, style))
}

fn pixels_of(columns: u32, rows: u32, style: TextStyle) -> Result<(u32, u32), Error> {
    if columns == 0 || rows == 0 {
        return Err(draw_error(
            "text",
            format!("{columns} columns and {rows} rows are too few: at least 1 of each is needed"),
        ));
    }
    let (width, height) = style.cell();
    Ok((columns.min(MAX_CELLS) * width, rows.min(MAX_CELLS) * height))
}

#[cfg(test)]
mod tests;
