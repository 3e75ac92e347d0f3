//! What a run tells while it trains.

use serde::{Deserialize, Serialize};

use crate::agent::LearnReport;
use crate::agent::diagnostics::Diagnostics;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The environment was stepped.
    Step {
        /// Environment steps so far, this one included.
        env_steps: u64,
        /// What was done.
        action: usize,
        /// What was earned.
        reward: f64,
    },
    /// The network was updated.
    Learn {
        /// Environment steps so far.
        env_steps: u64,
        /// What the update saw.
        #[serde(flatten)]
        report: LearnReport,
    },
    /// An episode ended.
    Episode(EpisodeRecord),
    /// A step of a greedy evaluation was taken.
    EvaluationStep {
        /// The evaluation's episode, from 0.
        episode: u64,
        /// The action taken.
        action: usize,
        /// The step's reward.
        reward: f64,
    },
    /// The agent was evaluated, greedily and apart from training.
    Evaluation(Evaluation),
    /// Something the user should know. Each warning comes once in a run.
    Warning {
        /// What it is, and what to do about it.
        message: String,
    },
}

/// One row of `episodes.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// Which episode, from 0.
    pub episode: u64,
    /// Environment steps at its end, of all episodes so far.
    pub env_steps: u64,
    /// The sum of its rewards, undiscounted.
    #[serde(rename = "return")]
    pub total_reward: f64,
    /// How many steps it took.
    pub length: u64,
    /// The exploration rate at its last step.
    pub epsilon: f64,
    /// Mean loss over its updates; none where there was no update.
    pub mean_loss: Option<f64>,
    /// Mean Q(s, a) of the sampled items over its updates; none where there was no update.
    pub mean_q: Option<f64>,
    /// What `diagnostics.csv` says of it, where `training.diagnostics` asks for that and there was an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

/// How the greedy policy did at one moment of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Episodes trained so far.
    pub episodes: u64,
    /// Environment steps trained so far.
    pub env_steps: u64,
    /// Each greedy episode's return.
    pub returns: Vec<f64>,
    /// Their mean.
    pub mean_return: f64,
    /// Whether no earlier evaluation was better: these are the parameters that `best.safetensors` keeps.
    pub best: bool,
    /// Whether training has ended.
    pub last: bool,
}
