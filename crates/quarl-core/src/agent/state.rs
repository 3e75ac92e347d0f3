//! Saving and restoring an agent's state, and starting from a model.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Agent;
use super::clipping::ClippingMonitor;
use crate::engine::EngineState;
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::model::Model;
use crate::replay::Replay;
use crate::rng::Rng;

/// Everything of an agent that changes during training, as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentState<'a> {
    engine: EngineState,
    memory: Cow<'a, Memory>,
}

/// Everything of an agent, except its engine, that changes during training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) replay: Replay,
    pub(super) sampling: Rng,
    pub(super) noise: Rng,
    /// The mean and variance that normalise observations, if `env.normalize_observation` is set.
    pub(super) observation_statistics: Option<ObservationStatistics>,
    pub(super) clipping: ClippingMonitor,
}

/// [`Memory`] without the replay buffer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MemoryRest {
    sampling: Rng,
    noise: Rng,
    observation_statistics: Option<ObservationStatistics>,
    clipping: ClippingMonitor,
}

impl AgentState<'_> {
    /// The state of these parts.
    pub(crate) fn from_parts(engine: EngineState, rest: MemoryRest, replay: Replay) -> AgentState<'static> {
        let MemoryRest { sampling, noise, observation_statistics, clipping } = rest;
        let memory = Cow::Owned(Memory { replay, sampling, noise, observation_statistics, clipping });
        AgentState { engine, memory }
    }

    /// Everything except the engine and the replay buffer.
    pub(crate) fn memory_rest(&self) -> MemoryRest {
        let Memory { sampling, noise, observation_statistics, clipping, .. } = &*self.memory;
        MemoryRest {
            sampling: sampling.clone(),
            noise: noise.clone(),
            observation_statistics: observation_statistics.clone(),
            clipping: *clipping,
        }
    }

    /// The replay buffer.
    pub fn replay(&self) -> &Replay {
        &self.memory.replay
    }

    /// An owned copy, replay buffer included.
    pub fn into_owned(self) -> AgentState<'static> {
        AgentState { engine: self.engine, memory: Cow::Owned(self.memory.into_owned()) }
    }

    /// The engine's state: the parameters of both networks, and the optimizer's arrays.
    pub fn engine(&self) -> &EngineState {
        &self.engine
    }

    /// [`AgentState::engine`], mutably, for the tests that compare updates with PyTorch.
    #[doc(hidden)]
    pub fn engine_mut(&mut self) -> &mut EngineState {
        &mut self.engine
    }

    /// Whether this many updates with batches of this size are possible without another transition, and no more than follow a
    /// step: `gradient_steps`, or without replay one for each new transition.
    pub(crate) fn allows_updates(&self, updates: u64, batch_size: usize, gradient_steps: u64) -> bool {
        let replay = &self.memory.replay;
        updates == 0 || (replay.len() >= batch_size && replay.pending().unwrap_or(gradient_steps) >= updates)
    }
}

impl Agent {
    /// Everything that changes during training.
    pub fn state(&self) -> AgentState<'_> {
        AgentState { engine: self.engine.state(), memory: Cow::Borrowed(&self.memory) }
    }

    /// Restores a state from [`Agent::state`].
    ///
    /// # Errors
    /// [`Error::State`] where the state belongs to another agent, or is inconsistent; nothing is changed then.
    pub fn set_state(&mut self, state: AgentState) -> Result<(), Error> {
        self.check_memory(&state)?;
        self.engine.set_state(&state.engine)?;
        self.memory = state.memory.into_owned();
        self.memory.replay.reserve();
        Ok(())
    }

    /// Replaces the parameters of both networks, and the observation statistics, by those of a model.
    ///
    /// # Errors
    /// [`Error::State`] where the model has another network, or only one of the two normalises observations; nothing is changed
    /// then.
    pub fn set_model(&mut self, model: &Model) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the initial model".to_owned(), message });
        model.check()?;
        let differences = model.architecture.differences(self.architecture());
        if !differences.is_empty() {
            return refused(format!("its network differs from that of the configuration: {}", differences.join("; ")));
        }
        if model.observation_statistics.is_some() != self.memory.observation_statistics.is_some() {
            let (its, remedy) = if model.observation_statistics.is_some() { ("", "true") } else { ("not ", "false") };
            return refused(format!("its observations are {its}normalised: set env.normalize_observation = {remedy}"));
        }
        self.engine.set_parameters(&model.parameters, &model.parameters);
        self.memory.observation_statistics.clone_from(&model.observation_statistics);
        Ok(())
    }

    /// Checks that everything of `state` except the engine belongs to an agent like this one.
    pub(crate) fn check_memory(&self, state: &AgentState) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the agent".to_owned(), message });
        let (features, actions) = (self.scratch.observation.len(), self.scratch.q_values.len());
        let (read, present) = (&*state.memory, &self.memory);
        if read.observation_statistics.is_some() != present.observation_statistics.is_some()
            || read.observation_statistics.as_ref().is_some_and(|statistics| !statistics.fits(features))
        {
            return refused("the saved observation statistics belong to another environment".to_owned());
        }
        if !read.replay.fits(&present.replay, actions) {
            return refused("the saved replay buffer has another size, or belongs to another environment".to_owned());
        }
        Ok(())
    }
}
