//! Deep Q-learning: see it learn, trust the result, use the agent.

pub mod accumulator;
pub mod agent;
pub mod config;
pub mod env;
pub mod error;
pub mod evaluate;
pub mod loss;
pub mod network;
pub mod optimizer;
pub mod policy;
pub mod render;
pub mod replay;
pub mod rng;
pub mod schedule;
pub mod space;
pub mod stats;
mod suggest;
pub mod target;
pub mod train;
pub mod transition;

pub use error::Error;
