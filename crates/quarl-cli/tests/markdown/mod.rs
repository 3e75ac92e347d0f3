//! Markdown files as the documentation tests see them: prose, code blocks, headings and links.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

/// A Markdown file of the repository.
pub(crate) struct Document {
    /// Its path from the repository's root.
    pub(crate) path: PathBuf,
    /// The lines outside code blocks, with their numbers from 1.
    pub(crate) prose: Vec<(usize, String)>,
    /// The code blocks, fenced and indented.
    pub(crate) blocks: Vec<Block>,
}

/// A code block.
pub(crate) struct Block {
    /// The number of its first line of code.
    pub(crate) line: usize,
    /// What follows the opening fence; empty for an indented block.
    pub(crate) language: String,
    /// The code, without the block's indentation.
    pub(crate) lines: Vec<String>,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every Markdown file of the repository, in alphabetical order.
pub(crate) fn documents() -> Vec<Document> {
    let root = root();
    let mut paths = Vec::new();
    find(&root, &mut paths);
    paths.sort();
    paths.into_iter().map(|path| Document::read(&root, path.strip_prefix(&root).unwrap())).collect()
}

fn find(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if !name.to_string_lossy().starts_with('.') && name != "target" && name != "fixtures" {
                find(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

impl Document {
    pub(crate) fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(root.join(path)).unwrap();
        let mut document = Self { path: path.to_owned(), prose: Vec::new(), blocks: Vec::new() };
        let (mut fenced, mut indented, mut after_blank) = (false, false, true);
        let mut margin = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if let Some(language) = trimmed.strip_prefix("```") {
                if !fenced {
                    let language = language.trim().to_owned();
                    margin = indent;
                    document.blocks.push(Block { line: number + 1, language, lines: Vec::new() });
                }
                (fenced, indented, after_blank) = (!fenced, false, false);
                continue;
            }
            if !fenced && (indent >= 4 && !trimmed.is_empty() && (indented || after_blank)) {
                if !indented {
                    document.blocks.push(Block { line: number, language: String::new(), lines: Vec::new() });
                }
                indented = true;
            } else if !fenced {
                indented = false;
            }
            if fenced || indented {
                let code = if fenced { &line[margin.min(indent)..] } else { trimmed };
                document.blocks.last_mut().unwrap().lines.push(code.to_owned());
            } else {
                document.prose.push((number, line.to_owned()));
            }
            after_blank = trimmed.is_empty();
        }
        assert!(!fenced, "{}: a code block is not closed", path.display());
        document
    }

    /// The headings, without the number signs.
    pub(crate) fn headings(&self) -> Vec<&str> {
        let headings = self.prose.iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| line.trim_start_matches('#').trim()).collect()
    }

    /// The anchors of its headings, as GitHub makes them, and those written in HTML.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in self.headings() {
            let words = without_link_targets(heading).to_lowercase();
            let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
            let repeated = anchors.iter().filter(|known| **known == anchor).count();
            anchors.push(if repeated == 0 { anchor } else { format!("{anchor}-{repeated}") });
        }
        for (_, line) in &self.prose {
            for opening in ["<a id=\"", "<a name=\""] {
                let written = line.split(opening).skip(1);
                anchors.extend(written.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        anchors
    }

    /// The targets of its links and images, with their lines; those on other sites excluded.
    pub(crate) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in &self.prose {
            let line = without_code(line);
            for rest in line.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                if !["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
                    links.push((*number, target.to_owned()));
                }
            }
        }
        links
    }

    /// Text in backticks, with its line.
    pub(crate) fn inline_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.prose.iter().flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(|code| (*number, code)))
    }
}

/// `[text](target)` becomes `[text]`.
fn without_link_targets(line: &str) -> String {
    let mut parts = line.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    text
}

/// The line without what is in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}
