//! Checks of the numbers and masks that an environment returns, before the agent learns from them or reports them.

use super::{Environment, Step};
use crate::error::Error;

/// The place in a run where a value was returned, for error messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// The step, counted from 1; 0 is the reset.
    pub(crate) step: u64,
    /// `training` or `a greedy episode`.
    pub(crate) of: &'static str,
}

/// Refuses a first observation that is not finite, or an action mask that allows no action.
pub(crate) fn check_reset(env: &dyn Environment, observation: &[f32], when: When) -> Result<(), Error> {
    check_finite(env, "observation", observation.iter().copied(), when)?;
    check_mask(env, when)
}

/// Refuses a reward or observation that is not finite, and an action mask that allows no action while the episode runs.
pub(crate) fn check_step(env: &dyn Environment, step: &Step, observation: &[f32], when: When) -> Result<(), Error> {
    // Learning uses rewards as f32, so a reward that overflows f32 is refused.
    check_finite(env, "reward", [step.reward as f32], when)?;
    check_finite(env, "observation", observation.iter().copied(), when)?;
    if step.end.is_none() { check_mask(env, when) } else { Ok(()) }
}

/// The episode's return after a step: the task's own, where a wrapper changes the rewards.
pub(crate) fn episode_return(env: &dyn Environment, sum: f64, step: &Step, when: When) -> Result<f64, Error> {
    let own = env.episode_statistics().map(|episode| episode.total_reward);
    let total = own.unwrap_or(sum + step.reward);
    // A wrapper may have replaced a reward that was not finite.
    check_finite(env, "return", [total], when)?;
    Ok(total)
}

fn check_finite(
    env: &dyn Environment,
    what: &'static str,
    values: impl IntoIterator<Item = impl Into<f64>>,
    when: When,
) -> Result<(), Error> {
    match values.into_iter().map(Into::into).find(|x| !x.is_finite()) {
        None => Ok(()),
        Some(value) => {
            let When { step, of } = when;
            Err(Error::EnvironmentValue { id: env.spec().id.clone(), what, value, step, of })
        }
    }
}

fn check_mask(env: &dyn Environment, when: When) -> Result<(), Error> {
    match env.action_mask() {
        Some(mask) if !mask.contains(&true) => {
            let When { step, of } = when;
            Err(Error::NoActionAllowed { id: env.spec().id.clone(), step, of })
        }
        _ => Ok(()),
    }
}
