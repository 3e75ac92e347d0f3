//! Agents of other programs: reads the archives of Stable-Baselines3.
//!
//! An archive holds pickles, which can execute anything when Python loads them. Here nothing is executed: the parameters are read
//! from the names, shapes and storages of the tensors, and the settings from the numbers that the archive holds as JSON.

mod algorithm;
mod pickle;
mod settings;
mod stable_baselines3;
mod torch;
mod zip;

pub use stable_baselines3::{Imported, stable_baselines3};
