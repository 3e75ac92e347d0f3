//! Environments in Python that run in this process. `quarl/_environment.py` holds the adapter that calls them and writes
//! observations into arrays.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use quarl::env::{End, Environment, EnvironmentSpec, Step, state};
use quarl::render::Scene;
use quarl::rng::Stream;
use quarl::space::{BoxSpace, Discrete, Dtype};
use quarl::{Error, StopFlag};

use crate::values;

/// An exception that an environment has raised, until the call that led to it raises it.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<(Option<PyErr>, StopFlag)>>);

impl Raised {
    /// Renews the flag that stops the run when an environment is interrupted.
    pub(crate) fn renew(&self) -> StopFlag {
        let flag = StopFlag::default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (None, flag.clone());
        flag
    }

    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// Keeps an exception and returns the library's error for it. KeyboardInterrupt and the like stop the run.
    fn keep(&self, py: Python<'_>, exception: PyErr, at: &Position, id: &str) -> Error {
        let kind = exception.get_type(py).name();
        if kind.is_ok_and(|kind| kind == "Taken") {
            // The episode is abandoned, and the run continues.
            return Error::Stopped { id: id.to_owned() };
        }
        let error = if exception.is_instance_of::<PyException>(py) {
            let (kind, text) = (exception.get_type(py).name(), exception.value(py).to_string());
            let kind = kind.map_or_else(|_| "exception".to_owned(), |kind| kind.to_string());
            let message = if kind == "Refused" { text } else { format!("{kind}: {text}") };
            Error::EnvironmentFailed {
                id: id.to_owned(),
                step: at.steps,
                episode: at.episodes.saturating_sub(1),
                message,
            }
        } else {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).1.request();
            Error::Stopped { id: id.to_owned() }
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get_or_insert(exception);
        error
    }
}

/// The progress of an environment.
#[derive(Default)]
struct Position {
    /// Steps since the environment was created.
    steps: u64,
    /// Episodes begun.
    episodes: u64,
    episode_runs: bool,
    /// The seed of the latest reset that had one.
    last_seed: Option<u64>,
    /// Whether the random generator's state could not be restored.
    generator_is_new: bool,
}

/// An environment in Python.
pub(crate) struct PyEnvironment {
    spec: EnvironmentSpec,
    adapter: Py<PyAny>,
    step: Py<PyAny>,
    /// Announces an action to a vector environment.
    begin: Option<Py<PyAny>>,
    numbers: Numbers,
    mask: Option<(PyBuffer<u8>, Vec<bool>)>,
    saves_random_state: bool,
    raised: Raised,
    at: Position,
}

/// The array into which the adapter writes an observation.
enum Numbers {
    F32(PyBuffer<f32>),
    U8(PyBuffer<u8>, Vec<u8>),
}

impl PyEnvironment {
    /// An environment that `adapter` calls.
    pub(crate) fn new(adapter: &Bound<'_, PyAny>, raised: Raised) -> PyResult<Self> {
        let get = |name: &str| adapter.getattr(name);
        let bytes: bool = get("bytes")?.extract()?;
        let shape: Vec<usize> = get("shape")?.extract()?;
        let has_action_mask: bool = get("has_action_mask")?.extract()?;
        let actions = get("actions")?.extract()?;
        let observation = get("observation")?;
        let spec = EnvironmentSpec {
            id: get("id")?.extract()?,
            observation_space: BoxSpace {
                shape,
                low: values::floats(&get("low")?)?,
                high: values::floats(&get("high")?)?,
                dtype: if bytes { Dtype::U8 } else { Dtype::F32 },
            },
            action_space: Discrete { n: actions },
            max_episode_steps: get("max_episode_steps")?.extract()?,
            reward_threshold: get("reward_threshold")?.extract()?,
            render_fps: get("render_fps")?.extract()?,
            has_action_mask,
        };
        let numbers = if bytes {
            Numbers::U8(PyBuffer::get(&observation)?, vec![0; spec.observation_space.len()])
        } else {
            Numbers::F32(PyBuffer::get(&observation)?)
        };
        let mask = match has_action_mask {
            true => Some((PyBuffer::get(&get("mask")?)?, vec![true; actions])),
            false => None,
        };
        Ok(Self {
            step: get("step")?.unbind(),
            begin: adapter.getattr_opt("begin")?.map(Bound::unbind),
            saves_random_state: get("saves_random_state")?.extract()?,
            adapter: adapter.clone().unbind(),
            spec,
            numbers,
            mask,
            raised,
            at: Position::default(),
        })
    }

    /// Copies observation and mask from the adapter's arrays.
    fn read(&mut self, py: Python<'_>, observation: &mut [f32]) -> PyResult<()> {
        match &mut self.numbers {
            Numbers::F32(buffer) => buffer.copy_to_slice(py, observation)?,
            Numbers::U8(buffer, bytes) => {
                buffer.copy_to_slice(py, bytes)?;
                for (number, byte) in observation.iter_mut().zip(bytes) {
                    *number = f32::from(*byte);
                }
            }
        }
        if let Some((buffer, mask)) = &mut self.mask {
            for (allowed, flag) in mask.iter_mut().zip(buffer.to_vec(py)?) {
                *allowed = flag != 0;
            }
        }
        Ok(())
    }

    fn failed(&self, py: Python<'_>, exception: PyErr) -> Error {
        self.raised.keep(py, exception, &self.at, &self.spec.id)
    }
}

impl Environment for PyEnvironment {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        // The same seeds as for an environment in a worker process.
        let seed = match (seed, self.at.last_seed) {
            (Some(seed), _) => Some(seed),
            (None, None) => Some(0),
            // A vector environment draws its random numbers itself. It uses this seed where all of it is reset again.
            (None, Some(last)) => (self.at.generator_is_new || self.begin.is_some())
                .then(|| Stream::Episode.part_seed(last, self.at.episodes)),
        };
        self.at.episode_runs = false;
        self.at.episodes += 1;
        Python::attach(|py| {
            let reset = self.adapter.bind(py).call_method1("reset", (seed,));
            reset.and_then(|_| self.read(py, observation)).map_err(|exception| self.failed(py, exception))
        })?;
        (self.at.last_seed, self.at.generator_is_new) = (seed.or(self.at.last_seed), false);
        self.at.episode_runs = true;
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        self.spec.check_observation(observation)?;
        self.spec.check_action(action)?;
        if !self.at.episode_runs {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.at.steps += 1;
        let step = Python::attach(|py| {
            let (reward, end): (f64, u8) = self
                .step
                .bind(py)
                .call1((action,))
                .and_then(|result| {
                    self.read(py, observation)?;
                    result.extract()
                })
                .map_err(|exception| self.failed(py, exception))?;
            let end = [None, Some(End::Terminated), Some(End::Truncated)][usize::from(end.min(2))];
            Ok(Step { reward, end })
        });
        self.at.episode_runs = step.as_ref().is_ok_and(|step: &Step| step.end.is_none());
        step
    }

    fn begin_step(&mut self, action: usize) -> Result<(), Error> {
        self.spec.check_action(action)?;
        let Some(begin) = &self.begin else { return Ok(()) };
        Python::attach(|py| match begin.bind(py).call1((action,)) {
            Ok(_) => Ok(()),
            Err(exception) => Err(self.failed(py, exception)),
        })
    }

    fn action_mask(&self) -> Option<&[bool]> {
        self.mask.as_ref().map(|(_, mask)| &**mask)
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(None)
    }

    fn saves_within_episodes(&self) -> bool {
        false
    }

    fn saves_random_state(&self) -> bool {
        self.saves_random_state
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        let generator: Vec<u8> = Python::attach(|py| {
            let saved = self.adapter.bind(py).call_method0("save").and_then(|state| state.extract());
            saved.map_err(|exception| self.failed(py, exception))
        })?;
        let Position { last_seed, steps, episodes, .. } = self.at;
        state::save(&self.spec.id, &(last_seed, steps, episodes, generator))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        type Saved = (Option<u64>, u64, u64, Vec<u8>);
        let (last_seed, steps, episodes, generator): Saved = state::load(&self.spec.id, bytes)?;
        if !generator.is_empty() {
            Python::attach(|py| {
                let loaded = self.adapter.bind(py).call_method1("load", (&*generator,));
                loaded.map(|_| ()).map_err(|exception| self.failed(py, exception))
            })?;
        }
        self.at = Position {
            steps: steps.min(i64::MAX as u64),
            episodes: episodes.min(i64::MAX as u64),
            episode_runs: false,
            last_seed,
            generator_is_new: generator.is_empty(),
        };
        Ok(())
    }
}
