//! Displays scenes while an agent acts: in a window, in the terminal, or nowhere.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quarl::render::Scene;

use crate::terminal::Terminal;
use crate::window::Window;

/// The request of the person watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum KeepGoing {
    /// Continue.
    Yes,
    /// The window was closed, or Esc or `q` was pressed: end the display.
    Closed,
    /// A signal arrived, or Ctrl-C was pressed, which a terminal in raw mode delivers as a key.
    Interrupted,
}

/// A display of scenes at a fixed rate.
pub(crate) enum Display {
    /// A window.
    Window(Box<Window>),
    /// Text in the terminal.
    Terminal(Terminal),
    /// No display, without waiting.
    None,
}

impl Display {
    /// Opens a window. Window systems require the main thread.
    ///
    /// # Errors
    /// When there is no screen; the message names an alternative.
    pub(crate) fn window(title: &str, fps: f64) -> Result<Self> {
        Ok(Self::Window(Box::new(Window::open(title, Pace::new(fps)?)?)))
    }

    /// Opens the terminal, which is restored when the display is dropped.
    ///
    /// # Errors
    /// When standard output is not a terminal.
    pub(crate) fn terminal(fps: f64) -> Result<Self> {
        Ok(Self::Terminal(Terminal::open(Pace::new(fps)?)?))
    }

    /// Shows `scene` and a caption, then waits until the next scene is due.
    pub(crate) fn show(&mut self, scene: &Scene, caption: &str) -> Result<KeepGoing> {
        match self {
            Self::Window(window) => window.show(scene, caption),
            Self::Terminal(terminal) => terminal.show(scene, caption),
            Self::None => Ok(KeepGoing::Yes),
        }
    }
}

/// The timing of frames.
pub(crate) struct Pace {
    interval: Duration,
    next: Option<Instant>,
}

impl Pace {
    fn new(fps: f64) -> Result<Self> {
        ensure!(
            (0.01..=1000.0).contains(&fps),
            "cannot show {fps} frames per second: choose a number from 0.01 to 1000"
        );
        Ok(Self { interval: Duration::from_secs_f64(1.0 / fps), next: None })
    }

    /// When the frame after the one shown at `now` is due. A late frame delays the following ones.
    pub(crate) fn due(&mut self, now: Instant) -> Instant {
        let due = self.next.map_or(now + self.interval, |next| (next + self.interval).max(now));
        self.next = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_at_even_times_whatever_drawing_took() {
        let start = Instant::now();
        let mut pace = Pace::new(50.0).unwrap();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.due(start), at(20));
        assert_eq!(pace.due(at(25)), at(40));
        assert_eq!(pace.due(at(41)), at(60));
    }

    #[test]
    fn a_late_frame_is_not_caught_up() {
        let start = Instant::now();
        let mut pace = Pace::new(50.0).unwrap();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.due(start), at(20));
        assert_eq!(pace.due(at(500)), at(500));
        assert_eq!(pace.due(at(501)), at(520));
    }

    #[test]
    fn an_impossible_rate_is_refused() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Pace::new(fps).is_err());
        }
    }
}
