//! Greedy evaluation: episodes without exploration, independent of training.
//!
//! ```
//! use quarl::{env, evaluate};
//! use quarl::policy::Policy;
//! # let mut config = quarl::config::TrainConfig::preset("textbook").build()?;
//! # config.training.episodes = Some(2);
//! # let mut trainer = quarl::train::Trainer::new(config)?;
//! # (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
//! # let model = trainer.model();
//!
//! let mut policy = Policy::new(&model)?;
//! let mut env = env::make(&model.env)?;
//! let episodes = evaluate::play(&mut policy, &mut *env, 0, 3)?;
//! assert!(episodes.iter().all(|episode| episode.total_reward >= 1.0));
//! # Ok::<(), quarl::Error>(())
//! ```

pub(crate) mod config;

use crate::env::config::StepLimit;
use crate::env::values::{When, check_reset, check_step, episode_return};
use crate::env::{End, Environment, EnvironmentSpec};
use crate::error::Error;
use crate::exploration::random;
use crate::policy::Policy;
use crate::rng::Stream;
use crate::stop::StopFlag;

/// The step limit of greedy episodes if neither the configuration nor the environment has one.
pub const MAX_EPISODE_STEPS: u32 = 10_000;

/// The step limit of greedy episodes: `evaluation.max_episode_steps` if it is set, otherwise the environment's limit,
/// otherwise [`MAX_EPISODE_STEPS`].
pub fn step_limit(configured: StepLimit, spec: &EnvironmentSpec) -> u32 {
    configured.steps().or(spec.max_episode_steps).unwrap_or(MAX_EPISODE_STEPS)
}

/// The result of a greedy episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GreedyEpisode {
    /// The return: the undiscounted sum of the rewards.
    pub total_reward: f64,
    /// The number of steps.
    pub length: u64,
    /// Why the episode ended.
    pub end: End,
    /// Whether the step limit of [`GreedyEpisodes`] truncated it, rather than the environment.
    pub cut: bool,
}

/// One step of a greedy episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GreedyStep {
    /// The episode, counted from 0.
    pub episode: u64,
    /// The action taken.
    pub action: usize,
    /// The reward.
    pub reward: f64,
    /// The result of the episode, if it ended with this step.
    pub ended: Option<GreedyEpisode>,
}

/// A sequence of greedy episodes, played one step at a time.
///
/// The first reset uses the seed, later ones continue the environment's random generator, so the same seed always gives the
/// same initial observations.
#[derive(Clone, Debug)]
pub struct GreedyEpisodes {
    seed: u64,
    episodes: u64,
    max_episode_steps: u32,
    observation: Vec<f32>,
    /// The running or the next episode, counted from 0.
    episode: u64,
    /// Return and length of the running episode so far.
    running: Option<(f64, u64)>,
}

impl GreedyEpisodes {
    /// `episodes` episodes of an environment, each truncated after `max_episode_steps` steps.
    pub fn new(spec: &EnvironmentSpec, seed: u64, episodes: u64, max_episode_steps: u32) -> Self {
        let observation = vec![0.0; spec.observation_space.len()];
        Self { seed, episodes, max_episode_steps, observation, episode: 0, running: None }
    }

    /// The running episode: its number counted from 0, its steps so far, and its return so far.
    pub fn running(&self) -> Option<(u64, u64, f64)> {
        self.running.map(|(total_reward, length)| (self.episode, length, total_reward))
    }

    /// Resets the environment for the next episode, unless an episode is running. Returns false after the last episode.
    ///
    /// # Errors
    /// Those of the environment; [`Error::EnvironmentValue`] for an observation that is not finite,
    /// [`Error::NoActionAllowed`] for a mask that allows no action.
    pub fn begin(&mut self, env: &mut dyn Environment) -> Result<bool, Error> {
        if self.running.is_none() {
            if self.episode >= self.episodes {
                return Ok(false);
            }
            env.reset((self.episode == 0).then_some(self.seed), &mut self.observation)?;
            check_reset(env, &self.observation, when(0))?;
            self.running = Some((0.0, 0));
        }
        Ok(true)
    }

    /// Takes one step, after a reset if no episode is running. Returns `None` after the last episode.
    ///
    /// # Errors
    /// Those of [`GreedyEpisodes::begin`], and [`Error::EnvironmentValue`] for a reward that is not finite.
    pub fn step(&mut self, policy: &mut Policy, env: &mut dyn Environment) -> Result<Option<GreedyStep>, Error> {
        if !self.begin(env)? {
            return Ok(None);
        }
        let (total_reward, length) = self.running.take().unwrap_or_default();
        let action = policy.act(&self.observation, env.action_mask())?;
        let step = env.step(action, &mut self.observation)?;
        let (episode, length) = (self.episode, length + 1);
        check_step(env, &step, &self.observation, when(length))?;
        let total_reward = episode_return(env, total_reward, &step, when(length))?;
        let cut = step.end.is_none() && length >= u64::from(self.max_episode_steps);
        let end = if cut { Some(End::Truncated) } else { step.end };
        match end {
            Some(_) => self.episode += 1,
            None => self.running = Some((total_reward, length)),
        }
        let ended = end.map(|end| GreedyEpisode { total_reward, length, end, cut });
        Ok(Some(GreedyStep { episode, action, reward: step.reward, ended }))
    }

    /// Plays the remaining episodes.
    ///
    /// # Errors
    /// Those of [`GreedyEpisodes::step`], and [`Error::Stopped`] once `stop` is requested.
    pub fn play(
        &mut self,
        policy: &mut Policy,
        env: &mut dyn Environment,
        stop: &StopFlag,
    ) -> Result<Vec<GreedyEpisode>, Error> {
        let mut results = Vec::new();
        while let Some(step) = self.step(policy, env)? {
            results.extend(step.ended);
            if stop.is_requested() {
                return Err(Error::Stopped { id: env.spec().id.clone() });
            }
        }
        Ok(results)
    }
}

fn when(step: u64) -> When {
    When { step, of: "a greedy episode" }
}

/// Plays `episodes` greedy episodes (see [`GreedyEpisodes`]) with the environment's step limit, or with
/// [`MAX_EPISODE_STEPS`] if it has none.
///
/// # Errors
/// Those of [`GreedyEpisodes::step`].
pub fn play(
    policy: &mut Policy,
    env: &mut dyn Environment,
    seed: u64,
    episodes: usize,
) -> Result<Vec<GreedyEpisode>, Error> {
    let limit = step_limit(StepLimit::Environment, env.spec());
    GreedyEpisodes::new(env.spec(), seed, episodes as u64, limit).play(policy, env, &StopFlag::default())
}

/// The returns of `episodes` episodes of uniformly random actions, each truncated after `max_episode_steps` steps. Allowed
/// actions are equally likely.
///
/// # Errors
/// Those of the environment, and of [`GreedyEpisodes::step`].
pub fn random_returns(
    env: &mut dyn Environment,
    seed: u64,
    episodes: u64,
    max_episode_steps: u32,
) -> Result<Vec<f64>, Error> {
    let mut rng = Stream::Exploration.rng(seed);
    let mut observation = vec![0.0; env.spec().observation_space.len()];
    let actions = env.spec().action_space.n;
    let mut returns = Vec::new();
    for episode in 0..episodes {
        env.reset((episode == 0).then_some(seed), &mut observation)?;
        check_reset(env, &observation, when(0))?;
        let mut total_reward = 0.0;
        for length in 1..=u64::from(max_episode_steps) {
            let action = random(actions, env.action_mask(), &mut rng);
            let step = env.step(action, &mut observation)?;
            check_step(env, &step, &observation, when(length))?;
            total_reward = episode_return(env, total_reward, &step, when(length))?;
            if step.end.is_some() {
                break;
            }
        }
        returns.push(total_reward);
    }
    Ok(returns)
}
