//! Reads files that may be anything: only regular files, so that a named pipe or a device cannot block or feed the reader forever.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::Error;
use crate::memory::available;

/// The size in bytes from which a file is compared with the available memory before it is read.
const LARGE: u64 = 1 << 28;

/// The bytes of a file.
///
/// # Errors
/// [`Error::File`] where this is not a regular file, or is larger than the available memory; [`Error::Io`] where it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut file = open(path)?;
    check_memory(path, &file)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// Those of [`read`], and [`Error::File`] where the file is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path)?)
        .map_err(|_| Error::File { path: path.to_owned(), message: "this is not a text file (UTF-8)".to_owned() })
}

/// [`read_text`]; `None` if there is no file.
pub fn read_text_if_exists(path: &Path) -> Result<Option<String>, Error> {
    match read_text(path) {
        Err(Error::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some),
    }
}

/// [`open`]; `None` if there is no file.
pub fn open_if_exists(path: &Path) -> Result<Option<File>, Error> {
    match open(path) {
        Err(Error::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

/// At most `most` bytes after the first `offset` of a file that grows, whose last line before them was `last`. `None` if that line is no
/// longer there: the file was removed, or replaced by another one.
///
/// # Errors
/// Those of [`read`].
pub fn read_appended(path: &Path, offset: u64, last: &[u8], most: u64) -> Result<Option<Vec<u8>>, Error> {
    // Opened for each call: an open file could not be replaced on Windows.
    let Some(mut file) = open_if_exists(path)? else { return Ok((offset == 0).then(Vec::new)) };
    let before = last.len() as u64;
    let mut bytes = Vec::new();
    let start = SeekFrom::Start(offset.saturating_sub(before));
    let read = file.seek(start).and_then(|_| file.take(most.saturating_add(before)).read_to_end(&mut bytes));
    read.map_err(Error::io("read", path))?;
    Ok(bytes.starts_with(last).then(|| bytes.split_off(last.len())))
}

/// Refuses a file that does not fit into memory: a sparse file can announce any size.
fn check_memory(path: &Path, file: &File) -> Result<(), Error> {
    let len = file.metadata().map_err(Error::io("read", path))?.len();
    if len > LARGE
        && let Some(available) = available().filter(|available| len > *available)
    {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let message = format!(
            "reading it needs {:.1} GiB of memory, but only {:.1} GiB is available: the file may be damaged",
            gib(len),
            gib(available)
        );
        return Err(Error::File { path: path.to_owned(), message });
    }
    Ok(())
}

/// Opens a regular file, or a link to one. Opening a named pipe would wait for its writer, so the kind is checked before.
///
/// # Errors
/// Those of [`read`].
pub fn open(path: &Path) -> Result<File, Error> {
    let metadata = path.metadata().map_err(Error::io("read", path))?;
    if metadata.is_file() {
        return File::open(path).map_err(Error::io("read", path));
    }
    let what = if metadata.is_dir() { "a directory" } else { "a device or a pipe" };
    Err(Error::File { path: path.to_owned(), message: format!("this is {what}; a file is needed") })
}
