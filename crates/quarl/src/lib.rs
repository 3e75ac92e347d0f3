//! Deep Q-learning: see it learn, trust the result, use the agent.
//!
//! An agent acts in an [`Environment`]; the [`accumulator`] makes [`transition`]s of its steps, and the [`replay`] buffer
//! keeps them. An update draws a batch, and the [`engine`] computes it: each item's [`target`] with the target network, the
//! [`loss`] against it, the gradient by the network's backward pass, and a step of the optimizer. From time to time the target
//! network follows the online one. [`exploration`] turns Q-values into the next action. [`Agent`] holds these parts together;
//! [`Trainer`] is the loop, an iterator of [`Event`]s; [`TrainConfig`] is the complete configuration of a run.
//!
//! ```
//! use quarl::{Event, TrainConfig, Trainer};
//!
//! let config = TrainConfig::preset("textbook").set("training.episodes", 20).set("training.seed", 7).build()?;
//!
//! let mut trainer = Trainer::new(config)?;
//! let mut best = f64::NEG_INFINITY;
//! for event in &mut trainer {
//!     if let Event::Evaluation(evaluation) = event? {
//!         best = best.max(evaluation.mean_return);
//!     }
//! }
//! assert!(best >= 8.0); // even an untrained agent stands for a moment
//! assert_eq!(trainer.episodes(), 20);
//! # Ok::<(), quarl::Error>(())
//! ```
//!
//! Around the loop: [`evaluate`] plays greedily, [`Policy`] acts in a program of your own, [`model`] keeps a network for PyTorch
//! or for later, `run` and
//! `experiment` keep whole runs on disk (feature `files`), [`stats`] says how sure a result is, `plot` draws it (feature
//! `plot`), and [`render`] shows the agent (feature `render`). Without default features the crate does no I/O and compiles to
//! WebAssembly.

pub mod accumulator;
pub mod agent;
#[cfg(any(feature = "files", feature = "render"))]
mod atomic_write;
pub mod config;
pub mod engine;
pub mod env;
pub mod error;
pub mod evaluate;
#[cfg(feature = "files")]
pub mod experiment;
pub mod exploration;
pub mod loss;
pub mod memory;
pub mod model;
pub mod network;
pub mod observations;
#[cfg(feature = "plot")]
pub mod plot;
#[cfg(any(feature = "render", feature = "plot"))]
mod png;
pub mod policy;
pub mod render;
pub mod replay;
pub mod rng;
#[cfg(feature = "files")]
pub mod run;
pub mod schedule;
pub mod scores;
pub mod space;
pub mod stats;
mod stop;
mod suggest;
pub mod target;
pub mod train;
#[cfg(feature = "files")]
pub mod trained;
pub mod transition;

pub use agent::Agent;
pub use config::TrainConfig;
pub use engine::Engine;
pub use env::Environment;
pub use error::Error;
pub use model::Model;
pub use policy::Policy;
pub use stop::StopFlag;
pub use train::{Event, Trainer};
