//! Environment wrappers, named as in Gymnasium.
//!
//! | wrapper | effect | enabled by |
//! | --- | --- | --- |
//! | [`SeedEpisodes`] | seeds every episode | automatic, where the random state cannot be saved |
//! | [`TimeLimit`] | truncates episodes | `max_episode_steps` |
//! | [`RecordEpisodeStatistics`] | records return and length of each episode | automatic, with one of the next two |
//! | [`TransformReward`] | applies a function to the reward | `reward_scale` |
//! | [`ClipReward`] | clips the reward to an interval | `clip_reward` |
//! | [`FrameStackObservation`] | stacks the latest observations | `frame_stack` |
//! | [`NormalizeObservation`] | normalises observations to mean 0 and variance 1 | not by [`wrap`] |
//!
//! [`wrap`] applies the wrappers that a configuration enables, in this order from the inside out. It does not apply
//! `normalize_observation`: in a run the agent normalises, so that replay stores raw observations and all environments of the
//! run share one [`ObservationStatistics`]. [`NormalizeObservation`] is for an environment used on its own.

mod clip_reward;
mod frame_stack;
mod normalize;
mod seed_episodes;
mod statistics;
mod time_limit;
mod transform_reward;

pub use clip_reward::ClipReward;
pub use frame_stack::FrameStackObservation;
pub use normalize::{NormalizeObservation, ObservationStatistics};
pub use seed_episodes::SeedEpisodes;
pub use statistics::{EpisodeStatistics, RecordEpisodeStatistics};
pub use time_limit::TimeLimit;
pub use transform_reward::TransformReward;

use crate::config::EnvConfig;
use crate::config::settings::invalid;
use crate::env::Environment;
use crate::error::Error;

/// Delegates the methods of [`Environment`] to the wrapped environment.
macro_rules! forward_to_inner {
    ($($method:ident),*) => { $(forward_to_inner!(@ $method);)* };
    (@ spec) => {
        fn spec(&self) -> &crate::env::EnvironmentSpec {
            self.inner.spec()
        }
    };
    (@ reset) => {
        fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), crate::error::Error> {
            self.inner.reset(seed, observation)
        }
    };
    (@ step) => {
        fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<crate::env::Step, crate::error::Error> {
            self.inner.step(action, observation)
        }
    };
    (@ begin_step) => {
        fn begin_step(&mut self, action: usize) -> Result<(), crate::error::Error> {
            self.inner.begin_step(action)
        }
    };
    (@ action_mask) => {
        fn action_mask(&self) -> Option<&[bool]> {
            self.inner.action_mask()
        }
    };
    (@ episode_statistics) => {
        fn episode_statistics(&self) -> Option<crate::env::wrappers::EpisodeStatistics> {
            self.inner.episode_statistics()
        }
    };
    (@ scene) => {
        fn scene(&mut self) -> Result<Option<crate::scene::Scene>, crate::error::Error> {
            self.inner.scene()
        }
    };
    (@ saves_within_episodes) => {
        fn saves_within_episodes(&self) -> bool {
            self.inner.saves_within_episodes()
        }
    };
    (@ saves_random_state) => {
        fn saves_random_state(&self) -> bool {
            self.inner.saves_random_state()
        }
    };
    (@ state) => {
        fn save_state(&self) -> Result<Vec<u8>, crate::error::Error> {
            self.inner.save_state()
        }

        fn load_state(&mut self, state: &[u8]) -> Result<(), crate::error::Error> {
            self.inner.load_state(state)
        }
    };
}
pub(crate) use forward_to_inner;

/// Puts the wrappers that `config` enables around `env`.
///
/// # Errors
/// [`Error::Setting`] for a value that is not allowed, or not for this environment.
pub fn wrap(mut env: Box<dyn Environment>, config: &EnvConfig) -> Result<Box<dyn Environment>, Error> {
    if !env.saves_random_state() {
        env = Box::new(SeedEpisodes::new(env));
    }
    if let Some(limit) = config.max_episode_steps.steps() {
        if let Some(own) = env.spec().max_episode_steps.filter(|own| *own < limit) {
            let message = format!("{limit} is too many: {} ends after {own} already", config.id);
            return Err(invalid("env.max_episode_steps", message));
        }
        env = Box::new(TimeLimit::new(env, limit)?);
    }
    if config.reward_scale != 1.0 || config.clip_reward.is_some() {
        env = Box::new(RecordEpisodeStatistics::new(env));
    }
    if config.reward_scale != 1.0 {
        let scale = config.reward_scale;
        env = Box::new(TransformReward::new(env, move |reward| scale * reward));
    }
    if let Some([low, high]) = config.clip_reward {
        env = Box::new(ClipReward::new(env, low, high)?);
    }
    if config.frame_stack > 1 {
        env = Box::new(FrameStackObservation::new(env, config.frame_stack)?);
    }
    Ok(env)
}
