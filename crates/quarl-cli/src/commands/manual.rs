//! `quarl man`: writes manual pages, or prints them as one Markdown document (docs/command-reference.md).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::{Outcome, output};

/// The text before the commands.
const HEAD: &str = "\
<!-- Written by `cargo xtask reference`, from the definitions of the arguments in crates/quarl-cli/src/args.rs. Edit those. -->

# Reference of the commands

`quarl help COMMAND` prints what this page says about a command, and `quarl man --out DIR` writes it as manual pages.
[command.md](command.md) describes files, exit status and output, and [reference.md](reference.md) the configuration keys.
";

pub(crate) fn run(args: ManArgs) -> Result<Outcome> {
    match args.out {
        Some(dir) => write_pages(&dir)?,
        None => output::text(markdown()),
    }
    Ok(Outcome::Done)
}

fn write_pages(dir: &Path) -> Result<()> {
    let name = dir.display();
    fs::create_dir_all(dir).with_context(|| format!("cannot create {name}"))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    for command in with_subcommands(&command) {
        let title = command.get_display_name().unwrap_or(command.get_name()).to_uppercase();
        let page = Man::new(command.clone()).title(title).source(concat!("quarl ", env!("CARGO_PKG_VERSION")));
        page.manual("quarl manual").generate_to(dir).with_context(|| format!("cannot write the pages into {name}"))?;
    }
    Ok(())
}

/// A command and all its subcommands.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    [command].into_iter().chain(command.get_subcommands().flat_map(with_subcommands)).collect()
}

fn markdown() -> String {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let all = with_subcommands(&command).into_iter();
    let commands: Vec<Command> = all.filter(|command| !command.has_subcommands()).cloned().collect();
    let links: String = commands
        .iter()
        .map(|command| {
            let name = full_name(command);
            format!("- [`{name}`](#{}): {}\n", name.replace(' ', "-"), about(command))
        })
        .collect();
    HEAD.to_owned() + "\n## Contents\n\n" + &links + &commands.into_iter().map(of_command).collect::<String>()
}

fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).to_owned()
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn of_command(mut command: Command) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    // The first paragraph repeats the short description.
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let short = about(&command);
    let description = long.split_once("\n\n").map_or(short.as_str(), |(_, rest)| rest).trim_end_matches('.');
    let mut text = format!("\n## `{}`\n\n{description}.\n\nUsage: `{usage}`\n", full_name(&command));
    let is_help = |argument: &&Arg| matches!(argument.get_id().as_str(), "help" | "version");
    let arguments = command.get_arguments().filter(|argument| !is_help(argument)).map(of_argument);
    let arguments = arguments.collect::<String>();
    if !arguments.is_empty() {
        text += &format!("\n{arguments}");
    }
    if let Some(examples) = command.get_after_help().map(ToString::to_string) {
        let lines = examples.lines().skip(1).map(|line| format!("{}\n", line.trim()));
        text += &format!("\nExamples:\n\n```text\n{}```\n", lines.collect::<String>());
    }
    text
}

fn of_argument(argument: &Arg) -> String {
    let values: Vec<&str> = argument.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    let takes_value = argument.get_action().takes_values();
    let name = match (argument.get_long(), takes_value) {
        (Some(long), true) => format!("--{long} {}", values.join(" ")),
        (Some(long), false) => format!("--{long}"),
        (None, _) => values.join(" "),
    };
    let mut text = format!("- `{name}`: {}", argument.get_help().map(ToString::to_string).unwrap_or_default());
    let choices = if takes_value { argument.get_possible_values() } else { Vec::new() };
    let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_value && !default.is_empty() {
        text += &format!(" [default: {}]", default.join(" "));
    }
    for choice in choices {
        let help = choice.get_help().map_or(String::new(), |help| format!(": {help}"));
        text += &format!("\n  - `{}`{help}", choice.get_name());
    }
    text + "\n"
}
