//! Scales pictures.

/// The largest size with the proportions of `width` x `height` that fits into `max_width` x `max_height`; at least one
/// pixel per side, unless the maximum is 0.
pub(super) fn fit(width: f64, height: f64, max_width: u32, max_height: u32) -> (u32, u32) {
    let scale = (f64::from(max_width) / width).min(f64::from(max_height) / height);
    let side = |length: f64, max: u32| ((length * scale).round() as u32).clamp(1, max.max(1));
    (side(width, max_width), side(height, max_height))
}

/// Scales pictures by exact area coverage, and reuses its buffers.
///
/// Each target pixel is the mean of the source area under it, where source pixels are squares. Shrinking averages;
/// enlarging keeps the squares of a small picture sharp, which suits an 84 x 84 game screen.
#[derive(Default)]
pub(super) struct Resampler {
    columns: Vec<f32>,
    row: Vec<f32>,
}

impl Resampler {
    /// Scales `source` (`source_size` = width, height; RGB) to `width` x `height`, and calls `put` with each row, from the
    /// top.
    pub(super) fn scale(
        &mut self,
        source: &[u8],
        source_size: (u32, u32),
        (width, height): (u32, u32),
        mut put: impl FnMut(u32, &mut dyn Iterator<Item = u8>),
    ) {
        let row_length = width as usize * 3;
        self.columns.clear();
        for source_row in source.chunks_exact(source_size.0 as usize * 3) {
            for x in 0..width {
                let mut sum = [0.0f32; 3];
                for (source_x, weight) in coverage(x, width, source_size.0) {
                    let at = source_x as usize * 3;
                    for (sum, &value) in sum.iter_mut().zip(&source_row[at..at + 3]) {
                        *sum += weight * f32::from(value);
                    }
                }
                self.columns.extend(sum);
            }
        }
        for y in 0..height {
            self.row.clear();
            self.row.resize(row_length, 0.0);
            for (source_y, weight) in coverage(y, height, source_size.1) {
                let at = source_y as usize * row_length;
                for (sum, value) in self.row.iter_mut().zip(&self.columns[at..at + row_length]) {
                    *sum += weight * value;
                }
            }
            put(y, &mut self.row.iter().map(|value| value.round() as u8));
        }
    }
}

/// The source pixels under target pixel `at`, each with its share (the shares sum to one).
fn coverage(at: u32, target: u32, source: u32) -> impl Iterator<Item = (u32, f32)> {
    let scale = f64::from(source) / f64::from(target);
    let (from, to) = (f64::from(at) * scale, f64::from(at + 1) * scale);
    let first = (from.floor() as u32).min(source - 1);
    let end = (to.ceil() as u32).clamp(first + 1, source);
    (first..end).map(move |pixel| {
        let covered = to.min(f64::from(pixel + 1)) - from.max(f64::from(pixel));
        (pixel, (covered / scale).max(0.0) as f32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(source: &[u8], source_size: (u32, u32), size: (u32, u32)) -> Vec<u8> {
        let mut scaled = Vec::new();
        Resampler::default().scale(source, source_size, size, |_, row| scaled.extend(row));
        scaled
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let source: Vec<u8> = (0..7 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
        assert_eq!(scale(&source, (7, 5), (7, 5)), source);
    }

    #[test]
    fn enlarging_keeps_squares_sharp() {
        let scaled = scale(&[0, 10, 20, 200, 210, 220], (2, 1), (4, 1));
        assert_eq!(scaled, [0, 10, 20, 0, 10, 20, 200, 210, 220, 200, 210, 220]);
    }

    #[test]
    fn shrinking_averages_by_area() {
        // Three pixels into two: the middle one is shared, so (2 * 0 + 90) / 3 and (90 + 2 * 240) / 3.
        assert_eq!(scale(&[0, 0, 0, 90, 90, 90, 240, 240, 240], (3, 1), (2, 1)), [30, 30, 30, 190, 190, 190]);
    }

    #[test]
    fn fitting_keeps_proportions_and_at_least_a_pixel() {
        assert_eq!(fit(600.0, 400.0, 300, 300), (300, 200));
        assert_eq!(fit(600.0, 400.0, 1000, 200), (300, 200));
        assert_eq!(fit(1e6, 1.0, 10, 10), (10, 1));
    }
}
