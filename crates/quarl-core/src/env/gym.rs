//! Gymnasium environments, which run in Python worker processes.
//!
//! [`GymEnv`] is one environment in a worker process of the user's Python interpreter; a worker can run several
//! environments ([`GymEnv::several`]). [`GymOptions`] selects environment and interpreter. The worker runs a small Python
//! program that is part of this library (`worker.py`). A worker process ends when its environments are dropped, and also
//! when the program that started it is killed, even while it is stuck in a step.
//!
//! **Observations.** Box (any shape and type), Discrete and MultiDiscrete (one-hot), MultiBinary, and Tuple and Dict of
//! these, in the order of `gymnasium.spaces.utils.flatten`. **Actions.** Discrete, with any start. An `action_mask` in
//! `info` is used if the first reset returns one.
//!
//! **Saving.** A saved state does not include a running episode: after restoring it, a reset comes next. It includes the
//! random generator (`env.unwrapped.np_random`) for Gymnasium's own environments (classic control, toy text, Box2D,
//! MuJoCo), which draw every random number from it. Other environments may use other generators (`random`, `numpy.random`,
//! torch, C code), so [`Environment::saves_random_state`] is false for them.
//!
//! **Starting.** [`startups`] lists the environments that are being started, and the current activity of each.

mod launch;
mod shared_worker;
mod startup;
mod worker;

use std::sync::{Arc, Mutex};

use crate::env::{End, Environment, EnvironmentSpec, GYM_PREFIX, Step, state};
use crate::error::Error;
use crate::rng::Stream;
use crate::scene::Scene;
use crate::space::Dtype;
use launch::python;
pub use launch::{GymOptions, ids};
use launch::{describe_failure, gym_error, to_spec};
use shared_worker::{SharedWorker, lock};
use startup::Activity;
pub use startup::{Startup, startups};
use worker::{Answer, Failure, LOAD, RENDER, RESET, SAVE, STEP, WorkerError, body, protocol_error};

/// A step that was announced and whose result has not been taken yet.
#[derive(Default)]
enum Pending {
    #[default]
    None,
    /// The worker was asked to take this action.
    Begun(usize),
    /// The worker has answered; the payload of the answer is in [`GymEnv::payload`].
    Answered(usize, Result<Answer, Failure>),
}

/// A Gymnasium environment.
pub struct GymEnv {
    spec: EnvironmentSpec,
    /// The observation space, the action space and Gymnasium's version, as text.
    about: [String; 3],
    shared: Arc<Mutex<SharedWorker>>,
    /// The index of this environment in its worker.
    index: usize,
    /// The generation of the worker in which the current episode runs.
    generation: u64,
    payload: Vec<u8>,
    /// Empty until a mask has arrived: its length was only announced before.
    mask: Vec<bool>,
    running: bool,
    pending: Pending,
    saves_random_state: bool,
    last_seed: Option<u64>,
    /// Whether the random generator differs from the one that the last reset left (the worker was restarted): the next
    /// reset without a seed could not be repeated, so it is seeded.
    generator_is_new: bool,
    steps: u64,
    episodes: u64,
}

impl GymEnv {
    /// Starts a worker process and creates the environment in it.
    ///
    /// # Errors
    /// [`Error::Gym`] where Python, Gymnasium or one of its extras is missing, with the command that installs it, and where
    /// the spaces are not supported; [`Error::UnknownEnvironment`] where Gymnasium does not know the id.
    pub fn new(options: GymOptions) -> Result<Self, Error> {
        Self::several(options, 1)?
            .pop()
            .ok_or_else(|| gym_error(GYM_PREFIX, "zero environments were requested".to_owned()))
    }

    /// Starts one worker process and creates `count` environments in it. They run one after another; if the process ends,
    /// all of them are lost.
    ///
    /// # Errors
    /// Those of [`GymEnv::new`].
    pub fn several(options: GymOptions, count: usize) -> Result<Vec<Self>, Error> {
        let id = format!("{GYM_PREFIX}{}", options.id);
        let (shared, description, bounds) = SharedWorker::start(&id, options, count)?;
        let saves_random_state = description.saves_random_state;
        let (spec, about) = to_spec(id, description, &bounds)?;
        let shared = Arc::new(Mutex::new(shared));
        let one = |index| Self {
            spec: spec.clone(),
            about: about.clone(),
            shared: Arc::clone(&shared),
            index,
            generation: 0,
            payload: Vec::new(),
            mask: Vec::new(),
            running: false,
            pending: Pending::None,
            saves_random_state,
            last_seed: None,
            generator_is_new: false,
            steps: 0,
            episodes: 0,
        };
        Ok((0..count).map(one).collect())
    }

    /// The observation space, the action space and Gymnasium's version, as text.
    pub fn about(&self) -> &[String; 3] {
        &self.about
    }

    /// Makes sure that a worker is running, and records whether it is a new one.
    fn connect(&mut self) -> Result<(), Error> {
        let mut shared = lock(&self.shared);
        shared.restart_if_lost(&self.spec)?;
        self.generator_is_new |= self.generation != shared.generation();
        self.generation = shared.generation();
        Ok(())
    }

    fn request(&mut self, operation: u8, flag: bool, argument: u64) -> Result<(), Error> {
        let sent = lock(&self.shared)
            .worker(self.generation)
            .and_then(|worker| worker.request(self.index, operation, flag, argument));
        sent.map_err(|error| self.failed(error))
    }

    /// Receives the answer to this environment's last request; its payload replaces `self.payload`.
    fn receive(&mut self) -> Result<Answer, WorkerError> {
        lock(&self.shared).worker(self.generation)?.answer(self.index, &mut self.payload)
    }

    fn exchange(&self, operation: u8, payload: &[u8]) -> Result<Vec<u8>, WorkerError> {
        lock(&self.shared).worker(self.generation)?.exchange(self.index, operation, payload)
    }

    /// The error for a failed exchange. After any error except an exception in Python, the worker has ended.
    fn failed(&mut self, error: WorkerError) -> Error {
        (self.running, self.pending) = (false, Pending::None);
        let (id, step, episode) = (self.spec.id.clone(), self.steps + 1, self.episodes.saturating_sub(1));
        let mut shared = lock(&self.shared);
        match error {
            WorkerError::Failed(failure) => {
                let message = describe_failure(&failure, &python(&shared.options().settings.python));
                Error::EnvironmentFailed { id, step, episode, message }
            }
            WorkerError::AlreadyLost(how) => Error::WorkerLost { id, step, episode, how, already_reported: true },
            error @ WorkerError::Stopped => {
                shared.end_lost(error);
                Error::Stopped { id }
            }
            error => Error::WorkerLost { id, step, episode, how: shared.end_lost(error), already_reported: false },
        }
    }

    /// Receives the answer to a step that has begun, so that another request can be sent.
    fn await_step(&mut self) -> Result<(), Error> {
        let Pending::Begun(action) = self.pending else { return Ok(()) };
        let outcome = match self.receive() {
            Ok(answer) => Ok(answer),
            Err(WorkerError::Failed(failure)) => Err(failure),
            Err(error) => return Err(self.failed(error)),
        };
        self.pending = Pending::Answered(action, outcome);
        Ok(())
    }

    /// Ends the running episode, and discards the result of a step that has begun.
    fn abandon(&mut self) -> Result<(), Error> {
        self.running = false;
        match self.await_step() {
            // Another environment of the same worker has reported this loss.
            Err(Error::WorkerLost { already_reported: true, .. }) => {}
            awaited => awaited?,
        }
        self.pending = Pending::None;
        Ok(())
    }

    /// Reads observation and mask from the payload of the answer to a reset or a step.
    fn read_payload(&mut self, observation: &mut [f32]) -> Result<(), Error> {
        let bytes = body(&self.payload);
        let width = if self.spec.observation_space.dtype == Dtype::U8 { 1 } else { 4 };
        let actions = if self.spec.has_action_mask { self.spec.action_space.n } else { 0 };
        if bytes.len().checked_sub(observation.len() * width) != Some(actions) {
            return Err(self.failed(protocol_error()));
        }
        self.mask.resize(actions, true);
        let (numbers, mask) = bytes.split_at(observation.len() * width);
        if width == 1 {
            observation.iter_mut().zip(numbers).for_each(|(x, byte)| *x = f32::from(*byte));
        } else {
            let floats = numbers.as_chunks::<4>().0;
            observation.iter_mut().zip(floats).for_each(|(x, bytes)| *x = f32::from_le_bytes(*bytes));
        }
        self.mask.iter_mut().zip(mask).for_each(|(allowed, byte)| *allowed = *byte != 0);
        Ok(())
    }
}

impl Environment for GymEnv {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        self.abandon()?;
        self.connect()?;
        let seed = match (seed, self.last_seed) {
            (Some(seed), _) => Some(seed),
            // The first reset uses seed 0 if no seed is given, as in the built-in environments.
            (None, None) => Some(0),
            (None, Some(last)) => self.generator_is_new.then(|| Stream::Episode.part_seed(last, self.episodes)),
        };
        let _activity = (self.episodes == 0).then(|| Activity::begin(&self.spec.id, "the first reset".to_owned()));
        self.episodes += 1;
        self.request(RESET, seed.is_some(), seed.unwrap_or(0))?;
        self.receive().map_err(|error| self.failed(error))?;
        self.read_payload(observation)?;
        (self.last_seed, self.generator_is_new, self.running) = (seed.or(self.last_seed), false, true);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if !self.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        self.spec.check_observation(observation)?;
        self.begin_step(action)?;
        let outcome = match std::mem::take(&mut self.pending) {
            Pending::Answered(_, outcome) => outcome.map_err(WorkerError::Failed),
            _ => self.receive(),
        };
        let answer = outcome.map_err(|error| self.failed(error))?;
        self.read_payload(observation)?;
        self.steps += 1;
        let end = match answer.ending {
            0 => None,
            1 => Some(End::Terminated),
            _ => Some(End::Truncated),
        };
        self.running = end.is_none();
        Ok(Step { reward: answer.reward, end })
    }

    fn begin_step(&mut self, action: usize) -> Result<(), Error> {
        if !self.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        match self.pending {
            Pending::None => {
                self.request(STEP, false, action as u64)?;
                self.pending = Pending::Begun(action);
                Ok(())
            }
            Pending::Begun(begun) | Pending::Answered(begun, _) if begun == action => Ok(()),
            Pending::Begun(begun) | Pending::Answered(begun, _) => {
                Err(Error::StepBegun { id: self.spec.id.clone(), begun, action })
            }
        }
    }

    fn action_mask(&self) -> Option<&[bool]> {
        self.spec.has_action_mask.then_some(&*self.mask)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        // There is nothing to draw before the first reset, and the worker cannot render unless it was started for
        // rendering.
        if self.episodes == 0 || !lock(&self.shared).options().render {
            return Ok(None);
        }
        self.await_step()?;
        let answer = self.exchange(RENDER, &[]).map_err(|error| self.failed(error))?;
        let Some((size, rgb)) = body(&answer).split_at_checked(8) else { return Ok(None) };
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| size[at + i]));
        Ok(Some(Scene::Pixels { width: number(0), height: number(4), rgb: rgb.to_vec() }))
    }

    fn saves_within_episodes(&self) -> bool {
        false
    }

    fn saves_random_state(&self) -> bool {
        self.saves_random_state
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        if !matches!(self.pending, Pending::None) {
            return Err(state::refused(&self.spec.id, "it cannot be saved while a step has begun".to_owned()));
        }
        let generator = match self.exchange(SAVE, &[]) {
            Ok(answer) => body(&answer).to_vec(),
            Err(WorkerError::AlreadyLost(_)) => Vec::new(),
            Err(WorkerError::Failed(failure)) => return Err(state::refused(&self.spec.id, failure.message)),
            Err(error) => {
                let how = lock(&self.shared).end_lost(error);
                return Err(state::refused(
                    &self.spec.id,
                    format!("its worker process ended while it was being saved: {how}"),
                ));
            }
        };
        state::save(&self.spec.id, &(self.last_seed, self.steps, self.episodes, generator))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        type Saved = (Option<u64>, u64, u64, Vec<u8>);
        let (last_seed, steps, episodes, generator): Saved = state::load(&self.spec.id, bytes)?;
        self.abandon()?;
        self.connect()?;
        if !generator.is_empty() {
            self.exchange(LOAD, &generator).map_err(|error| match error {
                WorkerError::Failed(failure) => state::refused(&self.spec.id, failure.message),
                error => self.failed(error),
            })?;
        }
        (self.steps, self.episodes) = (steps.min(i64::MAX as u64), episodes.min(i64::MAX as u64));
        (self.last_seed, self.generator_is_new) = (last_seed, generator.is_empty());
        Ok(())
    }
}
