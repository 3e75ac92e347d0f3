//! Runs on disk: the files of a run, written during training and read afterwards.
//!
//! | file | contents |
//! | --- | --- |
//! | `config.toml` | the complete configuration; training with it again gives the same files |
//! | `episodes.csv` | one row for each training episode, written when it ends |
//! | `evaluations.csv` | one row for each greedy evaluation |
//! | `diagnostics.csv` | one row for each episode with updates, with `training.diagnostics = true` |
//! | `best.safetensors` | the parameters of the best evaluation so far |
//! | `model.safetensors` | the parameters at the end of training |
//! | `initial.safetensors` | the parameters that the run started from, if they were given |
//! | `summary.json` | summary statistics; written when all files above have reached the disk |
//! | `curve.svg`, `curve.png` | the learning curve |
//! | `events.out.tfevents.quarl` | TensorBoard's event file, if it was requested |
//! | `fork.json` | where the run branched off another one ([`crate::timeline::fork`]) |
//! | `checkpoints/` | the latest saved states of the run and that of its best evaluation ([`crate::checkpoint`]) |
//! | `recordings/` | greedy episodes during training as GIFs, if they were requested |
//!
//! Only `summary.json` and the event file contain times, and with an interval in seconds the choice of checkpoints depends on
//! them. All other files are the same whenever and wherever the run is
//! repeated.
//!
//! One process at a time writes a run: it holds the directory's lock until everything is written. A run is
//! [complete](Status::Complete) if its summary says so and agrees with its tables and models.

mod contents;
mod directory;
mod event_file;
#[cfg(feature = "plot")]
mod figures;
mod follow;
mod links;
pub(crate) mod lock;
mod machine;
mod reader;
#[cfg(feature = "render")]
mod recording;
mod resume;
mod saved;
pub(crate) mod table;
mod tensorboard;
mod writer;

use serde::{Deserialize, Serialize};

use crate::agent::diagnostics::Diagnostics;
use crate::train::EpisodeRecord;

pub use contents::Contents;
pub(crate) use contents::{RUNS, listed, name};
#[cfg(feature = "plot")]
pub(crate) use figures::{WINDOW, read_curve, threshold, write_figures};
#[cfg(feature = "plot")]
pub use figures::{draw, figure};
pub use follow::{RunFollower, RunUpdate};
pub(crate) use links::refuse_link;
pub use lock::Holder;
pub(crate) use reader::read_evaluations;
pub use reader::{Status, read_config, read_episodes, status};
#[cfg(feature = "render")]
pub use recording::{EpisodeRecorder, record_greedy_episode};
pub use resume::Resume;
pub use saved::{History, SavedRun};
pub use writer::RunWriter;
pub(crate) use writer::{CheckpointSchedule, Origin};

/// The file name of the configuration.
pub const CONFIG: &str = "config.toml";
/// The file name of the training episodes' table.
pub const EPISODES: &str = "episodes.csv";
/// The file name of the evaluations' table.
pub const EVALUATIONS: &str = "evaluations.csv";
/// The file name of the diagnostics' table, which is written if `training.diagnostics` is set.
pub(crate) const DIAGNOSTICS: &str = "diagnostics.csv";
/// The file name of the best model.
pub const BEST: &str = "best.safetensors";
/// The file name of the final model.
pub const MODEL: &str = "model.safetensors";
/// The file name of the model that the run started from, if it did not start from random parameters.
pub const INITIAL: &str = "initial.safetensors";
/// The file name of the summary.
pub(crate) const SUMMARY: &str = "summary.json";
/// The file names of the figure.
pub(crate) const CURVES: [&str; 2] = ["curve.svg", "curve.png"];

/// The file name of TensorBoard's event file.
pub(crate) const TENSORBOARD: &str = "events.out.tfevents.quarl";
/// The directory of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The directory of the recordings.
pub(crate) const RECORDINGS: &str = "recordings";

/// The default name of a preset's runs in an environment, without the seed: `CartPole-v0-textbook`. Colons and slashes of
/// Gymnasium's ids are replaced by hyphens, because they are not suitable for directory names.
pub fn default_name(env: &str, preset: &str) -> String {
    format!("{}-{preset}", env.replace([':', '/'], "-"))
}

/// One row of `episodes.csv` as it is written; it is read as [`EpisodeRecord`].
#[derive(Default, Serialize)]
struct EpisodeRow {
    episode: u64,
    env_steps: u64,
    #[serde(rename = "return", serialize_with = "table::plain")]
    total_reward: f64,
    length: u64,
    #[serde(serialize_with = "table::plain")]
    epsilon: f64,
    #[serde(serialize_with = "table::number")]
    mean_loss: Option<f64>,
    #[serde(serialize_with = "table::number")]
    mean_q: Option<f64>,
}

impl From<&EpisodeRecord> for EpisodeRow {
    fn from(record: &EpisodeRecord) -> Self {
        Self {
            episode: record.episode,
            env_steps: record.env_steps,
            total_reward: record.total_reward,
            length: record.length,
            epsilon: record.epsilon,
            mean_loss: record.mean_loss,
            mean_q: record.mean_q,
        }
    }
}

/// One row of `evaluations.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRow {
    /// The number of training episodes so far.
    pub episodes: u64,
    /// The number of environment steps so far.
    pub env_steps: u64,
    /// The mean return of the greedy episodes.
    #[serde(serialize_with = "table::plain")]
    pub mean_return: f64,
    /// The minimum return.
    #[serde(serialize_with = "table::plain")]
    pub min_return: f64,
    /// The maximum return.
    #[serde(serialize_with = "table::plain")]
    pub max_return: f64,
    /// Whether its parameters are in `best.safetensors` until a later evaluation is as good.
    pub best: bool,
    /// Whether it is the closing evaluation, whose initial observations differ from those of the other evaluations.
    pub closing: bool,
}

/// One row of `diagnostics.csv`.
#[derive(Default, Serialize, Deserialize)]
struct DiagnosticsRow {
    episode: u64,
    #[serde(serialize_with = "table::plain")]
    td_error: f64,
    #[serde(serialize_with = "table::plain")]
    grad_norm: f64,
    #[serde(serialize_with = "table::plain")]
    max_q: f64,
    #[serde(serialize_with = "table::plain")]
    action_gap: f64,
    #[serde(serialize_with = "table::plain")]
    target_drift: f64,
    #[serde(serialize_with = "table::plain")]
    lowest_priority: f64,
    #[serde(serialize_with = "table::plain")]
    highest_priority: f64,
    #[serde(serialize_with = "table::plain")]
    effective_batch: f64,
    #[serde(serialize_with = "table::number")]
    clipped_share: Option<f64>,
}

impl DiagnosticsRow {
    fn new(episode: u64, diagnostics: &Diagnostics) -> Self {
        let Diagnostics {
            td_error,
            grad_norm,
            max_q,
            action_gap,
            target_drift,
            lowest_priority,
            highest_priority,
            effective_batch,
            clipped_share,
        } = *diagnostics;
        Self {
            episode,
            td_error,
            grad_norm,
            max_q,
            action_gap,
            target_drift,
            lowest_priority,
            highest_priority,
            effective_batch,
            clipped_share,
        }
    }
}

impl From<DiagnosticsRow> for (u64, Diagnostics) {
    fn from(row: DiagnosticsRow) -> Self {
        let DiagnosticsRow {
            episode,
            td_error,
            grad_norm,
            max_q,
            action_gap,
            target_drift,
            lowest_priority,
            highest_priority,
            effective_batch,
            clipped_share,
        } = row;
        let diagnostics = Diagnostics {
            td_error,
            grad_norm,
            max_q,
            action_gap,
            target_drift,
            lowest_priority,
            highest_priority,
            clipped_share,
            effective_batch,
        };
        (episode, diagnostics)
    }
}

/// The summary statistics of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of quarl that trained the run.
    pub quarl_version: String,
    /// The environment's id.
    pub env: String,
    /// The run's seed.
    pub seed: u64,
    /// The instruction set in use, which affects only the speed.
    pub cpu_path: String,
    /// The machine: `linux x86_64, AMD EPYC 9R14, 2 cores`.
    #[serde(default)]
    pub machine: String,
    /// The number of finished training episodes.
    pub episodes: u64,
    /// The number of environment steps.
    pub env_steps: u64,
    /// The mean return of the training episodes; `None` if none has ended.
    #[serde(default)]
    pub mean_return: Option<f64>,
    /// The duration of training in seconds, evaluations included.
    pub wall_seconds: f64,
    /// Environment steps per second.
    pub steps_per_second: f64,
    /// The returns of the closing evaluation's greedy episodes; `None` if the run was interrupted before.
    pub greedy_returns: Option<Vec<f64>>,
    /// The mean of these returns.
    pub greedy_mean: Option<f64>,
    /// The mean return of the best evaluation, whose parameters are in `best.safetensors`; `None` without an evaluation.
    pub best_mean: Option<f64>,
    /// The number of training episodes at the best evaluation.
    pub best_episodes: Option<u64>,
    /// The mean return from which the task counts as solved; `None` if no threshold is agreed upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_threshold: Option<f64>,
    /// Whether training was interrupted before its budget was used up.
    pub interrupted: bool,
    /// Why an evaluation ended training before its budget was used up, if one did (`evaluation.stop_at`,
    /// `evaluation.patience`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_early: Option<String>,
    /// The number of episodes lost because a worker process ended.
    #[serde(default)]
    pub episodes_lost: u64,
    /// The run's warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The error that ended the run, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the cause of the error lies outside the run, such as a full disk, so that the same run may succeed when it
    /// is repeated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub error_is_transient: bool,
}
