//! Reads the results of a study.

use std::path::Path;

use super::journal::{JOURNAL, Journal, State};
use super::results::StudySummary;
use super::space::Space;
use super::trial::Trial;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::files;
#[cfg(feature = "plot")]
use crate::plot::{BarChart, Figure, ParallelCoordinates};
use crate::run::SUMMARY;

/// The results of a study, as its directory holds them.
pub struct StudyResults {
    /// The configuration that the study varies.
    pub config: TrainConfig,
    /// The space.
    pub space: Space,
    /// The summary.
    pub summary: StudySummary,
    state: State,
}

/// Reads the results of the study in a directory; `None` if it has none yet.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read; [`Error::File`] or [`Error::Config`] where it is damaged or of another version.
pub fn read_study(dir: &Path) -> Result<Option<StudyResults>, Error> {
    let path = dir.join(SUMMARY);
    let Some(text) = files::read_text_if_exists(&path)? else { return Ok(None) };
    let summary: StudySummary = serde_json::from_str(&text).map_err(|error| {
        let message = format!("the summary is damaged or of another version ({error}): run the study again");
        Error::File { path, message }
    })?;
    let mut journal = Journal::at(dir, summary.seeds.clone());
    journal.refresh()?;
    let path = dir.join(JOURNAL);
    let Some(header) = &journal.state.header else {
        return Err(Error::File { path, message: "the journal of the study is missing or empty".to_owned() });
    };
    let origin = path.display().to_string();
    let config = TrainConfig::from_toml(&origin, &header.config)?;
    let space = Space::parse(&origin, &header.space, &config)?;
    let results = StudyResults { config, space, summary, state: journal.state };
    if let Err(error) = results.best_config() {
        let message = format!("the best settings are damaged ({error}): run the study again");
        return Err(Error::File { path: dir.join(SUMMARY), message });
    }
    Ok(Some(results))
}

impl StudyResults {
    /// All trials that have started, by number.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.state.trials.values()
    }

    /// The configuration of the best trial; `None` before the first complete one.
    ///
    /// # Errors
    /// [`Error::Setting`] where its parameters do not fit the configuration.
    pub fn best_config(&self) -> Result<Option<TrainConfig>, Error> {
        let best = self.summary.best.as_ref();
        best.map(|best| self.space.apply(&self.config, &best.parameters)).transpose()
    }

    /// The score of every trial, and the best score so far.
    #[cfg(feature = "plot")]
    pub fn progress(&self) -> Figure {
        super::figures::progress(&self.state, &self.summary)
    }

    /// Each complete trial as a line through its parameters.
    #[cfg(feature = "plot")]
    pub fn parallel_coordinates(&self) -> ParallelCoordinates {
        super::figures::parallel_coordinates(&self.space, &self.state, &self.summary)
    }

    /// The importance of each parameter; `None` for fewer than ten complete or pruned trials.
    #[cfg(feature = "plot")]
    pub fn importance(&self) -> Option<BarChart> {
        super::figures::importance(&self.state, &self.summary)
    }
}
