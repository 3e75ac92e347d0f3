//! Deep Q-learning: see it learn, trust the result, use the agent.

pub mod env;
pub mod error;
pub mod network;
pub mod render;
pub mod rng;
pub mod space;
mod suggest;

pub use error::Error;
