//! The interface between an agent and the code that computes its Q-values and updates.
//!
//! An [`Engine`] holds the online network, the target network and the optimizer. The agent decides what to learn from and
//! when: it samples the batches, owns the random streams and the schedules, and passes priorities to the replay buffer.
//! [`cpu`] is the built-in engine.

pub(crate) mod config;
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
use cpu::network::LayerStack;

// What the library needs of the built-in engine besides the trait: the network of a policy, and what a run is checked for.
pub(crate) use cpu::TargetCache;
pub use cpu::network::Tensor;
#[doc(hidden)]
pub use cpu::{TrainedNetwork, check_observations};

/// An online network, a target network, and an optimizer.
///
/// Training uses any engine through this trait: pass a factory to
/// [`TrainerBuilder::engine`](crate::train::TrainerBuilder::engine) or [`Agent::with_engine`](crate::Agent::with_engine).
/// Without one, the [CPU engine](cpu) is used.
///
/// An engine implements these settings: `[network]`, `[optimizer]` (the agent evaluates the learning-rate schedule),
/// `agent.target` with Munchausen's settings, `agent.loss`, and `agent.batch_size`. With `target_network.kind = "none"` it
/// bootstraps from the online network's Q-values. The agent implements everything else.
pub trait Engine: Send {
    /// A name for what the engine computes on, such as `avx512`. It is recorded with a run.
    fn name(&self) -> &str;

    /// The network's architecture.
    fn architecture(&self) -> &Architecture;

    /// The online network's parameters, in the order of [`parameter_layout`].
    fn parameters(&self) -> &[f32];

    /// Computes the online network's Q-values of a batch of observations `[item][..shape]` into `q_values`,
    /// `[item][action]`. For each item, the engine draws from `noise` first the quantile levels of an implicit head
    /// (`network.acting_quantiles` uniform f32 numbers), then the noise of a noisy network, layer by layer.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the numbers of observations and Q-values do not match.
    fn q_values(&mut self, observations: ObservationsView, noise: &mut Rng, q_values: &mut [f32]) -> Result<(), Error>;

    /// Performs one update of the online network.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or a parameter is no longer a finite number.
    fn update(&mut self, update: Update) -> Result<UpdateReport, Error>;

    /// Updates the target network.
    fn update_target(&mut self, rule: TargetUpdate);

    /// Sets the parameters of the online and the target network, which invalidates all cached values.
    ///
    /// # Panics
    /// When their number differs from that of [`Engine::parameters`].
    fn set_parameters(&mut self, online: &[f32], target: &[f32]);

    /// Everything that changes during training.
    fn state(&self) -> EngineState;

    /// Restores a state from [`Engine::state`].
    ///
    /// # Errors
    /// [`Error::State`] where the state belongs to another engine; nothing is changed then.
    fn set_state(&mut self, state: &EngineState) -> Result<(), Error>;

    /// Invalidates cached values of transition `id`, which another transition has replaced in the replay buffer. An engine
    /// without a cache need not implement it.
    fn invalidate(&mut self, _id: usize) {}

    /// Invalidates all cached values. Results stay the same.
    fn invalidate_all(&mut self) {}

    /// Floating-point operations of one update, counting matrix products only; `None` if unknown.
    fn update_flops(&self) -> Option<u64> {
        None
    }
}

/// Creates the engine of a run. The agent then sets the initial parameters, which depend on the run's seed.
pub type EngineFactory = Box<dyn FnOnce(&TrainConfig, &EnvironmentSpec) -> Result<Box<dyn Engine>, Error>>;

/// The named tensors of a network's parameters, which together cover one flat vector. All engines use this order.
pub fn parameter_layout(architecture: &Architecture) -> Vec<Tensor> {
    LayerStack::new(architecture).tensors()
}

/// Draws initial parameters in the order of [`parameter_layout`]: each layer's as PyTorch initialises it; a noisy network's
/// sigmas from `noisy_sigma`.
pub(crate) fn initial_parameters(architecture: &Architecture, noisy_sigma: f64, rng: &mut Rng) -> Vec<f32> {
    LayerStack::new(architecture).initial_parameters(noisy_sigma, rng)
}

/// The rule that updates the target network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TargetUpdate {
    /// Hard update: a copy of the online network.
    Hard,
    /// Soft update (Polyak averaging): `target += tau * (online - target)`, with tau in (0, 1).
    Polyak(f64),
}

/// The inputs and outputs of one update.
pub struct Update<'a> {
    /// The batch.
    pub batch: DrawnBatch<'a>,
    /// The learning rate.
    pub learning_rate: f64,
    /// The environment step, for error messages.
    pub env_steps: u64,
    /// Whether [`UpdateReport::diagnostics`] is requested.
    pub wants_diagnostics: bool,
    /// The random stream of parameter noise and quantile levels. An engine draws for each forward pass over the batch, in
    /// this order: target network at the next observations, the target rule's extra pass, online network. For each pass it
    /// draws the quantile levels `[level][item, padded to a multiple of 16]` first, then the noise, layer by layer.
    pub noise: &'a mut Rng,
    /// Receives the TD error of each item, at least 0: the absolute TD error; for a categorical head the cross-entropy less
    /// the target's entropy; for quantile heads the mean absolute TD error over all pairs of quantiles.
    pub td_errors: &'a mut [f32],
}

/// A batch sampled from the replay buffer. Its next observations are read when they are needed.
pub struct DrawnBatch<'a> {
    batch: &'a mut Batch,
    replay: &'a Replay,
    statistics: Option<&'a ObservationStatistics>,
    has_next_observations: bool,
}

impl<'a> DrawnBatch<'a> {
    /// A batch filled by [`Replay::draw`]. Its observations are normalised here if there are statistics.
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

    /// The batch. Its next observations are valid only after [`DrawnBatch::with_next_observations`].
    pub fn get(&self) -> &Batch {
        self.batch
    }

    /// The batch including its next observations.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the statistics belong to observations of another length.
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

    /// The buffer that the batch was sampled from.
    pub fn replay(&self) -> &Replay {
        self.replay
    }
}

/// Normalises observations. With normalisation, the replay buffer always stores floats.
fn normalize(statistics: &ObservationStatistics, observations: &mut Observations) -> Result<(), Error> {
    match observations {
        Observations::F32(values) => statistics.normalize(values),
        Observations::U8(_) => Ok(()),
    }
}

/// The results of one update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateReport {
    /// The weighted mean loss of the batch.
    pub loss: f32,
    /// The mean of Q(s, a) over the batch, before the optimizer step.
    pub mean_q: f32,
    /// The fraction of the target distributions' mass that was clipped to a categorical head's support; `None` for other
    /// heads.
    pub clipped_share: Option<f32>,
    /// Further statistics, if they were requested.
    pub diagnostics: Option<UpdateDiagnostics>,
}

/// Statistics of an update, taken before the optimizer step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateDiagnostics {
    /// The global norm of the gradients before clipping.
    pub grad_norm: f64,
    /// The Euclidean distance between the online and the target network's parameters.
    pub target_drift: f64,
    /// The largest Q-value of the batch.
    pub max_q: f64,
    /// The action gap: the mean over the batch of the best action's Q-value less the second best's; 0 with a single action.
    pub action_gap: f64,
}

/// Everything of an engine that changes during training, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineState {
    /// The online network's parameters.
    pub online: Vec<f32>,
    /// The target network's parameters.
    pub target: Vec<f32>,
    /// The optimizer's arrays by name, such as `adam.first_moment`, and its settings, which are compared when a state is
    /// restored.
    pub optimizer: BTreeMap<String, Array>,
}

/// An array of f32 or f64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Array {
    /// In single precision.
    F32(Vec<f32>),
    /// In double precision.
    F64(Vec<f64>),
    /// Settings: a state belongs only to an optimizer with the same ones.
    Settings(Vec<f64>),
}

impl Array {
    /// Whether it can take the place of another one: numbers of the same kind, as many, and equal settings.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(one), Self::F32(other)) => one.len() == other.len(),
            (Self::F64(one), Self::F64(other)) => one.len() == other.len(),
            (Self::Settings(one), Self::Settings(other)) => one == other,
            _ => false,
        }
    }
}

impl EngineState {
    /// Checks that this state, read from a file, is compatible with `present`, the state of a new engine: the same arrays
    /// with the same lengths, and the same optimizer settings.
    ///
    /// # Errors
    /// [`Error::State`] where it is not.
    pub fn check(&self, present: &Self) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the agent".to_owned(), message });
        let (actual, expected) = (self.online.len(), present.online.len());
        if (actual, self.target.len()) != (expected, present.target.len()) {
            return refused(format!("the saved state has {actual} parameters, this network has {expected}"));
        }
        let fits = |(name, array): (&String, &Array)| {
            present.optimizer.get(name).is_some_and(|expected| array.is_like(expected))
        };
        if self.optimizer.len() != present.optimizer.len() || !self.optimizer.iter().all(fits) {
            return refused("the saved optimizer has other settings or another size".to_owned());
        }
        Ok(())
    }
}
