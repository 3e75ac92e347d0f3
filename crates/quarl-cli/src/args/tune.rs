//! The arguments of `quarl tune`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use quarl::experiment::Shard;
use quarl::tune;

use super::many::shard;
use super::{ConfigArgs, whole};

#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// TOML file with the keys to search and their values [default: the default space of the configuration, without the
    /// keys given with --set]
    #[arg(long, value_name = "FILE")]
    pub(crate) space: Option<PathBuf>,
    /// Print the search space as TOML, to be edited and given with --space
    #[arg(long)]
    pub(crate) print_space: bool,
    /// Number of trials. A later call with a larger number continues the study
    #[arg(long, default_value_t = 100, value_parser = whole::<u64, 1, 100_000>)]
    pub(crate) trials: u64,
    /// Number of runs of each trial, with successive seeds, the same for all trials
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = whole::<u64, 1, 1000>)]
    pub(crate) seeds_per_trial: u64,
    /// How the parameters of a trial are chosen
    #[arg(long, value_enum, default_value_t = Sampler::Tpe)]
    pub(crate) sampler: Sampler,
    /// Which trials are stopped early
    #[arg(long, value_enum, default_value_t = Pruner::Hyperband)]
    pub(crate) pruner: Pruner,
    /// Number of greedy episodes of each final model, whose mean return is the score of the run
    #[arg(long, default_value_t = 20, value_parser = whole::<u64, 1, 100_000>)]
    pub(crate) score_episodes: u64,
    /// Number of fresh seeds with which the best configuration is trained again at the end
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole::<u64, 0, 1000>)]
    pub(crate) confirm: u64,
    /// Run only the K-th of N equal parts of the trials, for several machines with a shared directory
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub(crate) shard: Option<Shard>,
    /// Number of runs in parallel [default: the number of cores]
    #[arg(long, value_parser = whole::<u16, 1, { u16::MAX as u64 }>)]
    jobs: Option<u16>,
    /// Directory. A study with the same settings is continued; several processes may share it
    #[arg(long, value_name = "DIR", required_unless_present = "print_space")]
    out: Option<PathBuf>,
    /// Print only the best score, its score with fresh seeds, and the file of the best configuration
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print one JSON object per line for each event
    #[arg(long)]
    pub(crate) json: bool,
}

impl TuneArgs {
    pub(crate) fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        self.jobs.map_or(cores, usize::from)
    }

    /// The directory; empty where none is needed.
    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_default()
    }
}

/// How the parameters of a trial are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sampler {
    /// Tree-structured Parzen estimator, after ten random trials
    Tpe,
    /// Uniformly random
    Random,
}

impl From<Sampler> for tune::Sampler {
    fn from(sampler: Sampler) -> Self {
        match sampler {
            Sampler::Tpe => Self::Tpe,
            Sampler::Random => Self::Random,
        }
    }
}

/// Which trials are stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pruner {
    /// Trials that are not in the best third of their bracket, at a ninth and at a third of a run or earlier
    Hyperband,
    /// Trials below the median of the others
    Median,
    /// None
    None,
}

impl From<Pruner> for tune::Pruner {
    fn from(pruner: Pruner) -> Self {
        match pruner {
            Pruner::Hyperband => Self::Hyperband,
            Pruner::Median => Self::Median,
            Pruner::None => Self::None,
        }
    }
}
