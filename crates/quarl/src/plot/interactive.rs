//! Figures with their data, for a page that shows values under the pointer.

use serde::Serialize;

use super::{Figure, Style, layout, svg};
use crate::Error;

/// The largest number of points of a series: more than a pointer can tell apart.
const MOST_POINTS: usize = 400;

/// A figure as SVG, and the data of its panels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interactive {
    /// The SVG document.
    #[serde(skip)]
    pub svg: String,
    /// The width in CSS pixels.
    pub width: u32,
    /// The height in CSS pixels.
    pub height: u32,
    /// The panels of the figure.
    pub panels: Vec<Panel>,
}

/// The position and the data of a panel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// Left, top, right and bottom of the plot in CSS pixels.
    pub frame: [f64; 4],
    /// The values at the left and at the right end.
    pub x: [f64; 2],
    /// The values at the bottom and at the top.
    pub y: [f64; 2],
    /// The label of the x axis.
    pub x_label: String,
    /// The names along the y axis, if it has names instead of values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// The series that have a name.
    pub series: Vec<PanelSeries>,
}

/// The values of a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PanelSeries {
    /// The name.
    pub name: String,
    /// The colour: `#0072b2`.
    pub color: String,
    /// x and y of each point, and the ends of its interval if there is one.
    pub points: Vec<Vec<f64>>,
}

/// Several figures as panels of one SVG document, with their data.
///
/// # Errors
/// Those of [`super::to_svg`].
pub fn interactive(figures: &[Figure]) -> Result<Interactive, Error> {
    let page = layout::page(figures)?;
    let panels = page.sheets.iter().zip(figures).map(|(sheet, figure)| {
        let (left, top) = sheet.at;
        let [x0, y0, x1, y1] = sheet.frame;
        let is_shown = |style: Style| !matches!(style, Style::Band);
        let series = figure.series.iter().zip(&sheet.colors).filter(|(series, _)| is_shown(series.style));
        let series = series.map(|(series, &color)| {
            let finite = series.points.iter().enumerate().filter(|(_, (x, y))| x.is_finite() && y.is_finite());
            let points: Vec<Vec<f64>> = finite
                .map(|(i, &(x, y))| {
                    let band = series.band.get(i).filter(|(low, high)| (low - high).is_finite());
                    [x, y].into_iter().chain(band.into_iter().flat_map(|&(low, high)| [low, high])).map(short).collect()
                })
                .collect();
            let every = points.len().div_ceil(MOST_POINTS).max(1);
            let points = points.into_iter().step_by(every).collect();
            PanelSeries { name: series.name.clone(), color: svg::hex(color), points }
        });
        Panel {
            frame: [x0 + left, y0 + top, x1 + left, y1 + top],
            x: sheet.x_range,
            y: sheet.y_range,
            x_label: figure.x_label.clone(),
            categories: figure.categories.clone(),
            series: series.collect(),
        }
    });
    Ok(Interactive { panels: panels.collect(), width: page.width, height: page.height, svg: svg::write(&page) })
}

/// A number with at most six significant digits, so that the data stay small.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
