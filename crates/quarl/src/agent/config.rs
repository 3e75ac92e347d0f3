//! `[agent]` and `[target_network]`.

use toml::{Table, Value};

use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{Condition, Consistent, above_to, at_least, at_most, check, choices, from_to, settings};
use crate::config::values::number;
use crate::config::{Head, TrainConfig};
use crate::error::Error;
use crate::loss::Loss;
use crate::replay::config::STORED;
use crate::target::{Munchausen, TargetKind};

/// The largest number of steps of an n-step return.
const LONGEST_RETURN: u32 = 10_000;

const SCALAR: Condition = Condition::new("network.head = \"scalar\"", |config| config.network.head == Head::Scalar);

const MUNCHAUSEN: Condition =
    Condition::new("agent.target = \"munchausen\"", |config| config.agent.target == TargetKind::Munchausen);

settings! {
    /// `[agent]`: the algorithm.
    pub struct AgentConfig: "agent" {
        /// Discount factor.
        gamma: f64 = Required, in from_to(0, 1);
        /// Number of rewards that are added before bootstrapping, in environment steps.
        n_step: usize = Required, in from_to(1, LONGEST_RETURN);
        /// TD target: DQN (max), Double DQN (double), Clipped Double DQN (clipped_double) or Munchausen DQN (munchausen).
        target: TargetKind = Required;
        /// Weight of the policy's logarithm in the reward.
        munchausen_alpha: f64 = Is(0.9), in from_to(0, 1), if MUNCHAUSEN;
        /// Temperature of the softmax policy.
        munchausen_temperature: f64 = Is(0.03), in from_to(1e-6, 1e6), if MUNCHAUSEN;
        /// Lower bound of the temperature times the policy's logarithm.
        munchausen_floor: f64 = Is(-1.0), in at_most(0), if MUNCHAUSEN;
        /// Loss of a TD error: squared (mse) or Huber with delta 1 (huber).
        loss: Loss = Is(Loss::Huber), if SCALAR;
        /// Transitions in each update.
        batch_size: usize = Required, in at_least(1), if STORED;
        /// What a time limit means for the value of the last observation: it still has one (bootstrap), or it has none, as
        /// if the episode had terminated (terminal).
        time_limit: TimeLimitMeaning = Required;
    }
}

choices!(Loss { "mse" => Mse, "huber" => Huber });

/// What the end of an episode by a time limit means for the value of its last observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeLimitMeaning {
    /// The last observation still has a value: bootstrap from it (Pardo et al. 2018).
    #[default]
    Bootstrap,
    /// The limit counts as an ordinary end.
    Terminal,
}

choices!(TimeLimitMeaning { "bootstrap" => Bootstrap, "terminal" => Terminal });

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

impl Consistent for AgentConfig {
    fn check(&self, config: &TrainConfig) -> Result<(), Error> {
        if self.target != TargetKind::Munchausen {
            return Ok(());
        }
        check(!matches!(config.network.head, Head::Categorical { .. }), "agent.target", || {
            "\"munchausen\" cannot be combined with network.head = \"categorical\", whose atoms are fixed: choose another \
             network.head, or max or double"
                .to_owned()
        })?;
        let n_step = self.n_step;
        check(n_step == 1, "agent.target", || {
            format!(
                "\"munchausen\" needs agent.n_step = 1, because its bonus belongs to one step (it is {n_step}): set that \
                 to 1, or choose another agent.target"
            )
        })
    }
}

const PRESENT: Condition = Condition::new("target_network.kind = \"hard\" or \"soft\"", |config| {
    config.target_network.kind != TargetNetworkKind::None
});

const AT_INTERVALS: Condition = PRESENT.only_for("target_network.kind");

const SOFT: Condition =
    Condition::new("target_network.kind = \"soft\"", |config| config.target_network.kind == TargetNetworkKind::Soft);

settings! {
    /// `[target_network]`: the target network.
    pub struct TargetNetworkConfig: "target_network" {
        /// How it follows the online network: by copies (hard), by Polyak averaging (soft), or not at all (none: the
        /// bootstrap is the online network's).
        kind: TargetNetworkKind = Is(TargetNetworkKind::Hard);
        /// How it starts: as a copy of the online network (online), or with an initialisation of its own (random).
        initial: InitialTarget = Required, if PRESENT;
        /// Update it at the end of every episode whose index (from 0) is a multiple of this.
        every_episodes: Option<u64> = Is(None), in at_least(1), or every_steps, if AT_INTERVALS;
        /// Update it after every environment step whose number (from 1) is a multiple of this. A soft target network
        /// without an interval follows every update.
        every_steps: Option<u64> = Is(None), in at_least(1), or every_episodes, if AT_INTERVALS;
        /// Soft-update coefficient (Polyak averaging), below 1; given without a kind, it sets the kind to soft.
        tau: f64 = Is(1.0), in above_to(0, 1), if SOFT;
    }
}

/// How the target network follows the online network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetNetworkKind {
    /// It is copied at intervals (Mnih et al. 2015).
    #[default]
    Hard,
    /// It is averaged with the online network (Lillicrap et al. 2016).
    Soft,
    /// There is none: the bootstrap is the online network's.
    None,
}

choices!(TargetNetworkKind { "hard" => Hard, "soft" => Soft, "none" => None });

/// How the target network starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialTarget {
    /// As a copy of the online network.
    #[default]
    Online,
    /// With an initialisation of its own.
    Random,
}

choices!(InitialTarget { "online" => Online, "random" => Random });

/// A layer of a configuration that gives a coefficient below 1 and no kind means a soft target network: it is read as if it
/// gave `kind = "soft"`, too.
pub(crate) fn imply_soft(layer: &mut Table) {
    let Some(Value::Table(section)) = layer.get_mut("target_network") else { return };
    let is_soft = section.get("tau").and_then(number).is_some_and(|tau| tau < 1.0);
    if is_soft && !section.contains_key("kind") {
        section.insert("kind".to_owned(), "soft".into());
    }
}

impl TargetNetworkConfig {
    /// Whether it moves after every update, because no interval is given.
    pub(crate) fn follows_updates(&self) -> bool {
        self.kind == TargetNetworkKind::Soft && self.every_episodes.is_none() && self.every_steps.is_none()
    }

    /// Soft-update coefficient: 1 where it is copied.
    pub fn coefficient(&self) -> f64 {
        if self.kind == TargetNetworkKind::Soft { self.tau } else { 1.0 }
    }
}

impl Consistent for TargetNetworkConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        let has_interval = self.every_episodes.is_some() || self.every_steps.is_some();
        check(self.kind != TargetNetworkKind::Soft || self.tau < 1.0, "target_network.tau", || {
            "1.0 copies: a soft target network needs less than 1, such as 0.005; or set target_network.kind = \"hard\""
                .to_owned()
        })?;
        check(self.kind != TargetNetworkKind::Hard || has_interval, "target_network.every_steps", || {
            "a hard target network needs an interval: set this, or target_network.every_episodes".to_owned()
        })
    }
}
