//! `[exploration]`.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Is, Required};
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
    /// `[exploration]`: how actions are chosen during training. Evaluation is greedy.
    pub struct ExplorationConfig: "exploration" {
        /// Exploration method during training.
        ///
        /// `noisy` needs `network.noisy = true`.
        kind: ExplorationKind = Is(ExplorationKind::EpsilonGreedy), guide "exploration";
        /// Probability epsilon of a random action; with ez_greedy, of starting a sequence of repeated random actions.
        ///
        /// A linear schedule from 1 to a small value is usual (Mnih et al. 2015), such as 0.05 after a tenth of the run. Raise the
        /// final value where the agent stops finding better behaviour. A random action is uniform over all allowed actions, the
        /// greedy one included.
        epsilon: Schedule = Required, in from_to(0, 1), guide "exploration", if RANDOM_ACTIONS;
        /// Exponent mu of the zeta distribution of the number n of steps that a random action lasts: P(n) proportional to n^-mu.
        ///
        /// Smaller values repeat actions for longer. The default is the paper's (Dabney et al. 2021).
        mu: f64 = Is(2.0), in above(1), guide "exploration", if EZ_GREEDY;
        /// Temperature of softmax exploration, by which Q-values are divided; smaller is greedier.
        ///
        /// The probability of action a is proportional to exp(Q(a) / temperature) (Sutton & Barto 2018). It has the unit of a
        /// Q-value: choose it near the differences between the Q-values of the actions.
        temperature: Schedule = Is(Schedule::Constant(1.0)), in above(0), guide "exploration", if SOFTMAX;
    }
}

/// The exploration method during training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExplorationKind {
    /// Epsilon-greedy.
    #[default]
    EpsilonGreedy,
    /// Epsilon-greedy with random actions that are repeated (Dabney et al. 2021).
    EzGreedy,
    /// Boltzmann (softmax) exploration.
    Softmax,
    /// Greedy with respect to a noisy network (Fortunato et al. 2018).
    Noisy,
}

choices!(ExplorationKind {
    "epsilon_greedy" => EpsilonGreedy: "epsilon-greedy: a random action with probability epsilon, else the greedy one",
    "ez_greedy" => EzGreedy: "ez-greedy: epsilon-greedy whose random actions are repeated (Dabney et al. 2021)",
    "softmax" => Softmax: "Boltzmann (softmax) exploration: probabilities proportional to exp(Q / temperature)",
    "noisy" => Noisy: "greedy with respect to a noisy network (Fortunato et al. 2018)",
});

impl ExplorationConfig {
    /// The exploration at an environment step.
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
