//! Losses of a batch and their gradients, as pure functions on slices.
//!
//! Each function returns the weighted sum of the items' losses. It writes the TD error of each item, and the gradient of
//! the *mean* weighted loss with respect to the network's outputs. Outputs and gradients have the layout
//! `[action][atom][stride]`, one column for each item; only the entries of the actions taken are written.

pub mod categorical;
pub mod quantile;
pub mod scalar;

pub use scalar::Loss;
