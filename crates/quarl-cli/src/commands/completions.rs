//! `quarl completions`: prints a completion script for a shell.

use anyhow::Result;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use quarl::config::{presets, reference};
use quarl::env;

use crate::args::{Cli, CompletionsArgs};
use crate::{Outcome, output};

pub(crate) fn run(args: CompletionsArgs) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut with_names(Cli::command()), "quarl", &mut script);
    let script = String::from_utf8(script)?;
    output::text(match args.shell {
        Shell::Bash => without_space_after_keys(&script),
        Shell::Fish => script + &names_for_fish(),
        _ => script,
    });
    Ok(Outcome::Done)
}

/// Completions of positional arguments for fish, which clap's generator leaves out.
fn names_for_fish() -> String {
    let sections = reference::sections();
    let envs = env::ids().join(" ");
    let presets = presets::list().map(|(name, _)| name).collect::<Vec<_>>().join(" ");
    let keys =
        sections.iter().flat_map(|section| &section.keys).map(|key| key.key.as_str()).collect::<Vec<_>>().join(" ");
    let of = |command: &str, names: &str| {
        format!("complete -c quarl -n \"__fish_quarl_using_subcommand {command}\" -f -a \"{names}\"\n")
    };
    let explain = of("config; and __fish_seen_subcommand_from explain", &keys);
    ["train", "experiment", "tune", "envs"].map(|command| of(command, &envs)).concat()
        + &of("presets", &presets)
        + &explain
}

/// The command with the known values of its arguments. They are for completion only, because other Gymnasium environments
/// exist, and because the library's error for an unknown name is better than the argument parser's.
fn with_names(command: Command) -> Command {
    let keys = || reference::sections().into_iter().flat_map(|section| section.keys);
    let value = |name: String, help: String| PossibleValue::new(name).help(help);
    let presets: Vec<_> = presets::list().map(|(name, summary)| value(name.into(), summary.into())).collect();
    let envs: Vec<_> = env::ids().iter().map(|id| PossibleValue::new(*id)).collect();
    let assignments: Vec<_> = keys().map(|key| value(format!("{}=", key.key), key.meaning)).collect();
    let paths: Vec<_> = keys().map(|key| value(key.key, key.meaning)).collect();
    let named = |command: Command, argument: &str, values: &[PossibleValue]| {
        let parser = PossibleValuesParser::new(values.to_vec());
        command.mut_arg(argument, |argument| argument.value_parser(parser))
    };
    let of_training = |mut command: Command| {
        for (argument, values) in [("env", &envs), ("preset", &presets), ("assignments", &assignments)] {
            command = named(command, argument, values);
        }
        command
    };
    command
        .mut_subcommand("train", of_training)
        .mut_subcommand("experiment", of_training)
        .mut_subcommand("tune", of_training)
        .mut_subcommand("envs", |command| named(command, "env", &envs))
        .mut_subcommand("presets", |command| named(named(command, "name", &presets), "env", &envs))
        .mut_subcommand("config", |command| {
            command
                .mut_subcommand("explain", |command| named(command, "key", &paths))
                .mut_subcommand("check", |command| named(command, "preset", &presets))
        })
}

/// Completes a key with its equals sign and without a space after it.
fn without_space_after_keys(script: &str) -> String {
    let before = "--set)\n                    COMPREPLY=";
    script.replace(before, &before.replace("COMPREPLY", "compopt -o nospace\n                    COMPREPLY"))
}
