//! The configuration of a run, and where it comes from: a preset, a file, single keys.
//!
//! Each part of the library declares its settings beside its code (`declare.rs`, `settings.rs`). This module assembles the
//! sections: [`ConfigBuilder`] records a preset, a file and single keys, `layers.rs` merges them, [`TrainConfig`] is the
//! complete and checked result, and `document.rs` writes it. [`mod@reference`] describes every key, and [`json_schema`]
//! describes configuration files for editors.

mod builder;
mod declare;
mod document;
mod errors;
mod layers;
mod papers;
pub mod presets;
mod range;
pub mod reference;
mod schema;
#[doc(hidden)]
pub mod settings;
#[cfg(feature = "files")]
mod single;
#[cfg(test)]
mod tests;
pub(crate) mod values;

pub use crate::agent::config::{AgentConfig, InitialTarget, TargetNetworkConfig, TargetNetworkKind, TimeLimitMeaning};
pub use crate::checkpoint::config::CheckpointConfig;
pub use crate::engine::config::{OptimizerConfig, OptimizerKind};
pub use crate::env::config::{EnvConfig, GymConfig, StepLimit};
pub use crate::evaluate::config::EvaluationConfig;
pub use crate::exploration::config::{ExplorationConfig, ExplorationKind};
pub use crate::network::config::NetworkConfig;
pub use crate::network::{Activation, Head};
pub use crate::replay::config::{ReplayConfig, ReplayKind};
pub use crate::train::config::TrainingConfig;
pub use builder::ConfigBuilder;
#[doc(hidden)]
pub use layers::parse as parse_table;
pub use layers::value;
pub use schema::json_schema;
#[doc(hidden)]
pub use settings::Key;

use toml::Value;

use crate::error::Error;
use settings::{Consistent, Context, Section};

/// Assembles the sections into [`TrainConfig`].
macro_rules! sections {
    ($( $(#[doc = $doc:literal])* $name:ident: $type:ty, )*) => {
        /// The complete configuration of a training run: everything that decides its result. Training again from the same
        /// configuration gives the same bytes.
        ///
        /// Two configurations are equal when all keys that apply have equal values.
        #[derive(Clone, Debug)]
        pub struct TrainConfig { $( $(#[doc = $doc])* pub $name: $type, )* }

        impl TrainConfig {
            /// All keys, section by section.
            #[doc(hidden)]
            pub fn keys() -> Vec<Key> {
                [$( <$type>::keys() ),*].concat()
            }

            /// The sections in order, those within others after them: name, and doc comment.
            pub(crate) fn section_docs() -> Vec<(&'static str, &'static [&'static str])> {
                [$( <$type>::sections() ),*].concat()
            }

            /// Reads a configuration from tables whose keys have been checked; checks each value.
            fn read(context: &Context) -> Result<Self, Error> {
                Ok(Self { $( $name: <$type>::read(context)?, )* })
            }

            /// The values of all keys, in the order of [`TrainConfig::keys`].
            fn values(&self) -> Vec<Option<Value>> {
                [$( self.$name.values() ),*].concat()
            }

            /// Checks that the values are consistent.
            fn check(&self) -> Result<(), Error> {
                $( self.$name.check(self)?; )*
                Ok(())
            }
        }
    };
}

sections! {
    /// The environment.
    env: EnvConfig,
    /// The Q-network.
    network: NetworkConfig,
    /// The replay buffer.
    replay: ReplayConfig,
    /// The algorithm.
    agent: AgentConfig,
    /// The target network.
    target_network: TargetNetworkConfig,
    /// Exploration: how actions are chosen during training.
    exploration: ExplorationConfig,
    /// The optimizer.
    optimizer: OptimizerConfig,
    /// The run's seed, its budget, and when updates happen.
    training: TrainingConfig,
    /// Greedy evaluation during training.
    evaluation: EvaluationConfig,
    /// Checkpoints, from which an interrupted run continues.
    checkpoint: CheckpointConfig,
}

impl TrainConfig {
    /// The number of transitions in an update: [`AgentConfig::batch_size`], or 1 without replay.
    pub fn batch_size(&self) -> usize {
        if self.replay.kind == ReplayKind::None { 1 } else { self.agent.batch_size }
    }

    /// Every key that applies and its value: `agent.gamma` and 0.99. A schedule is one value.
    pub fn settings(&self) -> Vec<(String, Value)> {
        let keys = Self::keys().into_iter().zip(self.values());
        keys.filter(|(key, _)| key.applies(self)).filter_map(|(key, value)| Some((key.path(), value?))).collect()
    }

    /// The names of the sections.
    fn sections() -> Vec<&'static str> {
        Self::section_docs().into_iter().map(|(name, _)| name).collect()
    }

    /// Checks that training can start with this configuration.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::MissingKeys`], with the first invalid key and what to do.
    pub fn validate(&self) -> Result<(), Error> {
        // Values that no file could contain are refused too.
        self.check()?;
        layers::read_complete(&self.to_tables()).map(|_| ())
    }

    /// Warnings about allowed but probably unintended values, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let Some(steps) = self.training.steps else { return Vec::new() };
        let starts = self.training.learning_starts;
        let batch_size = self.batch_size() as u64;
        let mut warnings = Vec::new();
        if steps <= starts {
            warnings.push(format!(
                "nothing is learnt: training.steps = {steps} is not above training.learning_starts = {starts}; raise the \
                 one or lower the other"
            ));
        } else if steps < batch_size {
            warnings.push(format!(
                "nothing is learnt: training.steps = {steps} is below agent.batch_size = {batch_size}; raise the one or \
                 lower the other"
            ));
        }
        warnings
    }

    /// The keys whose values differ between this and another configuration, or that apply in only one of them, with both
    /// values: `agent.gamma is 0.98 there and 0.99 here`, where "there" is this configuration and "here" the other one.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let values = |config: &Self| {
            let keys = Self::keys().into_iter().zip(config.values());
            keys.map(|(key, value)| value.filter(|_| key.applies(config))).collect::<Vec<_>>()
        };
        let shown = |value: Option<Value>| value.map_or("absent".to_owned(), |value| value.to_string());
        let both = values(self).into_iter().zip(values(other));
        Self::keys()
            .iter()
            .zip(both)
            .filter(|(_, (there, here))| there != here)
            .map(|(key, (there, here))| format!("{} is {} there and {} here", key.path(), shown(there), shown(here)))
            .collect()
    }
}

impl PartialEq for TrainConfig {
    fn eq(&self, other: &Self) -> bool {
        self.differences(other).is_empty()
    }
}
