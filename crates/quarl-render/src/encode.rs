//! PNG encoding, for figures and rendered environments.

use std::collections::HashMap;
use std::io::Write;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter, PixelDimensions, Unit};

/// Encodes pixels of three bytes each as PNG, with a palette if there are at most 256 colours.
pub fn encode(
    mut out: impl Write,
    (width, height): (u32, u32),
    rgb: &[u8],
    pixels_per_metre: Option<u32>,
) -> Result<(), EncodingError> {
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_pixel_dims(pixels_per_metre.map(|n| PixelDimensions { xppu: n, yppu: n, unit: Unit::Meter }));
    if let Some((palette, indices)) = indexed(rgb) {
        encoder.set_color(ColorType::Indexed);
        encoder.set_compression(Compression::High);
        encoder.set_palette(palette);
        // Neighbouring palette indices are not similar colours, so differences between them compress worse.
        encoder.set_filter(Filter::NoFilter);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&indices)?;
        writer.finish()?;
    } else {
        encoder.set_color(ColorType::Rgb);
        encoder.set_compression(Compression::Balanced);
        encoder.set_filter(Filter::Adaptive);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(rgb)?;
        writer.finish()?;
    }
    out.flush().map_err(EncodingError::IoError)
}

/// The palette and the index of each pixel; `None` for more than 256 colours.
fn indexed(rgb: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut palette = Vec::new();
    let mut known = HashMap::new();
    let mut indices = Vec::with_capacity(rgb.len() / 3);
    for pixel in rgb.chunks_exact(3) {
        let next = known.len();
        let index = *known.entry(pixel).or_insert_with(|| {
            palette.extend_from_slice(pixel);
            next
        });
        indices.push(u8::try_from(index).ok()?);
    }
    Some((palette, indices))
}
