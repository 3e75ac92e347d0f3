//! The command line: what can be said, and what a configuration it amounts to.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use quarl::Error;
use quarl::config::{self, ConfigBuilder, EnvConfig, TrainConfig, presets};
use quarl::experiment::ablation::Part;
use toml::{Table, Value};

use crate::output::Usage;

/// Deep Q-learning: see it learn, trust the result, use the agent.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train an agent, then watch it play
    Train(TrainArgs),
    /// Let a trained agent play greedily
    Play(PlayArgs),
    /// Say how good a trained agent is, on episodes that training has not seen
    Eval(EvalArgs),
    /// Repeat the training with many seeds and average
    Experiment(ExperimentArgs),
    /// Draw runs and experiments in one figure
    Plot(PlotArgs),
    /// List the built-in environments, or show what one of Gymnasium's offers
    Envs(EnvsArgs),
    /// List the presets, or print one
    Presets(PresetsArgs),
    /// Measure this machine, and training on it
    Bench(BenchArgs),
}

impl Command {
    /// Whether only the result is wanted (`--quiet`).
    #[cfg(unix)]
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::Train(args) => args.quiet,
            Self::Experiment(args) => args.quiet,
            _ => false,
        }
    }
}

/// Reads a whole number of a range.
fn whole<T: TryFrom<u64>, const LOW: u64, const HIGH: u64>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| (LOW..=HIGH).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("expected a whole number from {LOW} to {HIGH}"))
}

/// Reads a number of pictures a second.
fn fps(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number from 0.01 to 1000".to_owned())
}

/// What decides the configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The environment (see `quarl envs`) [default: the preset's, CartPole-v0 without one]
    pub(crate) env: Option<String>,
    /// Start from these settings (see `quarl presets`) [default: textbook for CartPole-v0, tuned for the others]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Read settings from a TOML file; complete, or to be laid over --preset
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one key, such as agent.gamma=0.99; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
    /// The seed; the first one of an experiment
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) seed: Option<i64>,
    /// Train for so many episodes
    #[arg(long, conflicts_with = "steps", value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) episodes: Option<i64>,
    /// Train for so many environment steps
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) steps: Option<i64>,
}

/// How to get at an environment of Gymnasium's (`gym:ID`).
#[derive(Debug, Default, Args)]
pub(crate) struct GymArgs {
    /// For gym:ID: the Python interpreter [default: the active virtual environment's, ./.venv's, or python3]
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Option<String>,
    /// For gym:ID: an argument for gymnasium.make; may be repeated
    #[arg(long = "env-arg", value_name = "KEY=VALUE")]
    pub(crate) env_args: Vec<String>,
    /// For gym:ID: import this module first, because it registers environments; may be repeated
    #[arg(long = "gym-import", value_name = "MODULE")]
    pub(crate) imports: Vec<String>,
}

impl GymArgs {
    /// The settings for an environment, over `env`.
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

    /// Records the settings for a training run.
    fn record(&self, mut builder: ConfigBuilder) -> Result<ConfigBuilder> {
        if let Some(python) = &self.python {
            builder = builder.set("env.gym.python", python.as_str());
        }
        if !self.imports.is_empty() {
            builder = builder.set("env.gym.imports", self.imports.clone());
        }
        let arguments = self.arguments()?;
        Ok(if arguments.is_empty() { builder } else { builder.set("env.gym.kwargs", arguments) })
    }

    /// The arguments for gymnasium.make.
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

/// An argument for Python: a value as TOML or Python writes it, else text. TOML has no None: the worker reads its name as that.
fn python_value(text: &str) -> Value {
    match text {
        "True" => true.into(),
        "False" => false.into(),
        _ => config::value(text),
    }
}

/// A configuration, and the name of where it came from.
pub(crate) struct Resolved {
    pub(crate) config: TrainConfig,
    /// The preset's name, or `custom`.
    pub(crate) name: String,
}

impl ConfigArgs {
    /// The configuration that these arguments say, checked.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
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
        builder = self.gym.record(builder)?.assign_all(&self.assignments);
        for (key, value) in [("seed", self.seed), ("episodes", self.episodes), ("steps", self.steps)] {
            if let Some(value) = value {
                builder = builder.set(&format!("training.{key}"), value);
            }
        }
        let config = builder.build().map_err(|error| match error {
            Error::MissingKeys { keys } => {
                let file = self.config.as_ref().map_or(String::new(), |path| format!("{}: ", path.display()));
                let message = format!("{file}not given: {keys}; --preset NAME fills in what a file leaves out");
                anyhow::Error::new(Usage(message))
            }
            error => error.into(),
        })?;
        let name = match (&self.preset, &self.config) {
            (_, Some(_)) => "custom",
            (Some(preset), None) => preset,
            (None, None) => presets::default_for(Some(&config.env.id)),
        };
        Ok(Resolved { name: name.to_owned(), config })
    }
}

/// A configuration file. One that cannot be read is wrong usage, as one that says something wrong.
fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| {
        let reason = match error.kind() {
            _ if path.is_dir() => "this is a directory; name a TOML file".to_owned(),
            ErrorKind::InvalidData => "this is not a text file (UTF-8)".to_owned(),
            _ => error.to_string(),
        };
        Usage(format!("cannot read {}: {reason}", path.display())).into()
    })
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Where to write the run [default: a new directory under runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the run in an existing directory
    #[arg(long)]
    pub(crate) force: bool,
    /// No progress and no drawing: only the mean of the greedy episodes and the directory
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// One event a line, as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Render {
    /// In a window of its own
    Window,
    /// As text in the terminal
    Terminal,
    /// Not at all
    None,
}

#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// A run's directory (its last model), or a model file such as best.safetensors
    pub(crate) run: PathBuf,
    /// How many episodes
    #[arg(long, default_value_t = 1, value_parser = whole::<u64, 1, { i64::MAX as u64 }>)]
    pub(crate) episodes: u64,
    /// The first episode's seed
    #[arg(long, default_value_t = 0, value_parser = whole::<u64, 0, { u64::MAX }>)]
    pub(crate) seed: u64,
    /// Where to show it [default: a window, else the terminal; nowhere while recording]
    #[arg(long, value_enum)]
    pub(crate) render: Option<Render>,
    /// Write what is seen to a file: all of it to a .gif, the last picture to a .png
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Steps shown a second [default: what looks natural, 50 for CartPole]
    #[arg(long, value_parser = fps)]
    pub(crate) fps: Option<f64>,
    /// One event a line, as JSON, on standard output; shown nowhere unless --render says so
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A run's directory (its last model), a model file such as best.safetensors, or an experiment's directory (all its runs)
    pub(crate) run: PathBuf,
    /// How many episodes each agent plays
    #[arg(long, default_value_t = 100, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) episodes: u64,
    /// The seed of the episodes; they are never those that training or its evaluations saw
    #[arg(long, default_value_t = 0, value_parser = whole::<u64, 0, { u64::MAX }>)]
    pub(crate) seed: u64,
    /// Of a run's directory, the model of its best evaluation instead of its last one
    #[arg(long)]
    pub(crate) best: bool,
    /// One event a line, as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Train every combination of these parts on and off, each in its own directory: replay, target_network, double,
    /// prioritized, n_step, dueling, noisy, distributional
    #[arg(long, value_name = "PART,..", value_delimiter = ',')]
    pub(crate) ablate: Vec<Part>,
    /// How many runs, with successive seeds
    #[arg(long, default_value_t = 100, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) runs: u64,
    /// How many at a time [default: one for each core]
    #[arg(long, value_parser = whole::<u16, 1, { u16::MAX as u64 }>)]
    pub(crate) jobs: Option<u16>,
    /// Where to write; an experiment of the same settings is continued, also while other processes run parts of it
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Run again what failed with an error that is to be expected again
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// No progress: only the mean of the greedy episodes and the directory
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// One event a line, as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// Directories of runs, experiments or ablations, or directories of runs such as `runs`
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Where to draw, .svg or .png [default: quarl-plot.svg and quarl-plot.png here]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The name of a path's curve in the legend; once for each path, in order [default: the end of the path]
    #[arg(long = "label", value_name = "NAME")]
    pub(crate) labels: Vec<String>,
    /// The figure's title [default: the environment]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Over how many episodes each curve is averaged; 1 for no smoothing
    #[arg(long, default_value_t = 10, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) window: u64,
    /// What runs to the right [default: steps where a run has a budget of steps, else episodes]
    #[arg(long, value_enum)]
    pub(crate) x: Option<XAxis>,
}

/// What a figure's curves run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum XAxis {
    /// Episodes, counted from 0
    Episodes,
    /// Environment steps
    Steps,
}

#[derive(Debug, Args)]
pub(crate) struct EnvsArgs {
    /// One environment; `gym:ID` for one of Gymnasium's, `gym:` to list all of those
    pub(crate) env: Option<String>,
    /// One environment a line, as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PresetsArgs {
    /// Print this preset, complete
    pub(crate) name: Option<String>,
    /// As it is for this environment
    pub(crate) env: Option<String>,
    /// One preset a line, as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// As one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure every path that this machine has, not just the one in use
    #[arg(long)]
    pub(crate) all: bool,
    /// Measure one update of every preset instead, beside textbook's
    #[arg(long, conflicts_with = "all")]
    pub(crate) presets: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
