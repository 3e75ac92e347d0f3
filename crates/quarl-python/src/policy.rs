//! A trained network that acts.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use quarl::Error;
use quarl::config::{EnvConfig, StepLimit};
use quarl::env::{self, Environment};
use quarl::evaluate::{GreedyEpisodes, step_limit};
use quarl::exploration::{Exploration, Explorer};
use quarl::rng::Stream;
use quarl::trained::{SavedModel, TrainedAgent};

use crate::environment::{PyEnvironment, Raised};
use crate::error::{OrRaise, caught, exception};
use crate::values;

/// A trained network that chooses actions for observations.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct Policy {
    state: Mutex<State>,
    actions: usize,
    inputs: usize,
    /// The run's seed, its environment with the wrappers, and its step limit of greedy episodes.
    seed: u64,
    env: EnvConfig,
    max_episode_steps: StepLimit,
}

struct State {
    policy: quarl::Policy,
    /// How actions are chosen that are not greedy, and the random stream for it.
    exploration: Exploration,
    explorer: Explorer,
}

impl Policy {
    pub(crate) fn new(
        policy: quarl::Policy,
        exploration: Exploration,
        seed: u64,
        env: EnvConfig,
        max_episode_steps: StepLimit,
    ) -> Self {
        let (actions, inputs) = (policy.architecture().actions, policy.architecture().inputs);
        // A stream that no training environment uses.
        let explorer = Explorer::new(seed, u64::MAX);
        let state = Mutex::new(State { policy, exploration, explorer });
        Self { state, actions, inputs, seed, env, max_episode_steps }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Policy {
    /// The policy of a run's directory or of a model file.
    #[staticmethod]
    #[pyo3(signature = (path, *, best=false))]
    fn load(py: Python<'_>, path: PathBuf, best: bool) -> PyResult<Self> {
        let saved = if best { SavedModel::Best } else { SavedModel::Last };
        let agent = TrainedAgent::load(&path, saved).or_raise(py)?;
        let policy = quarl::Policy::new(&agent.model).or_raise(py)?;
        Ok(Self::new(policy, Exploration::EpsilonGreedy(0.0), agent.seed, agent.env, agent.max_episode_steps))
    }

    /// The id of the environment that the network was trained in.
    #[getter]
    fn env(&self) -> &str {
        &self.env.id
    }

    /// The number of actions.
    #[getter]
    fn actions(&self) -> usize {
        self.actions
    }

    /// The number of numbers in an observation.
    #[getter]
    fn inputs(&self) -> usize {
        self.inputs
    }

    /// Writes an action for each of the `observations` into `actions`, greedily or with exploration.
    #[pyo3(signature = (observations, actions, *, masks=None, greedy=true))]
    fn act(
        &self,
        py: Python<'_>,
        observations: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
        masks: Option<&Bound<'_, PyAny>>,
        greedy: bool,
    ) -> PyResult<()> {
        let observations = values::floats(observations)?;
        let masks = masks.map(values::flags).transpose()?;
        let out = PyBuffer::<i64>::get(actions)?;
        let count = out.item_count();
        if observations.len() != count * self.inputs
            || masks.as_ref().is_some_and(|masks| masks.len() != count * self.actions)
        {
            return Err(PyValueError::new_err("observations, masks and actions differ in number"));
        }
        let chosen = py.detach(|| {
            let mut state = self.lock();
            let State { policy, exploration, explorer } = &mut *state;
            let mut choose = |i: usize| {
                let observation = &observations[i * self.inputs..(i + 1) * self.inputs];
                let mask = masks.as_ref().map(|masks| &masks[i * self.actions..(i + 1) * self.actions]);
                if greedy {
                    return policy.act(observation, mask);
                }
                explorer.choose(*exploration, self.actions, mask, || policy.q_values(observation))
            };
            caught(|| (0..count).map(|i| choose(i).map(|action| action as i64)).collect::<Result<Vec<_>, _>>())
        });
        out.copy_from_slice(py, &chosen.or_raise(py)?)
    }

    /// Writes the Q-values of the `observations` into the array `values`.
    fn q_values(&self, py: Python<'_>, observations: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>) -> PyResult<()> {
        let observations = values::floats(observations)?;
        let out = PyBuffer::<f32>::get(values)?;
        let mut state = self.lock();
        let mut all = Vec::with_capacity(out.item_count());
        for observation in observations.chunks(self.inputs) {
            let q_values = state.policy.q_values(observation).or_raise(py)?;
            all.extend((0..self.actions).map(|action| q_values.get(0, action)));
        }
        out.copy_from_slice(py, &all)
    }
    /// The returns and lengths of greedy episodes, those of the command `quarl eval` with this seed: in an environment of
    /// Python, or in a new one that is built in. The wrappers of the run are put around it.
    #[pyo3(signature = (episodes, seed, environment=None))]
    fn evaluate(
        &self,
        py: Python<'_>,
        episodes: u64,
        seed: u64,
        environment: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Vec<f64>, Vec<u64>)> {
        let mut policy = self.lock().policy.clone();
        let raised = Raised::default();
        let mut env: Box<dyn Environment> = match environment {
            Some(adapter) => {
                let env = PyEnvironment::new(adapter, raised.clone())?;
                env::wrappers::wrap(Box::new(env), &self.env).or_raise(py)?
            }
            None => env::make_configured(&self.env, &env::MakeOptions::default()).or_raise(py)?,
        };
        policy.check_environment(env.spec()).or_raise(py)?;
        let limit = step_limit(self.max_episode_steps, env.spec());
        let mut greedy = GreedyEpisodes::new(env.spec(), Stream::Report.part_seed(seed, self.seed), episodes, limit);
        let (mut returns, mut lengths) = (Vec::new(), Vec::new());
        loop {
            let play = || {
                let started = Instant::now();
                while started.elapsed() < Duration::from_millis(50) {
                    let Some(step) = greedy.step(&mut policy, &mut *env)? else { return Ok(false) };
                    if let Some(episode) = step.ended {
                        returns.push(episode.total_reward);
                        lengths.push(episode.length);
                    }
                }
                Ok(true)
            };
            let played = py.detach(|| caught(play));
            py.check_signals()?;
            match played {
                Ok(true) => {}
                Ok(false) => return Ok((returns, lengths)),
                Err(error) => return Err(raise(py, &error, &raised)),
            }
        }
    }
}

/// The exception for an error of a run, whose cause is the exception that an environment has raised.
pub(crate) fn raise(py: Python<'_>, error: &Error, raised: &Raised) -> PyErr {
    match (error, raised.take()) {
        (Error::Stopped { .. }, Some(interrupt)) => interrupt,
        (_, cause) => {
            let exception = exception(py, error);
            exception.set_cause(py, cause);
            exception
        }
    }
}
