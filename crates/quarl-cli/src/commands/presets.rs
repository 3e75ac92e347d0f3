//! `quarl presets`: settings to start from.

use anyhow::Result;
use quarl::config::presets;
use quarl::env;

use crate::args::PresetsArgs;
use crate::{Outcome, output};

pub(crate) fn run(args: PresetsArgs) -> Result<Outcome> {
    match args.name {
        None => {
            for (name, summary) in presets::list() {
                output::line(format!("{name:<12} {summary}"));
            }
        }
        Some(name) => {
            if let Some(id) = &args.env {
                env::make(id)?;
            }
            output::text(presets::text(&name, args.env.as_deref())?);
        }
    }
    Ok(Outcome::Done)
}
