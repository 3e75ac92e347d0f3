//! The built-in engine: networks, gradients and optimizers on the CPU, with SIMD kernels whose results are the same, bit
//! for bit, on every instruction set.

// Hidden modules are public for the tests in `tests/`, which compare layers and optimizers with PyTorch.
#[doc(hidden)]
pub mod buffer;
pub mod kernels;
#[doc(hidden)]
pub mod network;
#[doc(hidden)]
pub mod optimizer;
mod target_cache;
#[cfg(test)]
mod tests;
mod trained;
mod update;

use self::buffer::Buffer;
use self::kernels::CpuPath;
use self::network::{QNetwork, SingleScratch};
use self::optimizer::{Optimizer, Step, clip_scale};
use self::update::{BatchLoss, UpdateScratch, target_rule};
use super::{Engine, EngineFactory, EngineState, TargetUpdate, Update, UpdateDiagnostics, UpdateReport};
use crate::config::{TargetNetworkKind, TrainConfig};
use crate::env::EnvironmentSpec;
use crate::error::Error;
use crate::loss::Loss;
use crate::network::{Architecture, Head, QValues};
use crate::observations::ObservationsView;
use crate::rng::Rng;
use crate::target::TargetRule;

pub(crate) use target_cache::TargetCache;
pub use trained::TrainedNetwork;

/// A factory of engines that use the instruction set `path`, for [`crate::train::TrainerBuilder::engine`].
pub fn on(path: CpuPath) -> EngineFactory {
    Box::new(move |config, spec| Ok(Box::new(CpuEngine::new(config, spec, path)?)))
}

/// [`on`] the fastest instruction set of this machine, or the one that the environment variable `QUARL_CPU` names.
///
/// # Errors
/// [`Error::CpuPath`] where `QUARL_CPU` names an instruction set that does not exist or that this machine lacks.
pub fn fastest() -> Result<EngineFactory, Error> {
    Ok(on(CpuPath::select()?))
}

/// Checks that this engine can learn from an environment's observations (`spec` is that of the wrapped environment). It
/// cannot learn from images, because its layers are fully connected.
///
/// # Errors
/// [`Error::ImageObservation`], with the shape of one image.
#[doc(hidden)]
pub fn check_observations(config: &TrainConfig, spec: &EnvironmentSpec) -> Result<(), Error> {
    let mut space = spec.observation_space.clone();
    if config.env.frame_stack > 1 {
        // Stacked vectors have two dimensions, but are not images.
        space.shape.drain(..1.min(space.shape.len()));
    }
    if space.is_image() {
        return Err(Error::ImageObservation { id: spec.id.clone(), shape: space.shape });
    }
    Ok(())
}

/// An engine on the CPU.
pub struct CpuEngine {
    network: QNetwork,
    rule: TargetRule,
    loss: Loss,
    max_grad_norm: Option<f64>,
    /// Whether there is a target network; without one, targets bootstrap from the online network's Q-values.
    has_target_network: bool,
    online: Buffer,
    target: Buffer,
    optimizer: Optimizer,
    acting: ActingScratch,
    scratch: UpdateScratch,
}

/// The buffers of a forward pass of one observation.
struct ActingScratch {
    single: SingleScratch,
    noise: Vec<f32>,
    /// The effective parameters, if the network is reparametrised.
    effective: Buffer,
    observation: Vec<f32>,
}

impl CpuEngine {
    /// Creates an engine whose parameters are all zero.
    ///
    /// # Errors
    /// [`Error::CpuPath`] where this machine lacks the instruction set; [`Error::ImageObservation`] for images.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, path: CpuPath) -> Result<Self, Error> {
        check_observations(config, spec)?;
        let path = CpuPath::parse(path.name())?;
        let architecture = config.network.architecture(&spec.observation_space, spec.action_space.n);
        let network = QNetwork::new(architecture, path);
        let rule = target_rule(&config.agent);
        let parameters = network.parameter_count();
        Ok(Self {
            rule,
            loss: config.agent.loss,
            max_grad_norm: config.optimizer.max_grad_norm,
            has_target_network: config.target_network.kind != TargetNetworkKind::None,
            online: Buffer::zeros(parameters),
            target: Buffer::zeros(parameters),
            optimizer: Optimizer::new(parameters, &config.optimizer),
            acting: ActingScratch {
                single: network.single_scratch(),
                noise: network.no_noise(),
                effective: Buffer::zeros(if network.is_reparametrised() {
                    network.forward_parameter_count()
                } else {
                    0
                }),
                observation: vec![0.0; network.architecture().inputs],
            },
            scratch: UpdateScratch::new(&network, config, &rule),
            network,
        })
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> &str {
        self.network.path().name()
    }

    fn architecture(&self) -> &Architecture {
        self.network.architecture()
    }

    fn parameters(&self) -> &[f32] {
        &self.online
    }

    fn q_values(
        &mut self,
        observations: ObservationsView,
        noise_rng: &mut Rng,
        q_values: &mut [f32],
    ) -> Result<(), Error> {
        let Self { network, online, acting, .. } = self;
        let Architecture { inputs, actions, head, .. } = *network.architecture();
        let (expected, actual) = (q_values.len() / actions * inputs, observations.len());
        if actual != expected {
            return Err(Error::ObservationLength { id: "the network".to_owned(), expected, actual });
        }
        let ActingScratch { single, noise, effective, observation } = acting;
        let mut numbers = observations.iter();
        for q_values in q_values.chunks_exact_mut(actions) {
            observation.iter_mut().zip(&mut numbers).for_each(|(to, x)| *to = x);
            if let Head::Implicit { .. } = head {
                single.levels_mut().iter_mut().for_each(|level| *level = noise_rng.uniform() as f32);
            }
            let parameters = if network.is_reparametrised() {
                network.draw_noise(noise_rng, noise);
                network.effective_parameters(online, noise, effective);
                &*effective
            } else {
                &*online
            };
            let computed = network.q_values(parameters, observation, single)?;
            q_values.iter_mut().enumerate().for_each(|(action, q)| *q = computed.get(0, action));
        }
        Ok(())
    }

    fn update(&mut self, update: Update) -> Result<UpdateReport, Error> {
        let Self { network, rule, loss, max_grad_norm, has_target_network, online, target, optimizer, scratch, .. } =
            self;
        let Update { mut batch, learning_rate, env_steps: step, wants_diagnostics, noise, td_errors } = update;
        let target = if *has_target_network { &*target } else { &*online };
        scratch.forward(network, rule, (online, target), &mut batch, noise)?;
        let batch = batch.get();
        let BatchLoss { sum, clipped_share } = scratch.loss(network, rule, *loss, batch, td_errors);

        let q_values = scratch.q_values();
        let sum_q: f32 = batch.actions.iter().enumerate().map(|(item, action)| q_values.get(item, *action)).sum();
        let per_item = 1.0 / batch.len() as f32;
        let mut report =
            UpdateReport { loss: sum * per_item, mean_q: sum_q * per_item, clipped_share, diagnostics: None };
        if !report.loss.is_finite() {
            return Err(Error::NotFinite { what: scratch.first_not_finite(network, rule), step });
        }
        scratch.backward(network, online);
        if wants_diagnostics {
            let (max_q, action_gap) = max_q_and_action_gap(scratch.q_values(), batch.len());
            report.diagnostics = Some(UpdateDiagnostics {
                grad_norm: norm(scratch.gradients.iter().copied()),
                target_drift: norm(online.iter().zip(target.iter()).map(|(online, target)| online - target)),
                max_q,
                action_gap,
            });
        }
        let path = network.path();
        let gradient_scale = max_grad_norm.map_or(1.0, |max_norm| clip_scale(path, &scratch.gradients, max_norm));
        let gradients = &scratch.gradients;
        if !optimizer.step(Step { path, learning_rate, gradient_scale, gradients }, online) {
            let what = not_finite(network, gradients, online);
            return Err(Error::NotFinite { what, step });
        }
        Ok(report)
    }

    fn update_target(&mut self, rule: TargetUpdate) {
        let Self { network, online, target, .. } = self;
        match rule {
            TargetUpdate::Hard => target.copy_from_slice(online),
            TargetUpdate::Polyak(tau) => {
                kernels::polyak_update(network.path(), target.padded_mut(), online.padded(), tau as f32);
            }
        }
        if let Some(cache) = &mut self.scratch.cache {
            cache.invalidate_all();
        }
    }

    fn set_parameters(&mut self, online: &[f32], target: &[f32]) {
        self.online.copy_from_slice(online);
        self.target.copy_from_slice(target);
        self.invalidate_all();
    }

    fn state(&self) -> EngineState {
        let Self { online, target, optimizer, .. } = self;
        EngineState { online: online.to_vec(), target: target.to_vec(), optimizer: optimizer.arrays() }
    }

    fn set_state(&mut self, state: &EngineState) -> Result<(), Error> {
        state.check(&self.state())?;
        self.set_parameters(&state.online, &state.target);
        self.optimizer.set_arrays(&state.optimizer);
        Ok(())
    }

    fn invalidate(&mut self, id: usize) {
        if let Some(cache) = &mut self.scratch.cache {
            cache.invalidate(id);
        }
    }

    fn invalidate_all(&mut self) {
        if let Some(cache) = &mut self.scratch.cache {
            cache.invalidate_all();
        }
    }

    fn update_flops(&self) -> Option<u64> {
        Some(self.scratch.flops(&self.network) as u64)
    }
}

/// The largest Q-value of a batch, and the mean action gap (the best action's Q-value less the second best's).
fn max_q_and_action_gap(q_values: QValues, items: usize) -> (f64, f64) {
    let (mut max_q, mut gaps) = (f64::NEG_INFINITY, 0.0);
    for item in 0..items {
        let best = q_values.argmax(item);
        let highest = f64::from(q_values.get(item, best));
        let others = (0..q_values.actions()).filter(|action| *action != best);
        let second = others.map(|action| f64::from(q_values.get(item, action))).fold(f64::NEG_INFINITY, f64::max);
        max_q = max_q.max(highest);
        gaps += if second.is_finite() { highest - second } else { 0.0 };
    }
    (max_q, gaps / items as f64)
}

/// The Euclidean norm, accumulated in order in f64.
fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// The first tensor whose gradient, or whose parameters after the optimizer step, are not finite.
fn not_finite(network: &QNetwork, gradients: &[f32], parameters: &[f32]) -> String {
    let first = |values: &[f32]| {
        let tensors = network.layers().tensors().into_iter();
        tensors.filter(|tensor| values[tensor.range.clone()].iter().any(|x| !x.is_finite())).map(|it| it.name).next()
    };
    match (first(gradients), first(parameters)) {
        (Some(name), _) => format!("the gradient of {name}"),
        (None, Some(name)) => format!("a parameter of {name}"),
        (None, None) => "a parameter".to_owned(),
    }
}
