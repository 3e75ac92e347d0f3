//! `quarl envs`: what there is to learn.

use anyhow::Result;
use quarl::config::EnvConfig;
use quarl::env::{self, EnvironmentSpec};

use crate::args::EnvsArgs;
use crate::{Outcome, output};

pub(crate) fn run(args: EnvsArgs) -> Result<Outcome> {
    match args.env.as_deref() {
        None => {
            heading();
            for id in env::ids() {
                row(env::make(id)?.spec());
            }
        }
        Some(id) => show(id, &args)?,
    }
    Ok(Outcome::Done)
}

#[cfg(unix)]
fn show(id: &str, args: &EnvsArgs) -> Result<()> {
    use quarl::env::gym::{self, GymEnv, GymOptions};

    let EnvConfig { python, imports, timeout_seconds, args: env_args, .. } = args.gym.config(EnvConfig::named(id))?;
    let Some(name) = id.strip_prefix(gym::PREFIX) else {
        return show_built_in(id);
    };
    let name = name.to_owned();
    let options = GymOptions { id: name, python, args: env_args, imports, timeout_seconds, ..GymOptions::default() };
    if options.id.is_empty() {
        for id in gym::ids(&options)? {
            output::line(id);
        }
        return Ok(());
    }
    let env = GymEnv::new(options)?;
    heading();
    row(quarl::env::Environment::spec(&env));
    let [observation, actions, version] = env.about();
    output::line(format!("observation space {observation}\naction space {actions}"));
    if quarl::env::Environment::spec(&env).has_action_mask {
        output::line("with action masks");
    }
    output::line(format!("Gymnasium {version}"));
    Ok(())
}

#[cfg(not(unix))]
fn show(id: &str, _: &EnvsArgs) -> Result<()> {
    show_built_in(id)
}

fn show_built_in(id: &str) -> Result<()> {
    let env = env::make(id)?;
    heading();
    row(env.spec());
    Ok(())
}

fn heading() {
    output::line(format!(
        "{:<16} {:<14} {:<8} {:>11} {:>10}",
        "environment", "observation", "actions", "step limit", "solved at"
    ));
}

fn row(spec: &EnvironmentSpec) {
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
