//! An agent written down, and taken up again exactly where it was.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Agent;
use super::clipping::ClippingMonitor;
use crate::engine::EngineState;
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::replay::Replay;
use crate::rng::Rng;

/// Everything of an agent that changes while it learns, as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentState<'a> {
    engine: EngineState,
    memory: Cow<'a, Memory>,
}

/// What an agent changes apart from its engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) replay: Replay,
    pub(super) sampling: Rng,
    pub(super) noise: Rng,
    /// What observations are normalised by before the network sees them, if they are.
    pub(super) observation_statistics: Option<ObservationStatistics>,
    pub(super) clipping: ClippingMonitor,
}

impl AgentState<'_> {
    /// The same without a borrow of the agent: a copy of its replay buffer.
    pub fn into_owned(self) -> AgentState<'static> {
        AgentState { engine: self.engine, memory: Cow::Owned(self.memory.into_owned()) }
    }

    /// The engine's part: the parameters of both networks, and the optimizer's arrays.
    pub fn engine(&self) -> &EngineState {
        &self.engine
    }

    /// [`AgentState::engine`], to change it.
    pub fn engine_mut(&mut self) -> &mut EngineState {
        &mut self.engine
    }

    /// Whether so many updates with batches of this size can follow without another transition.
    pub(crate) fn allows_updates(&self, updates: u64, batch_size: usize) -> bool {
        let replay = &self.memory.replay;
        updates == 0 || (replay.len() >= batch_size && replay.waiting().is_none_or(|waiting| waiting >= updates))
    }
}

impl Agent {
    /// Everything that changes while it learns.
    pub fn state(&self) -> AgentState<'_> {
        AgentState { engine: self.engine.state(), memory: Cow::Borrowed(&self.memory) }
    }

    /// Puts back what [`Agent::state`] gave.
    ///
    /// # Errors
    /// [`Error::State`] where the state is of another agent, or contradicts itself; nothing is changed then.
    pub fn set_state(&mut self, state: AgentState) -> Result<(), Error> {
        self.check_state(&state)?;
        self.engine.set_state(&state.engine)?;
        self.memory = state.memory.into_owned();
        self.memory.replay.reserve();
        Ok(())
    }

    /// Whether [`Agent::set_state`] would take `state`.
    pub(crate) fn check_state(&self, state: &AgentState) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the agent".to_owned(), message });
        state.engine.check(&self.engine.state())?;
        let (features, actions) = (self.scratch.observation.len(), self.scratch.q_values.len());
        let (read, present) = (&*state.memory, &self.memory);
        if read.observation_statistics.is_some() != present.observation_statistics.is_some()
            || read.observation_statistics.as_ref().is_some_and(|statistics| !statistics.fits(features))
        {
            return refused("the statistics of its observations are others".to_owned());
        }
        if !read.replay.fits(&present.replay, actions) {
            return refused("the replay buffer's size or its actions are others".to_owned());
        }
        Ok(())
    }
}
