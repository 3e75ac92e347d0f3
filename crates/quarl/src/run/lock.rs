//! Locks between processes, so that only one process writes to a directory.
//!
//! The lock is an operating-system lock on the file `.lock` in the directory. It ends with the process that holds it,
//! however the process ends, so a remaining lock file locks nothing. It is advisory: reading needs no lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{CHECKPOINTS, RECORDINGS, RUNS, refuse_link};
use crate::error::Error;
use crate::files;

/// The name of the lock file.
pub(crate) const LOCK: &str = ".lock";

/// A locked directory. Dropping it unlocks the directory and removes the lock file.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

/// The result of an attempt to lock: the lock, or its current holder.
pub(crate) enum Attempt {
    Locked(Lock),
    /// Such as `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
    HeldBy(String),
}

impl Lock {
    /// Locks `directory`, which has to exist, unless another process has locked it.
    ///
    /// # Errors
    /// [`Error::Locked`] with the holder of the lock, [`Error::Io`] where locking fails.
    pub(crate) fn acquire(directory: &Path) -> Result<Self, Error> {
        match Self::attempt(directory)? {
            Attempt::Locked(lock) => Ok(lock),
            Attempt::HeldBy(holder) => Err(Error::Locked { path: directory.to_owned(), holder }),
        }
    }

    /// Locks `directory`, which has to exist, after waiting for other holders of the lock.
    ///
    /// # Errors
    /// [`Error::Io`] where locking fails.
    pub(crate) fn wait(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(LOCK);
        loop {
            let file = open(&path)?;
            file.lock().map_err(Error::io("lock", &path))?;
            if let Some(lock) = Self::locked(&path, file)? {
                return Ok(lock);
            }
        }
    }

    /// [`Lock::acquire`], which returns another holder as a value instead of an error.
    pub(crate) fn attempt(directory: &Path) -> Result<Attempt, Error> {
        Self::attempt_at(directory.join(LOCK))
    }

    /// [`Lock::attempt`] with a lock file of another name, for one of several locks in a directory.
    pub(crate) fn attempt_at(path: PathBuf) -> Result<Attempt, Error> {
        loop {
            let mut file = open(&path)?;
            match file.try_lock() {
                Ok(()) => {
                    if let Some(lock) = Self::locked(&path, file)? {
                        return Ok(Attempt::Locked(lock));
                    }
                }
                Err(TryLockError::WouldBlock) => return Ok(Attempt::HeldBy(read_holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
        }
    }

    /// The lock on a file that was just locked; `None` if its previous holder has removed the file in the meantime.
    fn locked(path: &Path, file: File) -> Result<Option<Self>, Error> {
        if !is_at(path, &file) {
            return Ok(None);
        }
        let mut lock = Self { path: path.to_owned(), file };
        let text = format!("{}\n", this_process());
        lock.file.set_len(0).and_then(|()| lock.file.write_all(text.as_bytes())).map_err(Error::io("write", path))?;
        Ok(Some(lock))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is still locked: a process that opened the file before notices in `locked` that it was removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens a lock file in a directory without links to directories that its holder would write to.
fn open(path: &Path) -> Result<File, Error> {
    refuse_link(path)?;
    [CHECKPOINTS, RECORDINGS, RUNS].iter().try_for_each(|name| refuse_link(&path.with_file_name(name)))?;
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    options.map_err(Error::io("lock", path))
}

/// Whether `file` is the file at `path`.
#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let [Ok(here), Ok(opened)] = [std::fs::symlink_metadata(path), file.metadata()] else { return false };
    (here.dev(), here.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_at(path: &Path, _: &File) -> bool {
    path.exists()
}

/// The process whose lock file is in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Such as `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
    pub description: String,
    /// Whether the process is running; `None` if that is unknown, such as on another host.
    pub is_running: Option<bool>,
}

impl Holder {
    /// The process that writes the run in `dir`, according to its lock file; `None` without a lock file. Nothing is locked.
    pub fn of(dir: &Path) -> Option<Self> {
        Self::at(&dir.join(LOCK))
    }

    /// [`Holder::of`] with a lock file of another name.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let description = read_holder(&mut files::open(path).ok()?);
        let process = description.strip_prefix("process ").and_then(|rest| rest.split_once(" on host "));
        let is_here = |host: &str| host.rsplit_once(", since ").map_or(host, |(host, _)| host) == host_name();
        // Only Linux lists its processes as files.
        let is_running = process.filter(|(_, host)| is_here(host) && Path::new("/proc/self").exists());
        let is_running = is_running.map(|(id, _)| Path::new("/proc").join(id).exists());
        Some(Self { description, is_running })
    }
}

/// The holder of a locked file, from its contents. Unknown where locks prevent reading, or nothing has been written yet.
fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(300).read_to_string(&mut text);
    let line = text.lines().next().filter(|line| read.is_ok() && line.starts_with("process ")).unwrap_or("");
    if line.is_empty() || line.chars().any(char::is_control) { "another process".to_owned() } else { line.to_owned() }
}

fn this_process() -> String {
    let host = host_name();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("process {} on host {}, since {}", std::process::id(), host, utc(now))
}

fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// Seconds since 1970 as date and time.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Years begin on 1 March of year 0, so that a leap day is the last day of a year (Howard Hinnant, "chrono-compatible
    // low-level date algorithms", civil_from_days).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_says_who_holds_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(directory.path()).unwrap();
        let message = Lock::acquire(directory.path()).unwrap_err().to_string();
        let holder = format!(" is in use by process {} on host ", std::process::id());
        assert!(message.contains(&holder) && message.contains(" UTC: wait until it has ended"), "{message}");
        drop(lock);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the lock file is removed");
        Lock::acquire(directory.path()).unwrap();
    }

    #[test]
    fn the_holder_is_read_without_locking() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Holder::of(directory.path()), None);
        let lock = Lock::acquire(directory.path()).unwrap();
        let holder = Holder::of(directory.path()).unwrap();
        assert!(holder.description.starts_with(&format!("process {} on host ", std::process::id())), "{holder:?}");
        assert_eq!(holder.is_running, cfg!(target_os = "linux").then_some(true));
        drop(lock);
        let text = format!("process 4194999 on host {}, since 1970-01-01 00:00:00 UTC\n", host_name());
        std::fs::write(directory.path().join(LOCK), text).unwrap();
        let ended = Holder::of(directory.path()).unwrap().is_running;
        assert_eq!(ended, cfg!(target_os = "linux").then_some(false), "beyond the largest process id");
        std::fs::write(directory.path().join(LOCK), "process 1 on host elsewhere-x, since 1970\n").unwrap();
        assert_eq!(Holder::of(directory.path()).unwrap().is_running, None);
    }

    #[test]
    fn a_lock_file_that_is_left_over_locks_nothing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(LOCK), "process 1 on host alpha, since 1970-01-01 00:00:00 UTC\n")
            .unwrap();
        Lock::acquire(directory.path()).unwrap();
    }

    #[test]
    fn many_threads_hold_a_lock_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let (path, counter) = (directory.path(), directory.path().join("counter"));
        std::fs::write(&counter, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = Lock::wait(path).unwrap();
                        let count: u64 = std::fs::read_to_string(&counter).unwrap().parse().unwrap();
                        std::fs::write(&counter, (count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), "200");
    }

    #[test]
    fn times_are_written_as_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
