//! Draws scenes: shapes as anti-aliased pixels, finished pictures by scaling.

use tiny_skia::{FillRule, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform};

use super::resample::{Resampler, fit};
use crate::font::{Fonts, Weight};
use quarl_core::Error;
use quarl_core::scene::{Color, Scene, Shape};

/// The maximum side of a frame, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The maximum number of pixels in a frame: 8192 x 8192.
const MAX_PIXELS: u64 = 1 << 26;
/// The minimum thickness of lines and slender polygons in pixels, so that they are visible in small pictures.
const MIN_THICKNESS: f32 = 1.0;

/// A picture of pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Red, green, blue for each pixel, row by row from the top: `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// A black frame.
    ///
    /// # Errors
    /// [`Error::Draw`] when a side is zero or longer than 16,384 pixels, or there are more than 2^26 pixels.
    pub fn new(width: u32, height: u32) -> Result<Self, Error> {
        check_size(width, height)?;
        Ok(Self { width, height, rgb: vec![0; width as usize * height as usize * 3] })
    }

    /// The colour at column `x` and row `y`, counted from the top left, or `None` outside the frame.
    #[cfg(test)]
    pub(super) fn pixel(&self, x: u32, y: u32) -> Option<Color> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb.get(at..at + 3).map(|rgb| Color(rgb[0], rgb[1], rgb[2]))
    }

    /// Writes the pixels as `0x00RRGGBB`, the format of window systems. Further elements of `xrgb` stay unchanged.
    pub fn write_xrgb(&self, xrgb: &mut [u32]) {
        for (pixel, rgb) in xrgb.iter_mut().zip(self.rgb.as_chunks::<3>().0) {
            *pixel = u32::from_be_bytes([0, rgb[0], rgb[1], rgb[2]]);
        }
    }

    /// Refuses a frame whose bytes do not match its size.
    pub(super) fn check(&self) -> Result<(), Error> {
        check_size(self.width, self.height)?;
        check_bytes("a frame", (self.width, self.height), self.rgb.len())
    }
}

/// Draws `scene` as large as it fits into `width` x `height`, centred; the margins have the background colour.
///
/// # Errors
/// [`Error::Draw`] for a size that frames do not have (see [`Frame::new`]), and for an invalid scene: sides that are not
/// positive, coordinates that are not finite, a picture whose bytes do not match its size.
pub fn rasterize(scene: &Scene, width: u32, height: u32) -> Result<Frame, Error> {
    let mut frame = Frame::new(width, height)?;
    Rasterizer::default().draw(scene, &mut frame)?;
    Ok(frame)
}

/// Draws successive scenes and reuses its buffers, for films and live display.
#[derive(Default)]
pub struct Rasterizer {
    canvas: Option<Pixmap>,
    path: PathBuilder,
    resampler: Resampler,
}

impl Rasterizer {
    /// Draws `scene` into `frame`, at the frame's size, replacing its contents.
    ///
    /// # Errors
    /// Those of [`rasterize`].
    pub fn draw(&mut self, scene: &Scene, frame: &mut Frame) -> Result<(), Error> {
        check_size(frame.width, frame.height)?;
        let (scene_width, scene_height) = check_scene(scene)?;
        frame.rgb.resize(frame.width as usize * frame.height as usize * 3, 0);
        let (width, height) = fit(scene_width, scene_height, frame.width, frame.height);
        let (left, top) = ((frame.width - width) / 2, (frame.height - height) / 2);

        let around = match scene {
            Scene::Shapes { background, .. } => *background,
            Scene::Pixels { .. } => Color(0, 0, 0),
        };
        if (width, height) != (frame.width, frame.height) {
            frame.rgb.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&[around.0, around.1, around.2]));
        }
        let frame_width = frame.width as usize;
        let row = |y: u32| {
            let at = ((top + y) as usize * frame_width + left as usize) * 3;
            at..at + width as usize * 3
        };
        match scene {
            Scene::Shapes { background, shapes, .. } => {
                // Drawn on a canvas of the scene's size, so that nothing outside the scene appears in the margins.
                let canvas = canvas_of(&mut self.canvas, width, height)?;
                canvas.fill(paint_color(*background));
                let scale = (f64::from(width) / scene_width, f64::from(height) / scene_height);
                let view = View { scale, height: height.into() };
                for shape in shapes {
                    draw_shape(canvas, &mut self.path, shape, view)?;
                }
                for (y, drawn) in canvas.data().chunks_exact(width as usize * 4).enumerate() {
                    for (pixel, rgba) in frame.rgb[row(y as u32)].chunks_exact_mut(3).zip(drawn.chunks_exact(4)) {
                        pixel.copy_from_slice(&rgba[..3]);
                    }
                }
            }
            Scene::Pixels { width: w, height: h, rgb } => {
                self.resampler.scale(rgb, (*w, *h), (width, height), |y, scaled| {
                    frame.rgb[row(y)].iter_mut().zip(scaled).for_each(|(byte, value)| *byte = value);
                });
            }
        }
        Ok(())
    }
}

/// The cached canvas if it has the right size, otherwise a new one.
fn canvas_of(kept: &mut Option<Pixmap>, width: u32, height: u32) -> Result<&mut Pixmap, Error> {
    if kept.as_ref().is_none_or(|canvas| (canvas.width(), canvas.height()) != (width, height)) {
        *kept = Pixmap::new(width, height);
    }
    kept.as_mut().ok_or_else(|| draw_error("a scene", format!("no canvas of {width} x {height} pixels can be made")))
}

/// The transformation from the scene's coordinates to pixels.
#[derive(Clone, Copy)]
struct View {
    scale: (f64, f64),
    height: f64,
}

impl View {
    fn point(self, (x, y): (f32, f32)) -> (f32, f32) {
        (within_reach(f64::from(x) * self.scale.0), within_reach(self.height - f64::from(y) * self.scale.1))
    }

    fn length(self, length: f32) -> f32 {
        within_reach(f64::from(length) * self.scale.0.min(self.scale.1))
    }
}

/// Limits coordinates far outside the picture, where tiny-skia's fixed-point numbers overflow (its issue 167).
fn within_reach(pixels: f64) -> f32 {
    pixels.clamp(-30_000.0, 30_000.0) as f32
}

fn draw_shape(canvas: &mut Pixmap, builder: &mut PathBuilder, shape: &Shape, view: View) -> Result<(), Error> {
    let mut path = std::mem::take(builder);
    let (color, line_width) = match shape {
        Shape::Polygon { points, color } => {
            push_points(&mut path, points, view);
            path.close();
            // A slender polygon gets an outline that makes it thick enough.
            (*color, MIN_THICKNESS - thickness(points, view))
        }
        Shape::Circle { center, radius, color } => {
            let (x, y) = view.point(*center);
            path.push_circle(x, y, view.length(*radius));
            (*color, 0.0)
        }
        Shape::Polyline { points, width, color } => {
            push_points(&mut path, points, view);
            (*color, view.length(*width).max(MIN_THICKNESS))
        }
        Shape::Text { center, size, words, color } => {
            push_text(&mut path, view.point(*center), view.length(size.max(0.0)), words)?;
            (*color, 0.0)
        }
    };
    // Nothing to draw: no points, or all at one place.
    let Some(path) = path.finish() else { return Ok(()) };
    let mut paint = Paint::default();
    paint.set_color(paint_color(color));
    if !matches!(shape, Shape::Polyline { .. }) {
        canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }
    if line_width > 0.0 {
        let stroke = Stroke { width: line_width, line_join: LineJoin::Round, ..Stroke::default() };
        canvas.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
    }
    *builder = path.clear();
    Ok(())
}

/// Adds the outlines of a line of text whose centre is `center`, in pixels.
fn push_text(path: &mut PathBuilder, center: (f32, f32), size: f32, words: &str) -> Result<(), Error> {
    /// The height of a capital letter or a digit, as a fraction of the font size.
    const CAPITAL: f32 = 0.714;
    let (fonts, weight) = (Fonts::embedded()?, Weight::Regular);
    let scale = size / fonts.units_per_em(weight) as f32;
    let left = center.0 - fonts.width(words, weight, f64::from(size)) as f32 / 2.0;
    let baseline = center.1 + CAPITAL * size / 2.0;
    fonts.push_outlines(words, weight, path, |x, y| {
        (within_reach(f64::from(left + x * scale)), within_reach(f64::from(baseline - y * scale)))
    });
    Ok(())
}

fn push_points(path: &mut PathBuilder, points: &[(f32, f32)], view: View) {
    for (i, point) in points.iter().enumerate() {
        let (x, y) = view.point(*point);
        if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
    }
}

/// The thickness of a slender polygon in pixels: twice its area over its perimeter.
fn thickness(points: &[(f32, f32)], view: View) -> f32 {
    let (mut twice_the_area, mut perimeter) = (0.0, 0.0);
    for (i, a) in points.iter().enumerate() {
        let (a, b) = (view.point(*a), view.point(points[(i + 1) % points.len()]));
        twice_the_area += a.0 * b.1 - b.0 * a.1;
        perimeter += (b.0 - a.0).hypot(b.1 - a.1);
    }
    if perimeter > 0.0 { twice_the_area.abs() / perimeter } else { 0.0 }
}

fn paint_color(Color(r, g, b): Color) -> tiny_skia::Color {
    tiny_skia::Color::from_rgba8(r, g, b, 255)
}

/// Refuses an invalid scene; returns the size of a valid one.
pub(super) fn check_scene(scene: &Scene) -> Result<(f64, f64), Error> {
    match scene {
        Scene::Shapes { width, height, shapes, .. } => {
            if !(*width > 0.0 && *height > 0.0 && width.is_finite() && height.is_finite()) {
                return Err(draw_error("a scene", format!("its size is {width} x {height}, which is not positive")));
            }
            for (i, shape) in shapes.iter().enumerate() {
                let finite = |points: &[(f32, f32)]| points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
                let (what, drawable) = match shape {
                    Shape::Polygon { points, .. } => ("a polygon", finite(points)),
                    Shape::Circle { center, radius, .. } => ("a circle", finite(&[*center, (*radius, 0.0)])),
                    Shape::Polyline { points, width, .. } => ("a line", finite(points) && width.is_finite()),
                    Shape::Text { center, size, .. } => ("a text", finite(&[*center, (*size, 0.0)])),
                };
                if !drawable {
                    return Err(draw_error(
                        what,
                        format!("shape {i} of the scene has a coordinate that is not finite"),
                    ));
                }
            }
            Ok((f64::from(*width), f64::from(*height)))
        }
        Scene::Pixels { width, height, rgb } => {
            if *width == 0 || *height == 0 {
                return Err(draw_error("a picture", format!("it has {width} x {height} pixels")));
            }
            check_bytes("a picture", (*width, *height), rgb.len())?;
            Ok((f64::from(*width), f64::from(*height)))
        }
    }
}

fn check_size(width: u32, height: u32) -> Result<(), Error> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        let message = format!(
            "{width} x {height} pixels: each side must be 1 to {MAX_SIDE}, and there can be {MAX_PIXELS} pixels in all"
        );
        return Err(draw_error("a frame", message));
    }
    Ok(())
}

fn check_bytes(what: &str, (width, height): (u32, u32), bytes: usize) -> Result<(), Error> {
    let expected = u128::from(width) * u128::from(height) * 3;
    if bytes as u128 != expected {
        let message = format!("{width} x {height} RGB pixels are {expected} bytes, but there are {bytes}");
        return Err(draw_error(what, message));
    }
    Ok(())
}

/// The error type of all refusals here.
#[doc(hidden)] // for recordings
pub fn draw_error(what: &str, message: String) -> Error {
    Error::Draw { what: what.into(), message }
}

#[cfg(test)]
mod tests;
