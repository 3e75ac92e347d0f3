//! What a sheet is made of. Coordinates are CSS pixels; y points down.

use super::Color;

/// A place on the sheet.
pub(super) type Point = (f64, f64);

/// A finished drawing: one sheet for each panel.
pub(super) struct Page {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sheets: Vec<Sheet>,
}

/// One panel: marks from back to front.
pub(super) struct Sheet {
    /// What it shows, for readers who cannot see it.
    pub(super) title: String,
    /// Where its upper left corner lies on the page.
    pub(super) at: Point,
    /// Left, top, right and bottom of the area that clipped marks are confined to.
    pub(super) clip: [f64; 4],
    pub(super) marks: Vec<Mark>,
}

/// Something to draw.
pub(super) enum Mark {
    /// Lines, each drawn by itself: where translucent ones cross, they add up.
    Lines { lines: Vec<Vec<Point>>, stroke: Stroke, clipped: bool },
    /// A filled polygon.
    Area { outline: Vec<Point>, color: Color, alpha: f64, clipped: bool },
    /// Filled circles with a white rim.
    Dots { centers: Vec<Point>, radius: f64, color: Color, clipped: bool },
    /// A line of text.
    Text(Text),
}

/// How a line looks.
#[derive(Clone, Copy)]
pub(super) struct Stroke {
    pub(super) color: Color,
    pub(super) width: f64,
    pub(super) alpha: f64,
    pub(super) dash: Option<[f64; 2]>,
}

/// A line of text.
pub(super) struct Text {
    pub(super) at: Point,
    pub(super) words: String,
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) anchor: Anchor,
    pub(super) color: Color,
    /// Read from the bottom upwards.
    pub(super) upright: bool,
}

/// The font's two cuts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Weight {
    Regular,
    Semibold,
}

/// Which end of a text lies at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}
