//! The events of a study.

use serde::Serialize;
use toml::Table;

/// An event of a study, in this or another process.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StudyEvent {
    /// A trial was started.
    Trial {
        /// The trial's number.
        trial: u64,
        /// The value of each parameter.
        parameters: Table,
    },
    /// A run continues in this process from a checkpoint of another one.
    Continued {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// Its environment steps so far.
        env_steps: u64,
        /// Its episodes so far.
        episodes: u64,
    },
    /// A run of this process has finished an episode.
    Episode {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// Its environment steps so far.
        env_steps: u64,
    },
    /// A run of this process has given a warning.
    Warning {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// What is wrong, and what to do.
        message: String,
    },
    /// All runs that are left are run by other processes. Yielded once for each of these processes.
    Waiting {
        /// The process: `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
        holder: String,
    },
    /// A run of a trial has ended.
    Run {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// The normalised score of its final model.
        score: f64,
        /// The mean return of its final model.
        mean_return: f64,
    },
    /// A trial is complete.
    Complete {
        /// The trial's number.
        trial: u64,
        /// Its score.
        score: f64,
    },
    /// The pruner has stopped a trial.
    Pruned {
        /// The trial's number.
        trial: u64,
        /// The part of its runs after which it was stopped.
        at: f64,
        /// Its value then.
        value: Option<f64>,
    },
    /// A trial has failed: its parameters cannot be combined, or one of its runs has failed.
    Failed {
        /// The trial's number.
        trial: u64,
        /// The error message.
        error: String,
    },
    /// A run of this process has failed for a reason outside the run, such as a full disk. It continues next time.
    Unfinished {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// The error message.
        error: String,
    },
    /// A run of the best trial with a fresh seed has ended.
    Confirmed {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// The normalised score of its final model; `None` if the run failed.
        score: Option<f64>,
        /// The mean return of its final model; `None` if the run failed.
        mean_return: Option<f64>,
        /// Why the run failed.
        error: Option<String>,
    },
}
