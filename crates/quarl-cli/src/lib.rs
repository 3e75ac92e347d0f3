//! The `quarl` command as a library, for the binary `quarl` and for the command of the Python package. [`run`] is all of it.

// An experiment records a run that panics and continues with the others, which needs unwinding.
#[cfg(not(panic = "unwind"))]
compile_error!("quarl needs unwinding: no profile may set panic = \"abort\"");

mod args;
mod commands;
mod display;
mod interrupt;
mod keyboard;
mod live;
mod output;
mod progress;
mod report;
#[cfg(unix)]
mod stalled;
#[cfg(unix)]
mod startup;
mod terminal;
mod window;

use std::ffi::OsString;

use clap::Parser;

use args::{Cli, Command};

/// Runs the command with these arguments, of which the first is the program's name, and returns its exit status.
///
/// It handles the signals of the process from then on, and a second Ctrl-C ends the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(message) => return help(&message),
    };
    #[cfg(unix)]
    if !cli.command.is_quiet() {
        startup::report_slow_starts();
    }
    let result = match cli.command {
        Command::Train(args) => commands::train::run(args),
        Command::Watch(args) => commands::watch::run(args),
        Command::Play(args) => commands::play::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Experiment(args) => commands::experiment::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Tune(args) => commands::tune::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Fork(args) => commands::fork::run(args),
        Command::Bisect(args) => commands::bisect::run(args),
        Command::Import(args) => commands::import::run(args),
        Command::Plot(args) => commands::plot::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Envs(args) => commands::envs::run(args),
        Command::Presets(args) => commands::presets::run(args),
        Command::Config(command) => commands::config::run(command),
        Command::Bench(args) => commands::bench::run(args),
        Command::Completions(args) => commands::completions::run(args),
        Command::Man(args) => commands::manual::run(args),
    };
    match result.and_then(|outcome| output::check().map(|()| outcome)) {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Interrupted) => interrupt::exit_status(),
        // A signal arrived while an environment in Python was being started.
        Err(error) if matches!(error.downcast_ref(), Some(quarl::Error::Stopped { .. })) => interrupt::exit_status(),
        Err(error) => {
            output::error(&error);
            output::exit_status(&error)
        }
    }
}

/// Prints a message of the argument parser: help or the version to standard output, wrong usage to standard error.
fn help(message: &clap::Error) -> u8 {
    let printed = message.print();
    if !message.use_stderr() {
        output::record_failure(printed);
        if let Err(error) = output::check() {
            output::error(&error);
            return 1;
        }
    }
    message.exit_code() as u8
}

/// The outcome of a command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The command completed.
    Done,
    /// A signal arrived (see [`interrupt`]); the results so far have been kept.
    Interrupted,
}
