//! Writes a laid-out figure as SVG. Coordinates are rounded to a tenth of a pixel and written relative to the previous
//! point: a hundred runs of three hundred episodes take about 250 kB instead of a megabyte.

use std::fmt::Write as _;

use super::Color;
use super::marks::{Anchor, Mark, Page, Point, Sheet, Stroke, Text, Weight};

/// The viewer's sans-serif fonts, preferably of the widths used for the layout; the last four for Hangul.
const FAMILY: &str = "'Open Sans', 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Apple SD Gothic Neo', \
                      'Malgun Gothic', 'Noto Sans CJK KR', NanumSquare, sans-serif";

pub(super) fn write(page: &Page) -> String {
    let mut out = String::new();
    let Page { width, height, sheets } = page;
    let titles: Vec<&str> = sheets.iter().map(|sheet| sheet.title.as_str()).collect();
    // Writing into a string cannot fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FAMILY}\">\n\
         <title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        escaped(&titles.join("; ")),
    );
    for (panel, sheet) in sheets.iter().enumerate() {
        write_sheet(&mut out, sheet, panel);
    }
    out.push_str("</svg>\n");
    out
}

fn write_sheet(out: &mut String, sheet: &Sheet, panel: usize) {
    let [left, top, right, bottom] = sheet.clip;
    let id = clip_id(panel);
    let moved = panel > 0;
    if moved {
        let _ = writeln!(out, "<g transform=\"translate({} {})\">", tenths(sheet.at.0), tenths(sheet.at.1));
    }
    let _ = writeln!(
        out,
        "<clipPath id=\"{id}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>",
        tenths(left),
        tenths(top),
        tenths(right - left),
        tenths(bottom - top),
    );
    let clip = |clipped: bool| if clipped { format!(" clip-path=\"url(#{id})\"") } else { String::new() };
    for mark in &sheet.marks {
        match mark {
            Mark::Lines { lines, stroke, clipped } => write_lines(out, lines, stroke, &clip(*clipped)),
            Mark::Area { outline, color, alpha, clipped } => {
                let (path, clip) = (path(outline), clip(*clipped));
                let _ = writeln!(out, "<path{clip} fill=\"{}\" fill-opacity=\"{alpha}\" d=\"{path}z\"/>", hex(*color));
            }
            Mark::Dots { centers, radius, color, clipped } => {
                let _ =
                    writeln!(out, "<g{} fill=\"{}\" stroke=\"#fff\" stroke-width=\"1\">", clip(*clipped), hex(*color));
                for &(x, y) in centers {
                    let (x, y, radius) = (tenths(x), tenths(y), tenths(*radius));
                    let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>");
                }
                out.push_str("</g>\n");
            }
            Mark::Text(text) => write_text(out, text),
        }
    }
    if moved {
        out.push_str("</g>\n");
    }
}

/// The id of a panel's clipping path.
fn clip_id(panel: usize) -> String {
    if panel == 0 { "plot".to_owned() } else { format!("plot-{}", panel + 1) }
}

fn write_lines(out: &mut String, lines: &[Vec<Point>], stroke: &Stroke, clip: &str) {
    let Stroke { color, width, alpha, dash } = *stroke;
    let _ = write!(out, "<g{clip} fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"", hex(color));
    out.push_str(" stroke-linejoin=\"round\"");
    if alpha < 1.0 {
        let _ = write!(out, " stroke-opacity=\"{alpha:.3}\"");
    }
    if let Some([on, off]) = dash {
        let _ = write!(out, " stroke-dasharray=\"{on} {off}\"");
    }
    out.push_str(">\n");
    for line in lines {
        let _ = writeln!(out, "<path d=\"{}\"/>", path(line));
    }
    out.push_str("</g>\n");
}

fn write_text(out: &mut String, text: &Text) {
    let (x, y) = (tenths(text.at.0), tenths(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = if text.weight == Weight::Semibold { " font-weight=\"600\"" } else { "" };
    let turned = if text.upright { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{weight}{anchor}{turned} fill=\"{}\">{}</text>",
        text.size,
        hex(text.color),
        escaped(&text.words)
    );
}

/// Path data: the first point absolute, all others relative. Differences are taken between rounded coordinates, so that
/// rounding errors do not add up.
fn path(points: &[Point]) -> String {
    let mut data = String::new();
    let mut previous = (0, 0);
    for (i, &(x, y)) in points.iter().enumerate() {
        let here = ((x * 10.0).round() as i64, (y * 10.0).round() as i64);
        let (dx, dy) = (format_tenths(here.0 - previous.0), format_tenths(here.1 - previous.1));
        // A minus sign separates numbers as a space does.
        let space = |number: &str| if number.starts_with('-') { "" } else { " " };
        let before = match i {
            0 => "M",
            1 => "l",
            _ => space(&dx),
        };
        let _ = write!(data, "{before}{dx}{}{dy}", space(&dy));
        previous = here;
    }
    data
}

fn tenths(value: f64) -> String {
    format_tenths((value * 10.0).round() as i64)
}

fn format_tenths(value: i64) -> String {
    let (sign, whole, tenth) = (if value < 0 { "-" } else { "" }, value.abs() / 10, value.abs() % 10);
    match (whole, tenth) {
        (whole, 0) => format!("{}{whole}", if whole == 0 { "" } else { sign }),
        (0, tenth) => format!("{sign}.{tenth}"),
        (whole, tenth) => format!("{sign}{whole}.{tenth}"),
    }
}

pub(super) fn hex(Color(red, green, blue): Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Escapes text for an XML element. XML cannot represent most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
