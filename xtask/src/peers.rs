//! `cargo xtask peers`: times the same DQN in other programs and in quarl, in turn on one core, and compares the learning
//! curves of PyTorch and quarl.
//!
//! benchmarks/README.md describes the peers; raw results are kept below benchmarks/runs/.

mod curves;
mod parity;
mod rainbow;
mod report;
pub(crate) mod setup;
mod student_t;
mod timing;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use setup::Workplace;
pub(crate) use setup::today;

/// Options of `cargo xtask peers`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Time only this peer; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<Peer>,
    /// Number of rounds; in each, every peer is timed once
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Run one round with a tenth of the steps, to see that everything works; the times mean nothing
    #[arg(long)]
    quick: bool,
    /// Also train N agents with the PyTorch program and keep their learning curves
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    curves: Option<usize>,
    /// Also compare quarl's learning curve with PyTorch's (100 runs of the preset `textbook`)
    #[arg(long)]
    compare: bool,
    /// Compare with this directory of an earlier `quarl experiment` instead of running one
    #[arg(long, value_name = "DIR", requires = "compare")]
    experiment: Option<PathBuf>,
    /// Time only Rainbow's update, in quarl and in PyTorch
    #[arg(long, conflicts_with_all = ["only", "curves", "compare"])]
    rainbow: bool,
    /// Skip the timing, for --curves and --compare only
    #[arg(long)]
    no_timing: bool,
    /// Path of a `quarl` to use instead of building one
    #[arg(long, value_name = "FILE")]
    quarl: Option<PathBuf>,
    /// Directory of the results [default: benchmarks/runs/DATE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A program to time.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Peer {
    Quarl,
    Pytorch,
    PytorchNoGrad,
    Sb3,
    Jax,
    Burn,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Peer::Quarl => "quarl",
            Peer::Pytorch => "pytorch",
            Peer::PytorchNoGrad => "pytorch_no_grad",
            Peer::Sb3 => "sb3",
            Peer::Jax => "jax",
            Peer::Burn => "burn",
        }
    }

    /// Whether the peer is a Python program.
    fn is_python(self) -> bool {
        !matches!(self, Peer::Quarl | Peer::Burn)
    }
}

/// Sets up the peers, times them, and compares the learning curves, as requested.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workplace = Workplace::find()?;
    let out = match &args.out {
        Some(dir) => dir.clone(),
        None => workplace.root.join("benchmarks/runs").join(setup::today()?),
    };
    fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;

    if args.rainbow {
        return rainbow::run(&workplace, args, &out);
    }
    if !args.no_timing {
        let peers = if args.only.is_empty() { Peer::value_variants() } else { &args.only[..] };
        timing::run(&workplace, args, peers, &out)?;
    }
    if let Some(runs) = args.curves {
        curves::run(&workplace, runs, &out)?;
    }
    if args.compare {
        parity::run(&workplace, args, &out)?;
    }
    Ok(())
}
