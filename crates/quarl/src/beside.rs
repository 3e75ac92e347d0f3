//! Files that are either whole or not there: written beside the target, renamed onto it at the end.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;

/// A file being written beside `path`. Dropped before [`Beside::keep`], it leaves `path` as it was.
pub(crate) struct Beside {
    path: PathBuf,
    file: NamedTempFile,
}

impl Beside {
    /// Opens the file to write into.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { action: "create", path: path.to_owned(), source };
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
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        // Temporary files are private by default; this one becomes a file like any other.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(io)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Puts the finished file in its place.
    pub(crate) fn keep(self) -> Result<(), Error> {
        let Self { path, file } = self;
        // Without this a power cut just after the rename could leave the name with nothing behind it.
        file.as_file().sync_all().map_err(|source| Error::Io { action: "write", path: path.clone(), source })?;
        file.persist(&path).map_err(|failed| Error::Io { action: "write", path, source: failed.error })?;
        Ok(())
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Beside {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

/// Writes `bytes` to `path`: afterwards it holds all of them, or what it held before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = Beside::create(path)?;
    file.write_all(bytes).map_err(|source| Error::Io { action: "write", path: path.to_owned(), source })?;
    file.keep()
}
