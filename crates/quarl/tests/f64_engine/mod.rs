//! A second engine: everything in f64, written from the formulas, one item and one number at a time.

pub(crate) mod check;
pub(crate) mod engine;
pub(crate) mod environments;
pub(crate) mod layers;
pub(crate) mod network;
pub(crate) mod optimizer;
pub(crate) mod recorder;
pub(crate) mod targets_and_losses;
