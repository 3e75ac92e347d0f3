//! The arguments of the commands that let agents act, write them for other programs and read theirs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{GymArgs, TrustArgs, whole};

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
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
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
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
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

/// Parses a number of frames per second.
fn fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| (0.01..=1000.0).contains(fps));
    fps.ok_or_else(|| "expected a number from 0.01 to 1000".to_owned())
}
