//! The directory of a run: whether it may be replaced, and removing the files of a run.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::contents::{Contents, FILES, checkpoints, is_temporary, is_unfinished, listed, name, recordings};
use super::{CHECKPOINTS, CONFIG, INITIAL, RECORDINGS, SUMMARY};
use crate::error::Error;
use crate::timeline::FORK;

/// Whether `dir` holds a run; an error where it holds files that must not be replaced.
pub(super) fn replaceable(dir: &Path) -> Result<bool, Error> {
    match Contents::of(dir)? {
        Contents::Nothing => Ok(false),
        Contents::Run { others } if others.is_empty() => Ok(true),
        Contents::Run { others } => {
            let message = format!(
                "exists already and holds files that do not belong to a run ({}): move them, or choose another directory",
                listed(&others)
            );
            Err(Error::Occupied { path: dir.to_owned(), message })
        }
        contents => Err(contents.occupied(dir)),
    }
}

/// Removes a run's files, except those that say what is trained: they are replaced one by one, so that a run that begins again
/// is never without them.
pub(super) fn remove(dir: &Path) -> Result<(), Error> {
    for name in FILES.into_iter().filter(|name| ![CONFIG, INITIAL, FORK].contains(name)) {
        remove_file(&dir.join(name))?;
        if name == SUMMARY {
            sync_directory(dir)?;
        }
    }
    remove_directory(&dir.join(CHECKPOINTS), checkpoints(dir))?;
    remove_directory(&dir.join(RECORDINGS), recordings(dir))
}

/// The temporary files that a killed process has left in a run's directory and in those within it.
pub(super) fn temporary_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?.flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_temporary(&name(path))).collect();
    let inner = recordings(dir).into_iter().chain(checkpoints(dir)).flatten();
    files.extend(inner.filter(|path| is_unfinished(&name(path))));
    Ok(files)
}

/// Removes a directory within a run, and these files of it.
fn remove_directory(dir: &Path, files: Option<Vec<PathBuf>>) -> Result<(), Error> {
    let Some(files) = files else { return Ok(()) };
    files.iter().try_for_each(|path| remove_file(path))?;
    fs::remove_dir(dir).map_err(Error::io("replace", dir))
}

/// Waits until the names in a directory have reached the disk. Systems that cannot open directories do so by themselves.
pub(super) fn sync_directory(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) { File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("write", dir)) } else { Ok(()) }
}

/// Removes a file that may not exist.
pub(super) fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("replace", path)(error)),
        _ => Ok(()),
    }
}
