//! The training loop: an iterator of [`Event`]s.
//!
//! Whoever wants to show, store or stop a run takes events; nothing is passed in, and nothing is printed or written here.

mod builder;
pub(crate) mod config;
mod evaluation;
mod event;
mod progress;
mod state;

use crate::accumulator::Next;
use crate::agent::Agent;
use crate::config::{TimeLimitMeaning, TrainConfig};
use crate::env::values::{When, check_reset, check_step, episode_return};
use crate::env::{End, Environment};
use crate::error::Error;
use crate::model::Model;
use crate::rng::{self, Stream};
use crate::stop::StopFlag;
use evaluation::RunningEvaluation;
use progress::{EpisodeProgress, MOST_LOST_IN_A_ROW, Phase, Progress, Slot, StepTaken};

#[cfg(feature = "files")]
pub(crate) use builder::resolve;
pub use builder::{EnvironmentRole, TrainerBuilder};
pub use event::{EpisodeRecord, Evaluation, Event};

/// A run in progress. Iterate over it to train.
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
    /// As many as `training.num_envs`, stepped in turn.
    envs: Vec<Box<dyn Environment>>,
    evaluation_env: Box<dyn Environment>,
    agent: Agent,
    progress: Progress,
    next_observation: Vec<f32>,
    /// The evaluation under way. It is not saved: after a pause it starts again.
    evaluation: Option<RunningEvaluation>,
    /// What ended the run, until it is told.
    failure: Option<Error>,
    stop: StopFlag,
}

impl Trainer {
    /// A new run, on the fastest instruction set there is (or the one that `QUARL_CPU` names).
    ///
    /// # Errors
    /// What is wrong with the configuration, or with `QUARL_CPU`.
    pub fn new(config: TrainConfig) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// A run with environments of one's own, a stop flag, or another engine.
    pub fn builder(config: TrainConfig) -> TrainerBuilder {
        TrainerBuilder::new(config)
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The agent as it is now.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The agent alone: the end of the run.
    pub fn into_agent(self) -> Agent {
        self.agent
    }

    /// The training environment (environment 0 of `training.num_envs`).
    pub fn env(&self) -> &dyn Environment {
        &*self.envs[0]
    }

    /// Environment steps so far.
    pub fn env_steps(&self) -> u64 {
        self.progress.env_steps
    }

    /// Whole episodes so far.
    pub fn episodes(&self) -> u64 {
        self.progress.episodes
    }

    /// Whether the run has ended, by its budget or an error. A run that was stopped has not.
    pub fn is_finished(&self) -> bool {
        self.progress.phase == Phase::Finished
    }

    /// Episodes that were dropped because the environment's process was gone.
    pub fn episodes_lost(&self) -> u64 {
        self.progress.episodes_lost
    }

    /// The run's warnings so far, oldest first.
    pub fn warnings(&self) -> &[String] {
        &self.progress.warnings
    }

    /// The agent as it is now, to be kept as a file or played.
    pub fn model(&self) -> Model {
        Model {
            env: self.config.env.id.clone(),
            architecture: self.agent.architecture().clone(),
            parameters: self.agent.parameters().to_vec(),
            observation_statistics: self.agent.observation_statistics().cloned(),
        }
    }

    /// The parameters of the best evaluation so far.
    pub fn best_parameters(&self) -> Option<&[f32]> {
        self.progress.best.as_ref().map(|(_, parameters)| &**parameters)
    }

    /// The loop's body: one environment step, one update, or one step of an evaluation. At most one event comes of it.
    fn advance(&mut self) -> Result<Option<Event>, Error> {
        match self.progress.phase {
            Phase::Step => self.step(),
            Phase::AfterStep(step) if step.updates > 0 => self.update(step),
            Phase::AfterStep(step) => Ok(self.close_step(step)),
            Phase::Evaluate { last } => self.evaluate(last),
            Phase::Finished => Ok(None),
        }
    }

    /// Steps one environment and stores its transitions. Environments take turns; at the beginning of a round all of them are
    /// told what to do, so that those in processes of their own work at the same time.
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
        // Nothing was chosen where the environment was lost.
        let Some((action, epsilon)) = progress.slots[turn].chosen.take() else { return Ok(None) };
        let step = match env.step(action, next_observation) {
            Err(error @ (Error::WorkerLost { .. } | Error::Stopped { .. })) => {
                progress.lose_episode(turn, error)?;
                return Ok(None);
            }
            step => step?,
        };
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

    /// One of the updates that follow a step.
    fn update(&mut self, step: StepTaken) -> Result<Option<Event>, Error> {
        let Self { agent, progress, .. } = self;
        let env_steps = progress.env_steps;
        let report = agent.learn(env_steps)?;
        progress.slots[step.slot].episode.get_or_insert_default().add(&report);
        if let Some(message) = agent.take_support_warning() {
            progress.warn(message);
        }
        progress.phase = Phase::AfterStep(StepTaken { updates: step.updates - 1, ..step });
        Ok(Some(Event::Learn { env_steps, report }))
    }

    /// What follows a step's updates: target updates, the end of the episode, and which evaluation is due.
    fn close_step(&mut self, step: StepTaken) -> Option<Event> {
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
        let last = training.episodes.is_some_and(|budget| progress.episodes >= budget)
            || training.steps.is_some_and(|budget| env_steps >= budget);
        let due = (step.ended && falls_due(evaluation.every_episodes, progress.episodes))
            || falls_due(evaluation.every_steps, env_steps);
        progress.phase = if last || due { Phase::Evaluate { last } } else { Phase::Step };
        event
    }

    /// Starts environment `i`'s next episode if none is running, and chooses what it does next.
    fn choose(&mut self, i: usize) -> Result<(), Error> {
        let Self { config, envs, agent, progress, .. } = self;
        let (env, slot, env_steps) = (&mut envs[i], &mut progress.slots[i], progress.env_steps);
        if slot.episode.is_none() {
            let seed = match (slot.lost, slot.started) {
                (Some(loss), _) => Some(Stream::Restart.part_seed(config.training.seed, loss)),
                (None, false) => Some(rng::reset_seed(config.training.seed, i as u64)),
                (None, true) => None,
            };
            match env.reset(seed, &mut slot.observation) {
                Err(error @ (Error::WorkerLost { .. } | Error::Stopped { .. })) => {
                    return progress.lose_episode(i, error);
                }
                result => result?,
            }
            check_reset(&**env, &slot.observation, training(env_steps))?;
            agent.update_observation_statistics(&slot.observation)?;
            (slot.started, slot.lost) = (true, None);
            slot.explorer.begin_episode();
            slot.episode = Some(EpisodeProgress::default());
        }
        let exploration = config.exploration.at(env_steps + i as u64);
        let action = agent.act(&slot.observation, env.action_mask(), exploration, &mut slot.explorer)?;
        slot.chosen = Some((action, exploration.epsilon()));
        match env.begin_step(action) {
            Err(error @ (Error::WorkerLost { .. } | Error::Stopped { .. })) => progress.lose_episode(i, error),
            result => result,
        }
    }

    /// One step of the evaluation under way, or its result.
    fn evaluate(&mut self, last: bool) -> Result<Option<Event>, Error> {
        let Self { config, evaluation_env, agent, progress, evaluation, .. } = self;
        let running = match evaluation {
            Some(running) => running,
            None => evaluation.insert(RunningEvaluation::new(config, evaluation_env.spec(), agent)?),
        };
        match running.step(&mut **evaluation_env) {
            // Played again from the start: with the same seed it is the same evaluation.
            Err(Error::Stopped { .. }) => *evaluation = None,
            Err(Error::WorkerLost { .. }) if running.lost + 1 < MOST_LOST_IN_A_ROW => running.restart(),
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
                progress.phase = if last { Phase::Finished } else { Phase::Step };
                return Ok(Some(Event::Evaluation(progress.evaluated(returns, agent.parameters(), last))));
            }
        }
        Ok(None)
    }
}

impl Iterator for Trainer {
    type Item = Result<Event, Error>;

    /// The next event, after at most one environment step, one update, or one evaluation step. There are no more after an
    /// error, after the last evaluation, and once the stop flag is requested.
    fn next(&mut self) -> Option<Self::Item> {
        // Nothing comes of a step whose environment was lost, nor of closing one within its episode.
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
                }
            }
        }
    }
}

fn training(step: u64) -> When {
    When { step, of: "training" }
}
