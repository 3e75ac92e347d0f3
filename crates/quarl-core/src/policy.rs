//! A trained network that chooses actions: for evaluation, rendering, and other programs.
//!
//! ```
//! # let mut config = quarl::config::TrainConfig::preset("textbook").build()?;
//! # config.training.episodes = Some(2);
//! # let mut trainer = quarl::train::Trainer::new(config)?;
//! # (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
//! use quarl::exploration::Exploration;
//! use quarl::policy::Policy;
//!
//! let mut policy = Policy::new(&trainer.model())?; // or Policy::load("run/model.safetensors")
//! let observation = [0.01, -0.02, 0.03, 0.04];
//! let action = policy.act(&observation, None)?;
//! assert_eq!(action, policy.q_values(&observation)?.argmax(0));
//! let probabilities = policy.probabilities(&observation, None, Exploration::Softmax(1.0))?;
//! assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
//! # Ok::<(), quarl::Error>(())
//! ```

use std::sync::Arc;

use crate::engine::TrainedNetwork;
use crate::env::EnvironmentSpec;
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::exploration::Exploration;
use crate::model::Model;
use crate::network::{Architecture, QValues, check_mask};

/// The policy of a trained agent: Q-values, greedy actions and action probabilities for single observations.
///
/// It has buffers of its own, so acting allocates nothing. Clones share the parameters and are cheap: use one for each thread. A
/// noisy network acts without noise. See the [module](self) for an example.
#[derive(Clone, Debug)]
pub struct Policy {
    network: TrainedNetwork,
    statistics: Option<Arc<ObservationStatistics>>,
    normalized: Vec<f32>,
    probabilities: Vec<f64>,
}

impl Policy {
    /// The policy of a model.
    ///
    /// # Errors
    /// [`Error::State`] where the model is inconsistent; [`Error::CpuPath`] for an invalid `QUARL_CPU`.
    pub fn new(model: &Model) -> Result<Self, Error> {
        model.check()?;
        Self::from_parts(&model.architecture, &model.parameters, model.observation_statistics.as_ref())
    }

    /// Loads the policy of a model file.
    ///
    /// # Errors
    /// Those of [`Model::load`] and [`Policy::new`].
    #[cfg(feature = "files")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        Self::new(&Model::load(path.as_ref())?)
    }

    /// The policy of a network with these parameters. `statistics` normalise observations, if given.
    ///
    /// # Errors
    /// [`Error::State`] where parameters or statistics do not have the network's lengths.
    pub(crate) fn from_parts(
        architecture: &Architecture,
        parameters: &[f32],
        statistics: Option<&ObservationStatistics>,
    ) -> Result<Self, Error> {
        let inputs = architecture.inputs;
        if statistics.is_some_and(|statistics| !statistics.fits(inputs)) {
            let message = format!("its observation statistics do not have {inputs} numbers");
            return Err(Error::State { what: "the model".to_owned(), message });
        }
        Ok(Self {
            network: TrainedNetwork::new(architecture, parameters)?,
            statistics: statistics.cloned().map(Arc::new),
            normalized: vec![0.0; inputs],
            probabilities: vec![0.0; architecture.actions],
        })
    }

    /// The network's architecture.
    pub fn architecture(&self) -> &Architecture {
        self.network.architecture()
    }

    /// Checks that the policy can act in an environment with this specification.
    ///
    /// # Errors
    /// [`Error::State`] where the lengths of observations, or the numbers of actions, differ.
    pub fn check_environment(&self, spec: &EnvironmentSpec) -> Result<(), Error> {
        let Architecture { inputs, actions, .. } = *self.architecture();
        let (features, choices) = (spec.observation_space.len(), spec.action_space.n);
        if (inputs, actions) == (features, choices) {
            return Ok(());
        }
        Err(Error::State {
            what: format!("the model in {}", spec.id),
            message: format!(
                "it expects observations of {inputs} numbers and {actions} actions; {} has {features} and {choices}",
                spec.id
            ),
        })
    }

    /// The Q-values of all actions.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the observation has another length than the network's inputs.
    pub fn q_values(&mut self, observation: &[f32]) -> Result<QValues<'_>, Error> {
        let Some(statistics) = &self.statistics else { return self.network.q_values(observation) };
        self.architecture().check_observation(observation)?;
        self.normalized.copy_from_slice(observation);
        statistics.normalize(&mut self.normalized)?;
        self.network.q_values(&self.normalized)
    }

    /// The greedy action: the allowed action with the highest Q-value, the lowest index among equals. `mask` is the action
    /// mask, `None` if every action is allowed.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] and [`Error::MaskLength`] where observation or mask have other lengths than the
    /// network's.
    pub fn act(&mut self, observation: &[f32], mask: Option<&[bool]>) -> Result<usize, Error> {
        check_mask(mask, self.architecture().actions)?;
        Ok(self.q_values(observation)?.masked(mask)?.argmax(0))
    }

    /// The probability of each action under an exploration rule.
    ///
    /// # Errors
    /// Those of [`Policy::act`].
    pub fn probabilities(
        &mut self,
        observation: &[f32],
        mask: Option<&[bool]>,
        exploration: Exploration,
    ) -> Result<&[f64], Error> {
        check_mask(mask, self.architecture().actions)?;
        let mut probabilities = std::mem::take(&mut self.probabilities);
        let computed = self
            .q_values(observation)
            .and_then(|q_values| q_values.masked(mask))
            .map(|q_values| exploration.probabilities(q_values, &mut probabilities));
        self.probabilities = probabilities;
        computed.map(|()| &*self.probabilities)
    }
}
