//! Any environment of Python's Gymnasium, in a worker process.
//!
//! [`GymEnv`] is one environment in a process of the user's interpreter, alone or with others of its kind
//! ([`GymEnv::several`]); [`GymOptions`] says which. The worker is a small Python program (`worker.py`) that is part of this
//! library; the processes end when their environments are dropped, and when the program that started them is killed, even
//! while they are stuck in a step.
//!
//! **Observations.** Box (any shape and type), Discrete and MultiDiscrete (one-hot), MultiBinary, and Tuple and Dict of
//! these, in the order of `gymnasium.spaces.utils.flatten`. **Actions.** Discrete, whatever its start. An `action_mask` in
//! `info` is honoured where the first reset has one.
//!
//! **Saving.** A saved state leaves a running episode out: after it was restored, a reset comes next. It includes the
//! random generator (`env.unwrapped.np_random`) for Gymnasium's own environments (classic control, toy text, Box2D,
//! MuJoCo), which draw every random number from it. Of any other environment nobody can know where its randomness comes
//! from (`random`, `numpy.random`, torch, C code), so [`Environment::saves_random_state`] is false.
//!
//! **Starting.** [`startups`] says what environments that are being waited for are doing.

mod host;
mod making;
mod startup;
mod worker;

use std::sync::{Arc, Mutex};

use crate::env::{End, Environment, EnvironmentSpec, Step, state};
use crate::error::Error;
use crate::render::Scene;
use crate::rng::Stream;
use crate::space::Dtype;
use host::{Host, lock};
use making::python;
pub use making::{GymOptions, PREFIX, ids};
use making::{describe, explain, gym_error};
use startup::Activity;
pub use startup::{Startup, startups};
use worker::{Answer, Failure, LOAD, RENDER, RESET, SAVE, STEP, WorkerError, body, nonsense};

/// A step whose outcome has not been taken yet.
#[derive(Default)]
enum Pending {
    #[default]
    None,
    /// The worker was told to take this action.
    Begun(usize),
    /// The worker has answered; the answer's payload lies in [`GymEnv::payload`].
    Answered(usize, Result<Answer, Failure>),
}

/// A Gymnasium environment.
pub struct GymEnv {
    spec: EnvironmentSpec,
    /// The spaces in Gymnasium's words, and its version.
    about: [String; 3],
    host: Arc<Mutex<Host>>,
    /// Which one of its worker's environments this is.
    which: usize,
    /// How many workers had been lost when the worker was started in which this episode runs.
    losses: u64,
    payload: Vec<u8>,
    mask: Vec<bool>,
    running: bool,
    pending: Pending,
    saves_random_state: bool,
    last_seed: Option<u64>,
    /// Whether the random generator is not the one that the last reset left: the next reset is seeded, or not repeatable.
    generator_is_new: bool,
    steps: u64,
    episodes: u64,
}

impl GymEnv {
    /// Starts a worker and makes the environment.
    ///
    /// # Errors
    /// [`Error::Gym`] where Python, Gymnasium or a part of it is missing, with the command that installs it, and where the
    /// spaces are not supported; [`Error::UnknownEnvironment`] where Gymnasium knows no such name.
    pub fn new(options: GymOptions) -> Result<Self, Error> {
        Self::several(options, 1)?.pop().ok_or_else(|| gym_error(PREFIX, "none was asked for".to_owned()))
    }

    /// Starts one worker and makes `count` environments in it. They work one after another, and are lost together.
    ///
    /// # Errors
    /// As [`GymEnv::new`].
    pub fn several(options: GymOptions, count: usize) -> Result<Vec<Self>, Error> {
        let id = format!("{PREFIX}{}", options.id);
        let (host, offer, bounds) = Host::start(&id, options, count)?;
        let saves_random_state = offer.saves_random_state;
        let (spec, about) = describe(id, offer, &bounds)?;
        let host = Arc::new(Mutex::new(host));
        let mask = vec![true; if spec.has_action_mask { spec.action_space.n } else { 0 }];
        let one = |which| Self {
            spec: spec.clone(),
            about: about.clone(),
            host: Arc::clone(&host),
            which,
            losses: 0,
            payload: Vec::new(),
            mask: mask.clone(),
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

    /// The observation space and the action space in Gymnasium's words, and Gymnasium's version.
    pub fn about(&self) -> &[String; 3] {
        &self.about
    }

    /// Sees to it that there is a worker, and notes whether it is another one than before.
    fn connect(&mut self) -> Result<(), Error> {
        let mut host = lock(&self.host);
        host.revive(&self.spec)?;
        self.generator_is_new |= self.losses != host.losses();
        self.losses = host.losses();
        Ok(())
    }

    fn request(&mut self, operation: u8, flag: bool, argument: u64) -> Result<(), Error> {
        let sent =
            lock(&self.host).worker(self.losses).map(|worker| worker.request(self.which, operation, flag, argument));
        sent.map_err(|error| self.failed(error))
    }

    /// The answer to this environment's last request; its payload goes to `payload`.
    fn receive(&mut self) -> Result<Answer, WorkerError> {
        lock(&self.host).worker(self.losses)?.answer(self.which, &mut self.payload)
    }

    fn exchange(&self, operation: u8, payload: &[u8]) -> Result<Vec<u8>, WorkerError> {
        lock(&self.host).worker(self.losses)?.exchange(self.which, operation, payload)
    }

    /// The error of a failed exchange. After anything but an exception, the worker is gone.
    fn failed(&mut self, error: WorkerError) -> Error {
        (self.running, self.pending) = (false, Pending::None);
        let (id, step, episode) = (self.spec.id.clone(), self.steps + 1, self.episodes.saturating_sub(1));
        let mut host = lock(&self.host);
        match error {
            WorkerError::Failed(failure) => {
                let message = explain(&failure, &python(&host.options().settings.python));
                Error::EnvironmentFailed { id, step, episode, message }
            }
            WorkerError::Gone(how) => Error::WorkerLost { id, step, episode, how, known: true },
            error @ WorkerError::Stopped => {
                host.lose(error);
                Error::Stopped { id }
            }
            error => Error::WorkerLost { id, step, episode, how: host.lose(error), known: false },
        }
    }

    /// Awaits the answer to a step that has begun, so that the worker can be asked for something else.
    fn settle(&mut self) -> Result<(), Error> {
        let Pending::Begun(action) = self.pending else { return Ok(()) };
        let outcome = match self.receive() {
            Ok(answer) => Ok(answer),
            Err(WorkerError::Failed(failure)) => Err(failure),
            Err(error) => return Err(self.failed(error)),
        };
        self.pending = Pending::Answered(action, outcome);
        Ok(())
    }

    /// Ends the running episode, and drops the outcome of a step that has begun, whatever it is.
    fn abandon(&mut self) -> Result<(), Error> {
        self.running = false;
        match self.settle() {
            // The worker's loss has been reported by another of its environments.
            Err(Error::WorkerLost { known: true, .. }) => {}
            settled => settled?,
        }
        self.pending = Pending::None;
        Ok(())
    }

    /// Takes the payload of the answer to a reset or a step apart.
    fn read_payload(&mut self, observation: &mut [f32]) -> Result<(), Error> {
        let bytes = body(&self.payload);
        let width = if self.spec.observation_space.dtype == Dtype::U8 { 1 } else { 4 };
        if bytes.len() != observation.len() * width + self.mask.len() {
            return Err(self.failed(nonsense()));
        }
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
            // A first reset without a seed is that of seed 0, as in the built-in environments.
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
        // Nothing can be seen before the first reset, and nothing was asked for where rendering is off.
        if self.episodes == 0 || !lock(&self.host).options().render {
            return Ok(None);
        }
        self.settle()?;
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
            Err(WorkerError::Gone(_)) => Vec::new(),
            Err(WorkerError::Failed(failure)) => return Err(state::refused(&self.spec.id, failure.message)),
            Err(error) => {
                let how = lock(&self.host).lose(error);
                return Err(state::refused(&self.spec.id, format!("it lost its worker while it was saved: {how}")));
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
