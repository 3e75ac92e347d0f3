//! `quarl plot`: draws runs and experiments in one figure.

use std::path::PathBuf;

use anyhow::Result;
use quarl::plot::{self, results};

use crate::args::{PlotArgs, XAxis};
use crate::output::Usage;
use crate::{Outcome, output};

pub(crate) fn run(args: PlotArgs) -> Result<Outcome> {
    let PlotArgs { paths, out, labels, title, window, x } = args;
    if !labels.is_empty() && labels.len() != paths.len() {
        let (labels, paths) = (labels.len(), paths.len());
        let message = format!("{labels} --label options for {paths} paths: give one for each path, in order");
        return Err(Usage(message).into());
    }
    let results::Collected { curves, left_out } = results::collect(&paths, &labels)?;
    for reason in left_out {
        output::warning(&format!("left out: {reason}"));
    }
    let environments = results::environments(&curves);
    if environments.len() > 1 {
        let environments = environments.join(", ");
        output::warning(&format!(
            "returns of different environments cannot be compared, so the figure has one panel for each: {environments}"
        ));
    }
    let x = x.map(|x| match x {
        XAxis::Episodes => plot::XAxis::Episodes,
        XAxis::Steps => plot::XAxis::Steps,
    });
    let panels = results::compare(&curves, &results::Options { title, x, window: window as usize })?;
    let files = match out {
        Some(file) => vec![file],
        None => vec![PathBuf::from("quarl-plot.svg"), PathBuf::from("quarl-plot.png")],
    };
    for file in &files {
        plot::write(&panels, file)?;
        output::line(format!("figure: {}", file.display()));
    }
    Ok(Outcome::Done)
}
