//! `quarl export`: writes a trained agent as a file for other programs.

use std::path::PathBuf;

use anyhow::Result;
use quarl::Error;
use quarl::export::{self, Format};
use quarl::trained::{SavedModel, TrainedAgent};

use crate::args::{ExportArgs, ExportFormat};
use crate::{Outcome, output};

pub(crate) fn run(args: ExportArgs) -> Result<Outcome> {
    let format = match args.format {
        ExportFormat::Onnx => Format::Onnx,
        ExportFormat::Rust => Format::Rust,
        ExportFormat::C => Format::C,
    };
    let out = args.out.unwrap_or_else(|| PathBuf::from(format!("agent.{}", format.extension())));
    let agent = TrainedAgent::load(&args.run, if args.best { SavedModel::Best } else { SavedModel::Last })?;
    let bytes = export::export(&agent.model, format)?;
    let written = if args.force { quarl::atomic_write(&out, &bytes) } else { quarl::atomic_create(&out, &bytes) };
    written.map_err(|error| match error {
        Error::Exists { path } => {
            let message = "exists already: choose another file with --out, or replace it with --force".to_owned();
            Error::Occupied { path, message }
        }
        error => error,
    })?;
    output::line(format!("agent: {} ({} bytes), from {}", out.display(), bytes.len(), agent.path.display()));
    Ok(Outcome::Done)
}
