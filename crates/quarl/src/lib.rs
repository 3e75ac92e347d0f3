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

#[cfg(feature = "files")]
pub mod experiment;
pub mod export;
pub mod import;
#[cfg(feature = "plot")]
pub mod plot;
mod protobuf;
pub mod render;
#[cfg(feature = "files")]
pub mod run;
pub mod scores;
#[cfg(feature = "files")]
pub mod timeline;
#[cfg(feature = "files")]
pub mod trained;
#[cfg(feature = "files")]
pub mod tune;

// What training computes is a crate of its own, `quarl-core`, because only it has to be compiled with full optimisation.
#[cfg(feature = "files")]
pub use quarl_core::atomic_write::{atomic_create, atomic_write};
#[cfg(feature = "files")]
pub use quarl_core::files::{read as read_file, read_text as read_text_file};
#[doc(inline)]
pub use quarl_core::{
    Agent, Engine, Environment, Error, Event, Model, Policy, StopFlag, TrainConfig, Trainer, accumulator, agent,
    checkpoint, config, engine, env, error, evaluate, exploration, loss, memory, model, network, observations, policy,
    replay, rng, schedule, space, stats, target, train, transition,
};
#[cfg(feature = "files")]
use quarl_core::{atomic_write, files, suggest};
