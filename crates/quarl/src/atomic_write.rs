//! Atomic writes: a file appears with all of its bytes, or keeps those that it had.
//!
//! The bytes go to a temporary file in the same directory, are synchronised with the disk, and the file is renamed.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// What a temporary file's name ends with; it begins with a dot and the final name.
pub(crate) const SUFFIX: &str = ".part";

/// A file that appears at `path` on [`AtomicFile::commit`]. Dropped before, it leaves `path` as it was.
pub(crate) struct AtomicFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl AtomicFile {
    /// Opens a temporary file in the directory of `path`.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::File { path: path.to_owned(), message: "this is not the name of a file".into() });
        };
        if path.is_dir() {
            return Err(Error::File {
                path: path.to_owned(),
                message: "this is a directory; name a file in it".into(),
            });
        }
        // The parent of a bare name is the empty path, which the system does not take for the current directory.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let prefix = format!(".{}.", name.to_string_lossy());
        // Opened here, not by tempfile: its own files are private, and its errors tell the temporary name.
        let open = |temporary: &Path| OpenOptions::new().read(true).write(true).create_new(true).open(temporary);
        let file = tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).make_in(directory, open);
        let file = file.map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Renames the file to its final name.
    pub(crate) fn commit(self) -> Result<(), Error> {
        let Self { path, file } = self;
        // Without this a power cut just after the rename could leave the name with nothing behind it.
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        file.persist(&path).map_err(|failed| Error::io("write", &path)(failed.error))?;
        Ok(())
    }
}

// Through the file itself: the errors of `NamedTempFile` tell the temporary name.
impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.as_file_mut().seek(to)
    }
}

/// Writes `bytes` to `path`: afterwards it holds all of them, or what it held before.
pub(crate) fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_a_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        atomic_write(&path, b"first").unwrap();
        let mut second = AtomicFile::create(&path).unwrap();
        second.write_all(b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no temporary file stays");
        atomic_write(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
    }

    #[test]
    fn an_error_names_the_file_once_and_not_the_temporary_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent/model.safetensors");
        let error = atomic_write(&path, b"").unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(&format!("cannot create {}: ", path.display())), "{message}");
        assert!(!message.contains(SUFFIX), "{message}");
        assert_eq!(message.matches("(os error").count(), 1, "{message}");
        assert!(error.source().is_none(), "a caller that prints the chain of causes would print it twice");
    }
}
