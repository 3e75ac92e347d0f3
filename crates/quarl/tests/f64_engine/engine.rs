//! The engine: forward passes, targets, losses, gradients and a step, for one item of the batch after the other.

use quarl::config::{TargetNetworkKind, TrainConfig};
use quarl::engine::{Engine, EngineState, TargetUpdate, Update, UpdateDiagnostics, UpdateReport};
use quarl::env::EnvironmentSpec;
use quarl::error::Error;
use quarl::network::{Architecture, Head};
use quarl::observations::ObservationsView;
use quarl::rng::Rng;
use quarl::target::TargetKind;
use quarl::transition::Batch;

use super::layers::{Noise, Parameters};
use super::network::{Network, Pass};
use super::optimizer::{Optimizer, norm};
use super::targets_and_losses::{ItemLoss, Prediction, Target, Transition};

/// Quantile levels are drawn for whole vectors of so many items.
const LANES: usize = 16;

/// Networks and optimizer in f64.
pub(crate) struct F64Engine {
    pub(crate) network: Network,
    config: TrainConfig,
    pub(crate) online: Vec<f64>,
    pub(crate) target: Vec<f64>,
    /// The online parameters in single precision.
    rounded: Vec<f32>,
    pub(crate) optimizer: Optimizer,
}

/// A network's forward pass over a batch.
struct BatchPass {
    noise: Noise,
    items: Vec<ItemPass>,
}

/// Of one item.
struct ItemPass {
    /// An implicit head's quantile levels; one that is not read for the others.
    levels: Vec<f64>,
    /// A pass at each level.
    passes: Vec<Pass>,
    prediction: Prediction,
}

/// What an update finds before its step.
pub(crate) struct Learned {
    pub(crate) loss: f64,
    pub(crate) mean_q: f64,
    /// The least and the largest share that may be said to be clipped (see [`ItemLoss::clipped`]).
    pub(crate) clipped: Option<(f64, f64)>,
    pub(crate) td_errors: Vec<f64>,
    pub(crate) diagnostics: UpdateDiagnostics,
    pub(crate) gradients: Vec<f64>,
    /// The largest of [`ItemLoss::scale`].
    pub(crate) scale: f64,
    /// Whether rounding to f32 decides which action is the best somewhere, or which unit is active.
    pub(crate) is_at_tie: bool,
    pub(crate) is_at_kink: bool,
}

impl F64Engine {
    pub(crate) fn new(config: &TrainConfig, spec: &EnvironmentSpec) -> Self {
        let network = Network::new(config.network.architecture(&spec.observation_space, spec.action_space.n));
        let parameters = network.parameter_count();
        Self {
            online: vec![0.0; parameters],
            target: vec![0.0; parameters],
            rounded: vec![0.0; parameters],
            optimizer: Optimizer::new(parameters, &config.optimizer),
            network,
            config: config.clone(),
        }
    }

    /// The factory for `TrainerBuilder::engine`.
    pub(crate) fn make(config: &TrainConfig, spec: &EnvironmentSpec) -> Result<Box<dyn Engine>, Error> {
        Ok(Box::new(Self::new(config, spec)))
    }

    /// The loss of a batch and its gradient.
    pub(crate) fn learn(&self, batch: &Batch, noise: &mut Rng) -> Learned {
        let Self { network, config, online, target, .. } = self;
        let Architecture { actions, head, .. } = network.architecture;
        let target = if config.target_network.kind == TargetNetworkKind::None { online } else { target };
        let (obs, next_obs) = (self.observations(batch.obs.view()), self.observations(batch.next_obs.view()));
        let (levels, selection_levels) = match head {
            Head::Implicit { acting_quantiles, .. } => (config.network.training_quantiles, acting_quantiles),
            Head::Scalar | Head::Categorical { .. } | Head::Quantile { .. } => (1, 1),
        };
        let padded = batch.len().next_multiple_of(LANES);

        let target_next = self.pass(target, &next_obs, padded, levels, noise);
        let is_implicit = matches!(head, Head::Implicit { .. });
        let (mut selection, mut target_present) = (None, None);
        match config.agent.target {
            TargetKind::Max if is_implicit => {
                selection = Some(self.pass(target, &next_obs, padded, selection_levels, noise));
            }
            TargetKind::Max => {}
            TargetKind::Double => selection = Some(self.pass(online, &next_obs, padded, selection_levels, noise)),
            TargetKind::ClippedDouble => selection = Some(self.pass(online, &next_obs, padded, levels, noise)),
            TargetKind::Munchausen => target_present = Some(self.pass(target, &obs, padded, selection_levels, noise)),
        }
        let present = self.pass(online, &obs, padded, levels, noise);

        let items = batch.len() as f64;
        let mut learned = Learned {
            loss: 0.0,
            mean_q: 0.0,
            clipped: None,
            td_errors: Vec::new(),
            diagnostics: UpdateDiagnostics { max_q: f64::NEG_INFINITY, ..UpdateDiagnostics::default() },
            gradients: vec![0.0; online.len()],
            scale: 0.0,
            is_at_tie: false,
            is_at_kink: false,
        };
        for (item, seen) in present.items.iter().enumerate() {
            let (action, discount) = (batch.actions[item], f64::from(batch.discounts[item]));
            let next = &target_next.items[item].prediction;
            let transition = Transition {
                reward: f64::from(batch.rewards[item]),
                discount,
                action,
                next_mask: batch.next_masks.get(item * actions..(item + 1) * actions).unwrap_or(&[]),
                target_next: next,
                selection: selection.as_ref().map_or(next, |pass| &pass.items[item].prediction),
                target_present: target_present.as_ref().map(|pass| &pass.items[item].prediction),
            };
            let target = Target::new(&config.agent, &transition);
            let predicted = &seen.prediction.distribution[action];
            let levels = match head {
                Head::Implicit { .. } => seen.levels.clone(),
                _ => (0..predicted.len()).map(|i| (i as f64 + 0.5) / predicted.len() as f64).collect(),
            };
            let loss = ItemLoss::new(config, head, predicted, &levels, &target, discount);

            let weight = f64::from(batch.weights[item]) / items;
            learned.loss += weight * loss.loss;
            learned.mean_q += seen.prediction.q[action] / items;
            learned.td_errors.push(loss.td_error);
            if let Some((least, most)) = loss.clipped {
                let (least_so_far, most_so_far) = learned.clipped.unwrap_or_default();
                learned.clipped = Some((least_so_far + least / items, most_so_far + most / items));
            }
            let mut q = seen.prediction.q.clone();
            q.sort_by(|a, b| b.total_cmp(a));
            learned.diagnostics.max_q = learned.diagnostics.max_q.max(q[0]);
            learned.diagnostics.action_gap += if actions == 1 { 0.0 } else { (q[0] - q[1]) / items };
            learned.scale = learned.scale.max(loss.scale);
            learned.is_at_tie |= target.is_at_tie;
            learned.is_at_kink |= seen.passes.iter().any(|pass| pass.is_at_kink);

            let parameters = Parameters { values: online, noise: &present.noise };
            let gradient: Vec<f64> = loss.gradient.iter().map(|g| weight * g).collect();
            let atoms = head.atoms();
            for (pass, gradient) in seen.passes.iter().zip(gradient.chunks(atoms)) {
                let mut of_outputs = vec![0.0; actions * atoms];
                of_outputs[action * atoms..(action + 1) * atoms].copy_from_slice(gradient);
                network.backward(parameters, pass, &of_outputs, &mut learned.gradients);
            }
        }
        learned.diagnostics.grad_norm = norm(&learned.gradients);
        let drift: Vec<f64> = online.iter().zip(target).map(|(online, target)| online - target).collect();
        learned.diagnostics.target_drift = norm(&drift);
        learned
    }

    /// A forward pass over these observations, with levels for `padded` items and noise of its own.
    fn pass(
        &self,
        parameters: &[f64],
        observations: &[Vec<f64>],
        padded: usize,
        levels: usize,
        rng: &mut Rng,
    ) -> BatchPass {
        let Architecture { actions, head, .. } = &self.network.architecture;
        let mut drawn = vec![vec![0.0; levels]; padded];
        if let Head::Implicit { .. } = head {
            for level in 0..levels {
                for levels_of_item in &mut drawn {
                    // Levels are inputs in single precision.
                    levels_of_item[level] = f64::from(rng.uniform() as f32);
                }
            }
        }
        let noise = Noise::draw(self.network.linears(), rng);
        let items = observations.iter().zip(drawn).map(|(observation, levels)| {
            let parameters = Parameters { values: parameters, noise: &noise };
            let pass = |level: &f64| self.network.forward(parameters, observation, *level);
            let passes: Vec<Pass> = levels.iter().map(pass).collect();
            let atoms = head.atoms();
            let of_action = |action: usize| -> Vec<f64> {
                passes.iter().flat_map(|pass| &pass.outputs[action * atoms..(action + 1) * atoms]).copied().collect()
            };
            let prediction = Prediction::new(*head, (0..*actions).map(of_action).collect());
            ItemPass { levels, passes, prediction }
        });
        let items = items.collect();
        BatchPass { noise, items }
    }

    /// One observation after the other.
    fn observations(&self, view: ObservationsView) -> Vec<Vec<f64>> {
        let numbers: Vec<f64> = view.iter().map(f64::from).collect();
        numbers.chunks(self.network.architecture.inputs).map(<[f64]>::to_vec).collect()
    }

    /// Each item's Q-values, item by item with draws of its own.
    pub(crate) fn acting_values(&self, observations: ObservationsView, noise: &mut Rng) -> Vec<f64> {
        let levels = match self.network.architecture.head {
            Head::Implicit { acting_quantiles, .. } => acting_quantiles,
            _ => 1,
        };
        let one = |observation: Vec<f64>| self.pass(&self.online, &[observation], 1, levels, noise);
        self.observations(observations)
            .into_iter()
            .map(one)
            .flat_map(|pass| pass.items[0].prediction.q.clone())
            .collect()
    }

    pub(crate) fn set_online(&mut self, online: Vec<f64>) {
        self.online = online;
        self.rounded = rounded(&self.online);
    }
}

impl Engine for F64Engine {
    fn name(&self) -> &str {
        "f64"
    }

    fn architecture(&self) -> &Architecture {
        &self.network.architecture
    }

    fn parameters(&self) -> &[f32] {
        &self.rounded
    }

    fn q_values(&mut self, observations: ObservationsView, noise: &mut Rng, q_values: &mut [f32]) -> Result<(), Error> {
        let Architecture { inputs, actions, .. } = self.network.architecture;
        let (expected, actual) = (q_values.len() / actions * inputs, observations.len());
        if actual != expected {
            return Err(Error::ObservationLength { id: "the network".to_owned(), expected, actual });
        }
        q_values.copy_from_slice(&rounded(&self.acting_values(observations, noise)));
        Ok(())
    }

    fn update(&mut self, update: Update) -> Result<UpdateReport, Error> {
        let Update { mut batch, learning_rate, env_steps: step, wants_diagnostics, noise, td_errors } = update;
        let learned = self.learn(batch.with_next_observations()?, noise);
        td_errors.copy_from_slice(&rounded(&learned.td_errors));
        if !learned.loss.is_finite() {
            return Err(Error::NotFinite { what: "the loss".to_owned(), step });
        }
        let mut online = self.online.clone();
        self.optimizer.step(learning_rate, &learned.gradients, &mut online);
        self.set_online(online);
        if !self.rounded.iter().all(|x| x.is_finite()) {
            return Err(Error::NotFinite { what: "a parameter".to_owned(), step });
        }
        Ok(UpdateReport {
            loss: learned.loss as f32,
            mean_q: learned.mean_q as f32,
            clipped_share: learned.clipped.map(|(least, _)| least as f32),
            diagnostics: wants_diagnostics.then_some(learned.diagnostics),
        })
    }

    fn update_target(&mut self, rule: TargetUpdate) {
        let tau = match rule {
            TargetUpdate::Hard => 1.0,
            TargetUpdate::Polyak(tau) => tau,
        };
        for (target, online) in self.target.iter_mut().zip(&self.online) {
            *target = (1.0 - tau) * *target + tau * online;
        }
    }

    fn set_parameters(&mut self, online: &[f32], target: &[f32]) {
        assert_eq!((online.len(), target.len()), (self.online.len(), self.target.len()));
        self.set_online(exact(online));
        self.target = exact(target);
    }

    fn state(&self) -> EngineState {
        EngineState { online: self.rounded.clone(), target: rounded(&self.target), optimizer: self.optimizer.arrays() }
    }

    fn set_state(&mut self, state: &EngineState) -> Result<(), Error> {
        state.check(&self.state())?;
        self.set_parameters(&state.online, &state.target);
        self.optimizer.set_arrays(&state.optimizer);
        Ok(())
    }
}

fn exact(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

fn rounded(values: &[f64]) -> Vec<f32> {
    values.iter().map(|x| *x as f32).collect()
}
