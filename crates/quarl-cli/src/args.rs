//! The command line: its commands and options.

mod agents;
mod compare;
mod configuration;
mod examples;
mod figures;
mod many;
mod reference;
mod remembered;
mod timeline;
mod trust;
mod tune;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use agents::{EvalArgs, ExportArgs, ExportFormat, ImportArgs, PlayArgs, Render};
pub(crate) use compare::{CompareArgs, Normalize};
pub(crate) use configuration::{ConfigArgs, GymArgs, Resolved, SettingArgs, read};
pub(crate) use figures::{PlotArgs, ReportArgs, XAxis};
pub(crate) use many::{ExperimentArgs, ManyRunsArgs, command_line};
pub(crate) use reference::{CheckArgs, CompletionsArgs, ConfigCommand, ConfigTask, ExplainArgs, ManArgs};
pub(crate) use timeline::{BisectArgs, ForkArgs, InspectArgs};
pub(crate) use trust::{CommandEnv, TrustArgs, asked_for};
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
    /// Watch runs, experiments and studies while they train, from another terminal
    ///
    /// Show learning curves, statistics and the environment, or the trials of a study, read from the files as they grow.
    /// Nothing is written or locked.
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
    /// Read a DQN or QRDQN agent of Stable-Baselines3
    ///
    /// Read the archive that model.save() has written (MlpPolicy; QRDQN is in sb3-contrib) and write its network and settings to a
    /// directory that `quarl eval`, `play`, `export` and `train --from` accept. The archive's pickles are not executed. An agent
    /// that was trained with VecNormalize needs normalised observations, which the archive does not hold.
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
            "env", "preset", "config", "assignments", "python", "env_args", "imports", "seed", "out", "force", "from",
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
    /// Directory of a run, an experiment, a comparison or a study, or a directory that contains runs, such as runs
    pub(crate) dir: PathBuf,
    /// Print the present state once, as text, also where there is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
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
    use quarl::experiment::Shard;

    use super::many::shard;
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
