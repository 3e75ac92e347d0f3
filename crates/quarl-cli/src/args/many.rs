//! The arguments of experiments, and those of all commands with many runs.

use std::path::PathBuf;

use clap::Args;
use quarl::config::TrainConfig;
use quarl::experiment::ablation::Part;
use quarl::experiment::{Plan, Shard};

use super::{ConfigArgs, whole};
use crate::interrupt;

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

pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parts {
        Some((index, count)) if 1 <= index && index <= count => Ok(Shard { index, count }),
        _ => Err("expected K/N with K from 1 to N, such as 1/3".to_owned()),
    }
}
