//! A greedy evaluation during training.

use crate::agent::Agent;
use crate::config::TrainConfig;
use crate::env::{Environment, EnvironmentSpec};
use crate::error::Error;
use crate::evaluate::{GreedyEpisodes, GreedyStep, step_limit};
use crate::policy::Policy;
use crate::rng::Stream;

/// The greedy episodes of an evaluation. Every evaluation of a run has the same initial observations.
pub(super) struct RunningEvaluation {
    policy: Policy,
    first: GreedyEpisodes,
    episodes: GreedyEpisodes,
    id: String,
    max_episode_steps: u32,
    /// The returns of the finished episodes.
    pub(super) returns: Vec<f64>,
    /// The number of restarts after a loss of the environment's worker process.
    pub(super) lost: u64,
}

impl RunningEvaluation {
    pub(super) fn new(
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        agent: &Agent,
        closing: bool,
    ) -> Result<Self, Error> {
        let stream = if closing { Stream::Evaluation } else { Stream::PeriodicEvaluation };
        let seed = stream.seed(config.training.seed);
        let max_episode_steps = step_limit(config.evaluation.max_episode_steps, spec);
        let episodes = GreedyEpisodes::new(spec, seed, config.evaluation.episodes as u64, max_episode_steps);
        Ok(Self {
            policy: agent.policy()?,
            first: episodes.clone(),
            episodes,
            id: spec.id.clone(),
            max_episode_steps,
            returns: Vec::new(),
            lost: 0,
        })
    }

    /// Takes one greedy step. Returns `None` after the last episode.
    pub(super) fn step(&mut self, env: &mut dyn Environment) -> Result<Option<GreedyStep>, Error> {
        let step = self.episodes.step(&mut self.policy, env)?;
        self.returns.extend(step.and_then(|step| step.ended).map(|episode| episode.total_reward));
        Ok(step)
    }

    /// Starts again after the environment's worker process was lost.
    pub(super) fn restart(&mut self) {
        self.lost += 1;
        self.returns.clear();
        self.episodes = self.first.clone();
    }

    pub(super) fn cut_warning(&self) -> String {
        let Self { id, max_episode_steps, .. } = self;
        format!(
            "{id}: a greedy evaluation episode did not end within {max_episode_steps} steps and was truncated \
             (evaluation.max_episode_steps)"
        )
    }
}
