//! Deep Q-learning: see it learn, trust the result, use the agent.

pub mod accumulator;
pub mod agent;
#[cfg(any(feature = "files", feature = "render"))]
mod beside;
pub mod config;
pub mod env;
pub mod error;
pub mod evaluate;
#[cfg(feature = "files")]
pub mod experiment;
pub mod loss;
pub mod model;
pub mod network;
pub mod optimizer;
#[cfg(feature = "plot")]
pub mod plot;
pub mod policy;
pub mod render;
pub mod replay;
pub mod rng;
#[cfg(feature = "files")]
pub mod run_dir;
pub mod schedule;
pub mod space;
pub mod stats;
mod suggest;
pub mod target;
pub mod train;
pub mod transition;

pub use error::Error;
