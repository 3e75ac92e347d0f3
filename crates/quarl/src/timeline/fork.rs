//! A run that branches off another one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Moment, Timeline};
use crate::atomic_write;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::run::RunWriter;
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

/// Begins a run in `out` that shares the first `env_steps` environment steps of another one, and goes on with the settings of
/// `config`: the same networks, replay buffer and random streams. Its tables begin with the shared rows. With `force`, a run in
/// `out` is replaced.
///
/// # Errors
/// [`Error::Setting`] where the run is shorter, or the budget of `config` not larger than the step; [`Error::State`] where the
/// other settings need another network, optimizer, replay buffer or environment, or where the environment cannot be saved at this
/// step; those of [`RunWriter::create`] and of the run.
pub fn fork(
    run: &Timeline,
    env_steps: u64,
    config: TrainConfig,
    out: &Path,
    force: bool,
) -> Result<(Trainer, RunWriter), Error> {
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
    trainer.branch_off(state)?;
    let mut writer = RunWriter::create(out, force, trainer.config())?;
    let fork = Fork {
        run: std::path::absolute(run.dir).unwrap_or_else(|_| run.dir.to_owned()).display().to_string(),
        env_steps,
        differences: shared.config().differences(trainer.config()),
    };
    let text = serde_json::to_string_pretty(&fork).expect("a fork is plain data") + "\n";
    atomic_write(&out.join(FORK), text.as_bytes())?;
    writer.begin_with_rows_of(run.dir, &trainer)?;
    Ok((trainer, writer))
}
