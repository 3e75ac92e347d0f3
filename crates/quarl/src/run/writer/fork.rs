//! The beginning of a run that branches off another one.

use std::path::Path;

use super::RunWriter;
use crate::error::Error;
use crate::run::{BEST, DIAGNOSTICS, EPISODES, EVALUATIONS, EvaluationRow, reader, table};
use crate::train::Trainer;

impl RunWriter {
    /// For a run that branched off another one: copies the rows of the steps that they share, and writes the checkpoint from which
    /// it can be resumed.
    pub(crate) fn begin_with_rows_of(&mut self, other: &Path, trainer: &Trainer) -> Result<(), Error> {
        let episodes = reader::read_episodes(other)?.into_iter().take(trainer.episodes() as usize);
        for record in episodes {
            self.totals.written = (record.episode + 1, record.env_steps);
            self.totals.return_sum += record.total_reward;
        }
        let shared = trainer.episodes() as usize;
        self.tables.episodes.lines(&table::first_rows(&other.join(EPISODES), |i, _| i < shared)?)?;
        if let Some(diagnostics) = &mut self.tables.diagnostics {
            // The first column is the episode.
            let is_shared = |_, row: &str| {
                row.split(',').next().and_then(|cell| cell.parse().ok()).is_some_and(|n: usize| n < shared)
            };
            let path = other.join(DIAGNOSTICS);
            if path.exists() {
                diagnostics.lines(&table::first_rows(&path, is_shared)?)?;
            }
        }
        let evaluations = reader::read_evaluations(other)?;
        let is_shared = |row: &EvaluationRow| {
            let is_before = row.env_steps < trainer.env_steps();
            !row.closing && (is_before || (row.env_steps == trainer.env_steps() && !trainer.is_evaluating()))
        };
        let count = evaluations.iter().take_while(|row| is_shared(row)).count();
        let best = evaluations[..count].iter().rev().find(|row| row.best);
        self.totals.best = best.map(|row| (row.mean_return, row.episodes));
        self.tables.evaluations.lines(&table::first_rows(&other.join(EVALUATIONS), |i, _| i < count)?)?;
        if let Some(model) = trainer.best_model() {
            model.save(&self.dir.join(BEST))?;
        }
        self.checkpoints.keep_first();
        self.save_checkpoint(trainer, false)
    }
}
