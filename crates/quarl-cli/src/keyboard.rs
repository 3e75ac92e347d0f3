//! The keys typed at the terminal of standard input, while it is in raw mode.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Escape,
    Up,
    Down,
    Right,
    /// Ctrl-C, which a terminal in raw mode delivers as a key.
    Interrupt,
    /// Ctrl-L.
    Redraw,
    Other,
}

/// The keys that were typed and not yet taken. There is one keyboard, which whoever draws listens to.
static TYPED: Mutex<VecDeque<Key>> = Mutex::new(VecDeque::new());

/// The beginning of a key whose other bytes have not arrived.
#[cfg(unix)]
static UNFINISHED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the next key; waits for one at most for `left`. A signal ends the waiting.
///
/// # Errors
/// When the terminal was closed, or cannot be read.
pub(crate) fn next(left: Duration) -> io::Result<Option<Key>> {
    if let Some(key) = lock(&TYPED).pop_front() {
        return Ok(Some(key));
    }
    listen(left)?;
    Ok(lock(&TYPED).pop_front())
}

/// Whether Ctrl-C was typed, which is taken. All other keys are left for [`next`].
///
/// # Errors
/// Those of [`next`].
#[cfg(unix)]
pub(crate) fn interrupted() -> io::Result<bool> {
    listen(Duration::ZERO)?;
    let mut keys = lock(&TYPED);
    let place = keys.iter().position(|key| *key == Key::Interrupt);
    Ok(place.and_then(|place| keys.remove(place)).is_some())
}

/// Reads what was typed; waits for it at most for `left`.
///
/// crossterm, which reads keys elsewhere, loops forever when the terminal is closed while it reads, and waits for the
/// rest of a key that has not arrived.
#[cfg(unix)]
fn listen(left: Duration) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
        Ok(0) | Err(Errno::INTR) => return Ok(()),
        polled => polled?,
    };
    let closed = || Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal was closed"));
    if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return closed();
    }
    let mut bytes = [0; 256];
    // The terminal has input, so this does not wait, unless another program takes the input first.
    let count = match rustix::io::read(stdin, &mut bytes) {
        Ok(0) => return closed(),
        Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
        count => count?,
    };
    let mut unfinished = lock(&UNFINISHED);
    unfinished.extend_from_slice(&bytes[..count]);
    *unfinished = decode(&unfinished, &mut lock(&TYPED)).to_vec();
    Ok(())
}

/// Appends the keys that `bytes` stand for; returns the beginning of a key whose other bytes are missing.
#[cfg(unix)]
fn decode<'a>(mut bytes: &'a [u8], keys: &mut VecDeque<Key>) -> &'a [u8] {
    const ESCAPE: u8 = 0x1b;
    while let [first, rest @ ..] = bytes {
        let (key, length) = match (*first, rest) {
            (0x03, _) => (Key::Interrupt, 1),
            (0x0c, _) => (Key::Redraw, 1),
            (b'\r' | b'\n', _) => (Key::Enter, 1),
            // Terminals send a key's bytes together, so a single one is the key itself.
            (ESCAPE, [] | [ESCAPE, ..]) => (Key::Escape, 1),
            // ECMA-48: parameters, then one byte from @ to ~.
            (ESCAPE, [b'[' | b'O', sequence @ ..]) => {
                let Some(end) = sequence.iter().position(|byte| matches!(byte, 0x40..=0x7e)) else { return bytes };
                let key = match sequence[end] {
                    b'A' => Key::Up,
                    b'B' => Key::Down,
                    b'C' => Key::Right,
                    _ => Key::Other,
                };
                (key, end + 3)
            }
            // Alt and a key.
            (ESCAPE, _) => (Key::Other, 2),
            (graphic @ b' '..=b'~', _) => (Key::Char(char::from(graphic)), 1),
            // A letter of another alphabet is one key.
            (0xc0.., _) => (Key::Other, 1 + rest.iter().take_while(|byte| matches!(byte, 0x80..=0xbf)).count()),
            _ => (Key::Other, 1),
        };
        keys.push_back(key);
        bytes = &bytes[length..];
    }
    bytes
}

#[cfg(not(unix))]
fn listen(left: Duration) -> io::Result<()> {
    use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
    if !poll(left)? {
        return Ok(());
    }
    let Event::Key(key) = read()? else { return Ok(()) };
    if key.kind == KeyEventKind::Release {
        return Ok(());
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    lock(&TYPED).push_back(match key.code {
        KeyCode::Char('c') if is_control => Key::Interrupt,
        KeyCode::Char('l') if is_control => Key::Redraw,
        KeyCode::Char(_) if is_control => Key::Other,
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Right => Key::Right,
        _ => Key::Other,
    });
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> (Vec<Key>, &[u8]) {
        let mut keys = VecDeque::new();
        let rest = decode(bytes, &mut keys);
        (keys.into(), rest)
    }

    #[test]
    fn bytes_are_keys() {
        use Key::*;
        for (bytes, expected) in [
            (&b"q \x03\x0c\r"[..], &[Char('q'), Char(' '), Interrupt, Redraw, Enter][..]),
            (b"\x1b[A\x1bOB\x1b[1;5C", &[Up, Down, Right]),
            (b"\x1b[5~\x1b[<0;1;1M", &[Other, Other]),
            (b"\x1b", &[Escape]),
            (b"\x1b\x1b[A", &[Escape, Up]),
            (b"\x1bq+", &[Other, Char('+')]),
            ("\u{439}q".as_bytes(), &[Other, Char('q')]),
            (b"\x80\x00\x7fs", &[Other, Other, Other, Char('s')]),
        ] {
            assert_eq!(keys(bytes), (expected.to_vec(), &[][..]), "{bytes:?}");
        }
    }

    #[test]
    fn a_key_that_has_not_arrived_is_kept() {
        assert_eq!(keys(b"s\x1b[1;"), (vec![Key::Char('s')], &b"\x1b[1;"[..]));
        assert_eq!(keys(b"\x1b[1;5A"), (vec![Key::Up], &b""[..]));
    }

    #[test]
    fn any_bytes_are_read_to_the_end() {
        for first in 0..=255 {
            for second in 0..=255 {
                let bytes = [first, second, b'~', b'q'];
                let (keys, rest) = keys(&bytes);
                assert!(rest.is_empty() && keys.last() == Some(&Key::Char('q')), "{bytes:?}: {keys:?} {rest:?}");
            }
        }
    }
}
