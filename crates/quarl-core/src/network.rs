//! The Q-network independent of the engine that computes it: its layers and the meaning of its outputs.
//!
//! [`Architecture`] describes the layers, [`head`] the outputs; [`QValues`] is a view of Q-values. The layers' arithmetic
//! belongs to the [engine](crate::engine).

pub(crate) mod config;
pub mod head;
mod q_values;
mod support;

pub use config::{Activation, Architecture};
pub use head::Head;
pub use q_values::QValues;

use crate::error::Error;

/// The number added to the variance before its root is taken, as in PyTorch's `LayerNorm`.
pub const LAYER_NORM_EPS: f32 = 1e-5;

impl Architecture {
    /// Refuses a slice that does not have the length of one observation.
    pub(crate) fn check_observation(&self, observation: &[f32]) -> Result<(), Error> {
        let (expected, actual) = (self.inputs, observation.len());
        if actual == expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: "the network".to_owned(), expected, actual })
    }
}

/// Refuses a mask that does not have one entry for each action.
pub(crate) fn check_mask(mask: Option<&[bool]>, actions: usize) -> Result<(), Error> {
    match mask {
        Some(mask) if mask.len() != actions => Err(Error::MaskLength { expected: actions, actual: mask.len() }),
        _ => Ok(()),
    }
}
