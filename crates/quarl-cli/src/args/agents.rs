//! The arguments of the commands that write agents for other programs and read theirs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::GymArgs;

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
