//! The whole configuration of a run, and where it comes from: presets, files, single keys.
//!
//! The actors: [`layers`] puts a TOML table over another and names what does not belong; [`TrainConfig`] is the result,
//! complete and checked by [`TrainConfig::validate`]; [`presets`] are the ready-made ones.

pub mod layers;
pub mod presets;
mod validate;

use serde::{Deserialize, Serialize};

use crate::loss::Loss;
use crate::schedule::Schedule;
use crate::target::TargetKind;

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
    /// The Python interpreter; absent for that of the active virtual environment, of `./.venv`, or `python3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Modules to import first, which register environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    /// How many seconds an answer may take; absent for 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Episodes are truncated after this many steps, or after the environment's own limit where that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_episode_steps: Option<u32>,
    /// The agent sees this many of the last observations at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_stack: Option<usize>,
    /// Arguments for `gymnasium.make`.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub args: toml::Table,
}

impl EnvConfig {
    /// The environment of this name, as it is without further settings.
    pub fn named(id: &str) -> Self {
        let id = id.to_owned();
        let (imports, args) = (Vec::new(), toml::Table::new());
        Self { id, python: None, imports, timeout_seconds: None, max_episode_steps: None, frame_stack: None, args }
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Units of each hidden layer; a ReLU follows each. May be empty.
    pub hidden: Vec<usize>,
}

/// `[replay]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// How many transitions it holds; the oldest gives way.
    pub capacity: usize,
}

/// `[agent]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// What a reward one step later counts for, in [0, 1].
    pub gamma: f64,
    /// Over how many steps rewards are added before bootstrapping.
    pub n_step: usize,
    /// `max` (DQN) or `double` (Double DQN).
    pub target: TargetKind,
    /// `mse` (squared error) or `huber` (delta 1).
    pub loss: Loss,
    /// Transitions an update.
    pub batch_size: usize,
    /// What a time limit means: `bootstrap` (the task would have gone on) or `terminal` (as if it had ended).
    pub time_limit: TimeLimitMeaning,
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
    /// How it starts: `online` (a copy of the online network) or `random` (an initialisation of its own).
    pub initial: InitialTarget,
    /// Synchronise at the end of every episode whose index (from 0) is a multiple of this. Either this or `every_steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_episodes: Option<u64>,
    /// Synchronise after every environment step whose number (from 1) is a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<u64>,
    /// How far it moves towards the online network each time, in (0, 1]: 1 copies.
    pub tau: f64,
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
    /// The probability of a random action, in [0, 1]; a number or a schedule over environment steps.
    pub epsilon: Schedule,
}

/// `[optimizer]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which rule: `adam`.
    pub kind: OptimizerKind,
    /// Learning rate; a number or a schedule over environment steps.
    pub lr: Schedule,
    /// How much of the mean gradient is kept each step, in [0, 1).
    pub beta1: f64,
    /// How much of the mean squared gradient is kept each step, in [0, 1).
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub eps: f64,
    /// The gradients' largest allowed global norm; absent for no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
}

/// Which rule turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (Kingma & Ba 2015).
    Adam,
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
    /// How many environments are stepped in turn, 1 or more; environment i starts from seed + i.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub num_envs: usize,
    /// Learn only after this many environment steps, and only once there is a whole batch.
    pub learning_starts: u64,
    /// Learn after every environment step whose number (from 1) is a multiple of this.
    pub train_frequency: u64,
    /// How many updates then.
    pub gradient_steps: u64,
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
}

impl TrainConfig {
    /// The configuration as TOML, complete.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration holds nothing that TOML cannot say")
    }
}
