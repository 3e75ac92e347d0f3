//! `quarl report`: an HTML page about runs, experiments and comparisons, in one file without network access.
//!
//! `sections.rs` makes a section of each directory, from `tables.rs`, `figures.rs` and `recordings.rs`; `page.css` and
//! `page.js` are part of the file.

mod comparison;
mod configuration;
mod figures;
mod recordings;
mod sections;
mod study;
mod tables;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::args::TrustArgs;
use recordings::Recordings;

/// The first bytes of every report, by which a report is recognised.
const MARK: &str = "<!DOCTYPE html><!-- quarl report -->";
const STYLE: &str = include_str!("report/page.css");
const SCRIPT: &str = include_str!("report/page.js");

/// What a report shows.
pub(crate) struct Options {
    /// The title; by default the names of the directories.
    pub(crate) title: Option<String>,
    /// Whether agents are played and recorded.
    pub(crate) recordings: bool,
    /// Whether environments of Gymnasium are started for them.
    pub(crate) trust: TrustArgs,
}

/// Whether a report may be written to this path: nothing is there, or a report.
pub(crate) fn may_replace(path: &Path) -> bool {
    let Ok(mut file) = std::fs::File::open(path) else { return !path.exists() };
    let mut start = vec![0; MARK.len()];
    file.read_exact(&mut start).is_ok() && start == MARK.as_bytes()
}

/// A part of the page: its heading, the id of its heading, and its content.
struct Section {
    title: String,
    id: String,
    content: Markup,
}

/// The page about the results in `paths`.
pub(crate) fn page(paths: &[PathBuf], options: &Options) -> Result<String> {
    let mut recordings = Recordings::new(options.recordings, options.trust);
    let sections = paths
        .iter()
        .enumerate()
        .map(|(i, path)| sections::section(path, &format!("results-{}", i + 1), &mut recordings))
        .collect::<Result<Vec<Section>>>()?;
    let title = options
        .title
        .clone()
        .unwrap_or_else(|| sections.iter().map(|section| section.title.as_str()).collect::<Vec<_>>().join(", "));
    let page = html! {
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a .skip href="#content" { "Skip to the results" }
                header {
                    h1 { (title) }
                    @if sections.len() > 1 {
                        nav aria-label="Contents" {
                            ul { @for section in &sections { li { a href=(format!("#{}", section.id)) { (section.title) } } } }
                        }
                    }
                }
                main id="content" {
                    @for section in &sections {
                        section aria-labelledby=(section.id) {
                            @if sections.len() > 1 || section.title != title { h2 id=(section.id) { (section.title) } }
                            @else { h2 .hidden id=(section.id) { (section.title) } }
                            (section.content)
                        }
                    }
                }
                footer {
                    p { "Written by quarl " (env!("CARGO_PKG_VERSION")) ". Intervals have a confidence of 95%." }
                }
                div #tooltip role="status" aria-live="polite" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let page = (DOCTYPE.into_string() + &page.into_string()).replacen("<!DOCTYPE html>", MARK, 1);
    Ok(page)
}
