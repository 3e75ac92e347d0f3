//! What a Q-network is made of and what its numbers mean, whatever computes it.
//!
//! [`architecture`] says which layers there are; [`head`] what an output stands for; [`QValues`] is a view of Q-values,
//! wherever they are kept. The layers' arithmetic belongs to the [engine](crate::engine).

pub mod architecture;
pub(crate) mod config;
pub mod head;
mod q_values;

pub use architecture::{Activation, Architecture, Head};
pub use q_values::QValues;
