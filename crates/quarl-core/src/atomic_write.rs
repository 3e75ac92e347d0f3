//! Atomic file writes: a file has all of its new bytes, or keeps its old ones.
//!
//! The bytes are written to a temporary file in the same directory and synchronised with the disk; then the file is
//! renamed.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// The suffix of a temporary file's name, which consists of a dot, the final name, random characters and this suffix.
pub const SUFFIX: &str = ".part";

/// A file that is renamed to `path` by [`AtomicFile::commit`]. If it is dropped before, `path` is unchanged.
pub struct AtomicFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl AtomicFile {
    /// Opens a temporary file in the directory of `path`.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::File { path: path.to_owned(), message: "this is not a file name".into() });
        };
        if path.is_dir() {
            return Err(Error::File {
                path: path.to_owned(),
                message: "this is a directory; give the path of a file in it".into(),
            });
        }
        // The parent of a bare file name is the empty path, which the system does not accept as the current directory.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let prefix = format!(".{}.", name.to_string_lossy());
        // Opened here instead of by tempfile, whose files are private and whose errors contain the temporary name.
        let open = |temporary: &Path| OpenOptions::new().read(true).write(true).create_new(true).open(temporary);
        let file = tempfile::Builder::new().prefix(&prefix).suffix(SUFFIX).make_in(directory, open);
        let file = file.map_err(Error::io("create", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// [`AtomicFile::commit`] for a path where nothing is. Another process cannot come in between: the system itself refuses to
    /// replace what is there.
    fn commit_new(self) -> Result<(), Error> {
        let Self { path, file } = self;
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        match file.persist_noclobber(&path) {
            Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => Err(Error::Exists { path }),
            committed => committed.map(drop).map_err(|failed| Error::io("write", &path)(failed.error)),
        }
    }

    /// Renames the file to its final name.
    pub fn commit(self) -> Result<(), Error> {
        let Self { path, file } = self;
        // Without synchronising, a power failure just after the rename could leave an empty file.
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        file.persist(&path).map_err(|failed| Error::io("write", &path)(failed.error))?;
        Ok(())
    }
}

// Implemented with the file itself, because the errors of `NamedTempFile` contain the temporary name.
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

/// Writes `bytes` to `path` atomically: the file has all of them, or keeps its old contents.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.commit()
}

/// [`atomic_write`] for a new file.
///
/// # Errors
/// [`Error::Exists`] where something is at `path`, [`Error::Io`] where writing fails.
pub fn atomic_create(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists { path: path.to_owned() });
    }
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.commit_new()
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
    fn of_several_writers_of_a_new_file_one_succeeds_and_nothing_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for round in 0..50 {
            let results = std::thread::scope(|scope| {
                let write = |i: u8| {
                    let path = &path;
                    // Without the first check of `atomic_create`, which would hide the race.
                    move || {
                        let mut file = AtomicFile::create(path).unwrap();
                        file.write_all(&[i]).unwrap();
                        (i, file.commit_new())
                    }
                };
                let writers: Vec<_> = (0..4).map(|i| scope.spawn(write(i))).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
            });
            let (written, refused): (Vec<_>, Vec<_>) = results.iter().partition(|(_, result)| result.is_ok());
            assert_eq!(written.len(), 1, "round {round}");
            assert_eq!(fs::read(&path).unwrap(), [written[0].0]);
            assert!(refused.iter().all(|(_, result)| matches!(result, Err(Error::Exists { .. }))));
            assert!(matches!(atomic_create(&path, b"late"), Err(Error::Exists { .. })));
            assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no temporary file stays");
            fs::remove_file(&path).unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("nowhere", &path).unwrap();
            assert!(matches!(atomic_create(&path, b""), Err(Error::Exists { .. })), "a broken link is something");
        }
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
