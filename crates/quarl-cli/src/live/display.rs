//! The display of `quarl train --tui`: draws snapshots and answers keys, in a thread of its own.

use std::sync::Arc;

use anyhow::Result;

use super::panels::{self, RunView};
use super::player::{Picture, Player};
use super::screen::{Screen, give_way};
use super::{Phase, Shared, Snapshot};
use crate::interrupt;
use crate::keyboard::Key;

const KEYS: &str = "space pause  s step  + - speed  1 real time  f full  r picture  q stop  ? help";
const LAST_KEYS: &str = "Training is complete.  q leave  r picture  ? help";

const HELP: [&str; 11] = [
    "space   pause or continue",
    "s       one environment step, then pause",
    "+  -    faster or slower: limits the environment steps per second",
    "1       real time: the environment's own speed",
    "f       full speed",
    "r       show or hide the environment",
    "q       stop training and keep its results; at the end, leave",
    "Ctrl-C  stop at once; a second time, end without results",
    "Ctrl-L  redraw the screen",
    "",
    "At full speed the environment is played greedily by the latest network.",
];

const STOP: [&str; 2] = ["Stop training? Its results so far are kept.", "y yes   n no"];

/// The display.
pub(super) struct Display {
    shared: Arc<Shared>,
    screen: Screen,
    player: Player,
    title: String,
    /// The environment's own speed in steps per second.
    fps: f64,
    state: State,
}

/// What the keys have changed about the display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    shows_environment: bool,
    dialog: Dialog,
    is_stopping: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialog {
    None,
    Help,
    Stop,
}

/// What a key asks for, besides what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Continue,
    Redraw,
    /// Close the display.
    Leave,
    /// Stop training, as Ctrl-C does.
    Interrupt,
}

impl Display {
    pub(super) fn new(shared: Arc<Shared>, screen: Screen, player: Player, title: String, fps: f64) -> Self {
        let state = State { shows_environment: true, dialog: Dialog::None, is_stopping: false };
        Self { shared, screen, player, title, fps, state }
    }

    /// Draws and answers keys until the display is closed, and restores the terminal.
    pub(super) fn run(mut self) -> Result<()> {
        give_way();
        let shown = self.show();
        // Before the player, which may wait for an environment in Python to end.
        drop(self.screen);
        shown
    }

    fn show(&mut self) -> Result<()> {
        while !self.shared.is_closing() {
            let snapshot = self.shared.snapshot();
            let training = snapshot.training.as_ref().filter(|_| self.shared.controls.is_engaged());
            self.player.want(self.state.shows_environment && training.is_none());
            let played = self.player.picture();
            let picture = match training {
                Some(picture) => ("Training episode", Some(picture)),
                None => ("Greedy play, latest network", played.as_deref()),
            };
            let view = self.view(&snapshot, picture);
            let dialog = self.state.dialog;
            let drawn = self.screen.draw(|frame, theme| {
                panels::draw(frame, &view, theme);
                match dialog {
                    Dialog::None => {}
                    Dialog::Help => panels::dialog(frame, "Keys", &HELP, theme),
                    Dialog::Stop => panels::dialog(frame, "Stop", &STOP, theme),
                }
            })?;
            if !drawn {
                return Ok(());
            }
            let factor = snapshot.rate.unwrap_or(self.fps) / self.fps;
            for key in self.screen.keys()? {
                match self.state.answer(key, &self.shared, snapshot.phase, factor) {
                    Action::Continue => {}
                    Action::Redraw => self.screen.redraw()?,
                    Action::Leave => return Ok(()),
                    Action::Interrupt => interrupt::request(),
                }
            }
        }
        Ok(())
    }

    fn view<'a>(&self, snapshot: &'a Snapshot, picture: (&'static str, Option<&'a Picture>)) -> RunView<'a> {
        let requests = self.shared.controls.requests();
        let state = match snapshot.phase {
            Phase::Complete => "complete".to_owned(),
            _ if self.state.is_stopping || interrupt::requested() => "stopping".to_owned(),
            _ if requests.is_paused => "paused".to_owned(),
            Phase::Evaluating(episode) => format!("evaluation, episode {}", episode + 1),
            Phase::Training => requests.speed(),
        };
        let is_complete = snapshot.phase == Phase::Complete;
        RunView {
            title: self.title.clone(),
            state,
            history: &snapshot.history,
            rate: snapshot.rate,
            rates: &snapshot.rates,
            seconds_left: snapshot.seconds_left,
            is_complete,
            now: snapshot.now.clone(),
            picture: self.state.shows_environment.then_some(picture),
            // A warning matters more than what Python writes.
            notice: if snapshot.history.warnings.is_empty() { notice() } else { None },
            keys: if is_complete { LAST_KEYS } else { KEYS },
        }
    }
}

/// The latest message on standard error.
fn notice() -> Option<String> {
    #[cfg(unix)]
    return super::messages::latest();
    #[cfg(not(unix))]
    return None;
}

impl State {
    /// Answers a key. `factor` is the present speed relative to real time.
    fn answer(&mut self, key: Key, shared: &Shared, phase: Phase, factor: f64) -> Action {
        let (dialog, is_complete) = (std::mem::replace(&mut self.dialog, Dialog::None), phase == Phase::Complete);
        match (dialog, key) {
            (_, Key::Interrupt) => return Action::Interrupt,
            (_, Key::Redraw) => return Action::Redraw,
            (Dialog::Stop, Key::Char('y' | 'Y')) if !is_complete && !self.is_stopping => {
                self.is_stopping = true;
                return Action::Interrupt;
            }
            // Any other key closes a dialog.
            (Dialog::Stop | Dialog::Help, _) => return Action::Continue,
            (Dialog::None, _) => {}
        }
        let controls = &shared.controls;
        match key {
            Key::Char('q') | Key::Enter | Key::Escape if is_complete => return Action::Leave,
            Key::Char('q') if !self.is_stopping => self.dialog = Dialog::Stop,
            Key::Char('?' | 'h') => self.dialog = Dialog::Help,
            Key::Char('r') => self.shows_environment = !self.shows_environment,
            Key::Char(' ') => controls.toggle_pause(),
            Key::Char('s') | Key::Right => controls.step(),
            Key::Char('+' | '=') => controls.faster(),
            Key::Char('-') => controls.slower(factor),
            Key::Char('1') => controls.real_time(),
            Key::Char('f') => controls.full_speed(),
            _ => {}
        }
        Action::Continue
    }
}
