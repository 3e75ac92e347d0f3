//! Draws a laid-out figure as PNG with tiny-skia, with letters as outlines of the embedded font.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Rect, Stroke as SkiaStroke, StrokeDash,
    Transform,
};

use super::marks::{Anchor, Mark, Page, Point, Sheet, Text};
use super::{Color, PNG_SCALE};
use crate::Error;
use quarl_render::font::Fonts;

/// Paints a page and compresses it.
pub(super) fn encode(page: &Page) -> Result<Vec<u8>, Error> {
    let failed = |message: String| {
        let titles: Vec<&str> = page.sheets.iter().map(|sheet| sheet.title.as_str()).collect();
        Error::Draw { what: format!("figure '{}' as PNG", titles.join("; ")), message }
    };
    let pixmap = paint(page, &Fonts::embedded()?).ok_or_else(|| failed("no memory for its pixels".to_owned()))?;
    // On an opaque background the pixels are opaque too, so three bytes each are enough.
    let rgb: Vec<u8> = pixmap.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut bytes = Vec::new();
    // One inch has 96 CSS pixels; PNG counts pixels per metre.
    let per_metre = (f64::from(96 * PNG_SCALE) / 0.0254).round() as u32;
    quarl_render::encode::encode(&mut bytes, (pixmap.width(), pixmap.height()), &rgb, Some(per_metre))
        .map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

/// Returns `None` if the pixels do not fit into memory.
fn paint(page: &Page, fonts: &Fonts) -> Option<Pixmap> {
    let mut pixmap = Pixmap::new(page.width * PNG_SCALE, page.height * PNG_SCALE)?;
    pixmap.fill(tiny_skia::Color::WHITE);
    page.sheets.iter().try_for_each(|sheet| paint_sheet(sheet, fonts, &mut pixmap))?;
    Some(pixmap)
}

fn paint_sheet(sheet: &Sheet, fonts: &Fonts, pixmap: &mut Pixmap) -> Option<()> {
    let scale = PNG_SCALE as f32;
    let zoom = Transform::from_scale(scale, scale).pre_translate(sheet.at.0 as f32, sheet.at.1 as f32);
    let mut plot = Mask::new(pixmap.width(), pixmap.height())?;
    let [left, top, right, bottom] = sheet.clip.map(|edge| edge as f32);
    let rect = PathBuilder::from_rect(Rect::from_ltrb(left, top, right, bottom)?);
    plot.fill_path(&rect, FillRule::Winding, true, zoom);
    let mask = |clipped: bool| clipped.then_some(&plot);

    // A mark of size 0 has no path, and draws nothing.
    for mark in &sheet.marks {
        match mark {
            Mark::Lines { lines, stroke, clipped } => {
                let paint = colored(stroke.color, stroke.alpha);
                let dash = stroke.dash.and_then(|dash| StrokeDash::new(dash.map(|x| x as f32).to_vec(), 0.0));
                let (line_cap, line_join) = (LineCap::Butt, LineJoin::Round);
                let stroke = SkiaStroke { width: stroke.width as f32, dash, line_cap, line_join, ..Default::default() };
                for path in lines.iter().filter_map(|line| polyline(line, false)) {
                    pixmap.stroke_path(&path, &paint, &stroke, zoom, mask(*clipped));
                }
            }
            Mark::Area { outline, color, alpha, clipped } => {
                if let Some(path) = polyline(outline, true) {
                    pixmap.fill_path(&path, &colored(*color, *alpha), FillRule::Winding, zoom, mask(*clipped));
                }
            }
            Mark::Dots { centers, radius, color, clipped } => {
                let rim = SkiaStroke { width: 1.0, ..Default::default() };
                for &(x, y) in centers {
                    if let Some(path) = PathBuilder::from_circle(x as f32, y as f32, *radius as f32) {
                        pixmap.fill_path(&path, &colored(*color, 1.0), FillRule::Winding, zoom, mask(*clipped));
                        pixmap.stroke_path(&path, &colored(Color(255, 255, 255), 1.0), &rim, zoom, mask(*clipped));
                    }
                }
            }
            Mark::Text(text) => paint_text(text, fonts, zoom, pixmap),
        }
    }
    Some(())
}

fn colored(Color(red, green, blue): Color, alpha: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Default::default() };
    paint.set_color_rgba8(red, green, blue, (alpha * 255.0).round() as u8);
    paint
}

fn polyline(points: &[Point], closed: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            builder.move_to(x as f32, y as f32);
        } else {
            builder.line_to(x as f32, y as f32);
        }
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

fn paint_text(text: &Text, fonts: &Fonts, zoom: Transform, pixmap: &mut Pixmap) {
    let scale = (text.size / fonts.units_per_em(text.weight)) as f32;
    let width = fonts.width(&text.words, text.weight, text.size) as f32;
    let back = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -width / 2.0,
        Anchor::End => -width,
    };
    let mut builder = PathBuilder::new();
    fonts.push_outlines(&text.words, text.weight, &mut builder, |x, y| (x, y));
    let Some(path) = builder.finish() else { return };
    // In a font, y points up.
    let mut transform = zoom.pre_translate(text.at.0 as f32, text.at.1 as f32);
    if text.upright {
        transform = transform.pre_concat(Transform::from_rotate(-90.0));
    }
    transform = transform.pre_translate(back, 0.0).pre_scale(scale, -scale);
    pixmap.fill_path(&path, &colored(text.color, 1.0), FillRule::Winding, transform, None);
}
