//! `quarl envs`: lists the environments, or describes one.

use anyhow::Result;
use quarl::env::{self, EnvironmentSpec};
use serde_json::json;

use crate::args::EnvsArgs;
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: EnvsArgs) -> Result<Outcome> {
    interrupt::listen();
    match args.env.as_deref() {
        None => {
            heading(&args);
            for id in env::ids() {
                row(env::make(id)?.spec(), &args, None);
            }
        }
        Some(id) => show(id, &args)?,
    }
    Ok(Outcome::Done)
}

#[cfg(unix)]
fn show(id: &str, args: &EnvsArgs) -> Result<()> {
    use quarl::config::EnvConfig;
    use quarl::env::gym::{self, GymEnv, GymOptions};

    let settings = args.gym.config(EnvConfig::named(id))?.gym;
    let Some(name) = id.strip_prefix(env::GYM_PREFIX) else {
        return show_built_in(id, args);
    };
    let options = GymOptions { id: name.to_owned(), settings, stop: interrupt::stop_flag(), ..GymOptions::default() };
    if options.id.is_empty() {
        for id in gym::ids(&options)? {
            match args.json {
                true => output::json(&json!({ "id": id })),
                false => output::line(id),
            }
        }
        return Ok(());
    }
    let env = GymEnv::new(options)?;
    heading(args);
    row(quarl::env::Environment::spec(&env), args, Some(env.about()));
    if args.json {
        return Ok(());
    }
    let [observation, actions, version] = env.about();
    output::line(format!("observation space {observation}\naction space {actions}"));
    if quarl::env::Environment::spec(&env).has_action_mask {
        output::line("with action masks");
    }
    output::line(format!("Gymnasium {version}"));
    Ok(())
}

#[cfg(not(unix))]
fn show(id: &str, args: &EnvsArgs) -> Result<()> {
    show_built_in(id, args)
}

fn show_built_in(id: &str, args: &EnvsArgs) -> Result<()> {
    let env = env::make(id)?;
    heading(args);
    row(env.spec(), args, None);
    Ok(())
}

fn heading(args: &EnvsArgs) {
    if args.json {
        return;
    }
    output::line(format!(
        "{:<16} {:<14} {:<8} {:>11} {:>10}",
        "environment", "observation", "actions", "step limit", "solved at"
    ));
}

/// `about`: observation space, action space and version as Gymnasium writes them, of one of its environments.
fn row(spec: &EnvironmentSpec, args: &EnvsArgs, about: Option<&[String; 3]>) {
    if args.json {
        let [observation, actions, version] = about.map_or([None; 3], |about| about.each_ref().map(Some));
        output::json(&json!({
            "id": spec.id, "observation_shape": spec.observation_space.shape, "actions": spec.action_space.n,
            "max_episode_steps": spec.max_episode_steps, "reward_threshold": spec.reward_threshold,
            "has_action_mask": spec.has_action_mask, "observation_space": observation, "action_space": actions,
            "gymnasium_version": version,
        }));
        return;
    }
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
