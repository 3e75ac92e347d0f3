//! How wrong a prediction is, and which way to change it: losses of a batch as pure functions on slices.
//!
//! Each function returns the sum over the items of weight times loss, and writes each item's TD error, and the gradient of the
//! *mean* weighted loss with respect to the network's outputs. Outputs and their gradient are `[action][atom][stride]`, an
//! item a column; only the columns of the actions taken are written.

pub mod categorical;
pub mod quantile;
pub mod scalar;

pub use scalar::Loss;
