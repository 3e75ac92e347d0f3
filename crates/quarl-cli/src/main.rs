//! The `quarl` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(quarl_cli::run(std::env::args_os()))
}
