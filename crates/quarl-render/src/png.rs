//! PNG files of frames.

use std::io::BufWriter;
use std::path::Path;

use ::png::EncodingError;

use super::pixels::{Frame, draw_error};
use crate::encode::encode;
use quarl_core::Error;
use quarl_core::atomic_write::AtomicFile;

/// Writes `frame` to `path` atomically; an existing file is replaced.
///
/// Pictures of up to 256 colours, such as most scenes, are stored with a palette, at about a third of the size.
///
/// # Errors
/// [`Error::Io`] when writing fails, [`Error::File`] when `path` is a directory, [`Error::Draw`] for a frame whose bytes do
/// not match its size.
pub fn write_png(path: impl AsRef<Path>, frame: &Frame) -> Result<(), Error> {
    let path = path.as_ref();
    frame.check()?;
    let mut target = AtomicFile::create(path)?;
    match encode(BufWriter::new(&mut target), (frame.width, frame.height), &frame.rgb, None) {
        Ok(()) => target.commit(),
        Err(EncodingError::IoError(error)) => Err(Error::io("write", path)(error)),
        Err(other) => Err(draw_error("a PNG", other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rasterize;
    use super::super::test_scenes::cart_pole;
    use super::*;
    use ::png::ColorType;
    use quarl_core::scene::Scene;

    fn read(path: &Path) -> (Frame, ColorType) {
        let mut decoder = ::png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
        decoder.set_transformations(::png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (Frame { width: info.width, height: info.height, rgb }, reader.info().color_type)
    }

    #[test]
    fn a_picture_reads_back_exactly() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cart.png");
        let frame = rasterize(&cart_pole(250.0, 0.1), 600, 400).unwrap();
        write_png(&path, &frame).unwrap();
        assert_eq!(read(&path), (frame, ColorType::Indexed));
        // 720 KB of pixels; 942 bytes when measured.
        assert!(std::fs::metadata(&path).unwrap().len() < 1_500);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "no temporary file may stay");
    }

    #[test]
    fn a_picture_of_many_colours_reads_back_exactly() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("many.png");
        let rgb = (0..40 * 30).flat_map(|i| [(i / 5) as u8, (i % 251) as u8, (i * 7) as u8]).collect();
        let frame = rasterize(&Scene::Pixels { width: 40, height: 30, rgb }, 40, 30).unwrap();
        write_png(&path, &frame).unwrap();
        assert_eq!(read(&path), (frame, ColorType::Rgb));
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let frame = Frame::new(2, 2).unwrap();
        assert!(matches!(write_png(directory.path(), &frame), Err(Error::File { .. })));
        assert!(matches!(write_png(directory.path().join("no/such/a.png"), &frame), Err(Error::Io { .. })));
        let damaged = Frame { width: 9, ..frame };
        assert!(matches!(write_png(directory.path().join("a.png"), &damaged), Err(Error::Draw { .. })));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    }
}
