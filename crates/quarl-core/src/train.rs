//! The training loop, an iterator of [`Event`]s.
//!
//! The caller takes events one by one, and can display or store them, or stop. There are no callbacks, and nothing is
//! printed or written here.

mod builder;
pub(crate) mod config;
mod evaluation;
mod event;
mod extend;
mod progress;
mod state;

use crate::accumulator::Next;
use crate::agent::Agent;
use crate::config::{TimeLimitMeaning, TrainConfig};
use crate::env::values::{When, check_reset, check_step, episode_return};
use crate::env::wrappers::ObservationStatistics;
use crate::env::{End, Environment};
use crate::error::Error;
use crate::model::Model;
use crate::rng::{self, Stream};
use crate::scene::Scene;
use crate::stop::StopFlag;
use evaluation::RunningEvaluation;
use progress::{Best, EpisodeProgress, Phase, Progress, Slot, StepTaken};

#[doc(hidden)]
pub use builder::resolve;
pub use builder::{EnvironmentRole, TrainerBuilder};
pub use event::{EpisodeRecord, Evaluation, Event};
pub use state::{RunState, StateParts};

/// A training run. Iterate over it to train.
///
/// Each call of `next` takes at most one environment step, one update or one step of an evaluation, and yields an [`Event`]
/// or an error. The iterator ends when the run's budget is used up (`training.episodes` or `training.steps`), when an
/// evaluation stops the run early (`evaluation.stop_at`, `evaluation.patience`), after an error, or when a stop is requested
/// ([`TrainerBuilder::stop_flag`]).
///
/// ```
/// use quarl::config::TrainConfig;
/// use quarl::train::{Event, Trainer};
///
/// let mut config = TrainConfig::preset("textbook").build()?;
/// config.training.episodes = Some(3);
/// let mut returns = Vec::new();
/// for event in &mut Trainer::new(config)? {
///     if let Event::Episode(episode) = event? {
///         returns.push(episode.total_reward);
///     }
/// }
/// assert_eq!(returns.len(), 3);
/// # Ok::<(), quarl::Error>(())
/// ```
pub struct Trainer {
    config: TrainConfig,
    /// The training environments, `training.num_envs` of them, stepped in turn.
    envs: Vec<Box<dyn Environment>>,
    evaluation_env: Box<dyn Environment>,
    agent: Agent,
    progress: Progress,
    next_observation: Vec<f32>,
    /// The running evaluation. It is not saved: after a restore it starts again.
    evaluation: Option<RunningEvaluation>,
    /// The error that ended the run, until it is yielded.
    failure: Option<Error>,
    /// Whether an error has ended the run.
    has_failed: bool,
    stop: StopFlag,
}

impl Trainer {
    /// Creates a run, on the fastest instruction set available or the one that the environment variable `QUARL_CPU` names.
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid configuration, [`Error::CpuPath`] for an invalid `QUARL_CPU`, and the errors of
    /// creating the environments.
    pub fn new(config: TrainConfig) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// Builds a run with your own environments, a stop flag, or another engine.
    pub fn builder(config: TrainConfig) -> TrainerBuilder {
        TrainerBuilder::new(config)
    }

    /// The complete configuration of the run.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The agent in its current state.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Ends the run and returns its agent.
    pub fn into_agent(self) -> Agent {
        self.agent
    }

    /// The training environment (environment 0 of `training.num_envs`).
    pub fn env(&self) -> &dyn Environment {
        &*self.envs[0]
    }

    /// A drawing of the training environment (environment 0 of `training.num_envs`); `None` where it cannot be drawn, as
    /// Gymnasium's environments during training.
    ///
    /// # Errors
    /// Those of the environment.
    pub fn scene(&mut self) -> Result<Option<Scene>, Error> {
        self.envs[0].scene()
    }

    /// The return and the number of steps so far of the episode that runs in environment 0; `None` between two episodes.
    pub fn running_episode(&self) -> Option<(f64, u64)> {
        let episode = self.progress.slots[0].episode.filter(|_| self.progress.episode_runs(0));
        episode.map(|episode| (episode.total_reward, episode.length))
    }

    /// The number of environment steps so far, summed over all environments.
    pub fn env_steps(&self) -> u64 {
        self.progress.env_steps
    }

    /// The number of finished episodes so far.
    pub fn episodes(&self) -> u64 {
        self.progress.episodes
    }

    /// Whether the run has ended, by its budget or by an error. A stopped run has not ended.
    pub fn is_finished(&self) -> bool {
        self.progress.phase == Phase::Finished
    }

    /// The number of episodes lost because a worker process ended.
    pub fn episodes_lost(&self) -> u64 {
        self.progress.episodes_lost
    }

    /// Why the run ended before its budget was used up: `evaluation.stop_at` or `evaluation.patience`.
    pub fn stopped_early(&self) -> Option<&str> {
        self.progress.stopped_early.as_deref()
    }

    /// The warnings of the run so far, oldest first.
    pub fn warnings(&self) -> &[String] {
        &self.progress.warnings
    }

    /// The current model, for saving or for a [`Policy`](crate::policy::Policy).
    pub fn model(&self) -> Model {
        self.model_of(self.agent.parameters(), self.agent.observation_statistics())
    }

    /// The model of the best evaluation so far; `None` before the first one.
    pub fn best_model(&self) -> Option<Model> {
        let Best { parameters, observation_statistics, .. } = self.progress.best.as_ref()?;
        Some(self.model_of(parameters, observation_statistics.as_ref()))
    }

    fn model_of(&self, parameters: &[f32], observation_statistics: Option<&ObservationStatistics>) -> Model {
        Model {
            env: self.config.env.id.clone(),
            architecture: self.agent.architecture().clone(),
            parameters: parameters.to_vec(),
            observation_statistics: observation_statistics.cloned(),
        }
    }

    /// The observation in which the latest environment step was taken.
    pub fn stepped_observation(&self) -> &[f32] {
        // The step has exchanged the two observations.
        &self.next_observation
    }

    /// The current observation of environment 0.
    pub fn observation(&self) -> &[f32] {
        &self.progress.slots[0].observation
    }

    /// The model of the target network.
    pub fn target_model(&self) -> Model {
        let state = self.agent.state();
        self.model_of(&state.engine().target, self.agent.observation_statistics())
    }

    /// Trains until `env_steps` environment steps have been taken and completed (updates, target update, end of the episode),
    /// and gives each event to `on_event`. Stops earlier where the run ends, or a stop is requested.
    ///
    /// # Errors
    /// Those of the run, after which it has ended, and those of `on_event`.
    pub fn run_to(
        &mut self,
        env_steps: u64,
        mut on_event: impl FnMut(&Event, &mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while self.progress.env_steps < env_steps || matches!(self.progress.phase, Phase::AfterStep(_)) {
            if self.progress.phase == Phase::Finished || self.stop.is_requested() {
                return Ok(());
            }
            match self.advance() {
                Ok(Some(event)) => on_event(&event, self)?,
                Ok(None) => {}
                Err(error) => {
                    (self.progress.phase, self.has_failed) = (Phase::Finished, true);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The body of the loop: one environment step, one update, or one step of an evaluation. It yields at most one event.
    fn advance(&mut self) -> Result<Option<Event>, Error> {
        match self.progress.phase {
            Phase::Step => self.step(),
            Phase::AfterStep(step) if step.updates > 0 => self.update(step),
            Phase::AfterStep(step) => Ok(self.finish_step(step)),
            Phase::Evaluate { .. } | Phase::Close => self.evaluate(),
            Phase::Finished => Ok(None),
        }
    }

    /// Steps one environment and stores its transitions. Environments take turns. At the beginning of a round, actions are
    /// chosen for all of them and announced, so that environments in worker processes run in parallel.
    fn step(&mut self) -> Result<Option<Event>, Error> {
        if self.progress.turn == 0 {
            for i in 0..self.envs.len() {
                self.choose(i)?;
            }
        }
        let Self { config, envs, agent, progress, next_observation, .. } = self;
        let turn = progress.turn;
        progress.turn = (turn + 1) % envs.len();
        let env = &mut envs[turn];
        // No action was chosen if the environment was lost.
        let Some((action, epsilon)) = progress.slots[turn].chosen.take() else { return Ok(None) };
        let stepped = env.step(action, next_observation);
        let Some(step) = progress.unless_lost(turn, stepped)? else { return Ok(None) };
        progress.env_steps += 1;
        let env_steps = progress.env_steps;
        check_step(&**env, &step, next_observation, training(env_steps))?;
        agent.update_observation_statistics(next_observation)?;

        let end = match config.agent.time_limit {
            TimeLimitMeaning::Bootstrap => step.end,
            TimeLimitMeaning::Terminal => step.end.map(|_| End::Terminated),
        };
        let Slot { accumulator, observation, episode, .. } = &mut progress.slots[turn];
        let episode = episode.get_or_insert_default();
        episode.total_reward = episode_return(&**env, episode.total_reward, &step, training(env_steps))?;
        episode.length += 1;
        let next = Next { obs: next_observation, mask: env.action_mask() };
        accumulator.push(observation, action, step.reward, next, end, |transition| agent.observe(transition))?;
        std::mem::swap(observation, next_observation);

        let updates = agent.updates_due(env_steps, &config.training);
        progress.phase = Phase::AfterStep(StepTaken { slot: turn, epsilon, ended: step.end.is_some(), updates });
        Ok(Some(Event::Step { env_steps, action, reward: step.reward }))
    }

    /// Performs one of the updates that follow an environment step.
    fn update(&mut self, step: StepTaken) -> Result<Option<Event>, Error> {
        let Self { agent, progress, .. } = self;
        let env_steps = progress.env_steps;
        let report = agent.learn(env_steps)?;
        // A restored run may have left out the episode.
        if let Some(episode) = &mut progress.slots[step.slot].episode {
            episode.add(&report);
        }
        if let Some(message) = agent.take_support_warning() {
            progress.warn(message);
        }
        progress.phase = Phase::AfterStep(StepTaken { updates: step.updates - 1, ..step });
        Ok(Some(Event::Learn { env_steps, report }))
    }

    /// What follows the updates of a step: a target update, the end of the episode, and an evaluation if it is due.
    fn finish_step(&mut self, step: StepTaken) -> Option<Event> {
        let Self { config, agent, progress, .. } = self;
        let (target_network, training, evaluation) = (&config.target_network, &config.training, &config.evaluation);
        let env_steps = progress.env_steps;
        let falls_due = |every: Option<u64>, count: u64| every.is_some_and(|every| count.is_multiple_of(every));
        if falls_due(target_network.every_steps, env_steps) {
            agent.update_target();
        }
        let mut event = None;
        if step.ended {
            let index = progress.episodes;
            progress.episodes += 1;
            progress.workers_lost_in_a_row = 0;
            let episode = progress.slots[step.slot].episode.take().unwrap_or_default();
            event = Some(Event::Episode(episode.record(index, env_steps, step.epsilon)));
            if falls_due(target_network.every_episodes, index) {
                agent.update_target();
            }
        }
        let last = training.is_complete(progress.episodes, env_steps);
        let due = (step.ended && falls_due(evaluation.every_episodes, progress.episodes))
            || falls_due(evaluation.every_steps, env_steps);
        progress.phase = match (due, last) {
            (true, training_ended) => Phase::Evaluate { training_ended },
            (false, true) => Phase::Close,
            (false, false) => Phase::Step,
        };
        event
    }

    /// Starts the next episode of environment `i` if none is running, and chooses its next action.
    fn choose(&mut self, i: usize) -> Result<(), Error> {
        let Self { config, envs, agent, progress, .. } = self;
        let env_steps = progress.env_steps;
        let (env, mut slot) = (&mut envs[i], &mut progress.slots[i]);
        if slot.episode.is_none() {
            let seed = match (slot.lost, slot.started) {
                (Some(loss), _) => Some(Stream::Restart.part_seed(config.training.seed, loss)),
                (None, false) => Some(rng::reset_seed(config.training.seed, i as u64)),
                (None, true) => None,
            };
            let reset = env.reset(seed, &mut slot.observation);
            if progress.unless_lost(i, reset)?.is_none() {
                return Ok(());
            }
            slot = &mut progress.slots[i];
            check_reset(&**env, &slot.observation, training(env_steps))?;
            agent.update_observation_statistics(&slot.observation)?;
            (slot.started, slot.lost) = (true, None);
            slot.explorer.begin_episode();
            slot.episode = Some(EpisodeProgress::default());
        }
        let exploration = config.exploration.at(env_steps + i as u64);
        let action = agent.act(&slot.observation, env.action_mask(), exploration, &mut slot.explorer)?;
        slot.chosen = Some((action, exploration.epsilon()));
        progress.unless_lost(i, env.begin_step(action)).map(drop)
    }
}

impl Iterator for Trainer {
    type Item = Result<Event, Error>;

    /// The next event, after at most one environment step, one update or one evaluation step. `None` after an error, after
    /// the last evaluation, and once a stop was requested.
    fn next(&mut self) -> Option<Self::Item> {
        // A step whose environment was lost, and the closing of a step within an episode, yield no event.
        loop {
            if let Some(message) = self.progress.next_warning() {
                return Some(Ok(Event::Warning { message }));
            }
            if let Some(error) = self.failure.take() {
                return Some(Err(error));
            }
            if self.progress.phase == Phase::Finished || self.stop.is_requested() {
                return None;
            }
            match self.advance() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => {
                    self.progress.phase = Phase::Finished;
                    self.failure = Some(error);
                    self.has_failed = true;
                }
            }
        }
    }
}

fn training(step: u64) -> When {
    When { step, of: "training" }
}
