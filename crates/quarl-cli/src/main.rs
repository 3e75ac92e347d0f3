//! The `quarl` command: train, play, eval, experiment, plot, and what there is to know before.

// An experiment reports a run that panics and goes on with the others, which needs unwinding.
#[cfg(not(panic = "unwind"))]
compile_error!("quarl needs unwinding: no profile may set panic = \"abort\"");

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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => return help(&message),
    };
    #[cfg(unix)]
    if !cli.command.is_quiet() {
        startup::report_slow_starts();
    }
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
    match result.and_then(|outcome| output::check().map(|()| outcome)) {
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

/// Prints what the argument parser has to say: help or the version on standard output, wrong usage on standard error.
fn help(message: &clap::Error) -> ExitCode {
    let printed = message.print();
    if !message.use_stderr() {
        output::note(printed);
        if let Err(error) = output::check() {
            output::error(&error);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::from(message.exit_code() as u8)
}

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It did what it was asked to.
    Done,
    /// A signal came (see [`interrupt`]); the results so far have been kept.
    Interrupted,
}
