//! Statistics of each update, for finding out why a run does not learn.

use serde::{Deserialize, Serialize};

use crate::engine::UpdateDiagnostics;
use crate::replay::Replay;
use crate::transition::Batch;

/// The statistics of one update, or their means over an episode's updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// The mean TD error of the batch (see [`super::Agent::td_errors`]).
    pub td_error: f64,
    /// The global norm of the gradients before clipping.
    pub grad_norm: f64,
    /// The largest Q-value of the batch. For an episode: the largest of all updates.
    pub max_q: f64,
    /// The action gap: the mean over the batch of the best action's Q-value less the second best's; 0 with a single action.
    pub action_gap: f64,
    /// The Euclidean distance between the online and the target network's parameters, before the update.
    pub target_drift: f64,
    /// The smallest sampling weight of the batch's items; 1 with uniform sampling. For an episode: the smallest of all
    /// updates.
    pub lowest_priority: f64,
    /// The largest sampling weight of the batch's items. For an episode: the largest of all updates.
    pub highest_priority: f64,
    /// The fraction of the target distributions' mass that was clipped to a categorical head's support; `None` for other
    /// heads.
    // Serialised even if it is `None`: saved runs store the fields without their names.
    #[serde(default)]
    pub clipped_share: Option<f64>,
    /// The effective batch size: `(sum of weights)^2 / sum of squared weights`.
    pub effective_batch: f64,
}

impl Diagnostics {
    /// The statistics of one update.
    pub(super) fn new(
        update: &UpdateDiagnostics,
        clipped_share: Option<f32>,
        batch: &Batch,
        td_errors: &[f32],
        replay: &Replay,
    ) -> Self {
        let UpdateDiagnostics { grad_norm, target_drift, max_q, action_gap } = *update;
        let weights = || batch.weights.iter().map(|weight| f64::from(*weight));
        let sampled = || batch.ids.iter().map(|id| replay.sampling_weight(*id));
        Self {
            td_error: td_errors.iter().map(|error| f64::from(*error)).sum::<f64>() / batch.len() as f64,
            grad_norm,
            max_q,
            action_gap,
            target_drift,
            lowest_priority: sampled().fold(f64::INFINITY, f64::min),
            highest_priority: sampled().fold(f64::NEG_INFINITY, f64::max),
            clipped_share: clipped_share.map(f64::from),
            effective_batch: weights().sum::<f64>().powi(2) / weights().map(|weight| weight * weight).sum::<f64>(),
        }
    }

    /// Adds one update to an episode's sums and extremes; the first update replaces `None`.
    pub(crate) fn add(so_far: &mut Option<Self>, update: Self) {
        let Some(sums) = so_far else {
            *so_far = Some(update);
            return;
        };
        sums.td_error += update.td_error;
        sums.grad_norm += update.grad_norm;
        sums.max_q = sums.max_q.max(update.max_q);
        sums.action_gap += update.action_gap;
        sums.target_drift += update.target_drift;
        sums.lowest_priority = sums.lowest_priority.min(update.lowest_priority);
        sums.highest_priority = sums.highest_priority.max(update.highest_priority);
        sums.effective_batch += update.effective_batch;
        sums.clipped_share = sums.clipped_share.zip(update.clipped_share).map(|(sum, share)| sum + share);
    }

    /// Divides an episode's sums by the number of updates; extremes stay.
    pub(crate) fn mean(self, updates: u64) -> Self {
        let mean = |sum: f64| sum / updates as f64;
        Self {
            td_error: mean(self.td_error),
            grad_norm: mean(self.grad_norm),
            action_gap: mean(self.action_gap),
            target_drift: mean(self.target_drift),
            effective_batch: mean(self.effective_batch),
            clipped_share: self.clipped_share.map(mean),
            ..self
        }
    }
}
