//! Displays scenes as text, redrawn in place on the terminal's alternate screen.

use std::io::{IsTerminal, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, TryLockError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use quarl::render::{Scene, TextStyle, scene_text};

use crate::display::{KeepGoing, Pace};
use crate::keyboard::{self, Key};
use crate::{interrupt, output};

/// Whether the terminal's state was changed. A global variable, so that a panic hook and a signal handler can restore the
/// terminal.
static CHANGED: AtomicBool = AtomicBool::new(false);

/// The terminal while it shows scenes; dropping it restores the terminal.
pub(crate) struct Terminal {
    pace: Pace,
    style: TextStyle,
    /// Whether the terminal has no cursor movements; scenes are then printed one below the other.
    plain: bool,
    /// The lines on the screen, and the size for which they were drawn.
    shown: Vec<String>,
    size: (u16, u16),
}

impl Terminal {
    /// Switches to the alternate screen.
    pub(crate) fn open(pace: Pace) -> Result<Self> {
        if !stdout().is_terminal() {
            bail!("standard output is not a terminal, so nothing can be shown: use --record FILE.gif");
        }
        let variable = |name: &str| std::env::var(name).ok();
        let plain = variable("TERM").as_deref() == Some("dumb");
        if !plain {
            take()?;
        }
        Ok(Self { pace, style: TextStyle::detect(variable), plain, shown: Vec::new(), size: (0, 0) })
    }

    /// Draws `scene` with `caption` beneath, then waits until the next scene is due, or a key is pressed.
    pub(crate) fn show(&mut self, scene: &Scene, caption: &str) -> Result<KeepGoing> {
        let due = self.pace.due(Instant::now());
        let size = size().context("cannot ask the terminal for its size")?;
        let (columns, rows) = (size.0.max(1), size.1.max(2));
        // The last column stays free: some terminals wrap a line that fills it.
        let text = scene_text(scene, u32::from(columns - 1).max(1), u32::from(rows - 1), self.style)?;
        let caption: String = caption.chars().filter(|c| !c.is_control()).take(usize::from(columns - 1)).collect();
        let lines: Vec<String> = text.lines().map(str::to_owned).chain([caption]).collect();
        let bytes = if self.plain {
            (lines.join("\n") + "\n").into_bytes()
        } else {
            redraw(if size == self.size { &self.shown } else { &[] }, &lines)
        };
        let mut out = stdout().lock();
        out.write_all(&bytes).and_then(|()| out.flush()).context("cannot write to the terminal")?;
        drop(out);
        (self.shown, self.size) = (lines, size);
        wait_for_key(due)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Switches to the alternate screen and hides the cursor, until [`restore`].
pub(crate) fn take() -> Result<()> {
    restore_on_panic();
    CHANGED.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, Hide).context("cannot write to the terminal")
}

/// Whether the terminal shows the alternate screen.
#[cfg(unix)]
pub(crate) fn is_taken() -> bool {
    CHANGED.load(Ordering::SeqCst)
}

/// Held by a thread that draws, so that another thread does not restore the terminal in the middle of a drawing.
static DRAWING: Mutex<()> = Mutex::new(());

/// The right to draw; `None` once the terminal was restored.
pub(crate) fn drawing() -> Option<MutexGuard<'static, ()>> {
    let guard = DRAWING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    CHANGED.load(Ordering::SeqCst).then_some(guard)
}

/// Restores the terminal if it was changed; also for handlers that end the process.
pub(crate) fn restore() {
    if !CHANGED.swap(false, Ordering::SeqCst) {
        return;
    }
    // The thread that draws may be the one that panics, or be blocked by a terminal that does not read.
    let deadline = Instant::now() + Duration::from_millis(300);
    let _drawing = loop {
        match DRAWING.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => break other,
        }
    };
    // Errors are ignored, because nothing can be done about them here.
    let _ = disable_raw_mode();
    let mut codes = Vec::new();
    let _ = queue!(codes, EndSynchronizedUpdate, Show, LeaveAlternateScreen);
    output::last_words(&codes);
    #[cfg(unix)]
    crate::live::messages::release();
}

/// Restores the terminal on a panic: a panic may abort before anything is dropped, and its message belongs on the main
/// screen.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            report(panic);
        }));
    });
}

/// The escape codes and text that turn a screen with the lines `shown` into one with `lines`.
fn redraw(shown: &[String], lines: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = queue!(bytes, BeginSynchronizedUpdate);
    let shown = if shown.len() == lines.len() { shown } else { &[] };
    if shown.is_empty() {
        let _ = queue!(bytes, Clear(ClearType::All));
    }
    for (row, line) in lines.iter().enumerate().filter(|(row, line)| shown.get(*row) != Some(*line)) {
        let _ = queue!(bytes, MoveTo(0, row as u16), Print(line), Clear(ClearType::UntilNewLine));
    }
    let _ = queue!(bytes, EndSynchronizedUpdate);
    bytes
}

/// Waits until `due`, listening to the keyboard if there is one.
///
/// Single keys are available only in raw mode, which also turns Ctrl-C into a key. The terminal is therefore in raw mode
/// here only: during training, Ctrl-C remains a signal.
fn wait_for_key(due: Instant) -> Result<KeepGoing> {
    if !stdin().is_terminal() || !CHANGED.load(Ordering::SeqCst) {
        interrupt::sleep_until(due);
        return Ok(KeepGoing::Yes);
    }
    enable_raw_mode().context("cannot listen to the keyboard")?;
    let answer = listen(due).context("cannot listen to the keyboard");
    disable_raw_mode().context("cannot reset the terminal")?;
    answer
}

fn listen(due: Instant) -> std::io::Result<KeepGoing> {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if interrupt::requested() {
            return Ok(KeepGoing::Yes);
        }
        match keyboard::next(left.min(interrupt::SLICE))? {
            None if left <= interrupt::SLICE => return Ok(KeepGoing::Yes),
            None => continue,
            Some(Key::Interrupt) => return Ok(KeepGoing::Interrupted),
            Some(Key::Escape | Key::Char('q')) => return Ok(KeepGoing::Closed),
            Some(_) => {}
        }
        if left == Duration::ZERO {
            return Ok(KeepGoing::Yes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(shown: &[&str], lines: &[&str]) -> String {
        let owned = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        String::from_utf8(redraw(&owned(shown), &owned(lines))).unwrap()
    }

    #[test]
    fn the_first_picture_clears_the_screen() {
        let expected = "\x1b[?2026h\x1b[2J\x1b[1;1Ha\x1b[K\x1b[2;1Hb\x1b[K\x1b[?2026l";
        assert_eq!(drawn(&[], &["a", "b"]), expected);
        assert_eq!(drawn(&["a"], &["a", "b"]), expected, "so does one of another size");
    }

    #[test]
    fn later_pictures_redraw_only_the_lines_that_changed() {
        assert_eq!(drawn(&["a", "b"], &["a", "c"]), "\x1b[?2026h\x1b[2;1Hc\x1b[K\x1b[?2026l");
        assert_eq!(drawn(&["a", "b"], &["a", "b"]), "\x1b[?2026h\x1b[?2026l");
    }
}
