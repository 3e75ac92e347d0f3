//! What training computes: environments, replay, networks, updates, evaluation and the training loop.
//!
//! Programs use the crate `quarl`, which re-exports all of this and adds runs, experiments, studies, figures and films. This
//! part is a crate of its own because it alone has to be compiled with full optimisation.

pub mod accumulator;
pub mod agent;
#[cfg(feature = "files")]
#[doc(hidden)]
pub mod atomic_write;
pub mod checkpoint;
pub mod config;
pub mod engine;
pub mod env;
pub mod error;
pub mod evaluate;
pub mod exploration;
#[cfg(feature = "files")]
#[doc(hidden)]
pub mod files;
pub mod loss;
pub mod memory;
pub mod model;
pub mod network;
pub mod observations;
pub mod policy;
pub mod replay;
pub mod rng;
pub mod scene;
pub mod schedule;
pub mod space;
pub mod stats;
pub mod stop;
#[doc(hidden)]
pub mod suggest;
pub mod target;
pub mod train;
pub mod transition;

pub use agent::Agent;
pub use config::TrainConfig;
pub use engine::Engine;
pub use env::Environment;
pub use error::Error;
pub use model::Model;
pub use policy::Policy;
pub use stop::StopFlag;
pub use train::{Event, Trainer};
