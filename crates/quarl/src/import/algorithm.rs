//! The algorithms of Stable-Baselines3 and sb3-contrib whose agents are read.

/// The algorithms whose agents are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Algorithm {
    Dqn,
    QrDqn,
}

impl Algorithm {
    /// The algorithm of a policy, by the policy's module.
    pub(super) fn of(module: &str) -> Option<Self> {
        match module {
            "stable_baselines3.dqn.policies" => Some(Self::Dqn),
            "sb3_contrib.qrdqn.policies" => Some(Self::QrDqn),
            _ => None,
        }
    }

    /// The network's name in the policy. The names of its tensors start with it, twice.
    pub(super) fn network(self) -> &'static str {
        match self {
            Self::Dqn => "q_net",
            Self::QrDqn => "quantile_net",
        }
    }

    /// The preset with the same target and loss.
    pub(super) fn preset(self) -> &'static str {
        match self {
            Self::Dqn => "dqn",
            Self::QrDqn => "qrdqn",
        }
    }

    /// The settings with a number in the archive: the name there, the key of the configuration, and the algorithm's default.
    pub(super) fn numbers(self) -> [(&'static str, &'static str, f64); 6] {
        let learning_rate = if self == Self::Dqn { 1e-4 } else { 5e-5 };
        [
            ("learning_rate", "optimizer.lr", learning_rate),
            ("buffer_size", "replay.capacity", 1e6),
            ("learning_starts", "training.learning_starts", 100.0),
            ("batch_size", "agent.batch_size", 32.0),
            ("gamma", "agent.gamma", 0.99),
            ("gradient_steps", "training.gradient_steps", 1.0),
        ]
    }
}
