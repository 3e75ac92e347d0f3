//! The end of a run: its final model and its summary.

use super::RunWriter;
use crate::atomic_write::atomic_write;
use crate::error::Error;
use crate::run::directory::sync_directory;
use crate::run::{MODEL, SUMMARY, Summary, machine};
use crate::train::Trainer;

impl RunWriter {
    /// Writes the final model and the summary; for an interrupted run also a checkpoint. `wall_seconds` is the duration of training
    /// in this process.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails.
    pub fn finish(&mut self, trainer: &Trainer, wall_seconds: f64, interrupted: bool) -> Result<Summary, Error> {
        if interrupted {
            self.suspend(trainer)?;
        }
        self.save(Some(trainer))?;
        let summary = Summary { interrupted, ..self.summary(Some(trainer), wall_seconds) };
        self.write(summary)
    }

    /// [`RunWriter::finish`] for a run that `error` ended. Writes as much as possible.
    ///
    /// # Errors
    /// The first [`Error::Io`].
    pub fn abandon(&mut self, trainer: &Trainer, wall_seconds: f64, error: &Error) -> Result<Summary, Error> {
        self.record_failure(Some(trainer), wall_seconds, error.to_string(), error.is_transient())
    }

    /// [`RunWriter::abandon`], without a model if `trainer` is `None` because its state is unreliable.
    pub(crate) fn record_failure(
        &mut self,
        trainer: Option<&Trainer>,
        wall_seconds: f64,
        error: String,
        error_is_transient: bool,
    ) -> Result<Summary, Error> {
        let saved = self.save(trainer);
        let summary = Summary { error: Some(error), error_is_transient, ..self.summary(trainer, wall_seconds) };
        let summary = self.write(summary)?;
        saved.map(|()| summary)
    }

    /// Writes everything except the summary to the disk.
    fn save(&self, trainer: Option<&Trainer>) -> Result<(), Error> {
        let synced = self.tables.sync();
        let saved = trainer.map_or(Ok(()), |trainer| trainer.model().save(&self.dir.join(MODEL)));
        synced.and(saved)
    }

    fn summary(&self, trainer: Option<&Trainer>, wall_seconds: f64) -> Summary {
        let (best_mean, best_episodes) = self.totals.best.unzip();
        let wall_seconds = self.totals.seconds + wall_seconds;
        let last = self.last.as_ref();
        let (greedy_returns, greedy_mean) =
            last.map(|evaluation| (evaluation.returns.clone(), evaluation.mean_return)).unzip();
        let (episodes, env_steps) =
            trainer.map_or(self.totals.written, |trainer| (trainer.episodes(), trainer.env_steps()));
        Summary {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            env: self.env.clone(),
            seed: self.seed,
            cpu_path: trainer.map_or(String::new(), |trainer| trainer.agent().engine().name().to_owned()),
            machine: machine::describe(),
            episodes,
            env_steps,
            mean_return: mean_return(self.totals.return_sum, self.totals.written.0),
            wall_seconds,
            // JSON has no infinity.
            steps_per_second: if wall_seconds > 0.0 { env_steps as f64 / wall_seconds } else { 0.0 },
            greedy_returns,
            greedy_mean,
            best_mean,
            best_episodes,
            reward_threshold: trainer.and_then(|trainer| trainer.env().spec().reward_threshold),
            interrupted: false,
            stopped_early: trainer.and_then(Trainer::stopped_early).map(str::to_owned),
            episodes_lost: trainer.map_or(0, Trainer::episodes_lost),
            warnings: trainer.map_or(Vec::new(), |trainer| {
                trainer.warnings().iter().chain(&self.checkpoints.failure).cloned().collect()
            }),
            error: None,
            error_is_transient: false,
        }
    }

    /// Writes the summary, after the names of all other files have reached the disk.
    fn write(&mut self, summary: Summary) -> Result<Summary, Error> {
        if let Some(tensorboard) = &mut self.tensorboard {
            tensorboard.finish(&self.dir, &summary)?;
        }
        sync_directory(&self.dir)?;
        let text = serde_json::to_string_pretty(&summary).expect("a summary is plain data") + "\n";
        atomic_write(&self.dir.join(SUMMARY), text.as_bytes())?;
        Ok(summary)
    }
}

/// The mean of the returns; `None` where JSON cannot represent it.
pub(in crate::run) fn mean_return(sum: f64, episodes: u64) -> Option<f64> {
    Some(sum / episodes as f64).filter(|mean| mean.is_finite())
}
