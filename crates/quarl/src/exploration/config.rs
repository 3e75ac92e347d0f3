//! `[exploration]`.

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{Condition, Consistent, above, check, choices, from_to, settings};
use crate::error::Error;
use crate::exploration::Exploration;
use crate::schedule::Schedule;

const RANDOM_ACTIONS: Condition = Condition::new("exploration.kind = \"epsilon_greedy\" or \"ez_greedy\"", |config| {
    matches!(config.exploration.kind, ExplorationKind::EpsilonGreedy | ExplorationKind::EzGreedy)
});

const EZ_GREEDY: Condition =
    Condition::new("exploration.kind = \"ez_greedy\"", |config| config.exploration.kind == ExplorationKind::EzGreedy);

const SOFTMAX: Condition =
    Condition::new("exploration.kind = \"softmax\"", |config| config.exploration.kind == ExplorationKind::Softmax);

settings! {
    /// `[exploration]`: how actions are chosen while training.
    pub struct ExplorationConfig: "exploration" {
        /// How actions are chosen while training: epsilon-greedily, epsilon-greedily with repeated random actions, by a
        /// softmax of the Q-values, or greedily under the noise of a noisy network.
        kind: ExplorationKind = Is(ExplorationKind::EpsilonGreedy);
        /// Probability of a random action, or that a repeated one begins.
        epsilon: Schedule = Required, in from_to(0, 1), if RANDOM_ACTIONS;
        /// Exponent of the zeta distribution of repeats: n steps with probability proportional to n^-mu.
        mu: f64 = Is(2.0), in above(1), if EZ_GREEDY;
        /// Temperature that Q-values are divided by; smaller is greedier.
        temperature: Schedule = Is(Schedule::Constant(1.0)), in above(0), if SOFTMAX;
    }
}

/// How actions are chosen while training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExplorationKind {
    /// Epsilon-greedy.
    #[default]
    EpsilonGreedy,
    /// Epsilon-greedy with random actions that are repeated (Dabney et al. 2021).
    EzGreedy,
    /// Boltzmann (softmax) exploration.
    Softmax,
    /// Greedy under the network's own noise (Fortunato et al. 2018).
    Noisy,
}

choices!(ExplorationKind {
    "epsilon_greedy" => EpsilonGreedy, "ez_greedy" => EzGreedy, "softmax" => Softmax, "noisy" => Noisy,
});

impl ExplorationConfig {
    /// How the action at an environment step is chosen.
    pub fn at(&self, step: u64) -> Exploration {
        match self.kind {
            ExplorationKind::EpsilonGreedy => Exploration::EpsilonGreedy(self.epsilon.value(step)),
            ExplorationKind::EzGreedy => Exploration::EzGreedy { epsilon: self.epsilon.value(step), mu: self.mu },
            ExplorationKind::Softmax => Exploration::Softmax(self.temperature.value(step)),
            ExplorationKind::Noisy => Exploration::EpsilonGreedy(0.0),
        }
    }
}

impl Consistent for ExplorationConfig {
    fn check(&self, config: &TrainConfig) -> Result<(), Error> {
        check(self.kind != ExplorationKind::Noisy || config.network.noisy, "exploration.kind", || {
            "\"noisy\" needs a noisy network: set network.noisy = true, or choose another exploration.kind".to_owned()
        })
    }
}
