//! The `quarl` command: train, play, eval, experiment, plot, and what there is to know before.

mod args;
mod commands;
mod display;
mod interrupt;
mod output;
mod progress;
#[cfg(unix)]
mod startup;
mod terminal;
mod window;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(unix)]
    startup::report_slow_starts();
    let result = match cli.command {
        Command::Train(args) => commands::train::run(args),
        Command::Play(args) => commands::play::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Experiment(args) => commands::experiment::run(args),
        Command::Plot(args) => commands::plot::run(args),
        Command::Envs(args) => commands::envs::run(args),
        Command::Presets(args) => commands::presets::run(args),
        Command::Bench(args) => commands::bench::run(args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(interrupt::exit_status()),
        // A signal came while an environment in Python was being started.
        Err(error) if matches!(error.downcast_ref(), Some(quarl::Error::Stopped { .. })) => {
            ExitCode::from(interrupt::exit_status())
        }
        Err(error) => {
            output::error(&error);
            ExitCode::from(output::exit_status(&error))
        }
    }
}

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It did what it was asked to.
    Done,
    /// A signal came (see [`interrupt`]); the results so far have been kept.
    Interrupted,
}
