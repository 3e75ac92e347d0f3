//! What an agent needs from whatever computes its Q-values and its updates.
//!
//! An [`Engine`] holds the online network, the target network and the optimizer. The agent decides what to learn from and
//! when: it draws the batches, owns the random streams and the schedules, and hands priorities to the replay buffer.
//! [`cpu`] is the engine that quarl comes with.

pub mod cpu;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::env::EnvironmentSpec;
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::network::Architecture;
use crate::observations::{Observations, ObservationsView};
use crate::replay::Replay;
use crate::rng::Rng;
use crate::transition::Batch;

/// An online network, a target network, and an optimizer: what computes Q-values and updates.
///
/// Of the configuration it follows `[network]`, `[optimizer]` (but for the schedule of the learning rate), and `agent.target`
/// with Munchausen's settings, `agent.loss` and the batch size; with `target_network.kind = "none"` the online network's
/// Q-values bootstrap. Everything else is the agent's.
pub trait Engine: Send {
    /// What it computes on, such as `avx512`; recorded with a run.
    fn name(&self) -> &str;

    /// The network that it computes.
    fn architecture(&self) -> &Architecture;

    /// The online network's parameters, laid out as [`cpu::network::Plan::tensors`] says.
    fn parameters(&self) -> &[f32];

    /// The online network's Q-values of a batch of observations `[item][..shape]`, into `q_values`, `[item][action]`. For each
    /// item it draws from `noise` first an implicit head's quantile levels (`network.acting_quantiles` uniform numbers in single
    /// precision), then a noisy network's noise, layer by layer.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the observations are not as many as the Q-values.
    fn q_values(&mut self, observations: ObservationsView, noise: &mut Rng, q_values: &mut [f32]) -> Result<(), Error>;

    /// One update of the online network.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or a parameter is no longer a finite number.
    fn update(&mut self, update: Update) -> Result<UpdateReport, Error>;

    /// Updates the target network.
    fn update_target(&mut self, rule: TargetUpdate);

    /// Puts parameters in the place of those of the online and of the target network: the first ones of a run.
    ///
    /// # Panics
    /// When they are not as many as [`Engine::parameters`].
    fn set_parameters(&mut self, online: &[f32], target: &[f32]);

    /// Everything that changes while it learns.
    fn state(&self) -> EngineState;

    /// Puts back what [`Engine::state`] gave.
    ///
    /// # Errors
    /// [`Error::State`] where the state is of another engine; nothing is changed then.
    fn set_state(&mut self, state: &EngineState) -> Result<(), Error>;

    /// Drops what it has cached of transition `id`, whose place in the replay buffer another one has taken. An engine
    /// without a cache has nothing to do.
    fn forget(&mut self, _id: usize) {}

    /// Drops all that it has cached. Results stay the same.
    fn forget_all(&mut self) {}

    /// Floating-point operations of one update, counting matrix products only, where that is known.
    fn update_flops(&self) -> Option<u64> {
        None
    }
}

/// Makes the engine of a run for an environment. The agent then gives it the first parameters, which the run's seed decides.
pub type EngineFactory = Box<dyn FnOnce(&TrainConfig, &EnvironmentSpec) -> Result<Box<dyn Engine>, Error>>;

/// How the target network follows the online one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TargetUpdate {
    /// A copy.
    Hard,
    /// `target += tau (online - target)` (Polyak averaging), with tau in (0, 1).
    Polyak(f64),
}

/// What one update is computed from.
pub struct Update<'a> {
    /// The batch.
    pub batch: DrawnBatch<'a>,
    /// The learning rate.
    pub learning_rate: f64,
    /// The environment step, for messages.
    pub env_steps: u64,
    /// Whether [`UpdateReport::diagnostics`] is wanted.
    pub wants_diagnostics: bool,
    /// The stream of parameter noise and quantile levels. An engine draws for each forward pass over the batch, in the
    /// order: target network at the next observations, the pass that the target rule needs besides, online network. It
    /// draws the pass's quantile levels `[level][item, padded to a multiple of 16]` first, then its noise, layer by layer.
    pub noise: &'a mut Rng,
    /// Where each item's TD error goes, at least 0: the absolute TD error; for a categorical head the cross-entropy less the
    /// target's entropy; for quantile heads the mean absolute TD error over all pairs.
    pub td_errors: &'a mut [f32],
}

/// A batch drawn from the replay buffer, whose next observations are read when they are needed.
pub struct DrawnBatch<'a> {
    batch: &'a mut Batch,
    replay: &'a Replay,
    statistics: Option<&'a ObservationStatistics>,
    has_next_observations: bool,
}

impl<'a> DrawnBatch<'a> {
    /// A batch that [`Replay::draw`] has filled. Its observations are normalised here, where there are statistics.
    pub(crate) fn new(
        batch: &'a mut Batch,
        replay: &'a Replay,
        statistics: Option<&'a ObservationStatistics>,
    ) -> Result<Self, Error> {
        if let Some(statistics) = statistics {
            normalize(statistics, &mut batch.obs)?;
        }
        Ok(Self { batch, replay, statistics, has_next_observations: false })
    }

    /// The batch. Its next observations are only those of this batch after [`DrawnBatch::with_next_observations`].
    pub fn get(&self) -> &Batch {
        self.batch
    }

    /// The batch with its next observations.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the statistics are of other observations.
    pub fn with_next_observations(&mut self) -> Result<&Batch, Error> {
        if !self.has_next_observations {
            self.replay.gather_next_obs(self.batch);
            if let Some(statistics) = self.statistics {
                normalize(statistics, &mut self.batch.next_obs)?;
            }
            self.has_next_observations = true;
        }
        Ok(self.batch)
    }

    /// The buffer that it was drawn from.
    pub fn replay(&self) -> &Replay {
        self.replay
    }
}

/// Normalises observations that are floats; whoever normalises asks the replay buffer for floats.
fn normalize(statistics: &ObservationStatistics, observations: &mut Observations) -> Result<(), Error> {
    match observations {
        Observations::F32(values) => statistics.normalize(values),
        Observations::U8(_) => Ok(()),
    }
}

/// What one update found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateReport {
    /// The loss that was descended: the batch's weighted mean.
    pub loss: f32,
    /// The mean of Q(s, a) over the batch, before the update.
    pub mean_q: f32,
    /// The share of the target's probability that was clipped to a categorical head's support; none for other heads.
    pub clipped_share: Option<f32>,
    /// More numbers, where they are asked for.
    pub diagnostics: Option<UpdateDiagnostics>,
}

/// What an update knows besides, before its step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateDiagnostics {
    /// The gradients' global norm, before clipping.
    pub grad_norm: f64,
    /// The Euclidean distance between online and target parameters.
    pub target_drift: f64,
    /// The largest Q-value of the batch's observations.
    pub max_q: f64,
    /// The mean over the batch of the best action's Q-value less the second best's; 0 where there is one action.
    pub action_gap: f64,
}

/// Everything of an engine that changes while it learns, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineState {
    /// The online network's parameters.
    pub online: Vec<f32>,
    /// The target network's.
    pub target: Vec<f32>,
    /// The optimizer's arrays by name, such as `adam.first_moment`. Its settings are among them, to be recognised by.
    pub optimizer: BTreeMap<String, Array>,
}

/// Numbers of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Array {
    /// In single precision.
    F32(Vec<f32>),
    /// In double precision.
    F64(Vec<f64>),
}

impl Array {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(one), Self::F32(other)) => one.len() == other.len(),
            (Self::F64(one), Self::F64(other)) => one.len() == other.len(),
            _ => false,
        }
    }
}

impl EngineState {
    /// Whether this, read back from somewhere, can take the place of `present`: it has the same arrays, and the same
    /// settings of the optimizer.
    ///
    /// # Errors
    /// [`Error::State`] where it cannot.
    pub fn check(&self, present: &Self) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the agent".to_owned(), message });
        let (actual, expected) = (self.online.len(), present.online.len());
        if (actual, self.target.len()) != (expected, present.target.len()) {
            return refused(format!("{actual} parameters were saved, this network has {expected}"));
        }
        let fits = |(name, array): (&String, &Array)| match present.optimizer.get(name) {
            Some(expected) if name.ends_with("settings") => array == expected,
            Some(expected) => array.is_like(expected),
            None => false,
        };
        if self.optimizer.len() != present.optimizer.len() || !self.optimizer.iter().all(fits) {
            return refused("the optimizer's settings or its size are others".to_owned());
        }
        Ok(())
    }
}
