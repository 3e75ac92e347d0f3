//! The elements of a laid-out figure. Coordinates are CSS pixels; y points down.

use super::Color;
pub(super) use quarl_render::font::Weight;

/// A position on the sheet.
pub(super) type Point = (f64, f64);

/// A laid-out figure: one sheet for each panel.
pub(super) struct Page {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sheets: Vec<Sheet>,
}

/// One panel: marks from back to front.
pub(super) struct Sheet {
    /// The title, for readers who cannot see the figure.
    pub(super) title: String,
    /// The position of its upper left corner on the page.
    pub(super) at: Point,
    /// Left, top, right and bottom of the area to which clipped marks are confined.
    pub(super) clip: [f64; 4],
    /// Left, top, right and bottom of the plot, and the ranges of its axes.
    pub(super) frame: [f64; 4],
    pub(super) x_range: [f64; 2],
    pub(super) y_range: [f64; 2],
    /// The colour of each series.
    pub(super) colors: Vec<Color>,
    pub(super) marks: Vec<Mark>,
}

impl Sheet {
    /// A sheet on its own page whose plot has no numeric axes.
    pub(super) fn alone(title: &str, frame: [f64; 4], marks: Vec<Mark>) -> Self {
        let (title, x_range, y_range, colors) = (title.to_owned(), [0.0, 1.0], [0.0, 1.0], Vec::new());
        Self { title, at: (0.0, 0.0), clip: frame, frame, x_range, y_range, colors, marks }
    }
}

/// An element to draw.
pub(super) enum Mark {
    /// Lines, each drawn separately: where translucent lines cross, their opacity adds up.
    Lines { lines: Vec<Vec<Point>>, stroke: Stroke, clipped: bool },
    /// A filled polygon.
    Area { outline: Vec<Point>, color: Color, alpha: f64, clipped: bool },
    /// Filled circles with a white rim.
    Dots { centers: Vec<Point>, radius: f64, color: Color, clipped: bool },
    /// A line of text.
    Text(Text),
}

/// The style of a line.
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
    /// Whether it is read from bottom to top.
    pub(super) upright: bool,
}

/// The end of a text that lies at its position.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}
