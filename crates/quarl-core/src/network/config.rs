//! `[network]`: the settings of the Q-network, and its [`Architecture`] for an environment, as plain data.

use serde::{Deserialize, Serialize};

use super::head::Head;
use super::support::{self, known_support, support_is_needed};
use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Advised, Follows, Is};
use crate::config::settings::{Condition, Consistent, Context, check, choices, from_to, invalid, settings};
use crate::error::Error;
use crate::space::BoxSpace;

/// The maximum number of units of a layer, and of atoms, quantiles and cosines.
const LARGEST_LAYER: u32 = 1 << 16;
const LARGEST_HEAD: u32 = 1 << 12;

const QUANTILES_BY_DEFAULT: usize = 64;

const DUELING: Condition = Condition::new("network.dueling = true", |config| config.network.dueling);

const NOISY: Condition = Condition::new("network.noisy = true", |config| config.network.noisy);

const CATEGORICAL: Condition =
    Condition::new("network.head = \"categorical\"", |config| matches!(config.network.head, Head::Categorical { .. }));

/// A support is valid only for the environment that it was chosen for.
const SUPPORT: Condition = CATEGORICAL.only_for("env.id");

const QUANTILES: Condition =
    Condition::new("network.head = \"quantile\" or \"implicit\"", |config| config.network.head.is_quantile());

const IMPLICIT: Condition =
    Condition::new("network.head = \"implicit\"", |config| matches!(config.network.head, Head::Implicit { .. }));

settings! {
    /// `[network]`: the Q-network, a multilayer perceptron.
    pub struct NetworkConfig: "network" {
        /// Number of units of each hidden layer.
        ///
        /// An empty list makes the network linear. Wider layers represent more complex functions and cost more time.
        hidden: Vec<usize> = Is(vec![128, 128]), in from_to(1, LARGEST_LAYER), unit "units", guide "function_approximation";
        /// Activation function of the hidden layers.
        activation: Activation = Is(Activation::Relu), guide "function_approximation";
        /// Whether each hidden layer has layer normalisation before its activation.
        ///
        /// It keeps activations in range and often makes training more stable (Ba et al. 2016).
        layer_norm: bool = Is(false), guide "layer_norm";
        /// Whether the network is a dueling network, with separate streams for the state value and the advantages.
        ///
        /// The last hidden layer is followed by two streams, each with a hidden layer of its own: Q = V + A - mean of A (Wang et al.
        /// 2016). It helps where the value of many states depends little on the action.
        dueling: bool = Is(false), guide "dueling";
        /// Number of units in the hidden layer of each stream of a dueling network.
        dueling_hidden: usize = Follows(last_hidden, "the width of the last layer of `network.hidden`; it must be given where that is empty"),
            in from_to(1, LARGEST_LAYER), unit "units", guide "dueling", if DUELING;
        /// Whether weights are reparametrised by weight normalisation.
        ///
        /// The length of each row of a weight matrix is learnt separately from its direction (Salimans & Kingma 2016).
        weight_norm: bool = Is(false), guide "layer_norm";
        /// Whether the linear layers are noisy: their weights carry Gaussian noise of a learnt scale.
        ///
        /// With `exploration.kind = "noisy"` this noise replaces epsilon-greedy exploration (Fortunato et al. 2018).
        noisy: bool = Is(false), guide "noisy";
        /// Initial scale sigma_0 of the noise, which is divided by the square root of each layer's number of inputs.
        ///
        /// Larger values explore more at the start. The default is the paper's (Fortunato et al. 2018).
        noisy_sigma: f64 = Is(0.5), in from_to(0, 1000), guide "noisy", if NOISY;
        /// Output head: how the network represents the return of an action.
        ///
        /// The heads that represent the distribution of the return take more time, and often learn faster.
        head: Head = Is(Head::Scalar), guide "c51";
    }
    fields {
        /// Number of random quantile levels in each update of an implicit head.
        training_quantiles: usize = QUANTILES_BY_DEFAULT;
    }
    places {
        /// Number of atoms of the support (C51).
        ///
        /// More atoms represent the distribution more finely. The default is the paper's (Bellemare et al. 2017).
        atoms: usize = Is(51), in from_to(2, LARGEST_HEAD), unit "atoms", guide "c51", if CATEGORICAL, at |network| {
            if let Head::Categorical { atoms, .. } = &mut network.head { Some(atoms) } else { None }
        };
        /// Lowest atom of the support (C51): the smallest discounted return.
        ///
        /// Returns below it cannot be represented, and a support that is too wide is coarse (Bellemare et al. 2017). It belongs to
        /// its environment: a configuration for another environment does not inherit it.
        v_min: f64 = Advised(|context| known_support(context).map(|[low, _]| low), support_is_needed,
            "follows from the rewards (scaled and clipped), the time limit and `agent.gamma` for CartPole, MountainCar and Acrobot without `env.gym.kwargs`; must be given for other environments"),
            in from_to(-1e30, 1e30), guide "c51", if SUPPORT, at |network| {
            if let Head::Categorical { v_min, .. } = &mut network.head { Some(v_min) } else { None }
        };
        /// Highest atom of the support (C51): the largest discounted return.
        ///
        /// It has to be above `network.v_min` (Bellemare et al. 2017). It belongs to its environment, as `network.v_min` does.
        v_max: f64 = Advised(|context| known_support(context).map(|[_, high]| high), support_is_needed,
            "follows from the rewards (scaled and clipped), the time limit and `agent.gamma` for CartPole, MountainCar and Acrobot without `env.gym.kwargs`; must be given for other environments"),
            in from_to(-1e30, 1e30), guide "c51", if SUPPORT, at |network| {
            if let Head::Categorical { v_max, .. } = &mut network.head { Some(v_max) } else { None }
        };
        /// Number of quantiles: of the output (quantile head), or of the quantile levels sampled in each update (implicit head).
        ///
        /// More quantiles represent the distribution more finely and cost more time (Dabney et al. 2018a, Dabney et al. 2018b).
        quantiles: usize = Is(QUANTILES_BY_DEFAULT), in from_to(1, LARGEST_HEAD), unit "quantiles", guide "qrdqn", if QUANTILES, at |network| {
            match &mut network.head {
                Head::Quantile { quantiles } => Some(quantiles),
                Head::Implicit { .. } => Some(&mut network.training_quantiles),
                _ => None,
            }
        };
        /// Number of quantile levels that are averaged into the Q-values when the agent acts (IQN).
        ///
        /// The default is the paper's (Dabney et al. 2018b).
        acting_quantiles: usize = Is(32), in from_to(1, LARGEST_HEAD), unit "quantile levels", guide "iqn", if IMPLICIT, at |network| {
            if let Head::Implicit { acting_quantiles, .. } = &mut network.head { Some(acting_quantiles) } else { None }
        };
        /// Number of cosines in the embedding of a quantile level (IQN).
        ///
        /// The default is the paper's (Dabney et al. 2018b).
        cosines: usize = Is(64), in from_to(1, LARGEST_HEAD), unit "cosines", guide "iqn", if IMPLICIT, at |network| {
            if let Head::Implicit { cosines, .. } = &mut network.head { Some(cosines) } else { None }
        };
    }
}

choices!(Head {
    "scalar" => Scalar: "DQN: one Q-value for each action (Mnih et al. 2015)",
    "categorical" => Categorical { atoms: 0, v_min: 0.0, v_max: 0.0 }:
        "C51: a distribution of the return over fixed atoms (Bellemare et al. 2017)",
    "quantile" => Quantile { quantiles: 0 }: "QR-DQN: quantiles of the return at fixed levels (Dabney et al. 2018a)",
    "implicit" => Implicit { cosines: 0, acting_quantiles: 0 }:
        "IQN: quantiles of the return at sampled levels (Dabney et al. 2018b)",
});
choices!(Activation {
    "relu" => Relu: "rectified linear unit, max(x, 0)",
    "tanh" => Tanh: "hyperbolic tangent",
    "elu" => Elu: "exponential linear unit, exp(x) - 1 for negative x (Clevert et al. 2016)",
});

impl NetworkConfig {
    /// The architecture for observations of `space` and `actions` actions.
    pub fn architecture(&self, observations: &BoxSpace, actions: usize) -> Architecture {
        Architecture {
            inputs: observations.len(),
            observation_shape: observations.shape.clone(),
            hidden: self.hidden.clone(),
            actions,
            activation: self.activation,
            layer_norm: self.layer_norm,
            dueling: self.dueling,
            dueling_hidden: self.dueling.then_some(self.dueling_hidden),
            weight_norm: self.weight_norm,
            noisy: self.noisy,
            head: self.head,
        }
    }
}

impl Consistent for NetworkConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        check(!self.dueling || self.dueling_hidden > 0, "network.dueling_hidden", || {
            "needed, because network.hidden is empty, so that there is no width to take over: set it, such as 64"
                .to_owned()
        })?;
        if let (Head::Implicit { .. }, Err(reason)) =
            (self.head, self.architecture(&BoxSpace::vector(vec![0.0], vec![1.0]), 1).check())
        {
            let message = format!("{reason}: lower it, or the units of the layers");
            return Err(invalid("network.acting_quantiles", message));
        }
        match self.head {
            Head::Categorical { atoms, v_min, v_max } => support::check_width(atoms, v_min, v_max),
            _ => Ok(()),
        }
    }
}

/// The default width of a dueling network's streams: the last hidden layer's; 0 without a hidden layer.
fn last_hidden(context: &Context) -> usize {
    let Some(hidden) = context.get("network", "hidden") else { return 128 };
    let last = hidden.as_array().and_then(|units| units.last()).and_then(|units| units.as_integer());
    last.and_then(|units| usize::try_from(units).ok()).unwrap_or(0)
}

/// The maximum number of units of a layer times quantile levels when an implicit head acts; it limits the memory to about a
/// gigabyte.
const LARGEST_ACTING_LAYER: usize = 1 << 26;

/// The architecture of a Q-network: a trunk of hidden layers, a head, and optional variants (dueling, noisy, normalised).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The number of numbers in an observation.
    pub inputs: usize,
    /// The shape of an observation. Empty means `[inputs]`, as in the model files of networks for vectors.
    #[serde(default, skip_serializing_if = "is_vector")]
    pub observation_shape: Vec<usize>,
    /// The number of units of each hidden layer.
    pub hidden: Vec<usize>,
    /// The number of actions.
    pub actions: usize,
    /// The activation of the hidden layers.
    #[serde(default)]
    pub activation: Activation,
    /// Whether hidden layers have layer normalisation before their activation (Ba et al. 2016).
    #[serde(default)]
    pub layer_norm: bool,
    /// Whether the network is dueling: two streams after the trunk, for the value and for the advantages (Wang et al.
    /// 2016).
    #[serde(default)]
    pub dueling: bool,
    /// The number of units in the hidden layer of each stream of a dueling network. `None` means linear streams, as in old
    /// model files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dueling_hidden: Option<usize>,
    /// Whether weights are normalised: length and direction of each row are learnt separately (Salimans & Kingma 2016).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weight_norm: bool,
    /// Whether the network is noisy: weights and biases have learnt, factorised Gaussian noise (Fortunato et al. 2018).
    #[serde(default)]
    pub noisy: bool,
    /// The head.
    #[serde(default)]
    pub head: Head,
}

/// An activation function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `x` where positive, else 0.
    #[default]
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `x` where positive, else `exp(x) - 1` (Clevert et al. 2016).
    Elu,
}

/// The sum; `None` if it overflows, or a summand is `None`.
fn sum(summands: impl IntoIterator<Item = Option<usize>>) -> Option<usize> {
    summands.into_iter().try_fold(0_usize, |sum, each| sum.checked_add(each?))
}

/// Whether an observation is a vector, whose shape follows from its length.
fn is_vector(shape: &[usize]) -> bool {
    shape.len() <= 1
}

impl Architecture {
    /// A multilayer perceptron with ReLU activations and one Q-value for each action, as in DQN.
    pub fn plain(inputs: usize, hidden: &[usize], actions: usize) -> Self {
        Self {
            inputs,
            observation_shape: vec![inputs],
            hidden: hidden.to_vec(),
            actions,
            activation: Activation::Relu,
            layer_norm: false,
            dueling: false,
            dueling_hidden: None,
            weight_norm: false,
            noisy: false,
            head: Head::Scalar,
        }
    }

    /// Checks that the architecture is valid; the error is the reason why it is not. Its memory requirements are not
    /// checked: see [`Architecture::parameter_count`].
    pub fn check(&self) -> Result<(), String> {
        let Self { inputs, observation_shape, hidden, actions, dueling_hidden, head, .. } = self;
        let numbers = observation_shape.iter().try_fold(1_usize, |numbers, size| numbers.checked_mul(*size));
        if !observation_shape.is_empty() && numbers != Some(*inputs) {
            return Err(format!("observations of shape {observation_shape:?} have not {inputs} numbers"));
        }
        let of_head = match *head {
            Head::Implicit { cosines, acting_quantiles } => [cosines, acting_quantiles],
            _ => [1, 1],
        };
        let sizes =
            hidden.iter().chain(dueling_hidden).copied().chain([*inputs, *actions, head.atoms()]).chain(of_head);
        if sizes.into_iter().any(|size| size == 0) {
            return Err("a layer without units".to_owned());
        }
        match *head {
            Head::Categorical { atoms, v_min, v_max } => {
                let (low, high) = (v_min as f32, v_max as f32);
                let has_width = low.is_finite() && high.is_finite() && (high - low).is_finite() && low < high;
                if atoms < 2 || !has_width {
                    return Err(format!("{atoms} atoms from v_min = {v_min} to v_max = {v_max}"));
                }
            }
            Head::Implicit { cosines, acting_quantiles } => {
                if cosines > LARGEST_ACTING_LAYER / acting_quantiles && cosines > self.width() {
                    return Err(format!("cosines = {cosines} take too much memory to act"));
                }
                if self.acting_units().is_none_or(|units| units > LARGEST_ACTING_LAYER) {
                    return Err(format!("acting_quantiles = {acting_quantiles} takes too much memory to act"));
                }
            }
            Head::Scalar | Head::Quantile { .. } => {}
        }
        Ok(())
    }

    /// The properties in which this architecture differs from that of a configuration, as sentences with both values. Shapes of
    /// the same number of observations are alike.
    pub(crate) fn differences(&self, configured: &Self) -> Vec<String> {
        let Self { inputs, observation_shape: _, hidden, actions, activation, .. } = self;
        let mut differences = Vec::new();
        let mut compare = |what: &str, its: String, configured: String| {
            if its != configured {
                differences.push(format!("{what} is {its} in the model and {configured} in the configuration"));
            }
        };
        compare("the number of observations' numbers", inputs.to_string(), configured.inputs.to_string());
        compare("the number of actions", actions.to_string(), configured.actions.to_string());
        compare("network.hidden", format!("{hidden:?}"), format!("{:?}", configured.hidden));
        let name = |activation: Activation| format!("{activation:?}").to_lowercase();
        compare("network.activation", name(*activation), name(configured.activation));
        for (what, its, other) in [
            ("network.layer_norm", self.layer_norm, configured.layer_norm),
            ("network.dueling", self.dueling, configured.dueling),
            ("network.weight_norm", self.weight_norm, configured.weight_norm),
            ("network.noisy", self.noisy, configured.noisy),
        ] {
            compare(what, its.to_string(), other.to_string());
        }
        let width = |of: &Self| of.dueling_hidden.map_or("not set".to_owned(), |units| units.to_string());
        compare("network.dueling_hidden", width(self), width(configured));
        let head = |head: &Head| serde_json::to_string(head).expect("a head is plain data");
        compare("network.head", head(&self.head), head(&configured.head));
        differences
    }

    /// When an implicit head acts: the number of units of the widest layer behind the quantile embedding, times the number
    /// of levels.
    fn acting_units(&self) -> Option<usize> {
        match self.head {
            Head::Implicit { cosines, acting_quantiles } => {
                acting_quantiles.checked_mul(cosines.max(self.width()).max(self.dueling_hidden.unwrap_or(0)))
            }
            _ => Some(0),
        }
    }

    /// Inputs and outputs of each fully connected part, in the order of the forward pass.
    pub(crate) fn linears(&self) -> Vec<(usize, usize)> {
        let mut linears = Vec::new();
        let mut width = self.inputs;
        for units in &self.hidden {
            linears.push((width, *units));
            width = *units;
        }
        if let Head::Implicit { cosines, .. } = self.head {
            linears.push((cosines, width));
        }
        let outputs = self.actions.saturating_mul(self.head.atoms());
        if !self.dueling {
            linears.push((width, outputs));
            return linears;
        }
        for outputs in [self.head.atoms(), outputs] {
            linears.extend(self.dueling_hidden.map(|units| (width, units)));
            linears.push((self.dueling_hidden.unwrap_or(width), outputs));
        }
        linears
    }

    /// The number of parameters; `None` if it overflows.
    pub fn parameter_count(&self) -> Option<usize> {
        self.forward_parameter_count()?.checked_add(self.reparametrisation_count()?)
    }

    /// The number of parameters that a forward pass reads; `None` if it overflows.
    pub(crate) fn forward_parameter_count(&self) -> Option<usize> {
        let linear =
            sum(self.linears().into_iter().map(|(inputs, outputs)| inputs.checked_add(1)?.checked_mul(outputs)))?;
        let streams = if self.dueling { 2 } else { 0 };
        let of_streams = self.dueling_hidden.unwrap_or(0).checked_mul(streams)?;
        let units = sum(self.hidden.iter().copied().chain([of_streams]).map(Some))?;
        let norms = if self.layer_norm { units.checked_mul(2)? } else { 0 };
        linear.checked_add(norms)
    }

    /// Whether forward passes use effective parameters that are computed from the stored ones.
    pub(crate) fn is_reparametrised(&self) -> bool {
        self.noisy || self.weight_norm
    }

    /// The number of parameters of reparametrisations; `None` if it overflows.
    fn reparametrisation_count(&self) -> Option<usize> {
        let sigmas = |(inputs, outputs): (usize, usize)| inputs.checked_add(1)?.checked_mul(outputs);
        let of_noise = if self.noisy { sum(self.linears().into_iter().map(sigmas))? } else { 0 };
        let lengths = |(_, outputs): (usize, usize)| Some(outputs);
        let of_lengths = if self.weight_norm { sum(self.linears().into_iter().map(lengths))? } else { 0 };
        of_noise.checked_add(of_lengths)
    }

    /// The number of units of the last hidden layer, or of inputs without a hidden layer.
    pub fn width(&self) -> usize {
        self.hidden.last().copied().unwrap_or(self.inputs)
    }

    /// The number of outputs of all streams: each atom of each action and, in a dueling network, each atom of the value.
    pub fn outputs(&self) -> usize {
        (self.actions + usize::from(self.dueling)) * self.head.atoms()
    }
}
