//! The events of a training run.

use serde::{Deserialize, Serialize};

use crate::agent::LearnReport;
use crate::agent::diagnostics::Diagnostics;

/// An event of a training run.
///
/// Every environment step yields [`Event::Step`], every update [`Event::Learn`]; [`Event::Episode`] follows the updates of an
/// episode's last step. An evaluation yields [`Event::EvaluationStep`]s and then [`Event::Evaluation`]. As JSON, an event is an
/// object whose field `event` names the variant in lower case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The environment was stepped.
    Step {
        /// Environment steps so far, this one included.
        env_steps: u64,
        /// The action taken.
        action: usize,
        /// The reward.
        reward: f64,
    },
    /// The network was updated.
    Learn {
        /// Environment steps so far.
        env_steps: u64,
        /// The results of the update.
        #[serde(flatten)]
        report: LearnReport,
    },
    /// An episode ended.
    Episode(EpisodeRecord),
    /// A greedy evaluation took a step.
    EvaluationStep {
        /// The episode within the evaluation, counted from 0.
        episode: u64,
        /// The action taken.
        action: usize,
        /// The step's reward.
        reward: f64,
    },
    /// A greedy evaluation finished.
    Evaluation(Evaluation),
    /// A warning for the user. Each warning is yielded once in a run.
    Warning {
        /// What is wrong, and what to do.
        message: String,
    },
}

/// One row of `episodes.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRecord {
    /// The episode, counted from 0.
    pub episode: u64,
    /// Environment steps at the end of the episode, all episodes included.
    pub env_steps: u64,
    /// The return: the undiscounted sum of the rewards.
    #[serde(rename = "return")]
    pub total_reward: f64,
    /// The number of steps.
    pub length: u64,
    /// The exploration probability at the last step.
    pub epsilon: f64,
    /// The mean loss of the episode's updates; `None` without updates.
    pub mean_loss: Option<f64>,
    /// The mean Q(s, a) of the sampled items over the episode's updates; `None` without updates.
    pub mean_q: Option<f64>,
    /// The row of `diagnostics.csv`; `None` unless `training.diagnostics` is set and there were updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

/// The result of a greedy evaluation during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The number of training episodes so far.
    pub episodes: u64,
    /// The number of environment steps so far.
    pub env_steps: u64,
    /// The return of each greedy episode.
    pub returns: Vec<f64>,
    /// The mean return.
    pub mean_return: f64,
    /// Whether no earlier evaluation had a higher mean. `best.safetensors` then holds these parameters.
    pub best: bool,
    /// Whether this is the closing evaluation at the end of training, whose initial observations differ from those of the
    /// other evaluations.
    pub closing: bool,
}
