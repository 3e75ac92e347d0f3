//! The arguments of the commands that draw results.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{TrustArgs, whole};

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
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// Directories of runs, experiments or ablations, a directory that contains them, such as runs, or tables of other
    /// programs: .csv files with a column return (and run, if there are several), or Stable-Baselines3's monitor.csv
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
