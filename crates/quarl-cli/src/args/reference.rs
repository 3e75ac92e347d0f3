//! The arguments of the commands that describe the settings and the command itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    pub(crate) task: ConfigTask,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigTask {
    /// Explain a configuration key or a section: type, default, range, unit, meaning
    Explain(ExplainArgs),
    /// Check a configuration file without training
    Check(CheckArgs),
    /// Print the reference of all configuration keys as Markdown
    Reference,
    /// Print the JSON Schema of configuration files, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A key such as agent.gamma, its name alone where that is unambiguous, or a section such as agent
    pub(crate) key: String,
    /// One key a line, as JSON, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The TOML file
    pub(crate) file: PathBuf,
    /// Fill in the keys that the file leaves out from this preset (see `quarl presets`)
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write the pages into this directory: quarl.1, quarl-train.1, ..
    #[arg(long, value_name = "DIR", required_unless_present = "markdown")]
    pub(crate) out: Option<PathBuf>,
    /// Print all pages as one Markdown document instead
    #[arg(long, conflicts_with = "out")]
    pub(crate) markdown: bool,
}
