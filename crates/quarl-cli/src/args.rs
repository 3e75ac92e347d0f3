//! The command line: its commands and options, and the configuration that they select.

mod compare;
mod examples;
mod reference;
mod timeline;
mod tune;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use quarl::Error;
use quarl::config::{self, ConfigBuilder, EnvConfig, TrainConfig};
use quarl::experiment::ablation::Part;
use quarl::experiment::{Plan, Shard};
use quarl::run;
use quarl::trained::TrainedAgent;
use toml::{Table, Value};

use crate::interrupt;
use crate::output::Usage;
pub(crate) use compare::{CompareArgs, Normalize};
pub(crate) use reference::{CheckArgs, CompletionsArgs, ConfigCommand, ConfigTask, ExplainArgs, ManArgs};
pub(crate) use timeline::{BisectArgs, ForkArgs, InspectArgs};
pub(crate) use tune::TuneArgs;

/// Train deep Q-learning agents (DQN and its variants), evaluate them, compare them over many seeds, and watch them act
#[derive(Debug, Parser)]
#[command(name = "quarl", version, arg_required_else_help = true, after_help = examples::QUARL)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train an agent in one run
    ///
    /// Train an agent and write the run (configuration, tables, models, figure) to a directory. The progress line shows
    /// episodes, returns and the time left. In a terminal, the trained agent then plays one greedy episode.
    #[command(after_help = examples::TRAIN)]
    Train(TrainArgs),
    /// Watch a run, an experiment or a comparison while it trains, from another terminal
    ///
    /// Show learning curves, statistics and the environment, read from the files as they grow. Nothing is written or locked.
    #[command(after_help = examples::WATCH)]
    Watch(WatchArgs),
    /// Let a trained agent act greedily, in a window, in the terminal, or recorded to a file
    #[command(after_help = examples::PLAY)]
    Play(PlayArgs),
    /// Evaluate a trained agent, or all agents of an experiment, on new greedy episodes
    ///
    /// Play greedy episodes (no exploration) whose random stream differs from that of training, and print the mean, the
    /// interquartile mean and 95% confidence intervals of their returns, and the share of episodes that reach the
    /// environment's threshold.
    #[command(after_help = examples::EVAL)]
    Eval(EvalArgs),
    /// Train with many seeds and aggregate the runs
    ///
    /// Train the same configuration with successive seeds, several runs in parallel. Writes the mean learning curve with
    /// its 95% confidence band, and the share of seeds whose trained agent reaches the environment's threshold. The same
    /// command continues an interrupted experiment.
    #[command(after_help = examples::EXPERIMENT)]
    Experiment(ExperimentArgs),
    /// Train several configurations with many seeds each and compare their scores
    ///
    /// Train presets or TOML files, with every value of the swept keys, on one or several environments. Prints and writes mean,
    /// interquartile mean and success rate with 95% intervals, the probability of improvement over the first configuration,
    /// and the difference to it paired by seed; with --normalize also aggregate scores over the environments. The same
    /// command continues an interrupted comparison.
    #[command(after_help = examples::COMPARE)]
    Compare(CompareArgs),
    /// Search for settings, and train the best ones again with fresh seeds
    ///
    /// Train trials that differ in the keys of a search space, each with several seeds, and stop poor ones early. The score of
    /// a trial is the mean of the worse half of its seeds' scores, which are the mean returns of the final models. Writes the
    /// best configuration, a table of all trials and figures. The same command continues an interrupted study.
    #[command(after_help = examples::TUNE)]
    Tune(TuneArgs),
    /// Write a trained agent as ONNX, Rust or C, for other programs
    ///
    /// The file has the network, the normalisation of observations and the choice of the greedy action. ONNX: input observation
    /// (float32, batch by numbers), outputs q_values (float32, batch by actions) and action (int64, batch). Rust: act and
    /// q_values. C: quarl_act and quarl_q_values.
    #[command(after_help = examples::EXPORT)]
    Export(ExportArgs),
    /// Show what the agent knew at a step of its run
    ///
    /// Compute the moment again from the nearest checkpoint, and show Q-values along the running episode, the greedy return, the
    /// replay buffer by age and TD error, the action gap and the distance to the target network.
    #[command(after_help = examples::INSPECT)]
    Inspect(InspectArgs),
    /// Continue a run from one of its steps with other settings
    ///
    /// Write a new run that shares the steps before with the other one, and goes on from there with the same networks, replay
    /// buffer and random streams, and with the settings that are given.
    #[command(after_help = examples::FORK)]
    Fork(ForkArgs),
    /// Find the updates at which the score of a run falls
    ///
    /// Within the largest drop between two evaluations, score the agent after every update on the same initial observations, and
    /// show the updates with the largest falls and what was in their batches.
    #[command(after_help = examples::BISECT)]
    Bisect(BisectArgs),
    /// Read a DQN agent of Stable-Baselines3
    ///
    /// Read the archive that model.save() has written (MlpPolicy) and write its network and settings to a directory that `quarl
    /// eval`, `play`, `export` and `train --from` accept. The archive's pickles are not executed. An agent that was trained with
    /// VecNormalize needs normalised observations, which the archive does not hold.
    #[command(after_help = examples::IMPORT)]
    Import(ImportArgs),
    /// Draw learning curves of runs and experiments in one figure
    #[command(after_help = examples::PLOT)]
    Plot(PlotArgs),
    /// Write a report of runs, experiments and comparisons as one HTML file
    ///
    /// The file needs no network access: figures with values under the pointer, sortable tables, differences between
    /// configurations, versions, machine, the commands that repeat the results, and recordings of the agents.
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// List the built-in environments, or describe a Gymnasium environment
    #[command(after_help = examples::ENVS)]
    Envs(EnvsArgs),
    /// List the presets (named configurations), or print one with a comment for each setting
    #[command(after_help = examples::PRESETS)]
    Presets(PresetsArgs),
    /// Explain configuration keys, check a file, print the reference or a JSON Schema
    #[command(after_help = examples::CONFIG)]
    Config(ConfigCommand),
    /// Measure the speed of training on this machine
    ///
    /// Measure one update and one whole training step of the textbook preset, in microseconds, and compare the update with
    /// the processor's peak of floating-point operations.
    #[command(after_help = examples::BENCH)]
    Bench(BenchArgs),
    /// Print a completion script for a shell
    ///
    /// Print a script that completes commands and options; in bash, zsh and fish also presets, environments and configuration
    /// keys.
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write the manual pages to a directory, or print them as Markdown
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
}

impl Command {
    /// Whether only the result is printed (`--quiet`).
    #[cfg(unix)]
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::Train(args) => args.quiet,
            Self::Fork(args) => args.quiet,
            Self::Experiment(args) => args.many.quiet,
            Self::Compare(args) => args.many.quiet,
            Self::Tune(args) => args.quiet,
            _ => false,
        }
    }
}

/// Parses a whole number within a range.
fn whole<T: TryFrom<u64>, const LOW: u64, const HIGH: u64>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|number| (LOW..=HIGH).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("expected a whole number from {LOW} to {HIGH}"))
}

/// Parses a number of frames per second.
fn fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| (0.01..=1000.0).contains(fps));
    fps.ok_or_else(|| "expected a number from 0.01 to 1000".to_owned())
}

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
    /// Set one configuration key, such as agent.gamma=0.99; may be given several times. `quarl presets NAME` prints all
    /// keys
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
    /// Random seed; for an experiment the seed of the first run [default: that of the configuration]
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) seed: Option<i64>,
    /// Train for this number of episodes [default: the length in the configuration]
    #[arg(long, conflicts_with = "steps", value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) episodes: Option<i64>,
    /// Train for this number of environment steps, summed over all environments of the run
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) steps: Option<i64>,
}

/// The heading of these options in the help.
const GYM_HEADING: &str = "Options for Gymnasium environments (gym:ID)";

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

    /// The configuration that these arguments select, checked.
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

#[derive(Debug, Default, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Start from the parameters of a trained agent, with an empty replay buffer: directory of a run or of an imported agent, or a
    /// model file. Without --preset and --config, the settings are those of the directory
    #[arg(long, value_name = "MODEL")]
    pub(crate) from: Option<PathBuf>,
    /// Directory of the run [default: a new directory below runs/, such as runs/CartPole-v0-textbook-seed0]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the run in an existing directory; other files are never replaced
    #[arg(long)]
    pub(crate) force: bool,
    /// Continue the run in DIR from its latest checkpoint. With --steps or --episodes, train it longer
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = [
            "env", "preset", "config", "assignments", "python", "env_args", "imports", "seed", "out", "force", "tensorboard",
            "record_every", "from",
        ]
    )]
    pub(crate) resume: Option<PathBuf>,
    /// Also write an event file for TensorBoard, with the tags of Stable-Baselines3
    #[arg(long)]
    pub(crate) tensorboard: bool,
    /// Record a greedy episode as a GIF every N environment steps and at the end, in the run's directory recordings/
    #[arg(long, value_name = "N", value_parser = whole::<u64, 1, { i64::MAX as u64 }>)]
    pub(crate) record_every: Option<u64>,
    /// Print only the mean greedy return and the run's directory
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print one JSON object per line for each event
    #[arg(long)]
    pub(crate) json: bool,
    /// Show the live view: learning curve, statistics of the updates and the environment, with keys for pause, single steps
    /// and speed
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) tui: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Directory of a run, an experiment or a comparison, or a directory that contains runs, such as runs
    pub(crate) dir: PathBuf,
    /// Print the present state once, as text, also where there is no terminal
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Render {
    /// In a window
    Window,
    /// As text in the terminal
    Terminal,
    /// Do not show the episodes
    None,
}

#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// Directory of a run (its final model), or a model file such as best.safetensors
    pub(crate) run: PathBuf,
    /// Number of episodes
    #[arg(long, default_value_t = 1, value_parser = whole::<u64, 1, { i64::MAX as u64 }>)]
    pub(crate) episodes: u64,
    /// Seed of the first episode's reset; later episodes continue its random stream
    #[arg(long, default_value_t = 0, value_parser = whole::<u64, 0, { u64::MAX }>)]
    pub(crate) seed: u64,
    /// Where to show the episodes [default: a window, or the terminal if no window can be opened; nowhere with --record]
    #[arg(long, value_enum)]
    pub(crate) render: Option<Render>,
    /// Record to a file: .gif for all frames, .png for the last frame
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Environment steps per second [default: the environment's own rate, 50 for CartPole]
    #[arg(long, value_parser = fps)]
    pub(crate) fps: Option<f64>,
    /// Print one JSON object per line for each event; without --render, show nothing
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Directory of a run (its final model), a model file such as best.safetensors, or directory of an experiment (all runs)
    pub(crate) run: PathBuf,
    /// Number of episodes for each agent
    #[arg(long, default_value_t = 100, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) episodes: u64,
    /// Seed of the episodes; whatever its value, they differ from those of training and its evaluations
    #[arg(long, default_value_t = 0, value_parser = whole::<u64, 0, { u64::MAX }>)]
    pub(crate) seed: u64,
    /// Evaluate the model of the best evaluation during training instead of the final model
    #[arg(long)]
    pub(crate) best: bool,
    /// Print one JSON object per line for each event
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Train every combination of these parts switched on and off, each in its own directory. PART: replay,
    /// target_network, double, prioritized, n_step, dueling, noisy, distributional
    #[arg(long, value_name = "PART,..", value_delimiter = ',')]
    pub(crate) ablate: Vec<Part>,
    /// Number of runs, with successive seeds
    #[arg(long, default_value_t = 100, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) runs: u64,
    #[command(flatten)]
    pub(crate) many: ManyRunsArgs,
}

/// This process's command line, for a shell.
pub(crate) fn command_line() -> String {
    let quoted = |word: String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    let words = std::env::args_os().skip(1).map(|word| quoted(word.to_string_lossy().into_owned()));
    ["quarl".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// How many runs are trained, and where.
#[derive(Debug, Args)]
pub(crate) struct ManyRunsArgs {
    /// Number of runs in parallel [default: the number of cores]
    #[arg(long, value_parser = whole::<u16, 1, { u16::MAX as u64 }>)]
    jobs: Option<u16>,
    /// Train only the K-th of N equal parts of the runs, for several machines with a shared directory
    #[arg(long, value_name = "K/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Directory. Finished runs with the same settings are kept; several processes may share it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write an event file of each run for TensorBoard, with the tags of Stable-Baselines3
    #[arg(long)]
    tensorboard: bool,
    /// Also run seeds again whose run failed with a reproducible error, such as a loss that is not finite
    #[arg(long)]
    retry_failed: bool,
    /// Print only the mean greedy return and the directory of each experiment
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print one JSON object per line for each event
    #[arg(long)]
    pub(crate) json: bool,
}

impl ManyRunsArgs {
    /// The plan of `runs` runs of a configuration, which stops at a signal.
    pub(crate) fn plan(&self, config: TrainConfig, runs: u64) -> Plan {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let plan = Plan::new(config, &self.out).runs(runs).jobs(self.jobs.map_or(cores, usize::from));
        plan.retry_failed(self.retry_failed)
            .tensorboard(self.tensorboard)
            .shard(self.shard.unwrap_or(Shard::ALL))
            .command(command_line())
            .stop_flag(interrupt::stop_flag())
    }
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parts {
        Some((index, count)) if 1 <= index && index <= count => Ok(Shard { index, count }),
        _ => Err("expected K/N with K from 1 to N, such as 1/3".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Directories of runs, experiments, comparisons or ablations
    #[arg(required = true, value_name = "DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// File of the report; an existing report is replaced
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) out: PathBuf,
    /// Title of the report [default: the names of the directories]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Do not play the agents: leave out the recordings
    #[arg(long)]
    pub(crate) no_recordings: bool,
}

/// The format of an exported agent.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    /// An ONNX model, for ONNX Runtime in Python, JavaScript, C++ and others
    Onnx,
    /// A Rust module without dependencies, also for microcontrollers
    Rust,
    /// A C header
    C,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Directory of a run (its final model), or a model file such as best.safetensors
    pub(crate) run: PathBuf,
    /// Format of the file
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// File to write [default: agent.onnx, agent.rs or agent.h in the current directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Export the model of the best evaluation during training instead of the final model
    #[arg(long)]
    pub(crate) best: bool,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Archive of Stable-Baselines3
    pub(crate) archive: PathBuf,
    /// Environment id that the agent was trained in: one of `quarl envs`, or gym:ID for a Gymnasium environment
    #[arg(long)]
    pub(crate) env: String,
    /// Directory to write
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace the run in an existing directory; other files are never replaced
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// Directories of runs, experiments or ablations, or a directory that contains them, such as runs
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// File of the figure, .svg or .png [default: quarl-plot.svg and quarl-plot.png in the current directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Legend entry of a curve; given once for each path, in order [default: the name of the directory]
    #[arg(long = "label", value_name = "NAME")]
    pub(crate) labels: Vec<String>,
    /// Title of the figure [default: the environment]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Number of episodes in the moving average; 1 for no smoothing
    #[arg(long, default_value_t = 10, value_parser = whole::<u64, 1, 1_000_000>)]
    pub(crate) window: u64,
    /// Quantity on the x axis [default: steps if a run has a budget of steps, otherwise episodes]
    #[arg(long, value_enum)]
    pub(crate) x: Option<XAxis>,
}

/// The quantity on a figure's x axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum XAxis {
    /// Episodes, counted from 0
    Episodes,
    /// Environment steps
    Steps,
}

#[derive(Debug, Args)]
pub(crate) struct EnvsArgs {
    /// Environment to describe: a built-in id, or gym:ID; gym: lists the ids of all Gymnasium environments
    pub(crate) env: Option<String>,
    /// Print one JSON object per line for each environment
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) gym: GymArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PresetsArgs {
    /// Preset to print as a complete configuration file
    pub(crate) name: Option<String>,
    /// Environment for which the preset is printed [default: the preset's own]
    pub(crate) env: Option<String>,
    /// Print one JSON object per line for each preset
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure every instruction set of this machine, not only the one in use
    #[arg(long)]
    pub(crate) all: bool,
    /// Measure one update of every preset, and compare it with that of textbook
    #[arg(long, conflicts_with = "all")]
    pub(crate) presets: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_shard_is_a_part_of_parts() {
        assert_eq!(shard("2/3").unwrap(), Shard { index: 2, count: 3 });
        assert!(["0/3", "4/3", "1", "a/b", "-1/3", "1/0"].iter().all(|text| shard(text).is_err()));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// The arguments of a command line with words in single quotes, without a redirection of the output.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" > ").next().unwrap_or(line);
        let parts = line.split('\'').enumerate();
        parts
            .flat_map(|(i, part)| match i % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            })
            .collect()
    }

    #[test]
    fn the_examples_in_the_help_are_valid_command_lines() {
        for command in Cli::command().get_subcommands() {
            let Some(help) = command.get_after_help() else { continue };
            let help = help.to_string();
            let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  quarl ")).collect();
            assert!(!examples.is_empty(), "{}", command.get_name());
            for example in examples {
                Cli::try_parse_from(words(example)).unwrap_or_else(|error| panic!("{example}: {error}"));
            }
        }
    }
}
