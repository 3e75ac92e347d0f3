//! The whole configuration of a run, and where it comes from: presets, files, single keys.
//!
//! The actors: [`layers`] puts a TOML table over another and names what does not belong; [`TrainConfig`] is the result,
//! complete and checked by [`TrainConfig::validate`]; [`presets`] are the ready-made ones.

pub mod layers;
pub mod presets;
mod validate;

use serde::{Deserialize, Serialize};

use crate::loss::Loss;
use crate::network::{Activation, Architecture, Head};
use crate::policy::Exploration;
use crate::schedule::{Changing, Schedule};
use crate::target::{Munchausen, TargetKind};

/// Everything that decides a run's result. Training again from the same configuration gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// What is learnt.
    pub env: EnvConfig,
    /// The Q-network.
    pub network: NetworkConfig,
    /// The replay buffer.
    pub replay: ReplayConfig,
    /// The algorithm.
    pub agent: AgentConfig,
    /// The target network.
    pub target_network: TargetNetworkConfig,
    /// How it explores while training.
    pub exploration: ExplorationConfig,
    /// Gradient descent.
    pub optimizer: OptimizerConfig,
    /// How long, how often, from which seed.
    pub training: TrainingConfig,
    /// Greedy evaluation beside training.
    pub evaluation: EvaluationConfig,
}

/// `[env]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvConfig {
    /// The environment's name, such as `CartPole-v0`, or `gym:LunarLander-v3` for one of Gymnasium's.
    pub id: String,
    /// For one of Gymnasium's: the Python interpreter; absent for that of the active virtual environment, of `./.venv`, or `python3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// For one of Gymnasium's: modules to import first, which register environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// For one of Gymnasium's: how many seconds an answer may take; absent for 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// For several of Gymnasium's (`training.num_envs`): how many of them a worker process holds; absent for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments_per_worker: Option<usize>,
    /// Truncate episodes after so many steps, earlier than the environment itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_episode_steps: Option<u32>,
    /// Multiply rewards by this (before they are clipped). Returns are reported as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_scale: Option<f64>,
    /// Bring rewards between these two. Returns are reported as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_reward: Option<[f64; 2]>,
    /// Show so many of the latest observations together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_stack: Option<usize>,
    /// Whether observations are brought to mean 0 and variance 1 before the network sees them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub normalize_observation: bool,
    /// For one of Gymnasium's: arguments for `gymnasium.make`.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub args: toml::Table,
}

impl EnvConfig {
    /// The environment of this name, as it is without further settings.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            python: None,
            imports: Vec::new(),
            timeout_seconds: None,
            environments_per_worker: None,
            args: toml::Table::new(),
            max_episode_steps: None,
            reward_scale: None,
            clip_reward: None,
            frame_stack: None,
            normalize_observation: false,
        }
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Units of each hidden layer. May be empty.
    pub hidden: Vec<usize>,
    /// What follows each hidden layer: `relu`, `tanh` or `elu`.
    pub activation: Activation,
    /// Whether each hidden layer is normalised before its activation (Ba et al. 2016).
    pub layer_norm: bool,
    /// Whether the last hidden layer is followed by two streams, one for the value and one for the advantages, each with a
    /// hidden layer of its own (Wang et al. 2016).
    pub dueling: bool,
    /// Dueling: units of each stream's hidden layer; absent for the last of `hidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dueling_hidden: Option<usize>,
    /// Whether weights carry learnt noise, under which it acts and learns (Fortunato et al. 2018). Explore with
    /// `exploration.kind = "noisy"` then.
    pub noisy: bool,
    /// The noise's first scale, times 1/sqrt(inputs) of each layer.
    pub noisy_sigma: f64,
    /// What the output says of an action: `scalar` (its Q-value), `categorical` (C51), `quantile` (QR-DQN) or `implicit`
    /// (IQN).
    pub head: HeadKind,
    /// How many atoms a categorical head has.
    pub atoms: usize,
    /// The return of a categorical head's lowest atom.
    pub v_min: f64,
    /// The return of its highest atom.
    pub v_max: f64,
    /// How many quantiles a quantile head has, and at how many random levels an implicit one learns.
    pub quantiles: usize,
    /// At how many levels an implicit head's quantiles are averaged to choose an action.
    pub acting_quantiles: usize,
    /// How many cosines embed an implicit head's levels.
    pub cosines: usize,
}

/// What the output says of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// Its Q-value.
    Scalar,
    /// A distribution over fixed returns (C51, Bellemare et al. 2017).
    Categorical,
    /// The return's quantiles at fixed levels (QR-DQN, Dabney et al. 2018a).
    Quantile,
    /// The return's quantile at any level (IQN, Dabney et al. 2018b).
    Implicit,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            hidden: vec![128, 128],
            activation: Activation::Relu,
            layer_norm: false,
            dueling: false,
            dueling_hidden: None,
            noisy: false,
            noisy_sigma: 0.5,
            head: HeadKind::Scalar,
            atoms: 51,
            v_min: -10.0,
            v_max: 10.0,
            quantiles: 64,
            acting_quantiles: 32,
            cosines: 64,
        }
    }
}

impl NetworkConfig {
    /// [`NetworkConfig::dueling_hidden`], or the width that is used where it is absent; none where `hidden` is empty too.
    pub fn dueling_hidden(&self) -> Option<usize> {
        self.dueling_hidden.or(self.hidden.last().copied())
    }

    /// The network for observations of `inputs` numbers and so many actions.
    pub fn architecture(&self, inputs: usize, actions: usize) -> Architecture {
        let head = match self.head {
            HeadKind::Scalar => Head::Scalar,
            HeadKind::Categorical => Head::Categorical { atoms: self.atoms, v_min: self.v_min, v_max: self.v_max },
            HeadKind::Quantile => Head::Quantile { quantiles: self.quantiles },
            HeadKind::Implicit => Head::Implicit { cosines: self.cosines, acting_quantiles: self.acting_quantiles },
        };
        Architecture {
            inputs,
            hidden: self.hidden.clone(),
            actions,
            activation: self.activation,
            layer_norm: self.layer_norm,
            dueling: self.dueling,
            dueling_hidden: if self.dueling { self.dueling_hidden() } else { None },
            noisy: self.noisy,
            head,
        }
    }
}

/// `[replay]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// `uniform` (the default), `prioritized`, or `none`: learn from each transition once, as it comes. Then `capacity`,
    /// `agent.batch_size` (it is 1), `training.train_frequency` and `training.gradient_steps` have no meaning and are not
    /// looked at: presets carry them all, and `replay.kind = "none"` alone is to be enough.
    #[serde(default)]
    pub kind: ReplayKind,
    /// How many transitions it holds; the oldest gives way.
    pub capacity: usize,
    /// Prioritised: how much priorities matter, from 0 (uniform) to 1; 0.6 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Prioritised: how far the weights make up for unequal probabilities, from 0 to 1; a number or a schedule over
    /// environment steps. If absent, from 0.4 to 1 over `training.steps`, or over 100,000 steps where the budget is in
    /// episodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<Schedule>,
    /// Prioritised: added to every priority, so that none is 0; 1e-6 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
}

impl ReplayConfig {
    /// [`ReplayConfig::alpha`], or what is used where it is absent (Schaul et al. 2016).
    pub fn alpha(&self) -> f64 {
        self.alpha.unwrap_or(0.6)
    }

    /// [`ReplayConfig::eps`], or what is used where it is absent.
    pub fn eps(&self) -> f64 {
        self.eps.unwrap_or(1e-6)
    }
}

/// Which transitions are learnt from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayKind {
    /// Any, each as likely.
    #[default]
    Uniform,
    /// The surprising ones more often (Schaul et al. 2016).
    Prioritized,
    /// The newest, once.
    None,
}

/// `[agent]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// What a reward one step later counts for, in [0, 1].
    pub gamma: f64,
    /// Over how many steps rewards are added before bootstrapping.
    pub n_step: usize,
    /// `max` (DQN), `double` (Double DQN) or `munchausen`.
    pub target: TargetKind,
    /// Munchausen: what the policy's logarithm counts for in the reward, in [0, 1].
    #[serde(default = "munchausen_alpha")]
    pub munchausen_alpha: f64,
    /// Munchausen: the policy's temperature.
    #[serde(default = "munchausen_temperature")]
    pub munchausen_temperature: f64,
    /// Munchausen: the lowest value that the temperature times the policy's logarithm counts as.
    #[serde(default = "munchausen_floor")]
    pub munchausen_floor: f64,
    /// `mse` (squared error) or `huber` (delta 1). Distributional heads have their own loss and do not ask.
    pub loss: Loss,
    /// Transitions an update.
    pub batch_size: usize,
    /// What a time limit means: `bootstrap` (the task would have gone on) or `terminal` (as if it had ended).
    pub time_limit: TimeLimitMeaning,
}

fn munchausen_alpha() -> f64 {
    0.9
}

fn munchausen_temperature() -> f64 {
    0.03
}

fn munchausen_floor() -> f64 {
    -1.0
}

impl AgentConfig {
    /// Munchausen's settings.
    pub fn munchausen(&self) -> Munchausen {
        Munchausen {
            alpha: self.munchausen_alpha as f32,
            temperature: self.munchausen_temperature as f32,
            floor: self.munchausen_floor as f32,
        }
    }
}

/// What the end of an episode by a time limit means for the value of its last observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeLimitMeaning {
    /// The last observation still has a value: bootstrap from it (Pardo et al. 2018).
    Bootstrap,
    /// Nothing comes after: the limit counts as an ordinary end.
    Terminal,
}

/// `[target_network]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetNetworkConfig {
    /// `hard` (copied at intervals), `soft` (moved by tau), or `none`: bootstrap from the online network. If absent, the
    /// interval and tau say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TargetNetworkKind>,
    /// How it starts: `online` (a copy of the online network) or `random` (an initialisation of its own).
    pub initial: InitialTarget,
    /// Synchronise at the end of every episode whose index (from 0) is a multiple of this. Either this or `every_steps`; a
    /// soft target network that has neither follows every update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_episodes: Option<u64>,
    /// Synchronise after every environment step whose number (from 1) is a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<u64>,
    /// How far it moves towards the online network each time, in (0, 1]: 1, as where it is absent, copies.
    #[serde(default = "whole")]
    pub tau: f64,
}

impl TargetNetworkConfig {
    /// Whether it moves after every update, because no interval is given.
    pub fn follows_updates(&self) -> bool {
        self.kind == Some(TargetNetworkKind::Soft) && self.every_episodes.is_none() && self.every_steps.is_none()
    }
}

fn whole() -> f64 {
    1.0
}

/// What the bootstrap is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetNetworkKind {
    /// From a copy of the online network that is renewed now and then (Mnih et al. 2015).
    Hard,
    /// From a network that follows the online one slowly (Lillicrap et al. 2016).
    Soft,
    /// From the online network itself.
    None,
}

/// How the target network starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitialTarget {
    /// With an initialisation of its own.
    Random,
    /// As a copy of the online network.
    Online,
}

/// `[exploration]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplorationConfig {
    /// `epsilon_greedy` (the default), `softmax`, or `noisy`: greedy under the network's own fresh noise.
    #[serde(default)]
    pub kind: ExplorationKind,
    /// Epsilon-greedy: the probability of a random action, in [0, 1]; a number or a schedule over environment steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<Schedule>,
    /// Softmax: what Q-values are divided by, above 0 (large: all actions as likely; small: greedy); a number or a schedule
    /// over environment steps. 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Schedule>,
}

impl ExplorationConfig {
    /// How the action at an environment step is chosen.
    pub fn at(&self, step: u64) -> Exploration {
        let value = |schedule: &Option<Schedule>, absent| schedule.map_or(absent, |schedule| schedule.value(step));
        match self.kind {
            ExplorationKind::EpsilonGreedy => Exploration::EpsilonGreedy(value(&self.epsilon, 0.0)),
            ExplorationKind::Softmax => Exploration::Softmax(value(&self.temperature, 1.0)),
            ExplorationKind::Noisy => Exploration::EpsilonGreedy(0.0),
        }
    }
}

/// How it explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplorationKind {
    /// Now and then any action.
    #[default]
    EpsilonGreedy,
    /// Better actions more often: Boltzmann's distribution.
    Softmax,
    /// By the network's own noise (Fortunato et al. 2018).
    Noisy,
}

/// `[optimizer]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which rule: `adam`, `rmsprop` or `sgd`.
    pub kind: OptimizerKind,
    /// Learning rate; a number or a schedule over environment steps.
    pub lr: Schedule,
    /// Adam: how much of the mean gradient is kept each step, in [0, 1); 0.9 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f64>,
    /// Adam: how much of the mean squared gradient is kept each step, in [0, 1); 0.999 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
    /// RMSProp: how much of the mean squared gradient is kept each step, in [0, 1); 0.99 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Adam, RMSProp: added to the root of the mean squared gradient; 1e-8 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// RMSProp: add eps under the root, as Nature DQN did; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps_inside_sqrt: Option<bool>,
    /// RMSProp: divide by the gradient's deviation instead of its size; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centered: Option<bool>,
    /// RMSProp, SGD: how much of the last step is taken again, in [0, 1); 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// SGD: Nesterov's momentum; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// The gradients' largest allowed global norm; absent for no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
}

impl OptimizerConfig {
    /// [`OptimizerConfig::beta1`], or what is used where it is absent.
    pub fn beta1(&self) -> f64 {
        self.beta1.unwrap_or(0.9)
    }

    /// [`OptimizerConfig::beta2`], or what is used where it is absent.
    pub fn beta2(&self) -> f64 {
        self.beta2.unwrap_or(0.999)
    }

    /// [`OptimizerConfig::alpha`], or what is used where it is absent.
    pub fn alpha(&self) -> f64 {
        self.alpha.unwrap_or(0.99)
    }

    /// [`OptimizerConfig::eps`], or what is used where it is absent.
    pub fn eps(&self) -> f64 {
        self.eps.unwrap_or(1e-8)
    }

    /// [`OptimizerConfig::momentum`], or what is used where it is absent.
    pub fn momentum(&self) -> f64 {
        self.momentum.unwrap_or(0.0)
    }
}

/// Which rule turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (Kingma & Ba 2015).
    Adam,
    /// RMSProp (Tieleman & Hinton 2012).
    Rmsprop,
    /// Stochastic gradient descent.
    Sgd,
}

/// `[training]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Every random draw of the run follows from it.
    pub seed: u64,
    /// Train for this many episodes. Either this or `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episodes: Option<u64>,
    /// Train for this many environment steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// How many environments are stepped in turn, 1 or more. Environment 0 starts from `seed`, environment i > 0 from a seed
    /// derived from `seed` and i.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub num_envs: usize,
    /// Learn only after this many environment steps, and only once there is a whole batch.
    pub learning_starts: u64,
    /// Learn after every environment step whose number (from 1) is a multiple of this.
    pub train_frequency: u64,
    /// How many updates then.
    pub gradient_steps: u64,
    /// Whether to write `diagnostics.csv`: TD error, gradient norm, action gap and the like, a row an episode.
    #[serde(default)]
    pub diagnostics: bool,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

/// `[evaluation]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Evaluate after every so many episodes. Either this, `every_steps` or neither (only at the end).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_episodes: Option<u64>,
    /// Evaluate after every so many environment steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<u64>,
    /// Greedy episodes each time, and at the end.
    pub episodes: usize,
    /// Truncates greedy episodes after this many steps, 1 or more. If absent, the environment's own limit, or 10,000 where
    /// it has none; a run's config.toml holds the limit used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_episode_steps: Option<u32>,
}

impl TrainConfig {
    /// Transitions an update: [`AgentConfig::batch_size`], or 1 where there is no replay.
    pub fn batch_size(&self) -> usize {
        if self.replay.kind == ReplayKind::None { 1 } else { self.agent.batch_size }
    }

    /// [`ReplayConfig::beta`], or what is used where it is absent.
    pub fn beta(&self) -> Schedule {
        let steps = self.training.steps.unwrap_or(100_000);
        self.replay.beta.unwrap_or(Schedule::Changing(Changing::Linear { from: 0.4, to: 1.0, steps }))
    }

    /// The configuration as TOML, complete.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration holds nothing that TOML cannot say")
    }
}
