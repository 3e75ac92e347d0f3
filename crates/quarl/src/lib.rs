//! Deep Q-learning (DQN) and its variants: training, evaluation, experiments over many seeds, and trained agents to use.
//!
//! An agent acts in an [`Environment`]. The [`accumulator`] turns its steps into n-step [`transition`]s, which the
//! [`replay`] buffer stores. An update samples a batch from the buffer, and the [`engine`] computes it: the TD [`target`]s
//! from the target network, the [`loss`] and its gradient by backpropagation, and one optimizer step on the online network.
//! The target network is updated by copying the online network, or by Polyak averaging. [`exploration`] chooses actions
//! from Q-values during training. [`Agent`] combines these parts; [`Trainer`] is the training loop, an iterator of
//! [`Event`]s; [`TrainConfig`] is the complete configuration of a training run.
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
//! Besides training: [`evaluate`] runs greedy evaluation episodes, [`Policy`] lets a trained agent act in another program,
//! [`model`] reads and writes networks as safetensors files that PyTorch can load, [`run`] and [`experiment`] store runs in
//! directories (feature `files`), [`stats`] computes confidence intervals, [`plot`] draws learning curves (feature `plot`),
//! and [`render`] draws environments (feature `render`). Without default features the crate does no I/O and compiles to
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
pub mod export;
#[cfg(any(feature = "render", feature = "plot"))]
#[cfg_attr(not(feature = "plot"), allow(dead_code, reason = "scenes use a part of what figures use"))]
mod font;
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
#[cfg(feature = "files")]
pub mod tune;

pub use agent::Agent;
#[cfg(feature = "files")]
pub use atomic_write::atomic_write;
pub use config::TrainConfig;
pub use engine::Engine;
pub use env::Environment;
pub use error::Error;
pub use model::Model;
pub use policy::Policy;
pub use stop::StopFlag;
pub use train::{Event, Trainer};
