//! The built-in environments for Python: one at a time, and many at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use quarl::env::{self, End, Environment};
use quarl::render::rasterize;

use crate::error::OrRaise;
use crate::values;

/// The specification of a built-in environment.
#[pyfunction]
pub(crate) fn built_in_spec(py: Python<'_>, id: &str) -> PyResult<Py<PyAny>> {
    values::serialised(py, env::make(id).or_raise(py)?.spec())
}

/// A built-in environment.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct BuiltIn {
    env: Mutex<Box<dyn Environment>>,
}

impl BuiltIn {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Environment>> {
        self.env.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl BuiltIn {
    #[new]
    fn new(py: Python<'_>, id: &str) -> PyResult<Self> {
        Ok(Self { env: Mutex::new(env::make(id).or_raise(py)?) })
    }

    /// Starts an episode and writes its first observation into `observation`.
    fn reset(&self, py: Python<'_>, seed: Option<u64>, observation: &Bound<'_, PyAny>) -> PyResult<()> {
        let out = PyBuffer::<f32>::get(observation)?;
        let mut numbers = vec![0.0; out.item_count()];
        self.lock().reset(seed, &mut numbers).or_raise(py)?;
        out.copy_from_slice(py, &numbers)
    }

    /// Takes a step, writes the observation, and returns reward, terminated and truncated.
    fn step(&self, py: Python<'_>, action: usize, observation: &Bound<'_, PyAny>) -> PyResult<(f64, bool, bool)> {
        let out = PyBuffer::<f32>::get(observation)?;
        let mut numbers = vec![0.0; out.item_count()];
        let step = self.lock().step(action, &mut numbers).or_raise(py)?;
        out.copy_from_slice(py, &numbers)?;
        Ok((step.reward, step.end == Some(End::Terminated), step.end == Some(End::Truncated)))
    }

    /// A picture of the state, as the bytes of its RGB pixels.
    fn render<'py>(&self, py: Python<'py>, width: u32, height: u32) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(scene) = self.lock().scene().or_raise(py)? else { return Ok(None) };
        let frame = rasterize(&scene, width, height).or_raise(py)?;
        Ok(Some(PyBytes::new(py, &frame.rgb)))
    }
}

/// Several built-in environments that are stepped together. An environment whose episode has ended is reset by the next step.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct BuiltInVector {
    state: Mutex<Several>,
}

struct Several {
    envs: Vec<Box<dyn Environment>>,
    features: usize,
    ended: Vec<bool>,
    observations: Vec<f32>,
    rewards: Vec<f64>,
    /// One byte for each environment: whether its episode terminated, and whether it was truncated.
    terminated: Vec<u8>,
    truncated: Vec<u8>,
}

impl BuiltInVector {
    fn lock(&self) -> MutexGuard<'_, Several> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl BuiltInVector {
    #[new]
    fn new(py: Python<'_>, id: &str, count: usize) -> PyResult<Self> {
        let envs = (0..count).map(|_| env::make(id)).collect::<Result<Vec<_>, _>>().or_raise(py)?;
        let features = envs.first().map_or(0, |env| env.spec().observation_space.len());
        Ok(Self {
            state: Mutex::new(Several {
                envs,
                features,
                ended: vec![false; count],
                observations: vec![0.0; count * features],
                rewards: vec![0.0; count],
                terminated: vec![0; count],
                truncated: vec![0; count],
            }),
        })
    }

    /// Starts an episode in each environment and writes the observations.
    fn reset(&self, py: Python<'_>, seeds: Vec<Option<u64>>, observations: &Bound<'_, PyAny>) -> PyResult<()> {
        let out = PyBuffer::<f32>::get(observations)?;
        let mut locked = self.lock();
        let Several { envs, features, ended, observations, .. } = &mut *locked;
        for ((env, seed), observation) in envs.iter_mut().zip(seeds).zip(observations.chunks_mut(*features)) {
            env.reset(seed, observation).or_raise(py)?;
        }
        ended.fill(false);
        out.copy_from_slice(py, observations)
    }

    /// Steps all environments.
    fn step(
        &self,
        py: Python<'_>,
        actions: &Bound<'_, PyAny>,
        observations: &Bound<'_, PyAny>,
        rewards: &Bound<'_, PyAny>,
        terminated: &Bound<'_, PyAny>,
        truncated: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let actions = PyBuffer::<i64>::get(actions)?.to_vec(py)?;
        let mut locked = self.lock();
        locked.step(&actions).or_raise(py)?;
        PyBuffer::<f32>::get(observations)?.copy_from_slice(py, &locked.observations)?;
        PyBuffer::<f64>::get(rewards)?.copy_from_slice(py, &locked.rewards)?;
        PyBuffer::<u8>::get(terminated)?.copy_from_slice(py, &locked.terminated)?;
        PyBuffer::<u8>::get(truncated)?.copy_from_slice(py, &locked.truncated)
    }
}

impl Several {
    fn step(&mut self, actions: &[i64]) -> Result<(), quarl::Error> {
        let Self { envs, features, ended, observations, rewards, terminated, truncated } = self;
        // Checked first, so that a wrong action steps none of them.
        for (env, action) in envs.iter().zip(actions) {
            env.spec().check_action(usize::try_from(*action).unwrap_or(usize::MAX))?;
        }
        for (i, (env, observation)) in envs.iter_mut().zip(observations.chunks_mut(*features)).enumerate() {
            if std::mem::take(&mut ended[i]) {
                env.reset(None, observation)?;
                (rewards[i], terminated[i], truncated[i]) = (0.0, 0, 0);
                continue;
            }
            let step = env.step(actions[i] as usize, observation)?;
            rewards[i] = step.reward;
            terminated[i] = u8::from(step.end == Some(End::Terminated));
            truncated[i] = u8::from(step.end == Some(End::Truncated));
            ended[i] = step.end.is_some();
        }
        Ok(())
    }
}
