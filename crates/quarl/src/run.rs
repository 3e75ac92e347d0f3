//! What a run leaves on disk.
//!
//! | file | what |
//! | --- | --- |
//! | `config.toml` | the complete configuration; training again from it gives the same bytes |
//! | `episodes.csv` | one row an episode, written as it ends |
//! | `evaluations.csv` | one row a greedy evaluation |
//! | `best.safetensors` | the parameters of the best evaluation so far |
//! | `model.safetensors` | the parameters at the end |
//! | `summary.json` | the run in a few numbers; written last, when everything else is on the disk |
//!
//! Nothing but `summary.json` holds a time of day or a duration: all other files are the same whenever and wherever the run
//! is repeated.
//!
//! One process at a time writes a run: it holds the directory's lock until it has written everything. A run is
//! [complete](Status::Complete) where its summary says so and agrees with its tables and models.

mod contents;
#[cfg(feature = "plot")]
mod figures;
pub(crate) mod lock;
mod reader;
pub(crate) mod table;
mod writer;

use serde::{Deserialize, Serialize};

use crate::agent::diagnostics::Diagnostics;
use crate::train::EpisodeRecord;

pub use contents::Contents;
pub(crate) use contents::{RUNS, listed, name};
#[cfg(feature = "plot")]
pub use figures::draw;
#[cfg(feature = "plot")]
pub(crate) use figures::{WINDOW, read_curve, threshold, write_figures};
pub use reader::{Status, read_config, read_episodes, status};
pub use writer::RunWriter;

/// The configuration's file name.
pub(crate) const CONFIG: &str = "config.toml";
/// The episodes' file name.
pub const EPISODES: &str = "episodes.csv";
/// The evaluations' file name.
pub const EVALUATIONS: &str = "evaluations.csv";
/// What an episode's updates looked like from inside, where `training.diagnostics` asks for it.
pub(crate) const DIAGNOSTICS: &str = "diagnostics.csv";
/// The best model's file name.
pub const BEST: &str = "best.safetensors";
/// The last model's file name.
pub const MODEL: &str = "model.safetensors";
/// The summary's file name.
pub(crate) const SUMMARY: &str = "summary.json";
/// The figures' file names.
pub(crate) const CURVES: [&str; 2] = ["curve.svg", "curve.png"];

/// The name by default of a preset's runs on an environment, without their seed: `CartPole-v0-textbook`. The colons and slashes
/// of Gymnasium's ids, which shells and file systems do not take as letters, become hyphens.
pub fn default_name(env: &str, preset: &str) -> String {
    format!("{}-{preset}", env.replace([':', '/'], "-"))
}

/// One row of `episodes.csv`, as it is written; [`EpisodeRecord`] is what is read.
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
pub(crate) struct EvaluationRow {
    /// Episodes trained so far.
    pub episodes: u64,
    /// Environment steps trained so far.
    pub env_steps: u64,
    /// The mean return of the greedy episodes.
    #[serde(serialize_with = "table::plain")]
    pub mean_return: f64,
    /// The lowest return.
    #[serde(serialize_with = "table::plain")]
    pub min_return: f64,
    /// The highest return.
    #[serde(serialize_with = "table::plain")]
    pub max_return: f64,
    /// Whether no earlier evaluation was better.
    pub best: bool,
}

/// The first line of `diagnostics.csv`.
fn diagnostics_header() -> String {
    format!("episode,{}", Diagnostics::COLUMNS.join(","))
}

/// A run in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of quarl that trained it.
    pub quarl_version: String,
    /// The environment.
    pub env: String,
    /// The run's seed.
    pub seed: u64,
    /// The instruction set it was computed on (which changes nothing but the time).
    pub cpu_path: String,
    /// Whole episodes trained.
    pub episodes: u64,
    /// Environment steps trained.
    pub env_steps: u64,
    /// The mean return of the training episodes; `None` where none has ended.
    #[serde(default)]
    pub mean_return: Option<f64>,
    /// How long training took, evaluations included.
    pub wall_seconds: f64,
    /// Environment steps a second.
    pub steps_per_second: f64,
    /// The returns of the closing evaluation's greedy episodes; `None` where the run was stopped before it.
    pub greedy_returns: Option<Vec<f64>>,
    /// Their mean.
    pub greedy_mean: Option<f64>,
    /// The mean return of the best evaluation, whose network is `best.safetensors`; `None` where there was no evaluation.
    pub best_mean: Option<f64>,
    /// How many episodes had been trained then.
    pub best_episodes: Option<u64>,
    /// The mean return from which the task counts as solved, if it is agreed upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_threshold: Option<f64>,
    /// Whether training was stopped before its budget was used.
    pub interrupted: bool,
    /// Episodes that were dropped because the environment's process was gone.
    #[serde(default)]
    pub episodes_lost: u64,
    /// The run's warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What stopped it before its budget was used, where something failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the error lies outside the run, such as a full disk, so that the same run may succeed another time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub error_is_transient: bool,
}
