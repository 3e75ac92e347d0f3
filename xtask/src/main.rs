//! The tasks of contributors: `cargo xtask test`, `cargo xtask ci`, `cargo xtask arm`, `cargo xtask windows`,
//! `cargo xtask miri`, `cargo xtask sanitize`, `cargo xtask external`, `cargo xtask reference`, `cargo xtask bridge`, `cargo xtask cores`,
//! `cargo xtask guide`, `cargo xtask peers`, `cargo xtask wheel`.

mod bridge;
mod checks;
mod cores;
mod external;
mod guide;
mod gymnasium;
mod memory;
mod peers;
mod platforms;
mod python;
mod reference;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Tasks for contributors: tests, checks and benchmarks.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run all tests of the workspace
    Test,
    /// Run everything that a change must pass: format, lints, documentation, licences, WebAssembly, Windows, macOS, tests
    Ci,
    /// Run the library's tests on an emulated AArch64 processor with NEON (needs qemu-user and a cross linker)
    Arm,
    /// Run the determinism tests and short runs on Windows with Wine, and compare their bytes (needs mingw-w64 and Wine)
    Windows,
    /// Run kernels, replay and saved state under Miri, on the scalar path (needs a nightly toolchain with Miri)
    Miri,
    /// Run kernels and whole runs under AddressSanitizer, on every instruction set of this processor (x86-64 Linux)
    Sanitize,
    /// Check against rliable, TensorBoard, Jupyter and Chromium, which are installed below target (needs Node.js and Chromium)
    External,
    /// Write docs/reference.md and docs/command-reference.md from the code
    Reference,
    /// Measure the overhead of the bridge to Gymnasium per environment step
    Bridge,
    /// Measure the gain of an experiment from a second core
    Cores(cores::Args),
    /// Build the course as a site in target/book with mdBook, which is compiled the first time
    Guide,
    /// Time the same DQN in PyTorch, Stable-Baselines3, JAX, burn and quarl, and compare learning curves
    Peers(peers::Args),
    /// Build the Python package, install it into a clean virtual environment, and run its tests
    Wheel {
        /// Also execute the package's notebook
        #[arg(long)]
        notebook: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Test => checks::test(),
        Task::Ci => checks::ci(),
        Task::Arm => platforms::arm(),
        Task::Windows => platforms::windows(),
        Task::Miri => memory::miri(),
        Task::Sanitize => memory::sanitize(),
        Task::External => external::run_all(),
        Task::Reference => reference::run(),
        Task::Bridge => bridge::run(),
        Task::Cores(args) => cores::run(&args),
        Task::Guide => guide::run_mdbook(),
        Task::Peers(args) => peers::run(&args),
        Task::Wheel { notebook: false } => python::wheel(),
        Task::Wheel { notebook: true } => python::notebook(),
    }
}
