//! The memory requirements of a training run, computed before anything is allocated.
//!
//! Sizes are computed in floating point: sizes beyond the address space do not overflow, and all others are exact. The
//! memory of Gymnasium's worker processes is not included.

mod available;

use crate::config::{Head, OptimizerKind, ReplayKind, TrainConfig};
use crate::engine::TargetCache;
use crate::env::EnvironmentSpec;
use crate::error::Error;
use crate::network::Architecture;
use crate::space::Dtype;
use crate::target::TargetRule;
pub use available::available;

/// Arrays of floats are padded to a multiple of this length.
const LANES: f64 = 16.0;
const F32: f64 = 4.0;
const F64: f64 = 8.0;
const WORD: f64 = 8.0;

/// One part of a run's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What the memory is used for.
    pub name: &'static str,
    /// The configuration key that reduces it.
    pub key: &'static str,
    /// The size in bytes.
    pub bytes: u64,
}

/// The memory requirements of one run in an environment.
pub fn requirements(config: &TrainConfig, spec: &EnvironmentSpec) -> Vec<Part> {
    let sizes = Sizes::new(config, spec);
    let part = |name, key, bytes: f64| Part { name, key, bytes: bytes.ceil() as u64 };
    let replay_key = if config.replay.kind == ReplayKind::None { "agent.n_step" } else { "replay.capacity" };
    let batch_key = match config.network.head {
        Head::Implicit { .. } if config.network.training_quantiles as f64 > sizes.batch => "network.quantiles",
        _ if config.replay.kind == ReplayKind::None => "network.hidden",
        _ => "agent.batch_size",
    };
    let acting_key = if sizes.cosines().is_some() { "network.acting_quantiles" } else { "network.hidden" };
    vec![
        part("the replay buffer", replay_key, sizes.replay()),
        part("the replay buffer's priorities", replay_key, sizes.priorities()),
        part("the cache of target Q-values", replay_key, sizes.target_cache()),
        part("the network's parameters and gradients", "network.hidden", sizes.parameters()),
        part("the optimizer's moments", "network.hidden", sizes.optimizer()),
        part("a batch and its activations", batch_key, sizes.batch()),
        part("acting", acting_key, sizes.acting()),
        part("n-step returns", "agent.n_step", sizes.accumulators()),
        part("the environments' observations", "training.num_envs", sizes.environments()),
    ]
}

/// Checks that `runs` simultaneous runs fit into the memory that is available now. Succeeds where that is not known.
///
/// # Errors
/// [`Error::Setting`], with the key of the largest part.
pub fn check(config: &TrainConfig, spec: &EnvironmentSpec, runs: usize) -> Result<(), Error> {
    match available() {
        Some(available) => check_within(available, config, spec, runs),
        None => Ok(()),
    }
}

fn check_within(available: u64, config: &TrainConfig, spec: &EnvironmentSpec, runs: usize) -> Result<(), Error> {
    let parts = requirements(config, spec);
    let one_run: f64 = parts.iter().map(|part| part.bytes as f64).sum();
    let total = one_run * runs.max(1) as f64;
    let Some(largest) = parts.iter().max_by_key(|part| part.bytes) else { return Ok(()) };
    if total <= available as f64 {
        return Ok(());
    }
    let needed = match runs {
        0 | 1 => format!("the run needs {}", size(total)),
        _ => format!("{runs} runs at a time need {} ({} each)", size(total), size(one_run)),
    };
    let fewer = if runs > 1 { ", or run fewer at a time" } else { "" };
    let Part { name, key, bytes } = *largest;
    let message = format!(
        "{needed} of memory, but only {} is available; the largest part is {name} with {}: lower {key}{fewer}",
        size(available as f64),
        size(bytes as f64)
    );
    Err(Error::Setting { key: key.to_owned(), message })
}

/// A number of bytes with a unit.
fn size(bytes: f64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, power)| bytes >= f64::from(*power).exp2());
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(name, power)| format!("{:.1} {name}", bytes / f64::from(power).exp2()),
    )
}

fn padded(count: f64) -> f64 {
    (count / LANES).ceil() * LANES
}

/// The numbers from which the sizes are computed.
struct Sizes<'a> {
    config: &'a TrainConfig,
    architecture: Architecture,
    dtype: Dtype,
    /// The number of numbers in an observation.
    features: f64,
    actions: f64,
    masked_actions: f64,
    batch: f64,
    hidden: Vec<f64>,
    /// The number of outputs for each action and quantile level.
    atoms: f64,
    /// The number of quantile levels for each item: in an update, and in action selection.
    levels: (f64, f64),
}

impl<'a> Sizes<'a> {
    fn new(config: &'a TrainConfig, spec: &EnvironmentSpec) -> Self {
        let network = &config.network;
        let actions = spec.action_space.n as f64;
        Self {
            config,
            architecture: network.architecture(&spec.observation_space, spec.action_space.n),
            dtype: spec.observation_space.dtype,
            features: spec.observation_space.shape.iter().map(|n| *n as f64).product(),
            actions,
            masked_actions: if spec.has_action_mask { actions } else { 0.0 },
            batch: config.batch_size() as f64,
            hidden: network.hidden.iter().map(|units| *units as f64).collect(),
            atoms: network.head.atoms() as f64,
            levels: match network.head {
                Head::Implicit { acting_quantiles, .. } => (network.training_quantiles as f64, acting_quantiles as f64),
                _ => (1.0, 1.0),
            },
        }
    }

    /// The number of cosines of an implicit head.
    fn cosines(&self) -> Option<f64> {
        match self.config.network.head {
            Head::Implicit { cosines, .. } => Some(cosines as f64),
            _ => None,
        }
    }

    fn capacity(&self) -> f64 {
        match self.config.replay.kind {
            ReplayKind::None => self.config.agent.n_step as f64,
            _ => self.config.replay.capacity as f64,
        }
    }

    fn replay(&self) -> f64 {
        let number = match self.dtype {
            Dtype::F32 => F32,
            Dtype::U8 => 1.0,
        };
        // Action, reward, discount; observation and next observation; action mask.
        self.capacity() * (3.0 * F32 + 2.0 * self.features * number + self.masked_actions)
    }

    /// Nodes of eight weights, and the levels of sums above them.
    fn priorities(&self) -> f64 {
        if self.config.replay.kind != ReplayKind::Prioritized {
            return 0.0;
        }
        let mut nodes = (self.capacity() / 8.0).ceil();
        let mut all = nodes;
        while nodes > 1.0 {
            nodes = (nodes / 8.0).ceil();
            all += nodes;
        }
        all * 8.0 * F64
    }

    fn target_cache(&self) -> f64 {
        match TargetCache::is_used(self.config, &self.architecture) {
            true => self.capacity() * (self.actions * F32 + 1.0) + self.pass(LANES, 1.0),
            false => 0.0,
        }
    }

    /// The fully connected layers: inputs and outputs of each.
    fn layers(&self) -> Vec<(f64, f64)> {
        self.architecture.linears().into_iter().map(|(inputs, outputs)| (inputs as f64, outputs as f64)).collect()
    }

    /// The number of units in each stream's hidden layer of a dueling network.
    fn streams_hidden(&self) -> Option<f64> {
        self.config.network.dueling.then_some(self.config.network.dueling_hidden as f64)
    }

    /// The number of units in both streams' hidden layers together.
    fn units_of_streams(&self) -> f64 {
        2.0 * self.streams_hidden().unwrap_or(0.0)
    }

    /// The number of outputs of a dueling network's streams: values and advantages.
    fn streams(&self) -> Option<f64> {
        self.config.network.dueling.then_some((1.0 + self.actions) * self.atoms)
    }

    /// The number of parameters that a forward pass reads, and the number of all parameters.
    fn parameter_counts(&self) -> (f64, f64) {
        let counted = |count: Option<usize>| count.map_or(f64::INFINITY, |count| count as f64);
        (counted(self.architecture.forward_parameter_count()), counted(self.architecture.parameter_count()))
    }

    /// Online and target network, gradients, the parameters of the best evaluation, and a copy while the agent is evaluated
    /// or saved.
    fn parameters(&self) -> f64 {
        5.0 * padded(self.parameter_counts().1) * F32
    }

    fn optimizer(&self) -> f64 {
        let optimizer = &self.config.optimizer;
        let moments = match optimizer.kind {
            OptimizerKind::Adam => 2,
            OptimizerKind::Rmsprop => 1 + i32::from(optimizer.centered) + i32::from(optimizer.momentum != 0.0),
            OptimizerKind::Sgd => i32::from(optimizer.momentum != 0.0),
        };
        f64::from(moments) * padded(self.parameter_counts().1) * F32
    }

    /// The effective parameters of a forward pass, and its noise.
    fn effective_parameters(&self) -> f64 {
        if !self.architecture.is_reparametrised() {
            return 0.0;
        }
        let linears = self.layers().into_iter();
        let noise: f64 =
            if self.config.network.noisy { linears.map(|(inputs, outputs)| inputs + outputs).sum() } else { 0.0 };
        (noise + padded(self.parameter_counts().0)) * F32
    }

    /// The width of the last hidden layer of the trunk.
    fn width(&self) -> f64 {
        self.hidden.last().copied().unwrap_or(self.features)
    }

    /// The activations of a forward pass over a batch.
    fn pass(&self, batch: f64, levels: f64) -> f64 {
        let stride = padded(batch);
        let columns = stride * levels;
        let network = &self.config.network;
        let units: f64 = self.hidden.iter().sum();
        let mut hidden = units * stride + self.units_of_streams() * columns;
        if network.layer_norm {
            // Normalised values, and one deviation for each layer and column.
            let layers_of_streams = if network.dueling { 2.0 } else { 0.0 };
            hidden = 2.0 * hidden + self.hidden.len() as f64 * stride + layers_of_streams * columns;
        }
        let implicit = if let Some(cosines) = self.cosines() {
            // Levels, their cosines' recurrence in double precision, cosines, embedding and products.
            columns * (1.0 + 6.0 + cosines + 2.0 * self.width())
        } else {
            0.0
        };
        let outputs = self.actions * self.atoms * columns;
        let probabilities = if matches!(network.head, Head::Categorical { .. }) { outputs } else { 0.0 };
        let q_values = if network.head == Head::Scalar { 0.0 } else { self.actions * stride };
        let streams = self.streams().unwrap_or(0.0) * columns;
        (self.features * stride + hidden + implicit + outputs + streams + probabilities + q_values) * F32
            + self.effective_parameters()
    }

    /// The buffers of a backward pass, without the gradients.
    fn backward(&self) -> f64 {
        let stride = padded(self.batch);
        let columns = stride * self.levels.0;
        let layers = self.layers();
        let transposed = layers.iter().enumerate().map(|(i, (inputs, _))| {
            let outer = i >= self.hidden.len();
            padded(*inputs) * if outer { columns } else { stride }
        });
        let merged = if self.cosines().is_some() { self.width() * columns } else { 0.0 };
        let seen_by_streams = if self.config.network.dueling { self.width() } else { 0.0 };
        let streams = (seen_by_streams + self.units_of_streams()) * columns;
        let units: f64 = self.hidden.iter().sum();
        let outputs = (self.actions * self.atoms + self.streams().unwrap_or(0.0)) * columns;
        (outputs + merged + streams + (self.features + units) * stride + transposed.fold(0.0, f64::max)) * F32
    }

    fn batch(&self) -> f64 {
        let config = self.config;
        let (levels, acting_levels) = self.levels;
        let rule = TargetRule::new(config.agent.target);
        let needs_extra = rule.extra_pass().is_some() || self.cosines().is_some();
        let extra_levels = rule.extra_levels(levels as usize, acting_levels as usize) as f64;
        let extra = if needs_extra { self.pass(self.batch, extra_levels) } else { 0.0 };
        let passes = 2.0 * self.pass(self.batch, levels) + extra;
        let stride = padded(self.batch);
        let distribution = match config.network.head {
            Head::Scalar => 0.0,
            Head::Categorical { .. } => 3.0 * self.atoms * stride * F32,
            Head::Quantile { .. } | Head::Implicit { .. } => (4.0 * self.atoms * levels + 2.0) * stride * F32,
        };
        // Ids, actions; weights, rewards, discounts, targets, priorities; both observations; action masks.
        let transition = 2.0 * WORD + 5.0 * F32 + 2.0 * self.features * F32 + self.masked_actions;
        passes + self.backward() + distribution + self.batch * transition
    }

    /// The forward pass of one observation, in training and in evaluation.
    fn acting(&self) -> f64 {
        let units: f64 = self.hidden.iter().map(|units| padded(*units)).sum();
        let columns = if self.cosines().is_some() { padded(self.levels.1) } else { 1.0 };
        let implicit = if let Some(cosines) = self.cosines() {
            columns * (7.0 + cosines + 2.0 * self.width()) + LANES * self.width()
        } else {
            0.0
        };
        let outputs = (self.actions * self.atoms + self.streams().unwrap_or(0.0)) * columns + self.atoms;
        let streams = self.units_of_streams() * columns;
        2.0 * (units + implicit + streams + outputs + self.actions + self.features) * F32 + self.effective_parameters()
    }

    fn environments_count(&self) -> f64 {
        self.config.training.num_envs as f64
    }

    fn accumulators(&self) -> f64 {
        // Observation, action, reward, discount.
        self.environments_count() * self.config.agent.n_step as f64 * (self.features * F32 + WORD + 2.0 * F64)
    }

    /// For each training environment and the evaluation environment: the space's bounds, the stacked frames, the latest
    /// observation.
    fn environments(&self) -> f64 {
        let frames = if self.config.env.frame_stack > 1 { 1.0 } else { 0.0 };
        let statistics = if self.config.env.normalize_observation { 3.0 * F64 } else { 0.0 };
        self.features * ((self.environments_count() + 1.0) * (3.0 + frames) * F32 + statistics)
    }
}

#[cfg(test)]
mod tests;
