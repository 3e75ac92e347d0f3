//! `quarl report`: one HTML file about runs, experiments and comparisons.

use anyhow::Result;

use crate::args::ReportArgs;
use crate::output::Usage;
use crate::report::{self, Options};
use crate::{Outcome, interrupt, output};

pub(crate) fn run(args: ReportArgs) -> Result<Outcome> {
    let ReportArgs { paths, out, title, no_recordings, trust } = args;
    if out.is_dir() {
        return Err(Usage(format!("--out {}: this is a directory; give the path of a file", out.display())).into());
    }
    if !report::may_replace(&out) {
        let message = format!("--out {}: this file exists and is not a report: choose another name", out.display());
        return Err(Usage(message).into());
    }
    interrupt::listen();
    let page = report::page(&paths, &Options { title, recordings: !no_recordings, trust })?;
    if interrupt::requested() {
        return Ok(Outcome::Interrupted);
    }
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(quarl::Error::io("create", parent))?;
    }
    quarl::atomic_write(&out, page.as_bytes())?;
    output::line(format!("report: {} ({:.1} MB)", out.display(), page.len() as f64 / 1e6));
    Ok(Outcome::Done)
}
