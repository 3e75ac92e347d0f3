//! The training loop: an iterator of [`Event`]s.
//!
//! Whoever wants to show, store or stop a run takes events; nothing is passed in, and nothing is printed or written here.

mod event;
mod progress;
mod state;

use std::collections::VecDeque;

use crate::accumulator::{Accumulator, Next};
use crate::agent::Agent;
use crate::agent::diagnostics::Diagnostics;
use crate::config::{TimeLimitMeaning, TrainConfig};
use crate::env::seeding::derived;
use crate::env::{self, End, Environment};
use crate::error::Error;
use crate::evaluate::{self, GreedyPolicy};
use crate::model::Model;
use crate::network::buffer::Buffer;
use crate::network::kernels::CpuPath;
use crate::rng::Stream;
use progress::{EpisodeProgress, MOST_LOST_IN_A_ROW, Progress, Slot};

pub use event::{EpisodeRecord, Evaluation, Event};

/// A run in progress. Iterate over it to train.
///
/// ```
/// use quarl::config::presets;
/// use quarl::train::{Event, Trainer};
///
/// let mut config = presets::config("textbook", None)?;
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
    pending: VecDeque<Event>,
}

impl Trainer {
    /// A run that has not begun, on the fastest instruction set there is (or the one that `QUARL_CPU` names).
    ///
    /// # Errors
    /// What is wrong with the configuration, or with `QUARL_CPU`.
    pub fn new(config: TrainConfig) -> Result<Self, Error> {
        Self::on(config, CpuPath::select()?)
    }

    /// [`Trainer::new`] on a given instruction set. The result is the same on all of them.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn on(config: TrainConfig, path: CpuPath) -> Result<Self, Error> {
        config.validate()?;
        let envs = env::make_several(&config.env, config.training.num_envs)?;
        let env = &envs[0];
        let evaluation_env = env::make_configured(&config.env, false)?;
        let agent = Agent::new(&config, env.spec(), config.training.seed, path)?;
        let features = env.spec().observation_space.len();
        let progress = Progress {
            slots: (0..config.training.num_envs as u64)
                .map(|i| Slot {
                    accumulator: Accumulator::new(config.agent.n_step, config.agent.gamma, features),
                    observation: vec![0.0; features],
                    episode: None,
                    chosen: None,
                    exploration: (i > 0).then(|| Stream::Exploration.rng(config.training.seed.wrapping_add(i))),
                    started: false,
                    lost: None,
                })
                .collect(),
            turn: 0,
            env_steps: 0,
            episodes: 0,
            best: None,
            finished: false,
            episodes_lost: 0,
            workers_lost_in_a_row: 0,
            warnings: Vec::new(),
            warnings_yielded: 0,
        };
        let pending =
            VecDeque::with_capacity(4 + (config.training.gradient_steps.min(1024) as usize).max(config.agent.n_step));
        Ok(Self { config, envs, evaluation_env, agent, progress, next_observation: vec![0.0; features], pending })
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The agent as it is now.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// A second agent in the state that this run's is in.
    ///
    /// # Errors
    /// As [`Trainer::on`].
    pub fn agent_copy(&self) -> Result<Agent, Error> {
        let mut agent =
            Agent::new(&self.config, self.env().spec(), self.config.training.seed, self.agent.network().path())?;
        agent.set_state(self.agent.state().clone())?;
        Ok(agent)
    }

    /// What it trains on; the first one where there are several.
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
            architecture: self.agent.network().architecture().clone(),
            parameters: Buffer::from_slice(self.agent.parameters()),
            observation_statistics: self.agent.observation_statistics().cloned(),
        }
    }

    /// The parameters of the best evaluation so far.
    pub fn best_parameters(&self) -> Option<&[f32]> {
        self.progress.best.as_ref().map(|(_, parameters)| &**parameters)
    }

    /// The loop's body: one environment step and all that follows from it. Environments take turns; at the beginning of a
    /// round all of them are told what to do, so that those in processes of their own work at the same time.
    fn advance(&mut self) -> Result<(), Error> {
        if self.progress.turn == 0 {
            for i in 0..self.envs.len() {
                self.choose(i)?;
            }
        }
        let Self { config, envs, agent, progress, next_observation, pending, .. } = self;
        let turn = progress.turn;
        progress.turn = (turn + 1) % envs.len();
        let env = &mut envs[turn];
        // Nothing was chosen where the environment was lost.
        let Some((action, epsilon)) = progress.slots[turn].chosen.take() else { return Ok(()) };
        let mut episode = progress.slots[turn].episode.unwrap_or_default();
        let step = match env.step(action, next_observation) {
            Err(error @ Error::WorkerLost { .. }) => return progress.lose_episode(turn, error),
            step => step?,
        };
        progress.env_steps += 1;
        let env_steps = progress.env_steps;
        check_finite("reward", &[step.reward as f32], env.spec().id.as_str(), env_steps)?;
        check_finite("observation", next_observation, env.spec().id.as_str(), env_steps)?;
        if step.end.is_none() {
            check_mask(&**env, env_steps)?;
        }
        agent.see(next_observation);
        // What the task itself gave, where a wrapper changes rewards.
        let so_far = env.episode_statistics().map(|episode| episode.total_reward);
        episode.total_reward = so_far.unwrap_or(episode.total_reward + step.reward);
        episode.length += 1;
        pending.push_back(Event::Step { env_steps, action, reward: step.reward });

        let end = match config.agent.time_limit {
            TimeLimitMeaning::Bootstrap => step.end,
            TimeLimitMeaning::Terminal => step.end.map(|_| End::Terminated),
        };
        let Slot { accumulator, observation, .. } = &mut progress.slots[turn];
        let next = Next { obs: next_observation, mask: env.action_mask() };
        accumulator.push(observation, action, step.reward, next, end, |transition| {
            agent.observe(transition);
        });
        std::mem::swap(observation, next_observation);

        let training = &config.training;
        for _ in 0..agent.updates_due(env_steps, training) {
            let report = agent.learn(env_steps)?;
            episode.updates += 1;
            episode.loss_sum += f64::from(report.loss);
            episode.q_sum += f64::from(report.mean_q);
            if let Some(diagnostics) = report.diagnostics {
                Diagnostics::add(&mut episode.diagnostics, diagnostics);
            }
            pending.push_back(Event::Learn { env_steps, report });
        }
        if config.target_network.every_steps.is_some_and(|every| env_steps.is_multiple_of(every)) {
            agent.sync_target();
        }

        progress.slots[turn].episode = step.end.is_none().then_some(episode);
        if step.end.is_some() {
            let index = progress.episodes;
            progress.episodes += 1;
            progress.workers_lost_in_a_row = 0;
            pending.push_back(Event::Episode(episode.record(index, env_steps, epsilon)));
            if config.target_network.every_episodes.is_some_and(|every| index.is_multiple_of(every)) {
                agent.sync_target();
            }
        }

        let last = training.episodes.is_some_and(|budget| progress.episodes >= budget)
            || training.steps.is_some_and(|budget| env_steps >= budget);
        let due = (step.end.is_some()
            && config.evaluation.every_episodes.is_some_and(|every| progress.episodes.is_multiple_of(every)))
            || config.evaluation.every_steps.is_some_and(|every| env_steps.is_multiple_of(every));
        if last || due {
            let evaluation = self.evaluate(last)?;
            self.pending.push_back(Event::Evaluation(evaluation));
        }
        self.progress.finished = last;
        Ok(())
    }

    /// Starts environment `i`'s next episode if none is running, and chooses what it does next.
    fn choose(&mut self, i: usize) -> Result<(), Error> {
        let Self { config, envs, agent, progress, .. } = self;
        let (env, slot, env_steps) = (&mut envs[i], &mut progress.slots[i], progress.env_steps);
        if slot.episode.is_none() {
            let seed = config.training.seed.wrapping_add(i as u64);
            let seed = match slot.lost {
                None => (!slot.started).then_some(seed),
                Some(loss) => Some(derived(seed, loss)),
            };
            match env.reset(seed, &mut slot.observation) {
                Err(error @ Error::WorkerLost { .. }) => return progress.lose_episode(i, error),
                result => result?,
            }
            check_finite("observation", &slot.observation, env.spec().id.as_str(), env_steps)?;
            check_mask(&**env, env_steps)?;
            agent.see(&slot.observation);
            (slot.started, slot.lost) = (true, None);
            slot.episode = Some(EpisodeProgress::default());
        }
        let exploration = config.exploration.at(env_steps + i as u64);
        let action = match &mut slot.exploration {
            None => agent.explore(&slot.observation, env.action_mask(), exploration),
            Some(rng) => agent.explore_with(&slot.observation, env.action_mask(), exploration, rng),
        };
        slot.chosen = Some((action, exploration.epsilon()));
        match env.begin_step(action) {
            Err(error @ Error::WorkerLost { .. }) => progress.lose_episode(i, error),
            result => result,
        }
    }

    /// Plays greedily as the agent is now, remembering the best parameters. Every evaluation of a run starts from the same
    /// observations; where two are equally good, the later one counts as the best.
    fn evaluate(&mut self, last: bool) -> Result<Evaluation, Error> {
        let seed = Stream::Evaluation.seed(self.config.training.seed);
        let mut policy = GreedyPolicy::new(self.agent.network(), self.agent.parameters())
            .normalized(self.agent.observation_statistics());
        let mut lost = 0;
        let episodes = loop {
            let env = &mut *self.evaluation_env;
            match evaluate::play(&mut policy, env, seed, self.config.evaluation.episodes) {
                // Played again from the start: with the same seed it is the same evaluation.
                Err(Error::WorkerLost { .. }) if lost + 1 < MOST_LOST_IN_A_ROW => lost += 1,
                episodes => break episodes?,
            }
        };
        self.progress.episodes_lost += lost;
        let returns: Vec<f64> = episodes.iter().map(|episode| episode.total_reward).collect();
        let mean_return = returns.iter().sum::<f64>() / returns.len() as f64;
        let best = self.progress.best.as_ref().is_none_or(|(so_far, _)| mean_return >= *so_far);
        if best {
            self.progress.best = Some((mean_return, Buffer::from_slice(self.agent.parameters())));
        }
        let Progress { episodes, env_steps, .. } = self.progress;
        Ok(Evaluation { episodes, env_steps, returns, mean_return, best, last })
    }

    /// Ends training here: the last evaluation follows, as it would at the end of the budget.
    ///
    /// # Errors
    /// What the environment fails with.
    pub fn stop(&mut self) -> Result<(), Error> {
        if !self.progress.finished {
            let evaluation = self.evaluate(true)?;
            self.pending.push_back(Event::Evaluation(evaluation));
            self.progress.finished = true;
        }
        Ok(())
    }
}

impl Iterator for Trainer {
    type Item = Result<Event, Error>;

    /// The next event; after an error, and after the last evaluation, there are no more.
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(message) = self.progress.next_warning() {
            return Some(Ok(Event::Warning { message }));
        }
        // A step of which nothing is left, because its environment was lost, gives no event.
        while self.pending.is_empty() && !self.progress.finished {
            if let Err(error) = self.advance() {
                self.progress.finished = true;
                self.pending.clear();
                return Some(Err(error));
            }
        }
        self.pending.pop_front().map(Ok)
    }
}

fn check_finite(what: &'static str, values: &[f32], id: &str, step: u64) -> Result<(), Error> {
    match values.iter().find(|x| !x.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::EnvironmentValue { id: id.to_owned(), what, value: *value, step }),
    }
}

/// While an episode runs, something has to be allowed.
fn check_mask(env: &dyn Environment, step: u64) -> Result<(), Error> {
    match env.action_mask() {
        Some(mask) if !mask.contains(&true) => Err(Error::NoActionAllowed { id: env.spec().id.clone(), step }),
        _ => Ok(()),
    }
}
