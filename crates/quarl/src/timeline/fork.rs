//! A run that branches off another one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Moment, Timeline};
use crate::atomic_write;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::files;
use crate::run::{Origin, RunWriter};
use crate::train::Trainer;

/// The file in which a run says where it branched off.
pub(crate) const FORK: &str = "fork.json";

/// Where a run branched off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// The directory of the other run.
    pub run: String,
    /// The environment steps that they share.
    pub env_steps: u64,
    /// The settings in which they differ.
    pub differences: Vec<String>,
}

impl Fork {
    /// Reads where the run in `dir` branched off; `None` where it did not.
    pub(super) fn of(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FORK);
        let Some(text) = files::read_text_if_exists(&path)? else { return Ok(None) };
        let damaged = |error: serde_json::Error| Error::File { path, message: format!("it is damaged ({error})") };
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).expect("a fork is plain data") + "\n";
        atomic_write(path, text.as_bytes())
    }
}

/// Begins a run in `out` that shares the first `env_steps` environment steps of another one, and goes on with the settings of
/// `config`: the same networks, replay buffer and random streams. Its tables begin with the shared rows. With `force`, a run in
/// `out` is replaced.
///
/// # Errors
/// [`Error::Unusable`] where the run is shorter, or the budget of `config` is not larger than the step; [`Error::State`] where the
/// other settings need another network, optimizer, replay buffer or environment, or where the environment cannot be saved at this
/// step; those of [`RunWriter::create`] and of the run.
pub fn fork(
    run: &Timeline,
    env_steps: u64,
    config: TrainConfig,
    out: &Path,
    force: bool,
) -> Result<(Trainer, RunWriter), Error> {
    let is_same = |path: &Path| path.canonicalize().ok();
    if is_same(out).is_some_and(|out| is_same(run.dir) == Some(out)) {
        let message = "is the run itself: choose another directory for the run that branches off".to_owned();
        return Err(Error::Occupied { path: out.to_owned(), message });
    }
    if config.training.seed != run.config.training.seed {
        let message = "the random streams continue those of the other run, so the seed stays the same".to_owned();
        return Err(Error::Setting { key: "training.seed".to_owned(), message });
    }
    let mut trainer = Trainer::builder(config).stop_flag(run.stop.clone()).build()?;
    if trainer.config().training.steps.is_some_and(|budget| budget <= env_steps) {
        let message = format!("it has to be above the {env_steps} environment steps that the runs share");
        return Err(Error::Setting { key: "training.steps".to_owned(), message });
    }
    let Moment { trainer: shared, .. } = run.at(env_steps, env_steps, |_, _| Ok(()))?;
    let state = shared.state()?;
    if trainer.config().training.episodes.is_some_and(|budget| budget <= shared.episodes()) {
        let message = format!("it has to be above the {} episodes that the runs share", shared.episodes());
        return Err(Error::Setting { key: "training.episodes".to_owned(), message });
    }
    let differences = shared.config().differences(trainer.config());
    trainer.branch_off(state).map_err(|error| match error {
        Error::State { what, message } if !differences.is_empty() => {
            let message = format!(
                "{message}; these settings differ, and one of them needs another state: {}",
                differences.join(", ")
            );
            Error::State { what, message }
        }
        error => error,
    })?;
    let fork = Fork {
        run: std::path::absolute(run.dir).unwrap_or_else(|_| run.dir.to_owned()).display().to_string(),
        env_steps,
        differences,
    };
    let origin = Origin { initial: None, fork: Some(fork) };
    let mut writer = RunWriter::create_from(out, force, trainer.config(), &origin)?;
    writer.begin_with_rows_of(run.dir, &trainer)?;
    Ok((trainer, writer))
}
