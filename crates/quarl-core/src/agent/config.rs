//! `[agent]` and `[target_network]`.

use toml::{Table, Value};

use crate::config::settings::KeyDefault::{Advised, Is, Required};
use crate::config::settings::{
    Condition, Consistent, above_to, at_least, at_most, check, choices, from_to, invalid, settings,
};
use crate::config::values::number;
use crate::config::{Head, TrainConfig};
use crate::error::Error;
use crate::loss::Loss;
use crate::replay::config::STORED;
use crate::target::{Munchausen, TargetKind};

/// The maximum number of steps of an n-step return.
const LONGEST_RETURN: u32 = 10_000;

const SCALAR: Condition = Condition::new("network.head = \"scalar\"", |config| config.network.head == Head::Scalar);

const MUNCHAUSEN: Condition =
    Condition::new("agent.target = \"munchausen\"", |config| config.agent.target == TargetKind::Munchausen);

settings! {
    /// `[agent]`: the learning algorithm: TD target, loss and batch.
    pub struct AgentConfig: "agent" {
        /// Discount factor.
        ///
        /// A reward that comes k steps later counts gamma^k times as much as one that comes now (Sutton & Barto 2018). The agent
        /// therefore looks about 1 / (1 - gamma) steps ahead: 100 steps for 0.99. Raise it where rewards come late; lower it where
        /// Q-values keep growing. 1 suits only tasks with short episodes.
        gamma: f64 = Required, in from_to(0, 1), guide "q_learning";
        /// Number of rewards that are summed before the target bootstraps (n of n-step returns).
        ///
        /// 1 is one-step Q-learning. With 3 to 5, rewards reach earlier states sooner and the target depends less on inaccurate
        /// Q-values (Sutton 1988; Hessel et al. 2018); larger values add variance, and bias from the older policy that chose the
        /// stored actions.
        n_step: usize = Required, in from_to(1, LONGEST_RETURN), unit "environment steps", guide "n_step";
        /// TD target: how the value of the next observation is estimated.
        ///
        /// `double` reduces the overestimation of `max` at the price of one more forward pass, and is the usual choice.
        /// `munchausen` needs `agent.n_step = 1`, cannot be combined with `network.head = "categorical"`, and is refused for
        /// environments with action masks.
        target: TargetKind = Required, guide "double";
        /// Weight alpha of the log-policy that Munchausen DQN adds to the reward.
        ///
        /// 0 leaves soft Q-learning without the bonus. The default is the paper's (Vieillard et al. 2020).
        munchausen_alpha: f64 = Is(0.9), in from_to(0, 1), guide "munchausen", if MUNCHAUSEN;
        /// Temperature tau of the softmax policy of Munchausen DQN.
        ///
        /// A larger temperature makes the policy more random and its entropy count more. It has the unit of a Q-value: scale it
        /// with the rewards. The default is the paper's (Vieillard et al. 2020).
        munchausen_temperature: f64 = Is(0.03), in from_to(1e-6, 1e6), guide "munchausen", if MUNCHAUSEN;
        /// Lower bound of the scaled log-policy tau * log pi, to which it is clipped.
        ///
        /// Without a bound, the bonus of an improbable action would be a very large negative number. The default is the paper's
        /// (Vieillard et al. 2020).
        munchausen_floor: f64 = Is(-1.0), in at_most(0), guide "munchausen", if MUNCHAUSEN;
        /// Loss function of the TD errors.
        ///
        /// `huber` limits the gradient of a large TD error, which makes training more stable where rewards differ in size. The
        /// other heads have losses of their own: cross-entropy (`categorical`), quantile Huber (`quantile`, `implicit`).
        loss: Loss = Is(Loss::Huber), guide "function_approximation", if SCALAR;
        /// Batch size: number of transitions in each update.
        ///
        /// A larger batch gives less noisy gradients and costs more time for each update. It cannot exceed `replay.capacity`.
        /// Without replay, an update uses one transition.
        batch_size: usize = Required, in at_least(1), unit "transitions", guide "replay", if STORED;
        /// What a time limit means for the value of the last observation.
        ///
        /// An episode that is truncated by a time limit could have gone on, so that its last observation has a value (Pardo et
        /// al. 2018). `terminal` is for comparisons with programs that treat truncation as termination, as the textbook's does.
        time_limit: TimeLimitMeaning = Required;
    }
}

choices!(Loss {
    "mse" => Mse: "squared error",
    "huber" => Huber: "Huber loss with delta 1: squared up to an error of 1, linear beyond",
});

/// What a time limit means for the value of an episode's last observation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeLimitMeaning {
    /// The target bootstraps from the last observation (Pardo et al. 2018).
    #[default]
    Bootstrap,
    /// The last observation has the value 0, as if the episode had terminated.
    Terminal,
}

choices!(TimeLimitMeaning {
    "bootstrap" => Bootstrap: "the target bootstraps from the last observation",
    "terminal" => Terminal: "the last observation has the value 0, as if the episode had terminated",
});

impl AgentConfig {
    /// The settings of Munchausen DQN.
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
    /// `[target_network]`: the target network, which keeps TD targets from moving with every update.
    pub struct TargetNetworkConfig: "target_network" {
        /// How the target network is updated from the online network.
        ///
        /// Hard updates need an interval: `target_network.every_steps` or `target_network.every_episodes`.
        kind: TargetNetworkKind = Is(TargetNetworkKind::Hard), guide "target_network";
        /// Initial parameters of the target network.
        initial: InitialTarget = Required, guide "target_network", if PRESENT;
        /// Update interval in episodes: an update at the end of every episode whose index, from 0, is a multiple of this.
        ///
        /// Not set: no updates at the ends of episodes.
        every_episodes: Option<u64> = Is(None), in at_least(1), unit "episodes", or every_steps, guide "target_network",
            if AT_INTERVALS;
        /// Update interval in environment steps.
        ///
        /// Steps are summed over all environments; the target network is updated at every step whose number is a multiple of this.
        /// Raise it where training is unstable, lower it where learning is slow: 100 to 1,000 is usual for small tasks. A soft
        /// target network without an interval is updated after each update of the online network.
        every_steps: Option<u64> = Is(None), in at_least(1), unit "environment steps", or every_episodes,
            guide "target_network", if AT_INTERVALS;
        /// Soft-update coefficient (Polyak averaging): target = tau * online + (1 - tau) * target.
        ///
        /// Smaller values make the target network follow more slowly; 0.001 to 0.01 is usual (Lillicrap et al. 2016). A value
        /// below 1 without `target_network.kind` sets the kind to `soft`, and drops
        /// the interval of the preset. 1 is a hard update: set `target_network.kind = "hard"` instead.
        tau: f64 = Advised(|_| Some(1.0), tau_is_needed, "none; soft updates need it"), in above_to(0, 1),
            guide "target_network", if SOFT;
    }
}

/// Advice on the soft-update coefficient, for the error if soft updates are configured without one.
fn tau_is_needed(key: &str, _: &TrainConfig) -> Option<Error> {
    let message =
        "needed, because target_network.kind = \"soft\": set it, such as 0.005, or set target_network.kind = \"hard\"";
    Some(invalid(key, message.to_owned()))
}

/// How the target network is updated from the online network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetNetworkKind {
    /// Hard updates: the online network is copied at intervals (Mnih et al. 2015).
    #[default]
    Hard,
    /// Soft updates (Polyak averaging; Lillicrap et al. 2016).
    Soft,
    /// No target network: targets bootstrap from the online network.
    None,
}

choices!(TargetNetworkKind {
    "hard" => Hard: "hard updates: the online network is copied at intervals (Mnih et al. 2015)",
    "soft" => Soft: "soft updates: Polyak averaging with coefficient tau (Lillicrap et al. 2016)",
    "none" => None: "no target network: targets bootstrap from the online network",
});

/// The initial parameters of the target network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialTarget {
    /// A copy of the online network's.
    #[default]
    Online,
    /// A random initialisation of its own.
    Random,
}

choices!(InitialTarget {
    "online" => Online: "a copy of the online network's",
    "random" => Random: "a random initialisation of its own, until the first update",
});

/// A layer of a configuration that sets `tau` below 1 without a kind is read as if it set `kind = "soft"`, too.
pub(crate) fn imply_soft(layer: &mut Table) {
    let Some(Value::Table(section)) = layer.get_mut("target_network") else { return };
    let is_soft = section.get("tau").and_then(number).is_some_and(|tau| tau < 1.0);
    if is_soft && !section.contains_key("kind") {
        section.insert("kind".to_owned(), "soft".into());
    }
}

impl TargetNetworkConfig {
    /// Whether the target network is updated after every update of the online network, because no interval is set.
    pub(crate) fn follows_updates(&self) -> bool {
        self.kind == TargetNetworkKind::Soft && self.every_episodes.is_none() && self.every_steps.is_none()
    }

    /// Soft-update coefficient; 1 for hard updates, which copy.
    pub fn coefficient(&self) -> f64 {
        if self.kind == TargetNetworkKind::Soft { self.tau } else { 1.0 }
    }
}

impl Consistent for TargetNetworkConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        let has_interval = self.every_episodes.is_some() || self.every_steps.is_some();
        check(self.kind != TargetNetworkKind::Soft || self.tau < 1.0, "target_network.tau", || {
            "1 would copy: soft updates need less than 1, such as 0.005; or set target_network.kind = \"hard\""
                .to_owned()
        })?;
        check(self.kind != TargetNetworkKind::Hard || has_interval, "target_network.every_steps", || {
            "hard updates need an interval: set this, or target_network.every_episodes".to_owned()
        })
    }
}
