//! Shrinks a picture without losing its thin lines.

use std::collections::HashMap;

use super::super::pixels::Frame;

/// A colour that differs by more than this from the background (largest difference of a channel) counts as drawn.
const DRAWN: u8 = 16;
/// The factor by which drawn pixels count more than their area.
const BOLDNESS: f64 = 1.6;

/// Scales an RGB picture to `width` x `height`.
///
/// Averaging would fade a line of one pixel in ten to a tenth of its colour. Drawn pixels (those that differ from the
/// background, the most frequent colour) therefore count with [`BOLDNESS`] times the square root of their share of the
/// area: a tenth becomes a half, and two fifths or more cover the pixel.
pub(super) fn shrink(source_size: (u32, u32), rgb: &[u8], (width, height): (u32, u32)) -> Frame {
    if source_size == (width, height) {
        return Frame { width, height, rgb: rgb.to_vec() };
    }
    let pixels = rgb.as_chunks::<3>().0;
    let ground = ground(rgb);
    let mut shrunk = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let (mut drawn, mut drawn_sum, mut ground_sum, mut all) = (0u64, [0u64; 3], [0u64; 3], 0u64);
            for source_y in under(y, height, source_size.1) {
                let row = source_y as usize * source_size.0 as usize;
                for source_x in under(x, width, source_size.0) {
                    let pixel = pixels[row + source_x as usize];
                    let is_drawn = difference(pixel, ground) > DRAWN;
                    let sum = if is_drawn { &mut drawn_sum } else { &mut ground_sum };
                    sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(value));
                    drawn += u64::from(is_drawn);
                    all += 1;
                }
            }
            let mean = |sum: u64, count: u64| sum as f64 / count.max(1) as f64;
            let share = (BOLDNESS * (drawn as f64 / all as f64).sqrt()).min(1.0);
            for (drawn_sum, ground_sum) in drawn_sum.into_iter().zip(ground_sum) {
                let value = share * mean(drawn_sum, drawn) + (1.0 - share) * mean(ground_sum, all - drawn);
                shrunk.push(value.round() as u8);
            }
        }
    }
    Frame { width, height, rgb: shrunk }
}

/// The most frequent colour; the darkest among equals.
pub(super) fn ground(rgb: &[u8]) -> [u8; 3] {
    let mut counts: HashMap<[u8; 3], usize> = HashMap::new();
    for run in rgb.as_chunks::<3>().0.chunk_by(|a, b| a == b) {
        *counts.entry(run[0]).or_default() += run.len();
    }
    let most = counts.into_iter().max_by_key(|(color, count)| (*count, std::cmp::Reverse(*color)));
    most.map_or([0; 3], |(color, _)| color)
}

/// The largest difference of a channel.
pub(super) fn difference(a: [u8; 3], b: [u8; 3]) -> u8 {
    a.into_iter().zip(b).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

/// The source pixels under target pixel `at`, at least one.
fn under(at: u32, target: u32, source: u32) -> std::ops::Range<u32> {
    let border = |at: u32| u64::from(at) * u64::from(source);
    let first = border(at) / u64::from(target);
    let end = border(at + 1).div_ceil(u64::from(target));
    first as u32..end as u32
}
