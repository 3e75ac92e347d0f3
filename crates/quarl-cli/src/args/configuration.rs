//! The arguments that select a configuration.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use quarl::Error;
use quarl::config::{self, ConfigBuilder, EnvConfig, TrainConfig};
use quarl::run;
use quarl::trained::TrainedAgent;
use toml::{Table, Value};

use super::trust::{CommandEnv, GYM_HEADING, TrustArgs, asked_for};
use super::whole;
use crate::output::Usage;

/// The arguments that select a configuration.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Environment id: one of `quarl envs`, or gym:ID for a Gymnasium environment [default: that of the preset;
    /// CartPole-v0 without a preset]
    pub(crate) env: Option<String>,
    /// Preset to start from (see `quarl presets`) [default: textbook without ENV, else tuned, or robust where ENV has no tuned settings; none with --config]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// TOML file with settings: a complete configuration, or settings that override those of --preset
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

/// The arguments that override settings of a configuration.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingArgs {
    /// Set one configuration key, such as agent.gamma=0.99; may be given several times. `quarl presets NAME` prints all
    /// keys
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Random seed; that of the first run where there are several [default: that of the configuration]
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) seed: Option<i64>,
    /// Train for this number of episodes [default: the length in the configuration]
    #[arg(long, conflicts_with = "steps", value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) episodes: Option<i64>,
    /// Train for this number of environment steps, summed over all environments of a run
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) steps: Option<i64>,
}

impl SettingArgs {
    /// Records these arguments as settings of a training run.
    pub(crate) fn record(&self, builder: ConfigBuilder) -> ConfigBuilder {
        let numbers = [("seed", self.seed), ("episodes", self.episodes), ("steps", self.steps)];
        let given = numbers.into_iter().filter_map(|(key, value)| Some((format!("training.{key}"), value?)));
        given.fold(builder.assign_all(&self.assignments), |builder, (key, value)| builder.set(&key, value))
    }
}

/// The arguments for Gymnasium environments (`gym:ID`).
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GymArgs {
    /// Python interpreter [default: that of the active virtual environment, else .venv/bin/python, else python3]
    #[arg(long, value_name = "PYTHON", help_heading = GYM_HEADING)]
    pub(crate) python: Option<String>,
    /// Keyword argument of gymnasium.make, such as continuous=false; may be given several times
    #[arg(long = "env-arg", value_name = "KEY=VALUE", help_heading = GYM_HEADING)]
    pub(crate) env_args: Vec<String>,
    /// Python module to import first, because it registers environments; may be given several times
    #[arg(long = "gym-import", value_name = "MODULE", help_heading = GYM_HEADING)]
    pub(crate) imports: Vec<String>,
}

impl GymArgs {
    /// The environment settings `env`, overridden by these arguments.
    pub(crate) fn config(&self, mut env: EnvConfig) -> Result<EnvConfig> {
        if let Some(python) = &self.python {
            env.gym.python.clone_from(python);
        }
        if !self.imports.is_empty() {
            env.gym.imports.clone_from(&self.imports);
        }
        env.gym.kwargs.extend(self.arguments()?);
        Ok(env)
    }

    /// Records these arguments as settings of a training run.
    pub(super) fn record(&self, mut builder: ConfigBuilder) -> Result<ConfigBuilder> {
        if let Some(python) = &self.python {
            builder = builder.set("env.gym.python", python.as_str());
        }
        if !self.imports.is_empty() {
            builder = builder.set("env.gym.imports", self.imports.clone());
        }
        let arguments = self.arguments()?;
        Ok(if arguments.is_empty() { builder } else { builder.set("env.gym.kwargs", arguments) })
    }

    /// The keyword arguments of gymnasium.make.
    fn arguments(&self) -> Result<Table> {
        let argument = |argument: &String| -> Result<(String, Value)> {
            let pair = argument.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            let (key, value) = pair
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| Usage(format!("--env-arg {argument}: expected KEY=VALUE, such as continuous=false")))?;
            Ok((key.to_owned(), python_value(value)))
        };
        let mut arguments = Table::new();
        for pair in &self.env_args {
            let (key, value) = argument(pair)?;
            if let Some(other) = arguments.insert(key.clone(), value.clone()).filter(|other| *other != value) {
                return Err(Usage(format!("--env-arg {key}: {other} and {value} are both given: remove one")).into());
            }
        }
        Ok(arguments)
    }
}

/// A value for Python, written as in TOML or Python; anything else is text. TOML has no None: the worker converts the text.
fn python_value(text: &str) -> Value {
    match text {
        "True" => true.into(),
        "False" => false.into(),
        _ => config::value(text),
    }
}

/// A configuration and its name.
pub(crate) struct Resolved {
    pub(crate) config: TrainConfig,
    /// The name of the preset, or `custom`.
    pub(crate) name: String,
}

impl ConfigArgs {
    /// These arguments, with the configuration of the agent's run where they select neither a preset nor a file.
    pub(crate) fn or_of(&self, agent: &TrainedAgent) -> Self {
        let mut arguments = self.clone();
        let file = agent.path.with_file_name(run::CONFIG);
        if arguments.preset.is_none() && arguments.config.is_none() && file.is_file() {
            arguments.config = Some(file);
        }
        arguments
    }

    /// The configuration that these arguments select, for training: a file does not choose an environment of Gymnasium unless it
    /// is trusted.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        let resolved = self.read()?;
        let env = &resolved.config.env;
        if let Some(path) = &self.config {
            let assignments = self.settings.assignments.iter().map(String::as_str).collect();
            let command = CommandEnv { id: self.env.as_deref(), gym: self.gym.clone(), assignments };
            self.trust.check_but(env, &path.display().to_string(), &command)?;
        } else {
            asked_for(env);
        }
        Ok(resolved)
    }

    /// The configuration that these arguments select, checked.
    pub(crate) fn read(&self) -> Result<Resolved> {
        let mut builder = match &self.preset {
            Some(preset) => TrainConfig::preset(preset),
            None => TrainConfig::builder(),
        };
        if let Some(path) = &self.config {
            builder = builder.file(&path.display().to_string(), &read(path)?);
        }
        if let Some(id) = &self.env {
            builder = builder.set("env.id", id.as_str());
        }
        builder = self.settings.record(self.gym.record(builder)?);
        let preset = builder.preset_name().filter(|_| self.config.is_none());
        let name = preset.unwrap_or("custom").to_owned();
        let config = builder.build().map_err(|error| match error {
            Error::MissingKeys { keys } => {
                let file = self.config.as_ref().map_or(String::new(), |path| format!("{}: ", path.display()));
                let message = format!("{file}missing keys: {keys}; set them, or use --preset NAME as a base");
                anyhow::Error::new(Usage(message))
            }
            error => error.into(),
        })?;
        Ok(Resolved { name, config })
    }
}

/// Reads a configuration file. A file that cannot be read is a usage error, like an invalid one.
pub(crate) fn read(path: &Path) -> Result<String> {
    let reason = match quarl::read_text_file(path) {
        Ok(text) => return Ok(text),
        Err(_) if path.is_dir() => "this is a directory; give the path of a TOML file".to_owned(),
        Err(Error::Io { error, .. }) => error.to_string(),
        Err(Error::File { message, .. }) => message,
        Err(error) => error.to_string(),
    };
    Err(Usage(format!("cannot read {}: {reason}", path.display())).into())
}
