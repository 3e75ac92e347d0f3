//! `quarl envs`: what there is to learn.

use anyhow::Result;
use quarl::env;

use crate::{Outcome, output};

pub(crate) fn run() -> Result<Outcome> {
    output::line(format!(
        "{:<16} {:<14} {:<8} {:>11} {:>10}",
        "environment", "observation", "actions", "step limit", "solved at"
    ));
    for id in env::ids() {
        let env = env::make(id)?;
        let spec = env.spec();
        let observation = format!("{:?}", spec.observation_space.shape);
        let optional = |x: Option<String>| x.unwrap_or_else(|| "-".to_owned());
        output::line(format!(
            "{:<16} {:<14} {:<8} {:>11} {:>10}",
            spec.id,
            observation,
            spec.action_space.n,
            optional(spec.max_episode_steps.map(|steps| steps.to_string())),
            optional(spec.reward_threshold.map(|threshold| threshold.to_string())),
        ));
    }
    Ok(Outcome::Done)
}
