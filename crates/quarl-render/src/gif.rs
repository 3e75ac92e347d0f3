//! GIF files, written frame by frame.
//!
//! Files are kept small in three ways. One palette serves the whole film; it grows as colours appear, and is written to its
//! place in the file at the end. Of each frame, only the rectangle that changed is stored, and within it unchanged pixels
//! are transparent where that is shorter. A frame without any change is not stored.

mod palette;

use std::borrow::Cow;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ::gif::{Encoder, EncodingError, Frame as Block, Repeat};

use self::palette::{GrowingPalette, TRANSPARENT};
use super::pixels::{Frame, draw_error};
use quarl_core::Error;
use quarl_core::atomic_write::AtomicFile;

/// The position of the global palette in a GIF: after the signature (6 bytes) and the screen descriptor (7).
const PALETTE_AT: u64 = 13;
/// The minimum delay in 1/100 s: browsers show a frame with a shorter one for 10/100 s.
const SHORTEST_DELAY: u64 = 2;
/// A delay is stored in 16 bits; a longer one is split into parts of at most this length.
const LONG_DELAY: u64 = 60_000;

/// Writes a GIF that repeats forever.
///
/// The file appears under its name, complete, with [`GifWriter::finish`]. A writer dropped before leaves no file.
///
/// ```no_run
/// # fn main() -> Result<(), quarl::Error> {
/// # let scenes: Vec<quarl::render::Scene> = vec![];
/// use quarl::render::{GifWriter, rasterize};
///
/// let mut film = GifWriter::create("cart.gif", (600, 400), 50.0)?;
/// for scene in &scenes {
///     film.push(&rasterize(scene, 600, 400)?)?;
/// }
/// film.finish()
/// # }
/// ```
pub struct GifWriter {
    out: Encoder<BufWriter<AtomicFile>>,
    path: PathBuf,
    size: (u16, u16),
    fps: f64,
    palette: GrowingPalette,
    /// The number of frames pushed so far, stored or not.
    pushed: u64,
    /// The picture after `waiting`, as palette indices.
    shown: Vec<u8>,
    next: Vec<u8>,
    /// The last block and when it starts (1/100 s). Its duration is known when the next one starts.
    waiting: Option<(Block<'static>, u64)>,
}

impl GifWriter {
    /// Starts a film of `size` (width, height in pixels) at `fps` frames per second.
    ///
    /// GIF times are multiples of 1/100 s: frames start at the nearest hundredth, so the speed is right on average for
    /// every `fps`. Above 50 frames per second, which browsers do not show, frames are left out.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be created, [`Error::Draw`] when a side is not from 1 to 65535 or `fps` is not
    /// from 0.01 to 1000.
    pub fn create(path: impl AsRef<Path>, size: (u32, u32), fps: f64) -> Result<Self, Error> {
        let (Ok(width @ 1..), Ok(height @ 1..)) = (u16::try_from(size.0), u16::try_from(size.1)) else {
            let message = format!("{} x {} pixels: each side must be 1 to 65535", size.0, size.1);
            return Err(draw_error("a GIF", message));
        };
        if !(0.01..=1000.0).contains(&fps) {
            return Err(draw_error("a GIF", format!("{fps} frames per second: choose a number from 0.01 to 1000")));
        }
        let path = path.as_ref().to_owned();
        let failed = |error| gif_error(&path, error);
        let mut out =
            Encoder::new(BufWriter::new(AtomicFile::create(&path)?), width, height, &[0; 768]).map_err(failed)?;
        out.set_repeat(Repeat::Infinite).map_err(failed)?;
        let (shown, next, palette) = (Vec::new(), Vec::new(), GrowingPalette::default());
        Ok(Self { out, path, size: (width, height), fps, palette, pushed: 0, shown, next, waiting: None })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// [`Error::Draw`] when its size is not the film's, [`Error::Io`] when writing fails.
    pub fn push(&mut self, frame: &Frame) -> Result<(), Error> {
        frame.check()?;
        if (frame.width, frame.height) != (self.size.0.into(), self.size.1.into()) {
            let (width, height) = self.size;
            let message = format!("a frame of {} x {} in a film of {width} x {height}", frame.width, frame.height);
            return Err(draw_error("a GIF", message));
        }
        let now = self.now();
        self.pushed += 1;
        if self.waiting.as_ref().is_some_and(|(_, start)| now < start + SHORTEST_DELAY) {
            return Ok(());
        }
        self.palette.place(&frame.rgb, &mut self.next);
        let block = if self.waiting.is_none() {
            Some(block((0, 0), self.size, self.next.clone()))
        } else {
            changed_part(&self.shown, &self.next, self.size.0)
        };
        if let Some(block) = block {
            self.write_waiting(now)?;
            self.waiting = Some((block, now));
            std::mem::swap(&mut self.shown, &mut self.next);
        }
        Ok(())
    }

    /// Ends the film and renames the file to its final name.
    ///
    /// # Errors
    /// [`Error::Draw`] for a film without frames, [`Error::Io`] when writing fails.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.waiting.is_none() {
            return Err(draw_error("a GIF", "it has no frames".into()));
        }
        self.write_waiting(self.now())?;
        let path = self.path;
        let buffered = self.out.into_inner().map_err(|error| gif_error(&path, error))?;
        let mut file = buffered.into_inner().map_err(|failed| Error::io("write", &path)(failed.into_error()))?;
        let patched = file.seek(SeekFrom::Start(PALETTE_AT)).and_then(|_| file.write_all(&self.palette.bytes()));
        patched.map_err(Error::io("write", &path))?;
        file.commit()
    }

    /// When the next frame starts, in 1/100 s.
    fn now(&self) -> u64 {
        (self.pushed as f64 * 100.0 / self.fps).round() as u64
    }

    /// Writes the last block, which ends at `end`.
    fn write_waiting(&mut self, end: u64) -> Result<(), Error> {
        let Some((mut block, start)) = self.waiting.take() else { return Ok(()) };
        let mut rest = end.saturating_sub(start).max(SHORTEST_DELAY);
        while rest > u64::from(u16::MAX) {
            block.delay = LONG_DELAY as u16;
            self.out.write_lzw_pre_encoded_frame(&block).map_err(|error| gif_error(&self.path, error))?;
            rest -= LONG_DELAY;
            block = self::block((0, 0), (1, 1), vec![TRANSPARENT]);
        }
        block.delay = rest as u16;
        self.out.write_lzw_pre_encoded_frame(&block).map_err(|error| gif_error(&self.path, error))
    }
}

/// The smallest block that turns `shown` into `next` (`width` columns each), or `None` if they are equal.
fn changed_part(shown: &[u8], next: &[u8], width: u16) -> Option<Block<'static>> {
    let columns = usize::from(width);
    let (mut left, mut right, mut top, mut bottom) = (columns, 0, None, 0);
    for (y, (old, new)) in shown.chunks_exact(columns).zip(next.chunks_exact(columns)).enumerate() {
        let differs = |(old, new): (&u8, &u8)| old != new;
        let Some(first) = old.iter().zip(new).position(differs) else { continue };
        let last = old.iter().zip(new).rposition(differs).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        top = top.or(Some(y));
        bottom = y + 1;
    }
    let top = top?;
    let (mut plain, mut masked) = (Vec::new(), Vec::new());
    for y in top..bottom {
        let row = y * columns + left..y * columns + right;
        plain.extend_from_slice(&next[row.clone()]);
        let pixels = shown[row.clone()].iter().zip(&next[row]);
        masked.extend(pixels.map(|(old, new)| if old == new { TRANSPARENT } else { *new }));
    }
    let (corner, size) = ((left as u16, top as u16), ((right - left) as u16, (bottom - top) as u16));
    // Transparent pixels usually make longer runs, except where they interrupt a plain area.
    let (plain, masked) = (block(corner, size, plain), block(corner, size, masked));
    Some(if plain.buffer.len() < masked.buffer.len() { plain } else { masked })
}

fn block((left, top): (u16, u16), (width, height): (u16, u16), pixels: Vec<u8>) -> Block<'static> {
    let buffer = Cow::Owned(pixels);
    let mut block = Block { left, top, width, height, buffer, transparent: Some(TRANSPARENT), ..Block::default() };
    block.make_lzw_pre_encoded();
    block
}

fn gif_error(path: &Path, error: EncodingError) -> Error {
    match error {
        EncodingError::Io(error) => Error::io("write", path)(error),
        other => draw_error("a GIF", other.to_string()),
    }
}

#[cfg(test)]
mod tests;
