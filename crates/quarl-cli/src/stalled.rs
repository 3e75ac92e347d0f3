//! Writing to a terminal that may have stopped reading, as one does whose connection hangs: it must not keep the program
//! from ending.
//!
//! A write to such a terminal blocks, and blocks all other threads that write to it. What is written here therefore goes
//! through a description of the terminal of its own, whose writes do not block: setting that of standard output would change
//! it for the shell and for worker processes, too.

use std::fs::File;
use std::io::{self, ErrorKind, Stdout, Write, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush, ttyname};

use crate::{interrupt, keyboard, terminal};

/// How long a terminal may take to read once the program is to end. What it has not read then is discarded.
const PATIENCE: Duration = Duration::from_millis(250);

/// The same where nobody asked for a stop: a slow connection may take longer.
const LONG_PATIENCE: Duration = Duration::from_secs(3);

/// The interval in which a waiting writer looks for a stop and for keys.
const SLICE: Duration = Duration::from_millis(50);

/// A terminal whose writes do not block.
struct Terminal(File);

impl Terminal {
    /// The terminal of `stream`; `None` where it is none or may not be opened.
    fn of(stream: impl AsFd) -> Option<Self> {
        let name = ttyname(stream, Vec::new()).ok()?;
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Some(Self(rustix::fs::open(path, flags, Mode::empty()).ok()?.into()))
    }

    /// Writes what the terminal has room for; `None` where it has none.
    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match rustix::io::write(&self.0, bytes) {
            Ok(0) | Err(Errno::AGAIN) => Ok(None),
            Err(Errno::INTR) => Ok(Some(0)),
            written => Ok(Some(written?)),
        }
    }

    /// Waits until there may be room, at most for `time`.
    fn wait(&self, time: Duration) {
        let mut fds = [PollFd::new(&self.0, PollFlags::OUT)];
        if poll(&mut fds, Timespec::try_from(time).ok().as_ref()).is_err() {
            // A signal, which is looked at next.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Discards what the terminal has not read, so that the last lines find room.
    fn discard(&self) {
        let _ = tcflush(&self.0, QueueSelector::OFlush);
    }
}

/// Writes `bytes` to the terminal of `stream` without waiting for long; what a terminal that does not read has been sent
/// before is discarded. Returns false if `stream` is no terminal, or cannot be opened.
pub(crate) fn write(stream: impl AsFd, bytes: &[u8]) -> bool {
    let Some(terminal) = Terminal::of(stream) else { return false };
    let started = Instant::now();
    let (mut rest, mut has_discarded) = (bytes, false);
    while !rest.is_empty() {
        match terminal.write(rest) {
            Ok(Some(count)) => rest = &rest[count..],
            Ok(None) => {
                let patience = if interrupt::requested() { PATIENCE } else { LONG_PATIENCE };
                if started.elapsed() < patience {
                    terminal.wait(SLICE);
                } else if has_discarded {
                    return true;
                } else {
                    terminal.discard();
                    has_discarded = true;
                }
            }
            Err(_) => return true,
        }
    }
    true
}

/// Standard output for drawings. While the terminal does not read, it listens to the keyboard; when the program is to end,
/// it gives the drawing up.
pub(crate) struct Drawing {
    /// `None` where the terminal cannot be opened; standard output is used then.
    terminal: Option<Terminal>,
    stdout: Stdout,
    /// When a stop was first seen.
    stop_seen: Option<Instant>,
    is_given_up: bool,
}

impl Drawing {
    pub(crate) fn new() -> Self {
        let stdout = stdout();
        Self { terminal: Terminal::of(&stdout), stdout, stop_seen: None, is_given_up: false }
    }

    /// Waits for the terminal; returns false to give up.
    fn wait(&mut self) -> io::Result<bool> {
        if keyboard::interrupted()? {
            interrupt::request();
        }
        let is_over = interrupt::requested() && self.stop_seen.get_or_insert_with(Instant::now).elapsed() >= PATIENCE;
        let Some(terminal) = &self.terminal else { return Ok(true) };
        if is_over || !terminal::is_taken() {
            terminal.discard();
            return Ok(false);
        }
        terminal.wait(SLICE);
        Ok(true)
    }
}

impl Write for Drawing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            // What is buffered is written once more when the buffer is dropped.
            if self.is_given_up {
                return Ok(bytes.len());
            }
            let Some(terminal) = &self.terminal else { return self.stdout.write(bytes) };
            match terminal.write(bytes)? {
                Some(0) => {}
                Some(count) => return Ok(count),
                None if self.wait()? => {}
                None => {
                    self.is_given_up = true;
                    return Err(ErrorKind::TimedOut.into());
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.terminal.is_some() { Ok(()) } else { self.stdout.flush() }
    }
}
