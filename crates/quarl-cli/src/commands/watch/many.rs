//! Watches an experiment, a comparison, or a directory of runs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::show_rows;
use crate::live::group::Groups;
use crate::live::group_panels::{self, GroupsView, table};
use crate::progress::TimeLeft;
use crate::{Outcome, output};

const KEYS: &str = "up down select  Ctrl-L redraw  q leave";

/// How long files are read between two drawings.
const READING: Duration = Duration::from_millis(40);

/// Prints the present state.
pub(super) fn print(dir: &Path) -> Result<Outcome> {
    let mut groups = Groups::new(dir);
    while groups.poll(READING)? {}
    let percent = (groups.share() * 100.0).floor();
    output::line(format!("{}: {}, {percent:.0}% done", dir.display(), groups.counts().text()));
    if let Some(problem) = groups.problem() {
        output::warning(&problem);
    }
    for row in table(&groups) {
        output::line(row.trim_end());
    }
    Ok(Outcome::Done)
}

/// Shows the state until the display is closed.
pub(super) fn watch(dir: &Path) -> Result<()> {
    let mut groups = Groups::new(dir);
    let (started, mut time_left) = (Instant::now(), TimeLeft::default());
    let title = dir.display().to_string();
    show_rows(|screen, selected| {
        let mut problem = match groups.poll(READING) {
            // What was there already says nothing about the speed.
            Ok(false) => {
                time_left.update(started.elapsed().as_secs_f64(), groups.share());
                None
            }
            Ok(true) => None,
            Err(error) => Some(error.to_string()),
        };
        problem = problem.or_else(|| groups.problem());
        let message = match &problem {
            Some(problem) => Some(problem.as_str()),
            None if groups.groups.is_empty() && !dir.exists() => Some("The directory was removed."),
            None if groups.groups.is_empty() => Some("Waiting for the first run."),
            None => None,
        };
        let view = GroupsView {
            title: &title,
            groups: &groups,
            selected,
            seconds_left: time_left.seconds(),
            message,
            keys: KEYS,
        };
        let is_shown = screen.draw(|frame, theme| group_panels::draw(frame, &view, theme))?;
        Ok((is_shown, table(&groups).len()))
    })
}
