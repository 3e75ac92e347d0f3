//! What a contributor runs: `cargo xtask test`, `cargo xtask ci`, `cargo xtask arm`, `cargo xtask windows`,
//! `cargo xtask miri`, `cargo xtask sanitize`, `cargo xtask bridge`, `cargo xtask cores`, `cargo xtask peers`.

mod bridge;
mod checks;
mod cores;
mod gymnasium;
mod memory;
mod peers;
mod platforms;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What a contributor runs, in one place.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must pass: all tests of the workspace
    Test,
    /// What a change must pass before it lands: format, lints, documentation, licences, WebAssembly, Windows, macOS, tests
    Ci,
    /// The library's tests on AArch64 with NEON, emulated (needs qemu-user and a cross linker)
    Arm,
    /// The determinism tests and short runs on Windows, by Wine: the same bytes as here (needs mingw-w64 and Wine)
    Windows,
    /// Kernels, replay and saved state under Miri, on the scalar path (needs a nightly toolchain with Miri)
    Miri,
    /// Kernels and whole runs under AddressSanitizer, on every path of this processor (x86-64 Linux)
    Sanitize,
    /// Measure what a step of a Gymnasium environment costs more than inside Python
    Bridge,
    /// Measure how much of a second core an experiment gets
    Cores(cores::Args),
    /// Time the same DQN in PyTorch, Stable-Baselines3, JAX and burn beside quarl, and compare what is learned
    Peers(peers::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Test => checks::test(),
        Task::Ci => checks::ci(),
        Task::Arm => platforms::arm(),
        Task::Windows => platforms::windows(),
        Task::Miri => memory::miri(),
        Task::Sanitize => memory::sanitize(),
        Task::Bridge => bridge::run(),
        Task::Cores(args) => cores::run(&args),
        Task::Peers(args) => peers::run(&args),
    }
}
