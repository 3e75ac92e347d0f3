//! What a checkpoint keeps for the writer of a run's files, so that a resumed run continues them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::tensorboard::{self, TensorBoard};
use super::super::{DIAGNOSTICS, EPISODES, EVALUATIONS, TENSORBOARD};
use crate::error::Error;

/// The lengths of the files of a run, and the sums of its summary.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Log {
    /// The length of each table in bytes.
    pub(in crate::run) episodes: u64,
    pub(in crate::run) evaluations: u64,
    pub(in crate::run) diagnostics: Option<u64>,
    pub(super) tensorboard: Option<tensorboard::State>,
    /// The interval of recordings in environment steps.
    pub(super) record_every: Option<u64>,
    pub(super) totals: Totals,
    /// What a program that has trained the run needs to continue it, which the command does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::run) program: Option<serde_json::Value>,
}

/// The sums of a run's summary.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Totals {
    /// The mean return of the best evaluation, and the number of training episodes before it.
    pub(super) best: Option<(f64, u64)>,
    /// The number of episodes and environment steps in the table.
    pub(super) written: (u64, u64),
    /// The sum of the returns in the table.
    pub(super) return_sum: f64,
    /// The duration in seconds of training in earlier processes.
    pub(super) seconds: f64,
}

impl Log {
    /// Why the files in `dir` cannot be continued from here; `None` if they can.
    pub(crate) fn missing(&self, dir: &Path) -> Option<Error> {
        let tensorboard = self.tensorboard.as_ref().map(TensorBoard::len);
        let files = [
            (EPISODES, Some(self.episodes)),
            (EVALUATIONS, Some(self.evaluations)),
            (DIAGNOSTICS, self.diagnostics),
            (TENSORBOARD, tensorboard),
        ];
        files.into_iter().filter_map(|(name, len)| Some((dir.join(name), len?))).find_map(|(path, len)| {
            let actual = match std::fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) => return Some(Error::io("read", &path)(error)),
            };
            (actual < len).then(|| {
                let message = format!("it has {actual} bytes and had {len} when the checkpoint was written");
                Error::File { path, message }
            })
        })
    }

    /// Whether the run logs for TensorBoard.
    pub(crate) fn logs_to_tensorboard(&self) -> bool {
        self.tensorboard.is_some()
    }

    /// The duration of training in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.totals.seconds
    }

    /// The interval of recordings in environment steps, if the run records episodes.
    pub(crate) fn record_every(&self) -> Option<u64> {
        self.record_every
    }
}
