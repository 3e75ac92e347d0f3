//! `[network]`.

use super::architecture::{Activation, Architecture, Head};
use crate::config::TrainConfig;
use crate::config::settings::Absent::{Advised, Follows, Is};
use crate::config::settings::{Condition, Consistent, Context, check, choices, from_to, invalid, settings};
use crate::config::values::number;
use crate::env::{KnownRewards, known_rewards};
use crate::error::Error;

/// The largest number of units of a layer, and of atoms, quantiles and cosines.
const LARGEST_LAYER: u32 = 1 << 16;
const LARGEST_HEAD: u32 = 1 << 12;

const QUANTILES_BY_DEFAULT: usize = 64;

const DUELING: Condition = Condition::new("network.dueling = true", |config| config.network.dueling);

const NOISY: Condition = Condition::new("network.noisy = true", |config| config.network.noisy);

const CATEGORICAL: Condition =
    Condition::new("network.head = \"categorical\"", |config| matches!(config.network.head, Head::Categorical { .. }));

/// A support belongs to the environment that it was chosen for.
const SUPPORT: Condition = CATEGORICAL.only_for("env.id");

const QUANTILES: Condition =
    Condition::new("network.head = \"quantile\" or \"implicit\"", |config| config.network.head.is_quantile());

const IMPLICIT: Condition =
    Condition::new("network.head = \"implicit\"", |config| matches!(config.network.head, Head::Implicit { .. }));

settings! {
    /// `[network]`: the Q-network.
    pub struct NetworkConfig: "network" {
        /// Units of each hidden layer; may be empty.
        hidden: Vec<usize> = Is(vec![128, 128]), in from_to(1, LARGEST_LAYER);
        /// Activation function of the hidden layers.
        activation: Activation = Is(Activation::Relu);
        /// Whether each hidden layer is normalised before its activation (Ba et al. 2016).
        layer_norm: bool = Is(false);
        /// Whether the last hidden layer is followed by two streams, one for the value and one for the advantages, each with a
        /// hidden layer of its own (Wang et al. 2016).
        dueling: bool = Is(false);
        /// Units of each stream's hidden layer; by default those of the last layer of network.hidden.
        dueling_hidden: usize = Follows(last_hidden), in from_to(1, LARGEST_LAYER), if DUELING;
        /// Whether weights carry learnt noise (Fortunato et al. 2018); exploration.kind = "noisy" explores by it.
        noisy: bool = Is(false);
        /// Initial scale of the noise, times 1/sqrt(inputs) of each layer.
        noisy_sigma: f64 = Is(0.5), in from_to(0, 1000), if NOISY;
        /// What the output says of an action: its Q-value (scalar), a distribution over fixed returns (categorical, C51), or
        /// quantiles of the return at fixed levels (quantile, QR-DQN) or at any level (implicit, IQN).
        head: Head = Is(Head::Scalar);
    }
    fields {
        /// Number of random quantile levels in each update of an implicit head.
        training_quantiles: usize = QUANTILES_BY_DEFAULT;
    }
    places {
        /// Number of atoms.
        atoms: usize = Is(51), in from_to(2, LARGEST_HEAD), if CATEGORICAL, at |network| {
            if let Head::Categorical { atoms, .. } = &mut network.head { Some(atoms) } else { None }
        };
        /// Lowest atom: the smallest discounted return. Known where the environment's rewards are: CartPole, MountainCar, Acrobot.
        v_min: f64 = Advised(|context| known_support(context).map(|[low, _]| low), support_is_needed), in from_to(-1e30, 1e30), if SUPPORT, at |network| {
            if let Head::Categorical { v_min, .. } = &mut network.head { Some(v_min) } else { None }
        };
        /// Highest atom: the largest discounted return. Known where the environment's rewards are.
        v_max: f64 = Advised(|context| known_support(context).map(|[_, high]| high), support_is_needed), in from_to(-1e30, 1e30), if SUPPORT, at |network| {
            if let Head::Categorical { v_max, .. } = &mut network.head { Some(v_max) } else { None }
        };
        /// Number of quantiles; of an implicit head, the number of random levels in each update.
        quantiles: usize = Is(QUANTILES_BY_DEFAULT), in from_to(1, LARGEST_HEAD), if QUANTILES, at |network| {
            match &mut network.head {
                Head::Quantile { quantiles } => Some(quantiles),
                Head::Implicit { .. } => Some(&mut network.training_quantiles),
                _ => None,
            }
        };
        /// Number of levels that are averaged to choose an action.
        acting_quantiles: usize = Is(32), in from_to(1, LARGEST_HEAD), if IMPLICIT, at |network| {
            if let Head::Implicit { acting_quantiles, .. } = &mut network.head { Some(acting_quantiles) } else { None }
        };
        /// Number of cosines that embed a level.
        cosines: usize = Is(64), in from_to(1, LARGEST_HEAD), if IMPLICIT, at |network| {
            if let Head::Implicit { cosines, .. } = &mut network.head { Some(cosines) } else { None }
        };
    }
}

choices!(Head {
    "scalar" => Scalar,
    "categorical" => Categorical { atoms: 0, v_min: 0.0, v_max: 0.0 },
    "quantile" => Quantile { quantiles: 0 },
    "implicit" => Implicit { cosines: 0, acting_quantiles: 0 },
});
choices!(Activation { "relu" => Relu, "tanh" => Tanh, "elu" => Elu });

impl NetworkConfig {
    /// Refuses an environment that is not the one that a categorical head's support was chosen for.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn check_support(&self, configured: &str, actual: &str) -> Result<(), Error> {
        let has_support = matches!(self.head, Head::Categorical { .. });
        check(!has_support || configured == actual, "network.v_min", || {
            format!(
                "the support was chosen for {configured}, and the environment is {actual}: set env.id = \"{actual}\", with \
                 network.v_min and network.v_max for it"
            )
        })
    }

    /// The network for observations of `inputs` numbers and so many actions.
    pub fn architecture(&self, inputs: usize, actions: usize) -> Architecture {
        Architecture {
            inputs,
            hidden: self.hidden.clone(),
            actions,
            activation: self.activation,
            layer_norm: self.layer_norm,
            dueling: self.dueling,
            dueling_hidden: self.dueling.then_some(self.dueling_hidden),
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
        if let (Head::Implicit { .. }, Err(reason)) = (self.head, self.architecture(1, 1).check()) {
            let message = format!("{reason}: lower it, or the units of the layers");
            return Err(invalid("network.acting_quantiles", message));
        }
        let Head::Categorical { atoms, v_min, v_max } = self.head else { return Ok(()) };
        check(v_min < v_max, "network.v_max", || format!("{v_max:?} is not above network.v_min = {v_min:?}"))?;
        // Neighbouring atoms have to differ, the largest ones included.
        let spacing = (v_max - v_min) / (atoms - 1) as f64;
        let precision = v_min.abs().max(v_max.abs()) * f64::from(f32::EPSILON);
        check(spacing > precision, "network.v_max", || {
            format!(
                "{v_max:?} is too near to network.v_min = {v_min:?} for {atoms} atoms: in single precision some of them \
                 would be equal; choose a wider support, or fewer atoms"
            )
        })
    }
}

/// The width of the streams of a dueling network where it is not given; 0 where there is no hidden layer.
fn last_hidden(context: &Context) -> usize {
    let Some(hidden) = context.get("network", "hidden") else { return 128 };
    let last = hidden.as_array().and_then(|units| units.last()).and_then(|units| units.as_integer());
    last.and_then(|units| usize::try_from(units).ok()).unwrap_or(0)
}

/// The support of a categorical head where the environment's rewards are known: the smallest and the largest discounted return.
fn known_support(context: &Context) -> Option<[f64; 2]> {
    let KnownRewards { range, steps } = known_rewards(context.get("env", "id")?.as_str()?)?;
    let gamma = context.get("agent", "gamma").and_then(number)?;
    let scale = context.get("env", "reward_scale").and_then(number).unwrap_or(1.0);
    let clip: Option<[f64; 2]> = context
        .get("env", "clip_reward")
        .and_then(|ends| ends.as_array()?.iter().filter_map(number).collect::<Vec<_>>().try_into().ok());
    // To nine decimals, so that a gamma of 0.99 gives 100 and not 99.99999999999991.
    let horizon = (1e9 / (1.0 - gamma)).round() / 1e9;
    let horizon = horizon.min(f64::from(steps));
    let ends = range.map(|reward| reward * scale);
    let mut support = [ends[0].min(ends[1]), ends[0].max(ends[1])];
    if let Some([low, high]) = clip {
        support = support.map(|reward| reward.max(low).min(high));
    }
    // After the end of an episode the return is 0.
    Some([support[0].min(0.0) * horizon, support[1].max(0.0) * horizon])
}

/// How to choose the support of a categorical head, for the error where it is neither given nor known.
fn support_is_needed(key: &str, config: &TrainConfig) -> Option<Error> {
    if known_rewards(&config.env.id).is_some() {
        return None;
    }
    let gamma = config.agent.gamma;
    let horizon = 1.0 / (1.0 - gamma);
    let factor = match horizon.is_finite() {
        true => format!("{:.4} (1 / (1 - agent.gamma))", horizon).replace(".0000", ""),
        false => "the number of steps of the longest episode".to_owned(),
    };
    let id = &config.env.id;
    Some(invalid(
        key,
        format!(
            "needed, because network.head = \"categorical\" and there is no known range of returns for {id}: set \
             network.v_min to the smallest reward times {factor} and network.v_max to the largest reward times that, or \
             times the steps of an episode where that is less"
        ),
    ))
}
