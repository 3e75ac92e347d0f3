//! Watches a study.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use quarl::tune::StudyFollower;

use super::show_rows;
use crate::live::study_panels::{self, StudyView, best, counts, row, tie};
use crate::progress::TimeLeft;
use crate::{Outcome, output};

const KEYS: &str = "up down scroll  Ctrl-L redraw  q leave";

/// Prints the present state.
pub(super) fn print(dir: &Path) -> Result<Outcome> {
    let mut study = StudyFollower::new(dir);
    study.poll()?;
    let percent = (study.share() * 100.0).floor();
    output::line(format!("{}: {}, {percent:.0}% done", dir.display(), counts(&study)));
    if let Some(best) = best(&study) {
        output::line(best);
    }
    if let Some(tie) = tie(&study) {
        output::warning(tie);
    }
    for trial in study.trials() {
        output::line(row(&study, trial));
    }
    Ok(Outcome::Done)
}

/// Shows the state until the display is closed.
pub(super) fn watch(dir: &Path) -> Result<()> {
    let mut study = StudyFollower::new(dir);
    let (started, mut time_left) = (Instant::now(), TimeLeft::default());
    // What was there already says nothing about the speed.
    let mut initial = None;
    show_rows(|screen, scrolled| {
        let polled = study.poll();
        let initial = *initial.get_or_insert(study.share());
        let share = (study.share() - initial) / (1.0 - initial).max(f64::MIN_POSITIVE);
        time_left.update(started.elapsed().as_secs_f64(), share);
        let problem = polled.err().map(|error| error.to_string());
        let message = match &problem {
            Some(problem) => Some(problem.as_str()),
            None if study.config().is_none() && !dir.exists() => Some("The directory was removed."),
            None => tie(&study),
        };
        let title = match study.config() {
            Some(config) => format!("{}  {}", config.env.id, dir.display()),
            None => dir.display().to_string(),
        };
        let seconds_left = time_left.seconds();
        let view = StudyView { title: &title, study: &study, scrolled, seconds_left, message, keys: KEYS };
        let is_shown = screen.draw(|frame, theme| study_panels::draw(frame, &view, theme))?;
        Ok((is_shown, study.trials().count()))
    })
}
