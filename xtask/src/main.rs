//! What a contributor runs: `cargo xtask peers`.

mod peers;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What a contributor runs, in one place.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Time the same DQN in PyTorch, Stable-Baselines3, JAX and burn beside quarl, and compare what is learned
    Peers(peers::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Peers(args) => peers::run(&args),
    }
}
