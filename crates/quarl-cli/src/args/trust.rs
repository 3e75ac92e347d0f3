//! Who asks for an environment of Gymnasium. It is a program, so files alone never start one that was not asked for before.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use quarl::config::{EnvConfig, GymConfig, TrainConfig};

use super::{GymArgs, remembered};
use crate::output::Usage;

/// The heading of the options for environments of Gymnasium in the help.
pub(super) const GYM_HEADING: &str = "Options for Gymnasium environments (gym:ID)";

/// Whether files may name an environment of Gymnasium.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct TrustArgs {
    /// Start the Gymnasium environment that the files name, with their Python interpreter, modules and arguments, here from now
    /// on. It can do anything that you can: only for files that you trust
    #[arg(long, help_heading = GYM_HEADING)]
    pub(crate) trust: bool,
}

impl TrustArgs {
    /// The option, after a space, for a command that is suggested for files of this environment.
    pub(crate) fn suggestion(env: &EnvConfig) -> &'static str {
        if Self::default().allows(env) { "" } else { " --trust" }
    }

    /// Whether the environment `env`, which files name, may be started.
    pub(crate) fn allows(self, env: &EnvConfig) -> bool {
        self.trust || !env.is_gymnasium() || remembered::contains(env)
    }

    /// Refuses to start the environment `env` that `path` names, unless it is built in, was asked for before, or the files are
    /// trusted.
    pub(crate) fn check(self, env: &EnvConfig, path: &Path) -> Result<()> {
        self.check_but(env, &path.display().to_string(), &CommandEnv::default())
    }

    /// The same for a configuration that was read from `files`, except for what the command line sets.
    pub(crate) fn check_but(self, env: &EnvConfig, files: &str, command: &CommandEnv) -> Result<()> {
        if !self.allows(env) {
            let chosen = chosen(env, command)?;
            if !chosen.is_empty() {
                return Err(refusal(files, &chosen));
            }
        }
        asked_for(env);
        Ok(())
    }
}

/// Remembers the environment `env` that the command line asked for.
pub(crate) fn asked_for(env: &EnvConfig) {
    if env.is_gymnasium() {
        remembered::add(env);
    }
}

/// What a command line says about the environment.
#[derive(Debug, Default)]
pub(crate) struct CommandEnv<'a> {
    /// The id.
    pub(crate) id: Option<&'a str>,
    /// The options for environments of Gymnasium.
    pub(crate) gym: GymArgs,
    /// The assignments of `--set` and `--sweep`.
    pub(crate) assignments: Vec<&'a str>,
}

impl CommandEnv<'_> {
    /// The settings of this command line alone, for a configuration whose environment is `id`.
    fn settings(&self, id: &str) -> Result<EnvConfig> {
        let key = |assignment: &str| assignment.split('=').next().unwrap_or_default().trim().to_owned();
        let mut builder = self.id.into_iter().fold(TrainConfig::preset("dqn"), |builder, id| builder.set("env.id", id));
        if self.id.is_none() && !self.assignments.iter().any(|assignment| key(assignment) == "env.id") {
            // An environment of Gymnasium, so that its settings apply, and not the one that is looked for.
            builder = builder.set("env.id", format!("{id}?"));
        }
        let is_about_env =
            |assignment: &&&str| ["env.id", "env.gym"].iter().any(|start| key(assignment).starts_with(start));
        let builder = self.gym.record(builder)?.assign_all(self.assignments.iter().filter(is_about_env));
        Ok(builder.build()?.env)
    }
}

/// The settings of an environment of Gymnasium that neither the command line nor a default has chosen, as assignments. The
/// keyword arguments are among them: those of some environments name modules to import.
fn chosen(env: &EnvConfig, command: &CommandEnv) -> Result<Vec<String>> {
    let said = command.settings(&env.id)?;
    let mut chosen = Vec::new();
    if env.id != said.id {
        chosen.push(format!("env.id = {:?}", env.id));
    }
    let (gym, said) = (&env.gym, &said.gym);
    if gym.python != said.python && gym.python != GymConfig::default().python {
        chosen.push(format!("env.gym.python = {:?}", gym.python));
    }
    if gym.imports != said.imports && !gym.imports.is_empty() {
        chosen.push(format!("env.gym.imports = {:?}", gym.imports));
    }
    for (key, value) in gym.kwargs.iter().filter(|(key, value)| said.kwargs.get(*key) != Some(value)) {
        chosen.push(format!("env.gym.kwargs.{} = {:?}", key.escape_debug(), value.to_string()));
    }
    Ok(chosen)
}

fn refusal(files: &str, chosen: &[String]) -> anyhow::Error {
    let chosen = chosen.join(", ");
    let message = format!(
        "{files}: an environment of Gymnasium is a Python program, and nothing but files asks here for {chosen}: add --trust if you trust them"
    );
    Usage(message).into()
}
