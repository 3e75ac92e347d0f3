//! The arguments of the commands that go back to a moment of a run.

use std::path::PathBuf;

use clap::Args;

use super::{TrustArgs, whole};

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Directory of a run
    pub(crate) run: PathBuf,
    /// The moment: after this number of environment steps
    #[arg(long, value_name = "STEP", value_parser = whole::<u64, 0, { i64::MAX as u64 }>)]
    pub(crate) at: u64,
    /// Number of greedy episodes [default: that of the run's evaluations]
    #[arg(long, value_parser = whole::<u64, 1, { u32::MAX as u64 }>)]
    pub(crate) episodes: Option<u64>,
    /// Write the figure to this file, .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) figure: Option<PathBuf>,
    /// Print everything as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    /// Directory of a run
    pub(crate) run: PathBuf,
    /// The moment: after this number of environment steps
    #[arg(long, value_name = "STEP", value_parser = whole::<u64, 0, { i64::MAX as u64 }>)]
    pub(crate) at: u64,
    /// Change one configuration key from there on, such as optimizer.lr=0.0001; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) assignments: Vec<String>,
    /// Train until this number of episodes, those before STEP included [default: as the run]
    #[arg(long, conflicts_with = "steps", value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) episodes: Option<i64>,
    /// Train until this number of environment steps, those before STEP included
    #[arg(long, value_parser = whole::<i64, 0, { i64::MAX as u64 }>)]
    pub(crate) steps: Option<i64>,
    /// Directory of the new run
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace the run in an existing directory; other files are never replaced
    #[arg(long)]
    pub(crate) force: bool,
    /// Print only the mean greedy return and the run's directory
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print one JSON object per line for each event
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BisectArgs {
    /// Directory of a run with evaluations at an interval
    pub(crate) run: PathBuf,
    /// Number of greedy episodes for each score [default: that of the run's evaluations]
    #[arg(long, value_parser = whole::<u64, 1, { u32::MAX as u64 }>)]
    pub(crate) episodes: Option<u64>,
    /// Score after every N-th update [default: such that at most about 4000 updates are scored]
    #[arg(long, value_name = "N", value_parser = whole::<u64, 1, { i64::MAX as u64 }>)]
    pub(crate) every: Option<u64>,
    /// Write the figure to this file, .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) figure: Option<PathBuf>,
    /// Print everything as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}
