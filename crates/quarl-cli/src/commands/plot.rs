//! `quarl plot`: runs and experiments in one figure; and the figures that training and experiments leave by themselves.

use anyhow::Result;
use std::path::Path;

use crate::Outcome;
use crate::args::PlotArgs;

pub(crate) fn run(_args: PlotArgs) -> Result<Outcome> {
    Ok(Outcome::Done)
}

pub(crate) fn draw_run(_dir: &Path) -> Result<()> {
    Ok(())
}

pub(crate) fn draw_experiment(_dir: &Path) -> Result<()> {
    Ok(())
}
