//! Where scenes are shown while an agent acts: a window, the terminal, or nowhere.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use quarl::render::Scene;

use crate::terminal::Terminal;
use crate::window::Window;

/// What the person watching wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum KeepGoing {
    /// Go on.
    Yes,
    /// The window was closed, or Esc or `q` was pressed: no more is to be seen.
    Closed,
    /// A signal came, or Ctrl-C, which a terminal in raw mode hands over as a key.
    Interrupted,
}

/// Shows one scene after another, each for its share of a second.
pub(crate) enum Display {
    /// In a window of its own.
    Window(Box<Window>),
    /// As text in the terminal.
    Terminal(Terminal),
    /// Not at all, and without waiting.
    None,
}

impl Display {
    /// A window. Only on the main thread, which is where window systems want it.
    ///
    /// # Errors
    /// When there is no screen to open it on; the message says what to do instead.
    pub(crate) fn window(title: &str, fps: f64) -> Result<Self> {
        Ok(Self::Window(Box::new(Window::open(title, Pace::new(fps)?)?)))
    }

    /// The terminal, which is given back as it was when this is dropped.
    ///
    /// # Errors
    /// When standard output is not a terminal.
    pub(crate) fn terminal(fps: f64) -> Result<Self> {
        Ok(Self::Terminal(Terminal::open(Pace::new(fps)?)?))
    }

    /// Shows `scene` and a line about it, then waits until it is time for the next one.
    pub(crate) fn show(&mut self, scene: &Scene, caption: &str) -> Result<KeepGoing> {
        match self {
            Self::Window(window) => window.show(scene, caption),
            Self::Terminal(terminal) => terminal.show(scene, caption),
            Self::None => Ok(KeepGoing::Yes),
        }
    }
}

/// The clock of a film shown live.
pub(crate) struct Pace {
    interval: Duration,
    next: Option<Instant>,
}

impl Pace {
    fn new(fps: f64) -> Result<Self> {
        ensure!((0.01..=1000.0).contains(&fps), "cannot show {fps} frames a second: give 0.01 to 1000");
        Ok(Self { interval: Duration::from_secs_f64(1.0 / fps), next: None })
    }

    /// When the frame after the one shown `now` is due. A late frame delays the others: none is hurried to catch up.
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
