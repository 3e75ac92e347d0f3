//! The layout of a figure: title, legend, plot and note as marks on a sheet.

use super::frame::Frame;
use super::legend::{self, Entry};
use super::marks::{Anchor, Mark, Page, Point, Sheet, Text, Weight};
use super::scale::{Scale, extent};
use super::{Color, Figure, HEIGHT, Series, Style, WIDTH};
use crate::Error;
use quarl_render::font::Fonts;

/// Okabe and Ito's palette for colour-blind readers, without yellow, which is too pale for a line on white, and without
/// black, the colour of text.
pub(super) const PALETTE: [Color; 6] = [
    Color(0x00, 0x72, 0xb2), // blue
    Color(0xd5, 0x5e, 0x00), // vermilion
    Color(0x00, 0x9e, 0x73), // bluish green
    Color(0xcc, 0x79, 0xa7), // reddish purple
    Color(0xe6, 0x9f, 0x00), // orange
    Color(0x56, 0xb4, 0xe9), // sky blue
];
pub(super) const TEXT: Color = Color(0x26, 0x26, 0x26);
pub(super) const MUTED: Color = Color(0x5f, 0x5f, 0x5f);
pub(super) const AXIS: Color = Color(0x8c, 0x8c, 0x8c);
pub(super) const GRID: Color = Color(0xe9, 0xe9, 0xe9);

/// The outer margin.
pub(super) const MARGIN: f64 = 20.0;
// Text sizes. A figure shown at half of its width still has letters of at least six pixels.
pub(super) const TITLE_SIZE: f64 = 19.0;
pub(super) const LABEL_SIZE: f64 = 15.0;
pub(super) const TICK_SIZE: f64 = 14.0;
pub(super) const NOTE_SIZE: f64 = 12.5;
/// The line height of a note.
pub(super) const NOTE_LINE: f64 = 16.5;
/// The height of a row of a figure with categories, if there are too many for the usual height.
const ROW: f64 = 21.0;
/// The right edge of the plot.
const RIGHT: f64 = WIDTH as f64 - MARGIN - 6.0;
/// The height of a legend that fits into the usual height: two lines.
const LEGEND_THAT_FITS: f64 = 46.0;
/// The number of categories that fit into the usual height.
const ROWS_THAT_FIT: usize = 12;
/// The widest name of a category.
const WIDEST_CATEGORY: f64 = 270.0;

/// The drawing style of a series or a reference.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) color: Color,
    pub(super) width: f64,
    pub(super) alpha: f64,
    pub(super) dash: Option<[f64; 2]>,
    pub(super) style: Style,
}

pub(super) const REFERENCE: Look =
    Look { color: Color(0x4d, 0x4d, 0x4d), width: 1.3, alpha: 1.0, dash: Some([6.0, 4.0]), style: Style::Line };

/// Lays out figures as the panels of a page.
pub(super) fn page(panels: &[Figure]) -> Result<Page, Error> {
    let fonts = Fonts::embedded()?;
    let columns = if panels.len() > 3 { 2 } else { 1 };
    let (mut sheets, mut y) = (Vec::new(), 0.0);
    for row in panels.chunks(columns) {
        for (i, figure) in row.iter().enumerate() {
            sheets.push(sheet(figure, (f64::from(WIDTH) * i as f64, y), &fonts)?);
        }
        let heights = row.iter().map(|figure| height(figure, &fonts)).collect::<Result<Vec<f64>, Error>>()?;
        y += heights.into_iter().fold(0.0, f64::max);
    }
    let height = if panels.is_empty() { HEIGHT } else { y.round() as u32 };
    Ok(Page { width: WIDTH * columns as u32, height, sheets })
}

/// The height of a figure, which grows with its categories and with a legend of more than two lines.
fn height(figure: &Figure, fonts: &Fonts) -> Result<f64, Error> {
    let (_, y_scale) = scales(figure);
    let (left, right) = (left_edge(figure, &y_scale, fonts), RIGHT);
    let left = if figure.categories.is_empty() { left } else { MARGIN };
    let legend = legend::draw(&entries(figure, &looks(&figure.series)), fonts, [left, right, 0.0], &mut Vec::new())?;
    let rows = ROW * figure.categories.len().saturating_sub(ROWS_THAT_FIT) as f64;
    Ok((f64::from(HEIGHT) + rows + (legend - LEGEND_THAT_FITS).max(0.0)).round())
}

fn sheet(figure: &Figure, at: Point, fonts: &Fonts) -> Result<Sheet, Error> {
    let looks = looks(&figure.series);
    let (x_scale, mut y_scale) = scales(figure);
    for (_, name) in y_scale.ticks.iter_mut().filter(|_| !figure.categories.is_empty()) {
        *name = fonts.fit(name, Weight::Regular, TICK_SIZE, WIDEST_CATEGORY);
    }
    let mut marks = Vec::new();

    let (left, right) = (left_edge(figure, &y_scale, fonts), RIGHT);
    // Names of categories may leave little space beside them: texts then begin at the margin.
    let start = if figure.categories.is_empty() { left } else { MARGIN };
    let mut top = MARGIN;
    if !figure.title.is_empty() {
        let words = fonts.fit(&figure.title, Weight::Semibold, TITLE_SIZE, right - start);
        marks.push(text((start, top + 16.0), words, TITLE_SIZE, Weight::Semibold, Anchor::Start, TEXT));
        top += 30.0;
    }
    top = legend::draw(&entries(figure, &looks), fonts, [start, right, top], &mut marks)? + 9.0;

    let mut bottom = height(figure, fonts)? - 14.0;
    if let Some(note) = figure.note.as_ref().filter(|note| !note.is_empty()) {
        let lines = fonts.wrap(note, Weight::Regular, NOTE_SIZE, right - start, 3);
        bottom -= NOTE_LINE * lines.len() as f64;
        for (i, words) in lines.into_iter().enumerate() {
            let at = (start, bottom + NOTE_LINE * (i + 1) as f64 - 2.0);
            marks.push(text(at, words, NOTE_SIZE, Weight::Regular, Anchor::Start, MUTED));
        }
        bottom -= 7.0;
    }
    if !figure.x_label.is_empty() {
        let words = fonts.fit(&figure.x_label, Weight::Regular, LABEL_SIZE, right - start);
        // A label that is wider than the plot ends with it.
        let half = fonts.width(&words, Weight::Regular, LABEL_SIZE) / 2.0;
        marks.push(text(
            (((left + right) / 2.0).min(right - half), bottom - 4.0),
            words,
            LABEL_SIZE,
            Weight::Regular,
            Anchor::Middle,
            TEXT,
        ));
        bottom -= 23.5;
    }
    bottom -= 22.0;
    if !figure.y_label.is_empty() {
        let words = fonts.fit(&figure.y_label, Weight::Regular, LABEL_SIZE, bottom - top);
        let at = (MARGIN + 8.0, (top + bottom) / 2.0);
        let size = LABEL_SIZE;
        let (weight, anchor) = (Weight::Regular, Anchor::Middle);
        marks.push(Mark::Text(Text { at, words, size, weight, anchor, color: TEXT, upright: true }));
    }

    let categorical = !figure.categories.is_empty();
    let frame = Frame { left, right, top, bottom, x_scale, y_scale, categorical };
    frame.axes(fonts, &mut marks);
    let lines = figure.series.iter().flat_map(|series| series.background.iter().chain([&series.points]));
    if !lines.flatten().any(|point| point.0.is_finite() && point.1.is_finite()) {
        let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
        marks.push(text(middle, "no data yet".to_owned(), LABEL_SIZE, Weight::Regular, Anchor::Middle, MUTED));
    }
    frame.curves(figure, &looks, &mut marks);
    let (x_range, y_range) = ([frame.x_scale.low, frame.x_scale.high], [frame.y_scale.low, frame.y_scale.high]);
    let (title, colors) = (figure.title.clone(), looks.iter().map(|look| look.color).collect());
    let clip = [left, top - 1.0, right, bottom + 1.0];
    Ok(Sheet { title, at, clip, frame: [left, top, right, bottom], x_range, y_range, colors, marks })
}

/// The ranges of the axes: all data with a small margin, and from 0 if the data nearly reach it.
fn scales(figure: &Figure) -> (Scale, Scale) {
    let lines = || {
        let background = figure.series.iter().flat_map(|series| &series.background);
        figure.series.iter().map(|series| &series.points).chain(background)
    };
    if !figure.categories.is_empty() {
        return categorical_scales(figure);
    }
    let xs = || lines().flatten().map(|point| point.0);
    let whole = xs().filter(|x| x.is_finite()).all(|x| x.fract() == 0.0);
    let (x_low, x_high) = match extent(xs()).unwrap_or((0.0, 1.0)) {
        (a, b) if a == b && whole && a.abs() < 1e6 => (a - 0.5, b + 0.5),
        (a, b) => (a - (b - a) * 0.012, b + (b - a) * 0.012),
    };

    let bands = figure.series.iter().flat_map(|series| &series.band).flat_map(|&(low, high)| [low, high]);
    let references = figure.references.iter().map(|reference| reference.value);
    let ys = lines().flatten().map(|point| point.1).chain(bands).chain(references);
    let given = figure.y_range.filter(|(low, high)| low.is_finite() && high.is_finite() && low < high);
    let (y_low, y_high) = given.unwrap_or_else(|| match extent(ys).unwrap_or((0.0, 1.0)) {
        (low, high) if low >= 0.0 && low < 0.4 * high => (0.0, high * 1.04),
        (low, high) if high <= 0.0 && high > 0.4 * low => (low * 1.04, 0.0),
        (low, high) => (low - (high - low) * 0.04, high + (high - low) * 0.04),
    });
    (Scale::new((x_low, x_high), 7.0, whole), Scale::new((y_low, y_high), 6.0, false))
}

/// The scales of a figure with categories: all values and their ranges, and one tick for each name, the first at the top.
fn categorical_scales(figure: &Figure) -> (Scale, Scale) {
    let points = figure.series.iter().flat_map(|series| &series.points).map(|point| point.0);
    let bands = figure.series.iter().flat_map(|series| &series.band).flat_map(|&(low, high)| [low, high]);
    let references = figure.references.iter().map(|reference| reference.value);
    let (low, high) = extent(points.chain(bands).chain(references)).unwrap_or((0.0, 1.0));
    let margin = (high - low) * 0.04;
    let names = figure.categories.len();
    let ticks = figure.categories.iter().enumerate().map(|(i, name)| (-(i as f64), name.clone())).collect();
    let y_scale = Scale { low: 0.4 - names as f64, high: 0.6, ticks };
    (Scale::new((low - margin, high + margin), 6.0, false), y_scale)
}

/// The style of each series. Series without a colour use the palette, and repeat it with dashes.
fn looks(series: &[Series]) -> Vec<Look> {
    let mut automatic = 0;
    series
        .iter()
        .map(|series| {
            let mut dash = None;
            let color = series.color.unwrap_or_else(|| {
                dash = [None, Some([7.0, 3.0]), Some([2.0, 2.5])][(automatic / PALETTE.len()).min(2)];
                automatic += 1;
                PALETTE[(automatic - 1) % PALETTE.len()]
            });
            let (width, alpha) = if series.style == Style::Faint { (1.0, 0.4) } else { (2.2, 1.0) };
            Look { color, width, alpha, dash, style: series.style }
        })
        .collect()
}

fn entries(figure: &Figure, looks: &[Look]) -> Vec<Entry> {
    let series = figure.series.iter().zip(looks).map(|(series, &look)| Entry {
        name: series.name.clone(),
        look,
        has_band: !series.band.is_empty(),
    });
    let references = figure.references.iter().map(|reference| Entry {
        name: reference.label.clone(),
        look: REFERENCE,
        has_band: false,
    });
    series.chain(references).filter(|entry| !entry.name.is_empty()).collect()
}

/// The opacity of a band: higher for a band on its own than for one around a line.
pub(super) fn band_alpha(style: Style) -> f64 {
    if style == Style::Band { 0.55 } else { 0.28 }
}

/// The left edge of the plot: right of the y axis' label and of its widest tick label.
fn left_edge(figure: &Figure, y_scale: &Scale, fonts: &Fonts) -> f64 {
    let width = |(_, label): &(f64, String)| fonts.width(label, Weight::Regular, TICK_SIZE);
    let widest = y_scale.ticks.iter().map(width).fold(0.0, f64::max);
    MARGIN + widest + 9.0 + if figure.y_label.is_empty() { 0.0 } else { 24.0 }
}

pub(super) fn text(at: Point, words: String, size: f64, weight: Weight, anchor: Anchor, color: Color) -> Mark {
    Mark::Text(Text { at, words, size, weight, anchor, color, upright: false })
}
