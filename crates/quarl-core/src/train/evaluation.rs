//! A greedy evaluation during training.

use super::progress::{MAX_LOST_IN_A_ROW, Phase};
use super::{Event, Trainer};
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

impl Trainer {
    /// Takes one step of the running evaluation, or returns its result.
    pub(super) fn evaluate(&mut self) -> Result<Option<Event>, Error> {
        let Self { config, evaluation_env, agent, progress, evaluation, .. } = self;
        let closing = progress.phase == Phase::Close;
        let running = match evaluation {
            Some(running) => running,
            None => evaluation.insert(RunningEvaluation::new(config, evaluation_env.spec(), agent, closing)?),
        };
        match running.step(&mut **evaluation_env) {
            // The evaluation starts again when the run continues, and gives the same result, because its seed is the same.
            Err(Error::Stopped { .. }) => *evaluation = None,
            Err(Error::WorkerLost { .. }) if running.lost + 1 < MAX_LOST_IN_A_ROW => running.restart(),
            Err(error) => return Err(error),
            Ok(Some(step)) => {
                if step.ended.is_some_and(|episode| episode.cut) {
                    progress.warn(running.cut_warning());
                }
                return Ok(Some(Event::EvaluationStep {
                    episode: step.episode,
                    action: step.action,
                    reward: step.reward,
                }));
            }
            Ok(None) => {
                progress.episodes_lost += running.lost;
                let returns = std::mem::take(&mut running.returns);
                *evaluation = None;
                let result = progress.evaluated(returns, agent, closing);
                progress.phase = match progress.phase {
                    Phase::Evaluate { training_ended: true } => Phase::Close,
                    Phase::Evaluate { training_ended: false } => {
                        progress.stopped_early = progress.early_stop(result.mean_return, &config.evaluation);
                        if progress.stopped_early.is_some() { Phase::Close } else { Phase::Step }
                    }
                    _ => Phase::Finished,
                };
                return Ok(Some(Event::Evaluation(result)));
            }
        }
        Ok(None)
    }
}
