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
