//! `quarl export`: writes a trained agent as a file for other programs.

use std::path::PathBuf;

use anyhow::Result;
use quarl::export::{self, Format};
use quarl::trained::{SavedModel, TrainedAgent};
use quarl::{Error, atomic_write};

use crate::args::{ExportArgs, ExportFormat};
use crate::{Outcome, output};

pub(crate) fn run(args: ExportArgs) -> Result<Outcome> {
    let format = match args.format {
        ExportFormat::Onnx => Format::Onnx,
        ExportFormat::Rust => Format::Rust,
        ExportFormat::C => Format::C,
    };
    let out = args.out.unwrap_or_else(|| PathBuf::from(format!("agent.{}", format.extension())));
    // Without following a link, which may point anywhere.
    if !args.force && out.symlink_metadata().is_ok() {
        let message = "exists already: choose another file with --out, or replace it with --force".to_owned();
        return Err(Error::Occupied { path: out, message }.into());
    }
    let agent = TrainedAgent::load(&args.run, if args.best { SavedModel::Best } else { SavedModel::Last })?;
    let bytes = export::export(&agent.model, format)?;
    atomic_write(&out, &bytes)?;
    output::line(format!("agent: {} ({} bytes), from {}", out.display(), bytes.len(), agent.path.display()));
    Ok(Outcome::Done)
}
