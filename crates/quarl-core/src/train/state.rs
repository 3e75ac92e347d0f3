//! Saving and restoring a run.

use serde::{Deserialize, Serialize};

use super::Trainer;
use super::progress::{Phase, Progress};
use crate::agent::{AgentState, MemoryRest};
use crate::config::TrainConfig;
use crate::engine::EngineState;
use crate::env::state;
use crate::error::Error;
use crate::replay::Replay;

/// Everything of a run that changes, as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunState<'a> {
    /// The run's configuration as TOML.
    config: String,
    /// The state of the loop.
    progress: Progress,
    agent: AgentState<'a>,
    /// The state of each training environment.
    envs: Vec<Vec<u8>>,
}

/// A [`RunState`] in parts: arrays that other programs can use, and everything else as bytes.
#[derive(Clone, Debug)]
pub struct StateParts {
    /// The parameters of both networks, and the optimizer's arrays.
    pub engine: EngineState,
    /// The parameters at the best evaluation.
    pub best: Option<Vec<f32>>,
    /// The loop's counters, random streams, observation statistics, environments, and the configuration.
    pub rest: Vec<u8>,
}

/// The contents of [`StateParts::rest`].
type Rest = (String, Progress, MemoryRest, Vec<Vec<u8>>);

impl RunState<'_> {
    /// The configuration that the run was saved with, as TOML.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The number of environment steps so far.
    pub fn env_steps(&self) -> u64 {
        self.progress.env_steps
    }

    /// The number of finished episodes so far.
    pub fn episodes(&self) -> u64 {
        self.progress.episodes
    }

    /// This state for a run with another configuration.
    pub fn with_config(self, config: &TrainConfig) -> Self {
        Self { config: config.to_toml(), ..self }
    }

    /// The replay buffer.
    pub fn replay(&self) -> &Replay {
        self.agent.replay()
    }

    /// Everything except the replay buffer, in parts.
    ///
    /// # Errors
    /// [`Error::State`] where it cannot be serialised.
    pub fn parts(&self) -> Result<StateParts, Error> {
        let mut progress = self.progress.clone();
        let best = progress.best.as_mut().map(|best| std::mem::take(&mut best.parameters));
        let rest = (&self.config, &progress, &self.agent.memory_rest(), &self.envs);
        Ok(StateParts { engine: self.agent.engine().clone(), best, rest: postcard::to_stdvec(&rest).map_err(damaged)? })
    }

    /// The state of these parts and a replay buffer.
    ///
    /// # Errors
    /// [`Error::State`] where the bytes are damaged.
    pub fn from_parts(parts: StateParts, replay: Replay) -> Result<RunState<'static>, Error> {
        let StateParts { engine, best, rest } = parts;
        let ((config, mut progress, memory, envs), excess): (Rest, _) =
            postcard::take_from_bytes(&rest).map_err(damaged)?;
        if !excess.is_empty() || progress.best.is_some() != best.is_some() {
            return Err(refused("the saved state is inconsistent".to_owned()));
        }
        if let (Some(best), Some(parameters)) = (&mut progress.best, best) {
            best.parameters = parameters;
        }
        Ok(RunState { config, progress, agent: AgentState::from_parts(engine, memory, replay), envs })
    }
}

impl Trainer {
    /// Everything that changes: networks, optimizer, replay buffer, random streams, environments and counters. A running
    /// evaluation is not included: it starts again after [`Trainer::set_state`], with the same result.
    ///
    /// Where several environments are within episodes that cannot be saved, these episodes are left out, as in
    /// [`Trainer::state_at_any_time`].
    ///
    /// # Errors
    /// [`Error::State`] where an environment cannot be saved now ([`Trainer::can_be_saved`]).
    pub fn state(&self) -> Result<RunState<'_>, Error> {
        let unsaved = self.unsaved_episodes();
        if let Some(i) = unsaved.first().filter(|_| !self.can_be_saved()) {
            let message = "an episode is running, and this environment can only be saved between episodes".to_owned();
            return Err(state::refused(&self.envs[*i].spec().id, message));
        }
        self.state_at_any_time()
    }

    /// [`Trainer::state`], also while an episode runs that cannot be saved: it is left out. A run restored from the state
    /// starts a new one, warns about it, and differs from an uninterrupted run from there on.
    ///
    /// # Errors
    /// [`Error::State`] where the random state of an environment cannot be read.
    pub fn state_at_any_time(&self) -> Result<RunState<'_>, Error> {
        let unsaved = self.unsaved_episodes();
        let mut progress = self.progress.clone();
        if !unsaved.is_empty() {
            progress.leave_out(&unsaved);
            progress.warn(format!(
                "the run was interrupted within episodes of {} environments that cannot be saved there: new episodes have been \
                 started at step {}, so the results differ from those of an uninterrupted run",
                unsaved.len(),
                progress.env_steps
            ));
        }
        let envs = self.envs.iter().map(|env| env.save_state()).collect::<Result<Vec<_>, Error>>()?;
        Ok(RunState { config: self.config.to_toml(), progress, agent: self.agent.state(), envs })
    }

    /// Abandons the running episodes that cannot be saved. Their complete transitions stay in the replay buffer, and the
    /// environments start new episodes when the run continues.
    pub fn leave_episodes(&mut self) {
        let unsaved = self.unsaved_episodes();
        self.progress.leave_out(&unsaved);
    }

    /// Whether [`Trainer::state`] is possible now. An environment that cannot be saved within an episode has to be between
    /// two episodes; several of them, which rarely are at the same time, between two rounds of steps.
    pub fn can_be_saved(&self) -> bool {
        self.unsaved_episodes().is_empty() || (self.envs.len() > 1 && self.progress.turn == 0)
    }

    /// The environments within episodes that cannot be saved.
    fn unsaved_episodes(&self) -> Vec<usize> {
        let envs = self.envs.iter().enumerate();
        envs.filter(|(i, env)| self.progress.episode_runs(*i) && !env.saves_within_episodes()).map(|(i, _)| i).collect()
    }

    /// Whether the budget is used up or training has ended early: only evaluations follow.
    pub fn is_closing(&self) -> bool {
        matches!(self.progress.phase, Phase::Close | Phase::Finished | Phase::Evaluate { training_ended: true })
    }

    /// Whether an evaluation is due or running.
    pub fn is_evaluating(&self) -> bool {
        matches!(self.progress.phase, Phase::Close | Phase::Evaluate { .. })
    }

    /// [`Trainer::state`] as bytes.
    ///
    /// # Errors
    /// Those of [`Trainer::state`].
    pub fn save_state(&self) -> Result<Vec<u8>, Error> {
        postcard::to_stdvec(&self.state()?).map_err(damaged)
    }

    /// Restores a state from [`Trainer::save_state`] of a run with the same configuration, which then continues.
    ///
    /// # Errors
    /// [`Error::State`] where the bytes are damaged, or belong to another configuration; nothing is changed then.
    pub fn load_state(&mut self, state: &[u8]) -> Result<(), Error> {
        // The configuration comes first, so that the state of another run is named as such.
        let (config, _): (String, _) = postcard::take_from_bytes(state).map_err(damaged)?;
        self.check_config(&config)?;
        let (state, rest): (RunState, _) = postcard::take_from_bytes(state).map_err(damaged)?;
        if !rest.is_empty() {
            return Err(refused(format!("the saved state is {} bytes too long", rest.len())));
        }
        self.set_state(state)
    }

    /// Restores a state from [`Trainer::state`] of a run with the same configuration, which then continues.
    ///
    /// # Errors
    /// [`Error::State`] where the state is inconsistent, or belongs to another configuration; nothing is changed then.
    pub fn set_state(&mut self, state: RunState<'_>) -> Result<(), Error> {
        self.check_config(&state.config)?;
        let RunState { progress, agent, envs, .. } = state;
        let actions = self.env().spec().action_space.n;
        if envs.len() != self.envs.len() || !progress.fits(&self.progress, self.agent.parameters().len(), actions) {
            return Err(refused("the saved state is inconsistent".to_owned()));
        }
        self.agent.check_memory(&agent)?;
        let (batch_size, gradient_steps) = (self.config.batch_size(), self.config.training.gradient_steps);
        if !agent.allows_updates(progress.phase.updates(), batch_size, gradient_steps) {
            let message =
                "the saved state has fewer transitions than its next updates need, or more updates than follow a step";
            return Err(refused(message.to_owned()));
        }
        let before: Vec<_> = self.envs.iter().map(|env| env.save_state()).collect();
        let loaded = self.envs.iter_mut().zip(&envs).try_for_each(|(env, state)| env.load_state(state));
        if let Err(error) = loaded.and_then(|()| self.agent.set_state(agent)) {
            for (env, state) in self.envs.iter_mut().zip(before).filter_map(|(env, state)| Some((env, state.ok()?))) {
                env.load_state(&state)?;
            }
            return Err(error);
        }
        self.progress = progress;
        (self.evaluation, self.failure, self.has_failed) = (None, None, false);
        Ok(())
    }

    fn check_config(&self, config: &str) -> Result<(), Error> {
        if config == self.config.to_toml() {
            return Ok(());
        }
        Err(refused("it was saved with another configuration".to_owned()))
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    refused(format!("the saved state is damaged ({error})"))
}

fn refused(message: String) -> Error {
    Error::State { what: "the run".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::super::progress::StepTaken;
    use super::*;

    #[test]
    fn a_state_with_more_updates_than_follow_a_step_is_refused() {
        let config = TrainConfig::preset("dqn").set("training.gradient_steps", 3).set("training.learning_starts", 64);
        let config = config.set("training.steps", 200).set("network.hidden", vec![4_i64]).build().unwrap();
        let mut trainer = Trainer::new(config.clone()).unwrap();
        trainer.run_to(100, |_, _| Ok(())).unwrap();
        let mut fresh = Trainer::new(config).unwrap();
        let mut load = |updates| {
            let mut state = trainer.state().unwrap();
            state.progress.phase = Phase::AfterStep(StepTaken { slot: 0, epsilon: 0.0, ended: false, updates });
            fresh.set_state(state)
        };
        load(3).unwrap();
        for updates in [4, u64::MAX] {
            assert!(load(updates).unwrap_err().to_string().contains("more updates than follow a step"), "{updates}");
        }
    }
}
