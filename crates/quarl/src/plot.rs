//! Curves to pictures: a [`Figure`] is plain data, drawn as SVG or PNG. The same figure gives the same bytes.
//!
//! [`run_figure`], [`experiment_figure`] and [`comparison_figure`] make the usual figures from plain data, over episodes or
//! environment steps; [`results`] reads that data from the directories of runs and experiments:
//!
//! ```
//! use quarl::plot::{Run, XAxis, run_figure};
//!
//! let run = Run { returns: vec![12.0, 9.0, 31.0, 54.0, 120.0, 200.0], ..Run::default() };
//! let svg = run_figure("CartPole-v0", &run, XAxis::Episodes, 3, &[(5.0, 187.0)], Some(195.0)).to_svg()?;
//! assert!(svg.contains("moving average over 3 episodes"));
//! # Ok::<(), quarl::Error>(())
//! ```
//!
//! `layout` turns a figure into a list of marks (paths, areas, dots, texts) on a sheet of fixed size; `svg` writes the
//! marks as text, and `raster` paints them. Neither knows what a figure is. The drawing is this project's own because
//! the curves here are jagged: chart libraries that round to whole pixels, or outline a thick line as one polygon,
//! misdraw a return that jumps from 10 to 200 and back.

mod figures;
mod font;
mod layout;
mod legend;
mod marks;
#[cfg(feature = "files")]
mod names;
mod raster;
#[cfg(feature = "files")]
pub mod results;
mod scale;
mod svg;
mod thin;

pub use crate::render::Color;
pub use figures::{Group, Run, XAxis, comparison_figure, experiment_figure, run_figure};

use crate::Error;

/// A figure's width in CSS pixels; a PNG has [`PNG_SCALE`] times as many.
pub const WIDTH: u32 = 640;
/// A figure's height in CSS pixels; a PNG has [`PNG_SCALE`] times as many.
pub const HEIGHT: u32 = 420;
/// How many pixels of a PNG make one CSS pixel, so that it is sharp on a dense screen and in print.
pub const PNG_SCALE: u32 = 2;

/// Curves over a pair of axes, with their words. All fields may be left empty.
///
/// Numbers that are not finite are gaps, never errors. Text that is too long is cut with an ellipsis. The PNG's fonts have
/// Latin, Greek and Hangul letters; an SVG is shown in the reader's own fonts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// What is shown; above the plot.
    pub title: String,
    /// What runs to the right, such as `Episode`.
    pub x_label: String,
    /// What runs upwards, such as `Return`.
    pub y_label: String,
    /// The curves, back to front.
    pub series: Vec<Series>,
    /// The lowest and highest value shown; found from the data if absent, or if it is not a range.
    pub y_range: Option<(f64, f64)>,
    /// Horizontal lines to compare with.
    pub references: Vec<Reference>,
    /// A remark below the plot, such as how the curves were smoothed; on up to three lines.
    pub note: Option<String>,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend; none is shown if empty.
    pub name: String,
    /// Its colour; by default the next of a palette that colour-blind readers can tell apart.
    pub color: Option<Color>,
    /// x and y, in order of x. A point that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// A lower and an upper value for each point, shaded; what is missing or not finite is left out.
    pub band: Vec<(f64, f64)>,
    /// Further lines, drawn thin and translucent behind all curves: the single runs behind a mean.
    pub background: Vec<Vec<(f64, f64)>>,
    /// How the points are drawn.
    pub style: Style,
}

/// How a series' points are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line from point to point.
    #[default]
    Line,
    /// A thin, translucent line: raw values that another series summarises.
    Faint,
    /// A line that keeps each value until the next point.
    Step,
    /// A dot for each point.
    Points,
    /// The series' band alone, without a line.
    Band,
}

/// A horizontal line across the plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    /// Where it lies.
    pub value: f64,
    /// Its name in the legend, such as `solved: 195`; none is shown if empty.
    pub label: String,
}

impl Figure {
    /// The figure as an SVG document.
    ///
    /// # Errors
    /// As [`to_svg`].
    pub fn to_svg(&self) -> Result<String, Error> {
        to_svg(std::slice::from_ref(self))
    }

    /// The figure as a PNG image, [`PNG_SCALE`] times [`WIDTH`] by [`HEIGHT`] pixels on white.
    ///
    /// # Errors
    /// As [`to_png`].
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        to_png(std::slice::from_ref(self))
    }

    /// Writes the figure to a file.
    ///
    /// # Errors
    /// As [`write()`].
    #[cfg(feature = "files")]
    pub fn write(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        write(std::slice::from_ref(self), path)
    }
}

/// Several figures as panels of one SVG document, below each other; of more than three, two beside each other.
///
/// # Errors
/// [`Error::Draw`] if an embedded font cannot be read.
pub fn to_svg(panels: &[Figure]) -> Result<String, Error> {
    Ok(svg::write(&layout::page(panels)?))
}

/// Several figures as panels of one PNG image, as [`to_svg`] places them.
///
/// # Errors
/// [`Error::Draw`] if an embedded font cannot be read or the image cannot be encoded.
pub fn to_png(panels: &[Figure]) -> Result<Vec<u8>, Error> {
    raster::encode(&layout::page(panels)?)
}

/// Writes the panels in the format that the file's extension names: `.svg` or `.png`. The file is written beside its
/// final place and renamed, so that no reader ever sees half of it; an existing one is replaced.
///
/// # Errors
/// [`Error::File`] for another extension, [`Error::Io`] if the system refuses, [`Error::Draw`] as above.
#[cfg(feature = "files")]
pub fn write(panels: &[Figure], path: impl AsRef<std::path::Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let bytes = match extension.as_str() {
        "svg" => to_svg(panels)?.into_bytes(),
        "png" => to_png(panels)?,
        _ => {
            let message = "a figure's name must end in .svg or .png".to_owned();
            return Err(Error::File { path: path.to_owned(), message });
        }
    };
    crate::atomic_write::atomic_write(path, &bytes)
}
