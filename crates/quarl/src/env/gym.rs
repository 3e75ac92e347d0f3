//! Any environment of Python's Gymnasium, in a worker process.
//!
//! [`GymEnv`] is one environment in one process of the user's interpreter; [`GymOptions`] says which. The worker is a small
//! Python program (`worker.py`) that is part of this library; [`worker`](self) processes end when their environment is
//! dropped, and when the program that started them is killed, even while they are stuck in a step.
//!
//! **Observations.** Box (any shape and type), Discrete and MultiDiscrete (one-hot), MultiBinary, and Tuple and Dict of
//! these, in the order of `gymnasium.spaces.utils.flatten`. **Actions.** Discrete, whatever its start. An `action_mask` in
//! `info` is honoured where the first reset has one.
//!
//! **Saving.** A bridged environment cannot be written down in the middle of an episode. Between episodes its random
//! generator can (`env.unwrapped.np_random`), so that the next unseeded reset is the one that would have come. Where an
//! environment keeps its randomness elsewhere, the next reset after a restore is seeded from the last seed and the number of
//! episodes: repeatable, but not what an uninterrupted run would have met.

mod worker;

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::env::{End, Environment, EnvironmentSpec, Step, seeding, state};
use crate::error::Error;
use crate::render::Scene;
use crate::space::{BoxSpace, Discrete, Dtype};
use worker::{Failure, Hello, LOAD, PROTOCOL, RENDER, RESET, SAVE, STEP, Trouble, Worker, body};

/// What an id of a bridged environment begins with.
pub const PREFIX: &str = "gym:";

/// How long a worker may take to answer, where nobody says.
pub const TIMEOUT_SECONDS: u64 = 60;

/// Which environment, in which interpreter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GymOptions {
    /// Gymnasium's name for it, after `gym:`.
    pub id: String,
    /// The interpreter; without one, that of the active virtual environment, of `./.venv`, or `python3`.
    pub python: Option<String>,
    /// Arguments for `gymnasium.make`.
    pub args: toml::Table,
    /// Modules to import first: they register environments.
    pub imports: Vec<String>,
    /// How many seconds an answer may take; [`TIMEOUT_SECONDS`] without one.
    pub timeout_seconds: Option<u64>,
    /// Whether pictures are wanted.
    pub render: bool,
}

/// What a worker says of its environment.
#[derive(Deserialize)]
struct Offer {
    protocol: u32,
    #[serde(default)]
    ids: Vec<String>,
    #[serde(default)]
    shape: Vec<usize>,
    #[serde(default)]
    bytes: bool,
    #[serde(default)]
    actions: usize,
    max_episode_steps: Option<u32>,
    reward_threshold: Option<f64>,
    #[serde(default)]
    render_fps: u32,
    #[serde(default)]
    has_action_mask: bool,
    #[serde(default)]
    observation_space: String,
    #[serde(default)]
    action_space: String,
    #[serde(default)]
    gymnasium: String,
}

/// A Gymnasium environment.
pub struct GymEnv {
    spec: EnvironmentSpec,
    options: GymOptions,
    /// The spaces in Gymnasium's words, and its version.
    about: [String; 3],
    /// None after one was lost; the next reset starts another.
    worker: Option<Worker>,
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
        let id = format!("{PREFIX}{}", options.id);
        let (worker, offer, bounds) = open(&id, &options)?;
        let numbers: usize = offer.shape.iter().product();
        let floats = bounds.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mut low: Vec<f32> = floats.collect();
        if low.len() != 2 * numbers || numbers == 0 || offer.actions == 0 {
            return Err(gym_error(&id, "its worker describes spaces that contradict themselves".to_owned()));
        }
        let high = low.split_off(numbers);
        let spec = EnvironmentSpec {
            id,
            observation_space: BoxSpace {
                shape: offer.shape,
                low,
                high,
                dtype: if offer.bytes { Dtype::U8 } else { Dtype::F32 },
            },
            action_space: Discrete { n: offer.actions },
            max_episode_steps: offer.max_episode_steps,
            reward_threshold: offer.reward_threshold,
            render_fps: offer.render_fps.max(1),
            has_action_mask: offer.has_action_mask,
        };
        let mask = vec![true; if spec.has_action_mask { offer.actions } else { 0 }];
        Ok(Self {
            spec,
            options,
            about: [offer.observation_space, offer.action_space, offer.gymnasium],
            worker: Some(worker),
            payload: Vec::new(),
            mask,
            running: false,
            begun: None,
            last_seed: None,
            next_seed: None,
            steps: 0,
            episodes: 0,
        })
    }

    /// The observation space and the action space in Gymnasium's words, and Gymnasium's version.
    pub fn about(&self) -> &[String; 3] {
        &self.about
    }

    /// The worker's process.
    fn connected(&mut self) -> Result<&mut Worker, Error> {
        if self.worker.is_none() {
            let (worker, offer, _) = open(&self.spec.id, &self.options)?;
            let space = &self.spec.observation_space;
            if (&offer.shape, offer.actions) != (&space.shape, self.spec.action_space.n) {
                return Err(gym_error(&self.spec.id, "started anew, it has other spaces than before".to_owned()));
            }
            self.worker = Some(worker);
        }
        self.worker.as_mut().ok_or_else(|| gym_error(&self.spec.id, "it has no worker".to_owned()))
    }

    /// What a failed exchange means for whoever trains: after anything but an exception, the worker is gone.
    fn trouble(&mut self, trouble: Trouble) -> Error {
        (self.running, self.begun) = (false, None);
        let (id, step, episode) = (self.spec.id.clone(), self.steps + 1, self.episodes.saturating_sub(1));
        match trouble {
            Trouble::Failed(failure) => {
                let message = explain(&failure, &python(&self.options));
                Error::EnvironmentFailed { id, step, episode, message }
            }
            Trouble::Lost(reason) => {
                let ended = self.worker.take().map_or(String::new(), Worker::end);
                Error::WorkerLost { id, step, episode, how: if reason.is_empty() { ended } else { reason } }
            }
            Trouble::Late(patience) => {
                drop(self.worker.take());
                let message = format!(
                    "no answer within {} seconds: raise env.timeout_seconds if it is only slow",
                    patience.as_secs()
                );
                Error::EnvironmentFailed { id, step, episode, message }
            }
        }
    }

    /// Waits for a step that was begun and is not wanted any more.
    fn finish_step(&mut self) -> Result<(), Error> {
        if self.begun.take().is_some() {
            let mut unseen = vec![0.0; self.spec.observation_space.len()];
            self.see(&mut unseen)?;
        }
        Ok(())
    }

    /// Takes the answer to a reset or a step apart.
    fn see(&mut self, observation: &mut [f32]) -> Result<worker::Answer, Error> {
        let mut payload = std::mem::take(&mut self.payload);
        let answer = self.connected()?.answer(&mut payload);
        self.payload = payload;
        let answer = answer.map_err(|trouble| self.trouble(trouble))?;
        let bytes = body(&self.payload);
        let width = if self.spec.observation_space.dtype == Dtype::U8 { 1 } else { 4 };
        if bytes.len() != observation.len() * width + self.mask.len() {
            return Err(self.trouble(Trouble::Lost("it answered nonsense".to_owned())));
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
        self.episodes += 1;
        self.connected()?;
        let request = self.connected()?.request(RESET, seed.is_some(), seed.unwrap_or(0));
        request.map_err(|trouble| self.trouble(trouble))?;
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
        let request = self.connected()?.request(STEP, false, action as u64);
        request.map_err(|trouble| self.trouble(trouble))?;
        self.begun = Some(action);
        Ok(())
    }

    fn action_mask(&self) -> Option<&[bool]> {
        self.spec.has_action_mask.then_some(&*self.mask)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        // Nothing can be seen before the first reset, and nothing was asked for where rendering is off.
        if self.episodes == 0 || !self.options.render {
            return Ok(None);
        }
        let answer = self.connected()?.exchange(RENDER, &[]).map_err(|trouble| self.trouble(trouble))?;
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
        let saved = self.worker.as_ref().map(|worker| worker.exchange(SAVE, &[]));
        let generator = match saved {
            None => Vec::new(),
            Some(Ok(answer)) => body(&answer).to_vec(),
            Some(Err(trouble)) => return Err(state::refused(&self.spec.id, format!("{trouble:?}"))),
        };
        state::save(&self.spec.id, &(self.last_seed, self.next_seed, self.steps, self.episodes, generator))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        type Saved = (Option<u64>, Option<u64>, u64, u64, Vec<u8>);
        let (last_seed, next_seed, steps, episodes, generator): Saved = state::load(&self.spec.id, bytes)?;
        if !generator.is_empty() {
            let loaded = self.connected()?.exchange(LOAD, &generator);
            loaded.map_err(|trouble| match trouble {
                Trouble::Failed(failure) => state::refused(&self.spec.id, failure.message),
                trouble => self.trouble(trouble),
            })?;
        }
        let lost = generator.is_empty().then(|| last_seed.map(|seed| seeding::derived(seed, episodes))).flatten();
        (self.last_seed, self.next_seed) = (last_seed, next_seed.or(lost));
        (self.steps, self.episodes) = (steps.min(i64::MAX as u64), episodes.min(i64::MAX as u64));
        self.running = false;
        Ok(())
    }
}

/// All ids that Gymnasium knows in this interpreter, after the imports.
///
/// # Errors
/// As [`GymEnv::new`].
pub fn ids(options: &GymOptions) -> Result<Vec<String>, Error> {
    let (_, offer, _) = open(PREFIX, &GymOptions { id: String::new(), ..options.clone() })?;
    Ok(offer.ids.iter().map(|id| format!("{PREFIX}{id}")).collect())
}

/// The interpreter that these options amount to.
pub fn python(options: &GymOptions) -> String {
    if let Some(python) = &options.python {
        return python.clone();
    }
    if let Some(active) = std::env::var_os("VIRTUAL_ENV").filter(|active| !active.is_empty()) {
        return Path::new(&active).join("bin/python").display().to_string();
    }
    let local = Path::new(".venv/bin/python");
    if local.exists() { local.display().to_string() } else { "python3".to_owned() }
}

/// A worker with its environment made, what it offers, and the bounds' bytes.
fn open(id: &str, options: &GymOptions) -> Result<(Worker, Offer, Vec<u8>), Error> {
    let python = python(options);
    let patience = Duration::from_secs(options.timeout_seconds.unwrap_or(TIMEOUT_SECONDS).max(1));
    let mut worker = Worker::start(&python, patience).map_err(|error| {
        let remedy = "install Python 3.10 or later, or name another interpreter with --python";
        gym_error(id, format!("cannot start '{python}' ({error}): {remedy}"))
    })?;
    let GymOptions { id: name, args, imports, render, .. } = options;
    let hello = Hello { protocol: PROTOCOL, id: name, args, imports, render: *render };
    let payload = match worker.greet(&hello) {
        Ok(payload) => payload,
        Err(Trouble::Failed(failure)) => return Err(refusal(id, &failure, &python)),
        Err(Trouble::Lost(_)) => {
            let how = worker.end();
            return Err(gym_error(id, format!("'{python}' did not get as far as making it: {how}")));
        }
        Err(Trouble::Late(patience)) => {
            return Err(gym_error(id, format!("making it took more than {} seconds", patience.as_secs())));
        }
    };
    let parse = || {
        let (length, rest) = body(&payload).split_at_checked(4)?;
        let length = u32::from_le_bytes(std::array::from_fn(|i| length[i])) as usize;
        let (text, bounds) = rest.split_at_checked(length)?;
        let offer: Offer = serde_json::from_slice(text).ok()?;
        (offer.protocol == PROTOCOL).then(|| (offer, bounds.to_vec()))
    };
    let (offer, bounds) = parse().ok_or_else(|| gym_error(id, "its worker speaks another protocol".to_owned()))?;
    Ok((worker, offer, bounds))
}

/// Why an environment could not be made, and what to do.
fn refusal(id: &str, failure: &Failure, python: &str) -> Error {
    let Failure { kind, message, .. } = failure;
    match kind.as_str() {
        "gymnasium" => {
            let command = format!("{python} -m pip install \"gymnasium[classic-control]\"");
            gym_error(id, format!("'{python}' has no Gymnasium ({message}): {command}"))
        }
        "unknown" => Error::UnknownEnvironment {
            id: id.to_owned(),
            remedy: format!("{message} (quarl envs gym: lists them; --gym-import MODULE imports what registers more)"),
        },
        "import" => Error::InvalidValue {
            key: "env.imports".to_owned(),
            value: message.clone(),
            remedy: format!("install it for '{python}', or leave it out"),
        },
        _ => gym_error(id, explain(failure, python)),
    }
}

/// An exception in one line: type, message, place, and what installs what is missing.
fn explain(failure: &Failure, python: &str) -> String {
    let Failure { kind, exception, message, at } = failure;
    match kind.as_str() {
        "space" | "value" | "protocol" => message.clone(),
        "dependency" => {
            let extra = message.split_once("gymnasium[").and_then(|(_, rest)| rest.split_once(']'));
            let reason = message.split(['.', ',']).next().unwrap_or(message);
            match extra {
                Some((extra, _)) => format!("{reason}: {python} -m pip install \"gymnasium[{extra}]\""),
                None => message.clone(),
            }
        }
        _ => format!("{exception}: {message} ({at})"),
    }
}

fn gym_error(id: &str, message: String) -> Error {
    Error::Gym { id: id.to_owned(), message }
}
