//! What a Q-network is made of and what its numbers mean, whatever computes it.
//!
//! [`Architecture`] says which layers there are; [`head`] what an output stands for; [`QValues`] is a view of Q-values,
//! wherever they are kept. The layers' arithmetic belongs to the [engine](crate::engine).

pub(crate) mod config;
pub mod head;
mod q_values;

pub use config::{Activation, Architecture};
pub use head::Head;
pub use q_values::QValues;

use crate::error::Error;

impl Architecture {
    /// Whether this is one observation, as far as its length says.
    pub(crate) fn check_observation(&self, observation: &[f32]) -> Result<(), Error> {
        let (expected, actual) = (self.inputs, observation.len());
        if actual == expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: "the network".to_owned(), expected, actual })
    }
}

/// Whether a mask, where there is one, has one entry an action.
pub(crate) fn check_mask(mask: Option<&[bool]>, actions: usize) -> Result<(), Error> {
    match mask {
        Some(mask) if mask.len() != actions => Err(Error::MaskLength { expected: actions, actual: mask.len() }),
        _ => Ok(()),
    }
}
