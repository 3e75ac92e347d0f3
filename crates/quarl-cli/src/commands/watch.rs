//! `quarl watch`: shows runs that another process trains, by reading their files.

mod many;
mod one;
mod study;

use anyhow::Result;
use quarl::run::Contents;

use crate::args::WatchArgs;
use crate::keyboard::Key;
use crate::live::screen::Screen;
use crate::{Outcome, interrupt};

pub(crate) fn run(args: WatchArgs) -> Result<Outcome> {
    let dir = &args.dir;
    // The directory may still be empty.
    if !dir.exists() {
        return Err(Contents::no_results(dir).into());
    }
    let kind = match Contents::of(dir)? {
        Contents::Nothing | Contents::Run { .. } => Kind::One,
        Contents::Experiment | Contents::Several { .. } => Kind::Several,
        Contents::Study => Kind::Study,
        Contents::Other { .. } => return Err(Contents::no_results(dir).into()),
    };
    if args.once {
        return match kind {
            Kind::One => one::print(dir),
            Kind::Several => many::print(dir),
            Kind::Study => study::print(dir),
        };
    }
    Screen::check("--once prints the present state as text")?;
    #[cfg(unix)]
    let _messages = crate::live::messages::Capture::start();
    interrupt::listen();
    // A directory that was empty may turn out to be that of an experiment or a study.
    let kind = if kind == Kind::One { one::watch(dir, args.trust)? } else { Some(kind) };
    match kind {
        Some(Kind::Several) => many::watch(dir)?,
        Some(Kind::Study) => study::watch(dir)?,
        Some(Kind::One) | None => {}
    }
    Ok(if interrupt::requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A run, or nothing yet.
    One,
    Several,
    Study,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Continue,
    Leave,
    /// A key of the view.
    Key(Key),
}

/// Answers the keys that all views share, of those pressed until the next drawing is due.
fn keys(screen: &mut Screen) -> Result<Action> {
    if interrupt::requested() {
        return Ok(Action::Leave);
    }
    for key in screen.keys()? {
        match key {
            Key::Interrupt => {
                interrupt::request();
                return Ok(Action::Leave);
            }
            Key::Char('q') | Key::Escape => return Ok(Action::Leave),
            Key::Redraw => screen.redraw()?,
            key => return Ok(Action::Key(key)),
        }
    }
    Ok(Action::Continue)
}

/// Shows a list until the display is closed. `draw` draws it with this row selected, and returns whether there still is a
/// display, and the number of rows.
fn show_rows(mut draw: impl FnMut(&mut Screen, usize) -> Result<(bool, usize)>) -> Result<()> {
    let (mut screen, mut row) = (Screen::open()?, 0);
    loop {
        let (is_shown, rows) = draw(&mut screen, row)?;
        match keys(&mut screen)? {
            Action::Leave => return Ok(()),
            Action::Key(Key::Up) => row = row.saturating_sub(1),
            Action::Key(Key::Down) => row = (row + 1).min(rows.saturating_sub(1)),
            _ => {}
        }
        if !is_shown {
            return Ok(());
        }
    }
}
