//! A line at the bottom of the terminal that is drawn again and again, in its place.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::output;

/// How long a drawn line stays at least.
const INTERVAL: Duration = Duration::from_millis(100);

/// The terminal, as far as one line of it is concerned. When it goes, the line stays, and what follows begins below it.
pub(super) struct Screen {
    /// How many columns the line takes.
    drawn: Cell<usize>,
    last: Cell<Option<Instant>>,
}

impl Screen {
    /// None where standard output is no terminal, or one that cannot go back in a line.
    pub(super) fn open() -> Option<Self> {
        output::is_capable_terminal().then(|| Self { drawn: Cell::new(0), last: Cell::new(None) })
    }

    /// Whether the line is old enough to be drawn again.
    pub(super) fn is_due(&self) -> bool {
        self.last.get().is_none_or(|last| last.elapsed() >= INTERVAL)
    }

    /// Draws the line that `compose` makes of the number of columns there are and of whether colours are wanted: its text and
    /// how many columns it takes.
    pub(super) fn draw(&self, compose: impl FnOnce(usize, bool) -> (String, usize)) {
        let columns = columns();
        // Room for the ^C that a terminal echoes, before it wraps after its last column.
        let (text, width) = compose(columns.saturating_sub(3), output::has_colors());
        write(&format!("{}{text}", self.back(columns)));
        self.drawn.set(width);
        self.last.set(Some(Instant::now()));
    }

    /// Takes the line away, for something else to be said in its place.
    pub(super) fn clear(&self) {
        if self.drawn.get() > 0 {
            write(&self.back(columns()));
            self.drawn.set(0);
        }
        self.last.set(None);
    }

    /// The codes that erase the line. A terminal that has become narrower has broken it into several.
    fn back(&self, columns: usize) -> String {
        let rows = self.drawn.get().div_ceil(columns.max(1)).max(1);
        let up = if rows > 1 { format!("\x1b[{}A", rows - 1) } else { String::new() };
        format!("{up}\r\x1b[J")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.drawn.get() > 0 {
            write("\n");
        }
    }
}

/// How wide the terminal is, now.
fn columns() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map_or(80, |(width, _)| usize::from(width.0)).max(1)
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
