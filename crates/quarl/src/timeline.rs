//! Moments of a recorded run: what the agent knew at a step, a run that branches off there, and the updates within a fall of the
//! score.
//!
//! Runs are exact, so every moment can be computed again: from the nearest checkpoint before it, or from the start.
//! [`inspect`] shows a moment, [`fork`] continues from it with other settings, [`bisect`] looks for the updates that made the
//! agent worse.

mod bisect;
#[cfg(feature = "plot")]
mod figures;
mod fork;
mod inspect;

use std::path::Path;

use crate::checkpoint::{self, Checkpoint};
use crate::config::TrainConfig;
use crate::env::MakeOptions;
use crate::error::Error;
use crate::evaluate::{GreedyEpisodes, step_limit};
use crate::model::Model;
use crate::policy::Policy;
use crate::rng::Stream;
use crate::run::{CHECKPOINTS, INITIAL, read_config, read_episodes};
use crate::train::{Event, Trainer};
use crate::{Environment, StopFlag, env};

pub use bisect::{Bisection, ScoredUpdate, UpdateBatch, bisect};
pub(crate) use fork::FORK;
pub use fork::{Fork, fork};
pub use inspect::{AgeGroup, Episode, EpisodeStep, Inspection, inspect};

/// A recorded run whose moments are computed again, in the environment that its configuration names.
#[derive(Clone, Debug)]
pub struct Timeline<'a> {
    dir: &'a Path,
    config: TrainConfig,
    stop: StopFlag,
}

impl<'a> Timeline<'a> {
    /// Opens the run in `dir`. A request of `stop` ends a computation with [`Error::Stopped`].
    ///
    /// # Errors
    /// Those of reading its configuration.
    pub fn open(dir: &'a Path, stop: StopFlag) -> Result<Self, Error> {
        Ok(Self { dir, config: read_config(dir)?, stop })
    }

    /// The configuration of the run.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The run after `env_steps` environment steps, computed from its nearest checkpoint after at most `from` steps. Gives the
    /// events from there on to `on_event`.
    ///
    /// # Errors
    /// [`Error::Unusable`] where the run is shorter, [`Error::Stopped`] after a stop was requested, and those of the run.
    fn at(
        &self,
        env_steps: u64,
        from: u64,
        on_event: impl FnMut(&Event, &mut Trainer) -> Result<(), Error>,
    ) -> Result<Moment, Error> {
        let mut builder = Trainer::builder(self.config.clone()).stop_flag(self.stop.clone());
        let initial = self.dir.join(INITIAL);
        if initial.exists() {
            builder = builder.initial_model(Model::load(&initial)?);
        }
        let mut trainer = builder.build()?;
        let mut checkpoint = None;
        let mut candidates = checkpoint::list(&self.dir.join(CHECKPOINTS))?;
        candidates.retain(|(steps, _)| *steps <= env_steps);
        let fork = Fork::of(self.dir)?;
        if let Some(Fork { run, env_steps: shared, .. }) = fork.as_ref().filter(|fork| env_steps < fork.env_steps) {
            let message = format!("its first {shared} environment steps are those of {run}: look there");
            return Err(Error::Unusable { what: self.dir.display().to_string(), message });
        }
        // A run that branched off cannot go back beyond its first checkpoint.
        if fork.is_none() || candidates.iter().any(|(steps, _)| *steps <= from) {
            candidates.retain(|(steps, _)| *steps <= from);
        }
        for (steps, path) in candidates.into_iter().rev() {
            // A damaged checkpoint, or one of another configuration, is passed over: an earlier one gives the same moment.
            if Checkpoint::load(&path).and_then(|saved| trainer.restore(&saved)).is_ok() {
                checkpoint = Some(steps);
                break;
            }
        }
        if checkpoint.is_none() && fork.is_some() {
            let message =
                "this run branched off another one, and the checkpoint of its first step is missing or damaged";
            return Err(Error::File { path: self.dir.to_owned(), message: message.to_owned() });
        }
        self.run_to(&mut trainer, env_steps, on_event)?;
        Ok(Moment { trainer, checkpoint })
    }

    fn run_to(
        &self,
        trainer: &mut Trainer,
        env_steps: u64,
        on_event: impl FnMut(&Event, &mut Trainer) -> Result<(), Error>,
    ) -> Result<(), Error> {
        trainer.run_to(env_steps, on_event)?;
        if self.stop.is_requested() {
            return Err(Error::Stopped { id: self.config.env.id.clone() });
        }
        let reached = trainer.env_steps();
        if reached < env_steps {
            let message = format!("it ended after {reached} environment steps: choose a step up to {reached}");
            return Err(Error::Unusable { what: self.dir.display().to_string(), message });
        }
        Ok(())
    }

    /// The environment for greedy episodes.
    fn environment(&self) -> Result<Box<dyn Environment>, Error> {
        env::make_configured(&self.config.env, &MakeOptions { stop: self.stop.clone(), ..MakeOptions::default() })
    }

    /// The greedy returns of a policy from the same initial observations as the run's evaluations at an interval.
    fn greedy_returns(&self, policy: &mut Policy, env: &mut dyn Environment, episodes: u64) -> Result<Vec<f64>, Error> {
        let seed = Stream::PeriodicEvaluation.seed(self.config.training.seed);
        let limit = step_limit(self.config.evaluation.max_episode_steps, env.spec());
        let mut greedy = GreedyEpisodes::new(env.spec(), seed, episodes, limit);
        let episodes = greedy.play(policy, env, &self.stop)?;
        Ok(episodes.iter().map(|episode| episode.total_reward).collect())
    }

    /// The environment steps before the episode that runs after `env_steps` steps, or that ends with them.
    fn episode_start(&self, env_steps: u64) -> Result<u64, Error> {
        let ends = read_episodes(self.dir)?.into_iter().map(|record| record.env_steps);
        Ok(ends.take_while(|end| *end < env_steps).last().unwrap_or(0))
    }
}

/// A run at a moment, and the environment steps of the checkpoint that it was computed from.
struct Moment {
    trainer: Trainer,
    checkpoint: Option<u64>,
}

/// The mean; 0 of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}
