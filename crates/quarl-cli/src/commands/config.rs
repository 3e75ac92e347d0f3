//! `quarl config`: explains configuration keys and checks configuration files.

mod explain;
mod markdown;

use anyhow::Result;
use quarl::config;

use crate::args::{CheckArgs, ConfigArgs, ConfigCommand, ConfigTask};
use crate::{Outcome, output};

pub(crate) fn run(command: ConfigCommand) -> Result<Outcome> {
    match command.task {
        ConfigTask::Explain(args) => explain::run(&args)?,
        ConfigTask::Check(args) => check(args)?,
        ConfigTask::Reference => output::text(markdown::reference()),
        ConfigTask::Schema => output::line(serde_json::to_string_pretty(&config::json_schema())?),
    }
    Ok(Outcome::Done)
}

fn check(args: CheckArgs) -> Result<()> {
    let file = args.file.display().to_string();
    let of_file = ConfigArgs { preset: args.preset, config: Some(args.file), ..ConfigArgs::default() };
    let config = of_file.read()?.config;
    for warning in config.warnings() {
        output::warning(&warning);
    }
    output::line(format!("{file}: a complete configuration for {}", config.env.id));
    Ok(())
}
