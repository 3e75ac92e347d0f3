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
//! **Saving.** A bridged environment cannot be written down in the middle of an episode. Between episodes its random
//! generator can (`env.unwrapped.np_random`), so that the next unseeded reset is the one that would have come. Where an
//! environment keeps its randomness elsewhere, the next reset after a restore is seeded from the last seed and the number of
//! episodes: repeatable, but not what an uninterrupted run would have met.

mod host;
mod making;
mod worker;

use std::sync::{Arc, Mutex};

use crate::env::{End, Environment, EnvironmentSpec, Step, seeding, state};
use crate::error::Error;
use crate::render::Scene;
use crate::space::Dtype;
use host::{Host, lock};
pub use making::{GymOptions, PREFIX, TIMEOUT_SECONDS, ids, python};
use making::{describe, explain, gym_error};
use worker::{LOAD, RENDER, RESET, SAVE, STEP, Trouble, body, nonsense};

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
    /// The action of a step whose answer is still to come.
    begun: Option<usize>,
    last_seed: Option<u64>,
    /// A seed for the next reset, where the generator could not be restored.
    next_seed: Option<u64>,
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
            begun: None,
            last_seed: None,
            next_seed: None,
            steps: 0,
            episodes: 0,
        };
        Ok((0..count).map(one).collect())
    }

    /// The observation space and the action space in Gymnasium's words, and Gymnasium's version.
    pub fn about(&self) -> &[String; 3] {
        &self.about
    }

    /// Sees to it that there is a worker, and says whether it is another one than before.
    fn connect(&mut self) -> Result<bool, Error> {
        let mut host = lock(&self.host);
        host.revive(&self.spec)?;
        Ok(std::mem::replace(&mut self.losses, host.losses()) != host.losses())
    }

    fn request(&mut self, operation: u8, flag: bool, argument: u64) -> Result<(), Error> {
        let sent =
            lock(&self.host).worker(self.losses).map(|worker| worker.request(self.which, operation, flag, argument));
        sent.map_err(|trouble| self.trouble(trouble))
    }

    fn exchange(&self, operation: u8, payload: &[u8]) -> Result<Vec<u8>, Trouble> {
        lock(&self.host).worker(self.losses)?.exchange(self.which, operation, payload)
    }

    /// What a failed exchange means for whoever trains: after anything but an exception, the worker is gone.
    fn trouble(&mut self, trouble: Trouble) -> Error {
        (self.running, self.begun) = (false, None);
        let (id, step, episode) = (self.spec.id.clone(), self.steps + 1, self.episodes.saturating_sub(1));
        let mut host = lock(&self.host);
        match trouble {
            Trouble::Failed(failure) => {
                let message = explain(&failure, &python(host.options()));
                Error::EnvironmentFailed { id, step, episode, message }
            }
            Trouble::Gone(how) => Error::WorkerLost { id, step, episode, how, known: true },
            trouble @ Trouble::Stopped => {
                host.lose(trouble);
                Error::Stopped { id }
            }
            trouble => Error::WorkerLost { id, step, episode, how: host.lose(trouble), known: false },
        }
    }

    /// Seeds the next episode where the random generator is gone.
    fn seed_after_loss(&self) -> Option<u64> {
        self.last_seed.map(|seed| seeding::derived(seed, self.episodes))
    }

    /// Waits for a step that was begun and is not wanted any more.
    fn finish_step(&mut self) -> Result<(), Error> {
        let lost = lock(&self.host).losses() != self.losses;
        if self.begun.take().is_some() && !lost {
            let mut unseen = vec![0.0; self.spec.observation_space.len()];
            self.see(&mut unseen)?;
        }
        Ok(())
    }

    /// Takes the answer to a reset or a step apart.
    fn see(&mut self, observation: &mut [f32]) -> Result<worker::Answer, Error> {
        let answer =
            lock(&self.host).worker(self.losses).and_then(|worker| worker.answer(self.which, &mut self.payload));
        let answer = answer.map_err(|trouble| self.trouble(trouble))?;
        let bytes = body(&self.payload);
        let width = if self.spec.observation_space.dtype == Dtype::U8 { 1 } else { 4 };
        if bytes.len() != observation.len() * width + self.mask.len() {
            return Err(self.trouble(nonsense()));
        }
        let (seen, mask) = bytes.split_at(observation.len() * width);
        if width == 1 {
            observation.iter_mut().zip(seen).for_each(|(x, byte)| *x = f32::from(*byte));
        } else {
            let floats = seen.as_chunks::<4>().0;
            observation.iter_mut().zip(floats).for_each(|(x, bytes)| *x = f32::from_le_bytes(*bytes));
        }
        self.mask.iter_mut().zip(mask).for_each(|(allowed, byte)| *allowed = *byte != 0);
        Ok(answer)
    }
}

impl Environment for GymEnv {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        // A first reset without a seed is that of seed 0, as in the built-in environments.
        let seed = seed.or(self.next_seed.take()).or_else(|| self.last_seed.is_none().then_some(0));
        self.running = false;
        self.finish_step()?;
        // In another worker than before, the random generator is another one, too.
        let seed = if self.connect()? { seed.or_else(|| self.seed_after_loss()) } else { seed };
        self.episodes += 1;
        self.request(RESET, seed.is_some(), seed.unwrap_or(0))?;
        self.see(observation)?;
        self.last_seed = seed.or(self.last_seed);
        self.running = true;
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if !self.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        self.spec.check_observation(observation)?;
        if self.begun != Some(action) {
            self.finish_step()?;
            self.begin_step(action)?;
        }
        self.begun = None;
        let answer = self.see(observation)?;
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
        self.request(STEP, false, action as u64)?;
        self.begun = Some(action);
        Ok(())
    }

    fn action_mask(&self) -> Option<&[bool]> {
        self.spec.has_action_mask.then_some(&*self.mask)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        // Nothing can be seen before the first reset, and nothing was asked for where rendering is off.
        if self.episodes == 0 || !lock(&self.host).options().render {
            return Ok(None);
        }
        let answer = self.exchange(RENDER, &[]).map_err(|trouble| self.trouble(trouble))?;
        let Some((size, rgb)) = body(&answer).split_at_checked(8) else { return Ok(None) };
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| size[at + i]));
        Ok(Some(Scene::Pixels { width: number(0), height: number(4), rgb: rgb.to_vec() }))
    }

    fn saves_within_episodes(&self) -> bool {
        false
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        if self.running {
            let message = "an environment in Python can only be saved between episodes".to_owned();
            return Err(state::refused(&self.spec.id, message));
        }
        let generator = match self.exchange(SAVE, &[]) {
            Ok(answer) => body(&answer).to_vec(),
            Err(Trouble::Gone(_)) => Vec::new(),
            Err(trouble) => return Err(state::refused(&self.spec.id, format!("{trouble:?}"))),
        };
        state::save(&self.spec.id, &(self.last_seed, self.next_seed, self.steps, self.episodes, generator))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        type Saved = (Option<u64>, Option<u64>, u64, u64, Vec<u8>);
        let (last_seed, next_seed, steps, episodes, generator): Saved = state::load(&self.spec.id, bytes)?;
        if !generator.is_empty() {
            self.connect()?;
            self.exchange(LOAD, &generator).map_err(|trouble| match trouble {
                Trouble::Failed(failure) => state::refused(&self.spec.id, failure.message),
                trouble => self.trouble(trouble),
            })?;
        }
        (self.steps, self.episodes) = (steps.min(i64::MAX as u64), episodes.min(i64::MAX as u64));
        (self.last_seed, self.next_seed) = (last_seed, next_seed);
        if generator.is_empty() {
            self.next_seed = next_seed.or_else(|| self.seed_after_loss());
        }
        self.running = false;
        Ok(())
    }
}
