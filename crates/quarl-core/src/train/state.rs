//! Saving and restoring a run.

use super::Trainer;
use super::progress::Progress;
use crate::agent::AgentState;
use crate::env::state;
use crate::error::Error;

/// What [`Trainer::save_state`] writes after the configuration: the loop's state, the agent's, and each training
/// environment's.
type Saved = (Progress, AgentState<'static>, Vec<Vec<u8>>);

impl Trainer {
    /// Serialises everything that changes: networks, optimizer, replay buffer, random streams, environments and counters. A
    /// running evaluation is not included: it starts again after [`Trainer::load_state`], with the same result.
    ///
    /// # Errors
    /// [`Error::State`] where an environment cannot be saved in the middle of an episode.
    pub fn save_state(&self) -> Result<Vec<u8>, Error> {
        for (i, env) in self.envs.iter().enumerate() {
            if self.progress.episode_runs(i) && !env.saves_within_episodes() {
                let message =
                    "an episode is running, and this environment can only be saved between episodes".to_owned();
                return Err(state::refused(&env.spec().id, message));
            }
        }
        let envs = self.envs.iter().map(|env| env.save_state()).collect::<Result<Vec<_>, Error>>()?;
        let config = self.config.to_toml();
        postcard::to_stdvec(&(config, &self.progress, &self.agent.state(), envs)).map_err(damaged)
    }

    /// Restores a state from [`Trainer::save_state`] of a run with the same configuration, which then continues.
    ///
    /// # Errors
    /// [`Error::State`] where the bytes are damaged, or belong to another configuration; nothing is changed then.
    pub fn load_state(&mut self, state: &[u8]) -> Result<(), Error> {
        let (config, rest): (String, _) = postcard::take_from_bytes(state).map_err(damaged)?;
        if config != self.config.to_toml() {
            return Err(refused("it was saved with another configuration".to_owned()));
        }
        let ((progress, agent, envs), rest): (Saved, _) = postcard::take_from_bytes(rest).map_err(damaged)?;
        if !rest.is_empty() {
            return Err(refused(format!("the saved state is {} bytes too long", rest.len())));
        }
        let actions = self.env().spec().action_space.n;
        if envs.len() != self.envs.len() || !progress.fits(&self.progress, self.agent.parameters().len(), actions) {
            return Err(refused("the saved state is inconsistent".to_owned()));
        }
        self.agent.check_state(&agent)?;
        if !agent.allows_updates(progress.phase.updates(), self.config.batch_size()) {
            return Err(refused("the saved state has fewer transitions than its next update needs".to_owned()));
        }
        let before: Vec<_> = self.envs.iter().map(|env| env.save_state()).collect();
        for (i, state) in envs.iter().enumerate() {
            if let Err(error) = self.envs[i].load_state(state) {
                for (env, state) in
                    self.envs[..i].iter_mut().zip(before).filter_map(|(env, state)| Some((env, state.ok()?)))
                {
                    env.load_state(&state)?;
                }
                return Err(error);
            }
        }
        self.agent.set_state(agent)?;
        self.progress = progress;
        (self.evaluation, self.failure, self.has_failed) = (None, None, false);
        Ok(())
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    refused(format!("the saved state is damaged ({error})"))
}

fn refused(message: String) -> Error {
    Error::State { what: "the run".to_owned(), message }
}
