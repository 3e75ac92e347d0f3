//! Studies: a search over settings, in trials that share their seeds.
//!
//! A trial trains one choice of parameters with every seed of the study. Its score is that of its final models: the mean of
//! the worse half of the normalised scores of the seeds ([`worse_half`]). A run's score is the mean return of greedy episodes
//! on the random stream of reported scores; random play is 0 and the environment's threshold 1. A [`Sampler`] chooses the
//! parameters, and a [`Pruner`] stops trials whose evaluations during training are poor. At the end, the best trial is trained
//! again with fresh seeds, because the best of many scores is partly luck.
//!
//! The journal of a study (`journal.jsonl`) holds everything. Several processes may share a study, and a study that was stopped
//! or killed continues: trials that have ended are kept, and unfinished runs continue from their checkpoints, or are run again
//! with the same parameters. With one run at a time, the same study always has the same trials, also if it was interrupted. With several, the trials that have
//! ended when another one starts depend on their speed.
//!
//! ```
//! use quarl::config::TrainConfig;
//! use quarl::tune::{Plan, Pruner, Space, StudyEvent};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let out = directory.path().join("study");
//! let config = TrainConfig::preset("textbook").set("training.episodes", 3).build()?;
//! let space = Space::parse("space.toml", "[space]\n\"optimizer.lr\" = { low = 1e-4, high = 1e-2, log = true }", &config)?;
//! let plan = Plan::new(config, space, out).trials(4).seeds_per_trial(2).pruner(Pruner::None).confirmations(3).jobs(2);
//! let study = plan.open()?;
//! for event in study.start()? { // runs what is missing
//!     if let StudyEvent::Complete { trial, score } = event? {
//!         println!("trial {trial}: {score}");
//!     }
//! }
//! let summary = study.results()?; // writes best.toml, trials.csv, summary.json and the figures
//! let best = summary.best.unwrap();
//! println!("{:?} scores {}, with fresh seeds {:?}", best.parameters, best.score, summary.confirmation.unwrap().score);
//! # Ok::<(), quarl::Error>(())
//! ```

mod default_space;
mod event;
#[cfg(feature = "plot")]
mod figures;
mod follow;
mod importance;
mod journal;
mod objective;
mod parameter;
mod plan;
mod pruner;
mod reader;
mod results;
mod runner;
mod sampler;
mod saved;
mod space;
mod study;
mod task;
#[cfg(test)]
mod tests;
mod trial;

pub use event::StudyEvent;
pub use follow::StudyFollower;
pub(crate) use journal::JOURNAL;
pub use objective::{expected_worse_half, worse_half};
pub use parameter::{Parameter, Values};
pub use plan::Plan;
pub use pruner::Pruner;
pub use reader::{StudyResults, read_study};
pub use results::{BestTrial, Confirmation, Importance, StudySummary};
pub use runner::Runs;
pub use sampler::Sampler;
pub use space::Space;
pub use study::Study;
pub use trial::{Trial, TrialState};
