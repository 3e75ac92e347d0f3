//! Learning curves as SVG or PNG: a [`Figure`] is plain data, and the same figure always gives the same bytes.
//!
//! [`run_figure`], [`experiment_figure`] and [`comparison_figure`] make the usual figures from data, over episodes or
//! environment steps. [`results`] reads that data from the directories of runs and experiments:
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
//! `layout` converts a figure to a list of marks (paths, areas, dots, texts) on a sheet of fixed size; `svg` writes the
//! marks as text, and `raster` paints them. The drawing code is part of this library because the curves are jagged: chart
//! libraries that round to whole pixels, or outline a thick line as one polygon, misdraw a return that jumps from 10 to 200
//! and back.

mod bars;
mod episodes;
mod estimates;
mod figures;
mod frame;
mod interactive;
mod layout;
mod legend;
mod marks;
#[cfg(feature = "files")]
mod names;
mod parallel;
mod raster;
#[cfg(feature = "files")]
pub mod results;
mod scale;
mod svg;
mod thin;

pub use bars::BarChart;
pub use estimates::{EfficiencyCurve, Estimate, efficiency_figure, estimates_figure};
pub use figures::{Group, Run, XAxis, comparison_figure, experiment_figure, profile_figure, run_figure};
pub use interactive::{Interactive, Panel, PanelSeries, interactive};
pub use parallel::{Axis, ParallelCoordinates};
pub use quarl_core::scene::Color;

use crate::Error;

/// The width of a figure in CSS pixels; a PNG has [`PNG_SCALE`] times as many pixels.
pub const WIDTH: u32 = 640;
/// The height of a figure in CSS pixels; a PNG has [`PNG_SCALE`] times as many pixels.
pub const HEIGHT: u32 = 420;
/// The number of PNG pixels per CSS pixel, for dense screens and print.
pub const PNG_SCALE: u32 = 2;

/// A figure: curves over a pair of axes, with texts. All fields may be empty.
///
/// Numbers that are not finite leave gaps. Text that is too long is cut with an ellipsis. The PNG's fonts have Latin, Greek
/// and Hangul letters; an SVG uses the viewer's fonts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figure {
    /// The title above the plot.
    pub title: String,
    /// The label of the x axis, such as `Episode`.
    pub x_label: String,
    /// The label of the y axis, such as `Return`.
    pub y_label: String,
    /// The curves, back to front.
    pub series: Vec<Series>,
    /// The range of the y axis; determined from the data if absent or invalid.
    pub y_range: Option<(f64, f64)>,
    /// Names along the y axis, from top to bottom. If there are any, y is the index of a name, a series' band is a range of x
    /// around each point, and reference lines are vertical.
    pub categories: Vec<String>,
    /// Reference lines: horizontal, at a y value.
    pub references: Vec<Reference>,
    /// A note below the plot, such as how the curves were smoothed; at most three lines.
    pub note: Option<String>,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The name in the legend; an empty name has no legend entry.
    pub name: String,
    /// The colour; by default the next one of a palette for colour-blind readers.
    pub color: Option<Color>,
    /// x and y, in order of x. A point that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// The band: a lower and an upper value for each point; missing values, and those that are not finite, are left out.
    pub band: Vec<(f64, f64)>,
    /// Further lines, thin and translucent behind all curves, such as the single runs behind a mean.
    pub background: Vec<Vec<(f64, f64)>>,
    /// The style of the points.
    pub style: Style,
}

/// The style of a series' points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line from point to point.
    #[default]
    Line,
    /// A thin, translucent line, for raw values that another series summarises.
    Faint,
    /// A line that keeps each value until the next point.
    Step,
    /// A dot for each point.
    Points,
    /// The series' band alone, without a line.
    Band,
}

/// A line across the plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    /// The value: of y, or of x if the figure has categories.
    pub value: f64,
    /// The name in the legend, such as `solved: 195`; an empty name has no legend entry.
    pub label: String,
}

impl Figure {
    /// The figure as an SVG document.
    ///
    /// # Errors
    /// Those of [`to_svg`].
    pub fn to_svg(&self) -> Result<String, Error> {
        to_svg(std::slice::from_ref(self))
    }

    /// The figure as a PNG image, [`PNG_SCALE`] times [`WIDTH`] by [`HEIGHT`] pixels on white.
    ///
    /// # Errors
    /// Those of [`to_png`].
    pub fn to_png(&self) -> Result<Vec<u8>, Error> {
        to_png(std::slice::from_ref(self))
    }

    /// Writes the figure to a file.
    ///
    /// # Errors
    /// Those of [`write()`].
    #[cfg(feature = "files")]
    pub fn write(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        write(std::slice::from_ref(self), path)
    }
}

/// Several figures as panels of one SVG document, one below the other; more than three in two columns. A figure with many
/// categories is higher than the others.
///
/// # Errors
/// [`Error::Draw`] if an embedded font cannot be read.
pub fn to_svg(panels: &[Figure]) -> Result<String, Error> {
    Ok(svg::write(&layout::page(panels)?))
}

/// Several figures as panels of one PNG image, arranged as by [`to_svg`].
///
/// # Errors
/// [`Error::Draw`] if an embedded font cannot be read or the image cannot be encoded.
pub fn to_png(panels: &[Figure]) -> Result<Vec<u8>, Error> {
    raster::encode(&layout::page(panels)?)
}

/// Writes the panels in the format of the file's extension, `.svg` or `.png`. The file is written atomically; an existing
/// file is replaced.
///
/// # Errors
/// [`Error::File`] for another extension, [`Error::Io`] where writing fails, [`Error::Draw`] as above.
#[cfg(feature = "files")]
pub fn write(panels: &[Figure], path: impl AsRef<std::path::Path>) -> Result<(), Error> {
    write_page(&layout::page(panels)?, path.as_ref())
}

/// Writes a page in the format of the file's extension.
#[cfg(feature = "files")]
fn write_page(page: &marks::Page, path: &std::path::Path) -> Result<(), Error> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let bytes = match extension.as_str() {
        "svg" => svg::write(page).into_bytes(),
        "png" => raster::encode(page)?,
        _ => {
            let message = "a figure's name must end in .svg or .png".to_owned();
            return Err(Error::File { path: path.to_owned(), message });
        }
    };
    crate::atomic_write::atomic_write(path, &bytes)
}
