//! Keeps messages on standard error away from the live view: warnings, and what Python writes.
//!
//! Worker processes inherit standard error, so it is replaced by a pipe. Lines that arrive while the live view is shown are
//! kept, and written when the terminal has been restored.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::{io, stdio};

use crate::{output, terminal};

/// The number of lines that are kept.
const KEPT: usize = 200;
/// The largest number of bytes of a line. What follows is the next line.
const LONGEST: u64 = 1 << 14;

/// Standard error, while it is replaced by a pipe. A global variable, so that a panic hook and a signal handler can put it
/// back.
static ORIGINAL: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// The lines that are kept, and the number of later ones.
static LINES: Mutex<(Vec<String>, usize)> = Mutex::new((Vec::new(), 0));

/// Whether the pipe has been read to its end.
static AT_END: AtomicBool = AtomicBool::new(false);

/// Replaces standard error, if it is a terminal; dropping this puts it back.
pub(crate) struct Capture;

impl Capture {
    pub(crate) fn start() -> Self {
        if stderr().is_terminal() {
            // Without it, messages disturb the picture until it is redrawn.
            let _ = replace();
        }
        Self
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        release();
    }
}

fn replace() -> std::io::Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let original = io::fcntl_dupfd_cloexec(stdio::stderr(), 3)?;
    let forwarded = original.try_clone()?;
    AT_END.store(false, Ordering::SeqCst);
    std::thread::Builder::new().name("messages".to_owned()).spawn(move || {
        let mut out = std::fs::File::from(forwarded);
        let mut reader = BufReader::new(reader);
        while let Some(line) = next_line(&mut reader) {
            if terminal::is_taken() {
                keep(line);
            } else {
                let _ = writeln!(out, "{line}");
            }
        }
        AT_END.store(true, Ordering::SeqCst);
    })?;
    stdio::dup2_stderr(writer)?;
    *ORIGINAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(original);
    Ok(())
}

/// The next line, or the next part of a very long one; `None` at the end.
fn next_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let read = reader.take(LONGEST).read_until(b'\n', &mut line).ok()?;
    line.pop_if(|last| *last == b'\n');
    (read > 0).then(|| String::from_utf8_lossy(&line).into_owned())
}

fn keep(line: String) {
    let (lines, left_out) = &mut *LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() < KEPT { lines.push(line) } else { *left_out += 1 }
}

/// The latest line.
pub(crate) fn latest() -> Option<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).0.last().cloned()
}

/// Puts standard error back and writes the lines that were kept. The terminal has to be restored.
pub(crate) fn release() {
    let original = ORIGINAL.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(original) = original {
        let _ = stdio::dup2_stderr(original);
        // Lines on their way arrive soon. The pipe ends only with the last worker process.
        let deadline = Instant::now() + Duration::from_millis(100);
        while !AT_END.load(Ordering::SeqCst) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let (lines, left_out) = std::mem::take(&mut *LINES.lock().unwrap_or_else(PoisonError::into_inner));
    for line in lines {
        output::message(&line);
    }
    if left_out > 0 {
        output::message(&format!("({left_out} more lines were left out)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_comes_in_parts_of_bounded_length() {
        let endless = std::io::repeat(b'x').take(LONGEST * 2 + 1).chain(&b"\nlast\n\n"[..]);
        let mut reader = BufReader::new(endless);
        let lines: Vec<String> = std::iter::from_fn(|| next_line(&mut reader)).collect();
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST as usize, LONGEST as usize, 1, 4, 0]);
    }
}
