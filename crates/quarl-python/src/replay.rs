//! The replay buffer for algorithms in Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use quarl::TrainConfig;
use quarl::config::ReplayKind;
use quarl::observations::ObservationsView;
use quarl::rng::{Rng, Stream};
use quarl::space::BoxSpace;
use quarl::transition::{Batch, Transition};

use crate::error::OrRaise;
use crate::values;

/// A replay buffer: a ring of transitions, sampled uniformly or by priority.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct Replay {
    state: Mutex<State>,
    features: usize,
}

struct State {
    replay: quarl::replay::Replay,
    rng: Rng,
}

impl Replay {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Replay {
    #[new]
    fn new(
        py: Python<'_>,
        capacity: usize,
        features: usize,
        prioritized: bool,
        alpha: f64,
        eps: f64,
        seed: u64,
    ) -> PyResult<Self> {
        let kind = if prioritized { "prioritized" } else { "uniform" };
        let mut builder = TrainConfig::preset("dqn").set("replay.kind", kind).set("replay.capacity", capacity as i64);
        if prioritized {
            builder = builder.set("replay.alpha", alpha).set("replay.eps", eps);
        }
        let config = builder.build().or_raise(py)?.replay;
        debug_assert_eq!(config.kind == ReplayKind::Prioritized, prioritized);
        let space = BoxSpace::vector(vec![f32::NEG_INFINITY; features], vec![f32::INFINITY; features]);
        let replay = quarl::replay::Replay::new(&config, 1, &space, 0).or_raise(py)?;
        Ok(Self { state: Mutex::new(State { replay, rng: Stream::Replay.rng(seed) }), features })
    }

    fn __len__(&self) -> usize {
        self.lock().replay.len()
    }

    /// Stores transitions and returns their ids.
    fn add(
        &self,
        obs: &Bound<'_, PyAny>,
        actions: &Bound<'_, PyAny>,
        rewards: &Bound<'_, PyAny>,
        discounts: &Bound<'_, PyAny>,
        next_obs: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<usize>> {
        let py = obs.py();
        let (obs, next_obs) = (values::floats(obs)?, values::floats(next_obs)?);
        let (rewards, discounts) = (values::floats(rewards)?, values::floats(discounts)?);
        let actions = PyBuffer::<i64>::get(actions)?.to_vec(py)?;
        let n = actions.len();
        if [rewards.len(), discounts.len()] != [n; 2] || [obs.len(), next_obs.len()] != [n * self.features; 2] {
            let message = format!("expected {n} rewards and discounts, and observations of {} numbers", self.features);
            return Err(PyValueError::new_err(message));
        }
        let actions = actions.into_iter().map(|action| {
            usize::try_from(action).map_err(|_| PyValueError::new_err(format!("action {action} is below 0")))
        });
        let actions = actions.collect::<PyResult<Vec<_>>>()?;
        let mut state = self.lock();
        let mut ids = Vec::with_capacity(n);
        for i in 0..n {
            let part = i * self.features..(i + 1) * self.features;
            let transition = Transition {
                obs: &obs[part.clone()],
                action: actions[i],
                reward: rewards[i],
                discount: discounts[i],
                next_obs: &next_obs[part],
                next_mask: None,
            };
            ids.push(state.replay.push(transition).or_raise(py)?);
        }
        Ok(ids)
    }

    /// Samples a batch into new lists, by name.
    fn sample(&self, py: Python<'_>, size: usize, beta: f64) -> PyResult<Py<PyDict>> {
        let mut batch = Batch::new(size, self.features);
        let mut locked = self.lock();
        let State { replay, rng } = &mut *locked;
        replay.sample(beta, rng, &mut batch).or_raise(py)?;
        let floats = |view: ObservationsView<'_>| match view {
            ObservationsView::F32(numbers) => numbers.to_vec(),
            ObservationsView::U8(bytes) => bytes.iter().copied().map(f32::from).collect(),
        };
        let found = PyDict::new(py);
        found.set_item("ids", batch.ids)?;
        found.set_item("weights", batch.weights)?;
        found.set_item("obs", floats(batch.obs.view()))?;
        found.set_item("actions", batch.actions)?;
        found.set_item("rewards", batch.rewards)?;
        found.set_item("discounts", batch.discounts)?;
        found.set_item("next_obs", floats(batch.next_obs.view()))?;
        Ok(found.unbind())
    }

    /// Sets the priorities of transitions from their TD errors.
    fn update_priorities(&self, py: Python<'_>, ids: Vec<usize>, td_errors: &Bound<'_, PyAny>) -> PyResult<()> {
        let errors = PyBuffer::<f32>::get(td_errors)?.to_vec(py)?;
        let mut state = self.lock();
        let stored = state.replay.len();
        if errors.len() != ids.len() || ids.iter().any(|id| *id >= stored) || errors.iter().any(|x| !x.is_finite()) {
            return Err(PyValueError::new_err("expected one finite TD error for each id of a stored transition"));
        }
        state.replay.update_priorities(&ids, errors);
        Ok(())
    }
}
