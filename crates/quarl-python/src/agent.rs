//! The agent for training loops in Python: it acts, observes transitions and learns, for one or several environments.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use quarl::accumulator::{Accumulator, Next};
use quarl::agent::LearnReport;
use quarl::config::{TimeLimitMeaning, TrainConfig};
use quarl::env::{End, EnvironmentSpec};
use quarl::exploration::Explorer;
use quarl::{Error, env};

use crate::config::Config;
use crate::environment::{PyEnvironment, Raised};
use crate::error::{OrRaise, caught};
use crate::policy::Policy;
use crate::values;

/// An agent for a training loop in Python.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct Agent {
    state: Mutex<State>,
    inputs: usize,
    actions: usize,
    environments: usize,
}

struct State {
    agent: quarl::Agent,
    config: TrainConfig,
    slots: Vec<Slot>,
    env_steps: u64,
    episodes: u64,
    /// Steps that the agent has not stored yet, in the order in which they were observed.
    observed: VecDeque<Observed>,
}

/// The loop's state for one environment.
struct Slot {
    accumulator: Accumulator,
    explorer: Explorer,
    /// Whether the next observation is the first of an episode.
    starts: bool,
}

/// A step of one environment.
struct Observed {
    slot: usize,
    obs: Vec<f32>,
    action: usize,
    reward: f64,
    next_obs: Vec<f32>,
    next_mask: Option<Vec<bool>>,
    end: Option<End>,
}

impl Agent {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_count(&self, what: &str, found: usize, expected: usize) -> PyResult<()> {
        if found == expected {
            return Ok(());
        }
        let environments = self.environments;
        let message = format!("{what} has {found} numbers, expected {expected} for {environments} environments");
        Err(PyValueError::new_err(message))
    }
}

#[pymethods]
impl Agent {
    /// An agent for `training.num_envs` environments, which are built in or like the one of `adapter`.
    #[new]
    #[pyo3(signature = (config, adapter=None))]
    fn new(py: Python<'_>, config: &Config, adapter: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = config.inner.clone();
        let plain: Box<dyn env::Environment> = match adapter {
            Some(adapter) => Box::new(PyEnvironment::new(adapter, Raised::default())?),
            None => env::make(&config.env.id).or_raise(py)?,
        };
        let spec: EnvironmentSpec = plain.spec().clone();
        let agent = quarl::Agent::new(&config, &spec, config.training.seed).or_raise(py)?;
        let (inputs, environments) = (spec.observation_space.len(), config.training.num_envs);
        let slots = (0..environments).map(|i| Slot {
            accumulator: Accumulator::new(config.agent.n_step, config.agent.gamma, inputs),
            explorer: Explorer::new(config.training.seed, i as u64),
            starts: true,
        });
        let slots = slots.collect();
        let state = State { agent, config, slots, env_steps: 0, episodes: 0, observed: VecDeque::new() };
        Ok(Self { state: Mutex::new(state), inputs, actions: spec.action_space.n, environments })
    }

    #[getter]
    fn inputs(&self) -> usize {
        self.inputs
    }

    #[getter]
    fn actions(&self) -> usize {
        self.actions
    }

    #[getter]
    fn environments(&self) -> usize {
        self.environments
    }

    /// Environment steps observed so far.
    #[getter]
    fn env_steps(&self) -> u64 {
        let state = self.lock();
        state.env_steps + state.observed.len() as u64
    }

    /// The number of transitions in the replay buffer.
    #[getter]
    fn replay_len(&self) -> usize {
        self.lock().agent.replay_len()
    }

    /// The exploration probability at the current step.
    #[getter]
    fn epsilon(&self) -> f64 {
        let state = self.lock();
        state.config.exploration.at(state.env_steps).epsilon()
    }

    /// Writes an action with exploration for each environment's observation into `actions`, and 0 where the next step is a
    /// reset.
    #[pyo3(signature = (observations, actions, is_step, *, masks=None))]
    fn act(
        &self,
        py: Python<'_>,
        observations: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
        is_step: &Bound<'_, PyAny>,
        masks: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let is_step = values::flags(is_step)?;
        self.check_count("is_step", is_step.len(), self.environments)?;
        let observations = values::floats(observations)?;
        self.check_count("observations", observations.len(), self.environments * self.inputs)?;
        let masks = masks.map(values::flags).transpose()?;
        if let Some(masks) = &masks {
            self.check_count("masks", masks.len(), self.environments * self.actions)?;
        }
        let mut locked = self.lock();
        let state = &mut *locked;
        state.store_observed().or_raise(py)?;
        let State { agent, config, slots, env_steps, .. } = state;
        let mut chosen = Vec::with_capacity(slots.len());
        for (i, slot) in slots.iter_mut().enumerate() {
            if !is_step[i] {
                chosen.push(0);
                continue;
            }
            let observation = &observations[i * self.inputs..(i + 1) * self.inputs];
            if std::mem::take(&mut slot.starts) {
                agent.update_observation_statistics(observation).or_raise(py)?;
                slot.explorer.begin_episode();
            }
            let mask = masks.as_ref().map(|masks| &masks[i * self.actions..(i + 1) * self.actions]);
            let exploration = config.exploration.at(*env_steps + i as u64);
            chosen.push(agent.act(observation, mask, exploration, &mut slot.explorer).or_raise(py)? as i64);
        }
        PyBuffer::<i64>::get(actions)?.copy_from_slice(py, &chosen)
    }

    /// Takes one step of each environment whose entry in `is_step` is true.
    #[pyo3(signature = (observations, actions, rewards, next_observations, terminated, truncated, is_step, *, next_masks=None))]
    #[expect(clippy::too_many_arguments, reason = "the parts of a transition")]
    fn observe(
        &self,
        observations: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
        rewards: &Bound<'_, PyAny>,
        next_observations: &Bound<'_, PyAny>,
        terminated: &Bound<'_, PyAny>,
        truncated: &Bound<'_, PyAny>,
        is_step: &Bound<'_, PyAny>,
        next_masks: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = observations.py();
        let (obs, next_obs) = (values::floats(observations)?, values::floats(next_observations)?);
        let actions = PyBuffer::<i64>::get(actions)?.to_vec(py)?;
        let rewards = PyBuffer::<f64>::get(rewards)?.to_vec(py)?;
        let (terminated, truncated) = (values::flags(terminated)?, values::flags(truncated)?);
        let is_step = values::flags(is_step)?;
        let masks = next_masks.map(values::flags).transpose()?;
        let n = self.environments;
        self.check_count("observations", obs.len(), n * self.inputs)?;
        self.check_count("next_observations", next_obs.len(), n * self.inputs)?;
        let lengths = [actions.len(), rewards.len(), terminated.len(), truncated.len(), is_step.len()];
        for (what, found) in ["actions", "rewards", "terminated", "truncated", "is_step"].iter().zip(lengths) {
            self.check_count(what, found, n)?;
        }
        if let Some(masks) = &masks {
            self.check_count("next_masks", masks.len(), n * self.actions)?;
        }
        if let Some(action) =
            actions.iter().find(|action| usize::try_from(**action).map_or(true, |a| a >= self.actions))
        {
            return Err(PyValueError::new_err(format!("action {action} is not one of 0..{}", self.actions)));
        }
        if obs.iter().chain(&next_obs).any(|x| !x.is_finite()) || rewards.iter().any(|x| !x.is_finite()) {
            return Err(PyValueError::new_err("an observation or a reward is not finite"));
        }
        let mut state = self.lock();
        for i in (0..n).filter(|i| is_step[*i]) {
            let part = |all: &[f32]| all[i * self.inputs..(i + 1) * self.inputs].to_vec();
            let end = match (terminated[i], truncated[i]) {
                (true, _) => Some(End::Terminated),
                (false, true) => Some(End::Truncated),
                (false, false) => None,
            };
            state.observed.push_back(Observed {
                slot: i,
                obs: part(&obs),
                action: actions[i] as usize,
                reward: rewards[i],
                next_obs: part(&next_obs),
                next_mask: masks.as_ref().map(|masks| masks[i * self.actions..(i + 1) * self.actions].to_vec()),
                end,
            });
        }
        Ok(())
    }

    /// Stores the observed steps one after another, and performs the updates that follow each. Returns what they report.
    fn learn(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let mut locked = self.lock();
        let state = &mut *locked;
        let learn = move || {
            let mut reports: Vec<LearnReport> = Vec::new();
            while let Some(step) = state.observed.pop_front() {
                let updates = state.store(&step)?;
                for _ in 0..updates {
                    reports.push(state.agent.learn(state.env_steps)?);
                }
                state.update_target(step.end.is_some());
            }
            Ok(reports)
        };
        py.detach(|| caught(learn)).or_raise(py)?.iter().map(|report| values::serialised(py, report)).collect()
    }

    /// The current policy, which explores as training does at this step.
    fn policy(&self, py: Python<'_>) -> PyResult<Policy> {
        let mut state = self.lock();
        state.store_observed().or_raise(py)?;
        let exploration = state.config.exploration.at(state.env_steps);
        Ok(Policy::new(
            state.agent.policy().or_raise(py)?,
            exploration,
            state.config.training.seed,
            state.config.env.clone(),
            state.config.evaluation.max_episode_steps,
        ))
    }

    /// Writes the model file.
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        let state = self.lock();
        let model = quarl::Model {
            env: state.config.env.id.clone(),
            architecture: state.agent.architecture().clone(),
            parameters: state.agent.parameters().to_vec(),
            observation_statistics: state.agent.observation_statistics().cloned(),
        };
        model.save(&path).or_raise(py)
    }
}

impl State {
    /// Stores a step, and returns the number of updates that are due after it.
    fn store(&mut self, step: &Observed) -> Result<u64, Error> {
        let Self { agent, config, slots, env_steps, episodes, .. } = self;
        let slot = &mut slots[step.slot];
        *env_steps += 1;
        agent.update_observation_statistics(&step.next_obs)?;
        let end = match config.agent.time_limit {
            TimeLimitMeaning::Bootstrap => step.end,
            TimeLimitMeaning::Terminal => step.end.map(|_| End::Terminated),
        };
        let next = Next { obs: &step.next_obs, mask: step.next_mask.as_deref() };
        slot.accumulator
            .push(&step.obs, step.action, step.reward, next, end, |transition| agent.observe(transition))?;
        slot.starts = step.end.is_some();
        *episodes += u64::from(step.end.is_some());
        Ok(agent.updates_due(*env_steps, &config.training))
    }

    /// Updates the target network if it is due after a step.
    fn update_target(&mut self, ended: bool) {
        let due = |every: Option<u64>, count: u64| every.is_some_and(|every| count.is_multiple_of(every));
        let target = &self.config.target_network;
        let by_steps = due(target.every_steps, self.env_steps);
        // Episodes are counted from 0.
        let by_episodes = ended && due(target.every_episodes, self.episodes - 1);
        for _ in 0..u8::from(by_steps) + u8::from(by_episodes) {
            self.agent.update_target();
        }
    }

    /// Stores steps that were observed without a following `learn`.
    fn store_observed(&mut self) -> Result<(), Error> {
        while let Some(step) = self.observed.pop_front() {
            self.store(&step)?;
            self.update_target(step.end.is_some());
        }
        Ok(())
    }
}
