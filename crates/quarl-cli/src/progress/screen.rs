//! A line at the bottom of the terminal that is redrawn in place.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::output;

/// The minimum time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// A redrawn line. When it is dropped, the line stays, and further output begins below it.
pub(super) struct Screen {
    /// The width of the drawn line in columns.
    drawn: Cell<usize>,
    last: Cell<Option<Instant>>,
}

impl Screen {
    /// Opens the line; `None` if standard output is not a terminal, or one that cannot redraw a line.
    pub(super) fn open() -> Option<Self> {
        output::is_capable_terminal().then(|| Self { drawn: Cell::new(0), last: Cell::new(None) })
    }

    /// Whether the line is old enough to be redrawn.
    pub(super) fn is_due(&self) -> bool {
        self.last.get().is_none_or(|last| last.elapsed() >= INTERVAL)
    }

    /// Draws the line. `compose` returns text and width, given the number of columns and whether to use colours.
    pub(super) fn draw(&self, compose: impl FnOnce(usize, bool) -> (String, usize)) {
        let columns = columns();
        // Leaves room for the ^C that a terminal echoes, and for the last column, after which some terminals wrap.
        let (text, width) = compose(columns.saturating_sub(3), output::has_colors());
        write(&format!("{}{text}", self.back(columns)));
        self.drawn.set(width);
        self.last.set(Some(Instant::now()));
    }

    /// Erases the line, so that something else can be printed in its place.
    pub(super) fn clear(&self) {
        if self.drawn.get() > 0 {
            write(&self.back(columns()));
            self.drawn.set(0);
        }
        self.last.set(None);
    }

    /// The escape codes that erase the line. A terminal that has become narrower has wrapped it to several rows.
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

/// The current width of the terminal.
fn columns() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map_or(80, |(width, _)| usize::from(width.0)).max(1)
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
