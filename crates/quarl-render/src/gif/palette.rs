//! A palette that grows as colours appear.

use std::collections::HashMap;

/// The index that means "unchanged". It is the first one, so that films of few colours need few bits per pixel.
pub(super) const TRANSPARENT: u8 = 0;
/// The number of colours besides [`TRANSPARENT`].
const CAPACITY: usize = 255;
/// How near (largest difference of a channel) a new colour must be to an existing one to share its index. The first
/// tolerance is not visible; the others are for films with more colours than the palette has.
const TOLERANCES: [u8; 6] = [6, 12, 24, 40, 64, 255];
/// The maximum number of colours whose index is stored: a film of photographs has millions of colours.
const MAX_INDEXED: usize = 1 << 16;

/// Up to 255 colours, and the index of each colour encountered so far.
#[derive(Default)]
pub(super) struct GrowingPalette {
    colors: Vec<[u8; 3]>,
    places: HashMap<[u8; 3], u8>,
}

impl GrowingPalette {
    /// Writes the palette index of each pixel of `rgb` into `places`.
    ///
    /// New colours are added in order of their number of pixels, so plain areas are exact, and blended edges share the
    /// remaining entries. A colour keeps its index, so still pictures stay unchanged.
    pub(super) fn place(&mut self, rgb: &[u8], places: &mut Vec<u8>) {
        if self.places.len() > MAX_INDEXED {
            self.places.clear();
        }
        self.add_colors(rgb);
        places.clear();
        places.reserve(rgb.len() / 3);
        for run in runs(rgb) {
            places.extend(std::iter::repeat_n(self.places[&run[0]], run.len()));
        }
    }

    fn add_colors(&mut self, rgb: &[u8]) {
        let mut new: HashMap<[u8; 3], usize> = HashMap::new();
        for run in runs(rgb).filter(|run| !self.places.contains_key(&run[0])) {
            *new.entry(run[0]).or_default() += run.len();
        }
        let mut new: Vec<_> = new.into_iter().collect();
        new.sort_unstable_by_key(|&(color, count)| (std::cmp::Reverse(count), color));
        // Some entries are reserved for later frames.
        let limit = (CAPACITY - self.colors.len()) * 3 / 4;
        let cover = TOLERANCES.iter().find_map(|tolerance| self.cover(&new, *tolerance, limit));
        self.colors.extend(cover.into_iter().flatten());
        for (color, _) in new {
            let nearest = (0..self.colors.len()).min_by_key(|place| distance(self.colors[*place], color)).unwrap_or(0);
            // At most 255, because there is room for 255 colours.
            self.places.insert(color, nearest as u8 + 1);
        }
    }

    /// The colours to add so that each of `new` is within `tolerance` of one, unless they are more than `limit`.
    fn cover(&self, new: &[([u8; 3], usize)], tolerance: u8, limit: usize) -> Option<Vec<[u8; 3]>> {
        let mut added = Vec::new();
        for &(color, _) in new {
            if !self.colors.iter().chain(&added).any(|known| distance(*known, color).0 <= tolerance) {
                added.push(color);
                if added.len() > limit {
                    return None;
                }
            }
        }
        Some(added)
    }

    /// The palette as stored in the file: 256 colours, the unused ones black.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 3];
        bytes.extend(self.colors.as_flattened());
        bytes.resize(768, 0);
        bytes
    }
}

/// Runs of equal pixels. Looking up each pixel separately would take most of the time.
fn runs(rgb: &[u8]) -> impl Iterator<Item = &[[u8; 3]]> {
    rgb.as_chunks::<3>().0.chunk_by(|a, b| a == b)
}

/// The largest difference of a channel, then the sum of all differences.
fn distance(a: [u8; 3], b: [u8; 3]) -> (u8, u16) {
    let differences = [a[0].abs_diff(b[0]), a[1].abs_diff(b[1]), a[2].abs_diff(b[2])];
    (differences.into_iter().max().unwrap_or(0), differences.into_iter().map(u16::from).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rgb: &[u8]) -> Vec<u8> {
        let (mut palette, mut places) = (GrowingPalette::default(), Vec::new());
        palette.place(rgb, &mut places);
        assert!(!places.contains(&TRANSPARENT));
        let bytes = palette.bytes();
        places.iter().flat_map(|place| bytes[usize::from(*place) * 3..][..3].to_vec()).collect()
    }

    #[test]
    fn a_palette_of_a_game_console_is_exact() {
        let rgb: Vec<u8> = (0..128u8).flat_map(|i| [(i % 8) * 32, (i / 8) * 16, 255 - i]).collect();
        assert_eq!(shown(&rgb), rgb);
    }

    #[test]
    fn frequent_colours_are_exact_and_their_neighbours_within_tolerance() {
        let mut rgb = [100, 100, 100].repeat(50);
        rgb.extend([104, 97, 100]);
        assert_eq!(shown(&rgb), [100, 100, 100].repeat(51));
    }

    #[test]
    fn any_number_of_colours_is_shown_nearly() {
        let rgb: Vec<u8> =
            (0..32u32 * 32 * 32).flat_map(|i| [i % 32 * 8, i / 32 % 32 * 8, i / 1024 * 8]).map(|x| x as u8).collect();
        let worst = shown(&rgb).iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(64), "{worst:?}");
    }
}
