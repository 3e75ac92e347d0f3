//! The documentation: its links lead somewhere, the code it quotes is the code, and the keys it names exist.

mod markdown;

use std::fs;
use std::path::Path;

use markdown::{Document, documents, root};
use quarl::TrainConfig;

/// The headings of a page of the course, in this order; a page may leave out those in the middle.
const SECTIONS: [&str; 10] = [
    "The problem",
    "The idea",
    "The formula",
    "The code",
    "The switch",
    "What it shows",
    "When to use it",
    "Its settings",
    "Exercises",
    "Papers",
];

/// Pages of the guide that are not pages of the course.
const NO_LESSONS: [&str; 4] = ["README.md", "checkpoints.md", "glossary.md", "python.md"];

fn lessons() -> Vec<Document> {
    let mut pages = documents();
    pages.retain(|page| {
        page.path.starts_with("docs/guide") && !NO_LESSONS.iter().any(|other| page.path.ends_with(other))
    });
    assert!(pages.len() > 15);
    pages
}

fn check(what: &str, errors: &[String]) {
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

/// The lines without indentation, empty ones left out.
fn lines_of<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_link_and_figure_exists() {
    let (root, documents) = (root(), documents());
    let mut errors = Vec::new();
    for document in &documents {
        let here = document.path.parent().unwrap();
        for (line, link) in document.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { root.join(&document.path) } else { root.join(here).join(file) };
            let place = format!("{}:{line}: {link}", document.path.display());
            let Ok(target) = target.canonicalize() else {
                errors.push(format!("{place}: there is no such file"));
                continue;
            };
            let of_target = documents.iter().find(|other| target == root.join(&other.path));
            if !anchor.is_empty() && of_target.is_none_or(|other| !other.anchors().iter().any(|known| known == anchor))
            {
                errors.push(format!("{place}: there is no such heading"));
            }
        }
    }
    check("links that lead nowhere", &errors);
}

/// A block that starts with `// path` quotes that file; `// ..` leaves lines out.
#[test]
fn quoted_code_is_in_the_source() {
    let root = root();
    let mut errors = Vec::new();
    for page in lessons() {
        for block in page.blocks.iter().filter(|block| block.language == "rust,ignore") {
            let place = format!("{}:{}", page.path.display(), block.line);
            let path = block.lines[0].strip_prefix("// ").unwrap_or_default();
            let Ok(source) = fs::read_to_string(root.join(path)) else {
                errors.push(format!(
                    "{place}: the first line must name the quoted file, such as // crates/quarl-core/src/target.rs"
                ));
                continue;
            };
            let source = lines_of(source.lines());
            let quoted = lines_of(block.lines[1..].iter().map(String::as_str));
            for part in quoted.split(|line| *line == "// ..") {
                if !source.windows(part.len().max(1)).any(|lines| lines == part) {
                    errors.push(format!("{place}: {path} has no such lines: {}", part.join(" ")));
                }
            }
        }
    }
    check("quotations that differ from the source", &errors);
}

/// Rust code that is not a quotation is run by `crates/quarl/tests/snippets.rs`, which has the same lines.
#[test]
fn every_rust_snippet_is_run() {
    let source = fs::read_to_string(root().join("crates/quarl/tests/snippets.rs")).unwrap();
    let source = lines_of(source.lines());
    let mut errors = Vec::new();
    for page in documents() {
        for block in page.blocks.iter().filter(|block| block.language == "rust") {
            let snippet = lines_of(block.lines.iter().map(String::as_str));
            if !source.windows(snippet.len()).any(|lines| lines == snippet) {
                errors.push(format!("{}:{}", page.path.display(), block.line));
            }
        }
    }
    check("snippets that crates/quarl/tests/snippets.rs does not have", &errors);
}

#[test]
#[cfg(unix)]
fn every_python_snippet_is_python() {
    let mut errors = Vec::new();
    for page in documents() {
        for block in page.blocks.iter().filter(|block| block.language == "python") {
            let program = ["-c", "import ast, sys; ast.parse(sys.argv[1])", &block.lines.join("\n")];
            let Ok(output) = std::process::Command::new("python3").args(program).output() else { return };
            if !output.status.success() {
                errors.push(format!("{}:{}", page.path.display(), block.line));
            }
        }
    }
    check("Python that Python does not accept", &errors);
}

#[test]
fn every_direct_dependency_is_justified_and_no_other_crate() {
    use std::collections::BTreeSet;
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let ours = |name: &&String| dependencies[name.as_str()].get("path").is_some();
    let direct: BTreeSet<String> = dependencies.keys().filter(|name| !ours(name)).cloned().collect();
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let justified: BTreeSet<String> = rows
        .inspect(|(name, reason)| assert!(reason.len() > 20, "{name}: {reason}"))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(justified, direct);
    // No crate of the workspace depends on another version, or on a crate that the workspace does not list.
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let path = root().join(member.as_str().unwrap()).join("Cargo.toml");
        let member: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let targets = member.get("target").and_then(toml::Value::as_table).into_iter().flatten();
        let tables = targets.map(|(_, target)| target.as_table().unwrap()).chain([&member]);
        for table in tables {
            for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
                for (name, dependency) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                    let is_listed = dependency.get("workspace").is_some() || dependency.get("path").is_some();
                    assert!(is_listed, "{}: {name}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_key_that_is_named_exists() {
    const PARTS: [&str; 9] =
        ["env", "network", "replay", "agent", "target_network", "exploration", "optimizer", "training", "evaluation"];
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter);
    let mut errors = Vec::new();
    let is_for_readers = |path: &Path| path.starts_with("docs") || path.starts_with("README.md");
    for page in documents().into_iter().filter(|page| is_for_readers(&page.path)) {
        for (line, code) in page.inline_code() {
            for word in code.split(|letter| !is_word(letter)) {
                let word = word.trim_matches('.');
                let Some((section, key)) = word.split_once('.') else { continue };
                let is_file = ["rs", "toml", "gif", "zip", "h", "onnx", "wasm"].contains(&key);
                if !PARTS.contains(&section) || is_file || key == "gym" {
                    continue;
                }
                // An entry of a schedule, as in a search space, exists where the schedule does.
                let entry = word.rsplit_once('.').filter(|(outer, entry)| {
                    outer.contains('.') && ["from", "to", "fraction", "steps", "half_life"].contains(entry)
                });
                let word = entry.map_or(word, |(schedule, _)| schedule);
                // Any key refuses this value, an unknown one for another reason.
                let refused = TrainConfig::preset("dqn").set(word, "\u{0}").build();
                if refused.err().is_some_and(|error| error.to_string().contains("unknown key")) {
                    errors.push(format!("{}:{line}: {word}", page.path.display()));
                }
            }
        }
    }
    check("keys that do not exist", &errors);
}

#[test]
fn every_lesson_has_its_sections_in_order_and_a_figure() {
    let mut errors = Vec::new();
    for page in lessons() {
        let headings = page.headings();
        let positions: Vec<usize> =
            headings.iter().filter_map(|heading| SECTIONS.iter().position(|section| section == heading)).collect();
        let has = |section: &str| headings.contains(&section);
        if !positions.is_sorted() || !["The problem", "The idea", "Exercises"].into_iter().all(has) {
            errors.push(format!("{}: its sections are {headings:?}", page.path.display()));
        }
        if !page.prose.iter().any(|(_, line)| line.starts_with("![")) {
            errors.push(format!("{}: it has no figure", page.path.display()));
        }
    }
    check("pages without the sections of a lesson", &errors);
}
