//! Deep Q-learning: see it learn, trust the result, use the agent.

pub mod env;
pub mod error;
#[cfg(feature = "plot")]
pub mod plot;
pub mod render;
pub mod space;
pub mod stats;

pub use error::Error;
