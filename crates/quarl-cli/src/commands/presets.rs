//! `quarl presets`: lists the presets, or prints one.

use anyhow::Result;
use quarl::config::{EnvConfig, TrainConfig, presets};
use quarl::env;
use serde_json::json;

use crate::args::PresetsArgs;
use crate::{Outcome, output};

pub(crate) fn run(args: PresetsArgs) -> Result<Outcome> {
    match args.name {
        None => {
            for (name, summary) in presets::list() {
                match args.json {
                    true => output::json(&json!({ "name": name, "summary": summary })),
                    false => output::line(format!("{name:<12} {summary}")),
                }
            }
        }
        Some(name) => {
            // Whether Gymnasium has an environment only Python knows, and its settings are built in.
            if let Some(id) = args.env.as_ref().filter(|id| !EnvConfig::named(id).is_gymnasium()) {
                env::make(id)?;
            }
            if args.json {
                let config = match &args.env {
                    Some(id) => TrainConfig::preset(&name).set("env.id", id.as_str()).build()?,
                    None => TrainConfig::preset(&name).build()?,
                };
                output::json(&json!({ "name": name, "config": config }));
                return Ok(Outcome::Done);
            }
            output::text(presets::text(&name, args.env.as_deref())?);
        }
    }
    Ok(Outcome::Done)
}
