//! The status line that all progress displays have in common: where it is drawn, and its times.

use std::cell::Cell;
use std::time::Instant;

use super::line::{self, Part};
use super::screen::Screen;
use super::time_left::{TimeLeft, duration};
use crate::output;

/// A status line on a terminal; plain lines elsewhere.
pub(super) struct StatusLine {
    screen: Option<Screen>,
    started: Instant,
    time_left: Cell<TimeLeft>,
}

impl StatusLine {
    pub(super) fn new() -> Self {
        Self { screen: Screen::open(), started: Instant::now(), time_left: Cell::default() }
    }

    /// Whether the line is drawn on a terminal.
    pub(super) fn is_drawn(&self) -> bool {
        self.screen.is_some()
    }

    /// Whether the line should be drawn again.
    pub(super) fn is_due(&self) -> bool {
        self.screen.as_ref().is_some_and(Screen::is_due)
    }

    /// Draws the line, if it is drawn: `share` of the work is done, and `parts` describe it.
    pub(super) fn draw(&self, share: f64, parts: impl FnOnce() -> Vec<Part>) {
        if let Some(screen) = &self.screen {
            screen.draw(|columns, colored| line::layout(share, &parts(), columns, colored));
        }
    }

    /// Ends the line, so that later output starts on a new one.
    pub(super) fn close(&mut self) {
        self.screen = None;
    }

    /// Prints a warning above the line.
    pub(super) fn warning(&self, message: &str) {
        self.clear();
        output::warning(message);
    }

    /// Prints a message above the line.
    pub(super) fn note(&self, message: &str) {
        self.clear();
        output::line(message);
    }

    /// Prints a message with the times.
    pub(super) fn print(&self, message: &str, share: f64) {
        output::line(format!("{message}  {} elapsed  {}", self.elapsed(), self.left(share).long));
    }

    fn clear(&self) {
        if let Some(screen) = &self.screen {
            screen.clear();
        }
    }

    /// The seconds since the work began.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn elapsed(&self) -> String {
        duration(self.seconds())
    }

    /// The remaining time, when `share` of the work is done.
    pub(super) fn left(&self, share: f64) -> Part {
        let mut time_left = self.time_left.take();
        time_left.update(self.seconds(), share);
        let seconds = time_left.seconds();
        self.time_left.set(time_left);
        super::left(seconds)
    }

    /// The elapsed and the remaining time, when `share` of the work is done.
    pub(super) fn times(&self, share: f64) -> [Part; 2] {
        [Part::new(1, format!("{} elapsed", self.elapsed()), String::new()), self.left(share)]
    }
}
