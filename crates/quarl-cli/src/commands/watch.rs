//! `quarl watch`: shows runs that another process trains, by reading their files.

mod many;
mod one;

use std::path::Path;

use anyhow::Result;
use quarl::Error;
use quarl::run::Contents;

use crate::args::WatchArgs;
use crate::live::screen::{Pressed, Screen};
use crate::{Outcome, interrupt};

pub(crate) fn run(args: WatchArgs) -> Result<Outcome> {
    let dir = &args.dir;
    // The directory may still be empty.
    if !dir.exists() {
        return Err(no_results(dir, "there is no such directory"));
    }
    let is_several = match Contents::of(dir)? {
        Contents::Nothing | Contents::Run { .. } => false,
        Contents::Experiment | Contents::Several { .. } => true,
        Contents::Study => {
            let message = "this directory holds a study, which has no live view: its trials are listed in trials.csv";
            return Err(no_results(dir, message));
        }
        Contents::Other { .. } => {
            return Err(no_results(dir, "this directory holds no run, no experiment and no comparison"));
        }
    };
    if args.once {
        return if is_several { many::print(dir) } else { one::print(dir) };
    }
    Screen::check("--once prints the present state as text")?;
    #[cfg(unix)]
    let _messages = crate::live::messages::Capture::start();
    interrupt::listen();
    // A directory that was empty may turn out to be that of an experiment.
    if is_several || one::watch(dir)? == Ended::IsSeveral {
        many::watch(dir)?;
    }
    Ok(if interrupt::requested() { Outcome::Interrupted } else { Outcome::Done })
}

/// Why the display ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Closed,
    /// The directory holds several runs.
    IsSeveral,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Continue,
    Leave,
    /// A key of the view.
    Key(Pressed),
}

/// Answers the keys that all views share, of those pressed until the next drawing is due.
fn keys(screen: &mut Screen) -> Result<Action> {
    if interrupt::requested() {
        return Ok(Action::Leave);
    }
    for key in screen.keys()? {
        match key {
            Pressed::Interrupt => {
                interrupt::request();
                return Ok(Action::Leave);
            }
            Pressed::Char('q') | Pressed::Escape => return Ok(Action::Leave),
            Pressed::Redraw => screen.redraw()?,
            key => return Ok(Action::Key(key)),
        }
    }
    Ok(Action::Continue)
}

fn no_results(dir: &Path, message: &str) -> anyhow::Error {
    Error::File { path: dir.to_owned(), message: message.to_owned() }.into()
}
