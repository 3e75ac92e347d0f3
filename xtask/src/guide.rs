//! The course as a site, made by mdBook from the same Markdown files that GitHub shows.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::checks::run;

const MDBOOK: &str = "0.5.4";
/// Where links lead that leave `docs`.
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main");

/// Builds the site in target/book. mdBook is compiled into target/tools the first time (some minutes), unless this version of it
/// is on the path.
pub(crate) fn run_mdbook() -> Result<()> {
    let source = Path::new("target/book-source");
    if source.exists() {
        fs::remove_dir_all(source)?;
    }
    copy(Path::new("docs"), Path::new(""), source)?;
    let mdbook = mdbook()?;
    run(&mdbook, &["build", "target/book-source", "--dest-dir", "target/book"], &[])?;
    // mdBook puts a copy of the first chapter there, whose relative links would be wrong.
    fs::write("target/book/index.html", "<meta http-equiv=\"refresh\" content=\"0; url=guide/index.html\">\n")?;
    println!("target/book/index.html");
    Ok(())
}

/// The program, installed where it is missing.
fn mdbook() -> Result<String> {
    let installed = "target/tools/bin/mdbook";
    for program in ["mdbook", installed] {
        let version = Command::new(program).arg("--version").output();
        if version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(MDBOOK)) {
            return Ok(program.to_owned());
        }
    }
    let version = format!("mdbook@{MDBOOK}");
    let features = ["--no-default-features", "--features", "search"];
    run("cargo", &[&["install", &version, "--locked", "--root", "target/tools"], &features[..]].concat(), &[])?;
    Ok(installed.to_owned())
}

/// Copies `from` (the directory `inside` of docs) to `to`; in Markdown files, links out of docs become links to the repository.
fn copy(from: &Path, inside: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy(&path, &inside.join(&name), &to.join(&name))?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            fs::write(to.join(&name), with_links_to_repository(&fs::read_to_string(&path)?, inside))?;
        } else {
            fs::copy(&path, to.join(&name))?;
        }
    }
    Ok(())
}

/// The text with relative links out of docs replaced, for a file in the directory `inside` of docs.
fn with_links_to_repository(text: &str, inside: &Path) -> String {
    let mut parts = text.split("](");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("](");
        let (target, _) = part.split_once(')').unwrap_or((part, ""));
        match outside(&Path::new("docs").join(inside).join(target)) {
            Some(path) if target.starts_with("..") => {
                out.push_str(&format!("{REPOSITORY}/{path}"));
                out.push_str(&part[target.len()..]);
            }
            _ => out.push_str(part),
        }
    }
    // mdBook renders a README as the index of its directory, and leaves links to it as they are.
    out.replace("](README.md", "](index.md")
}

/// The path from the repository's root without `..`, if it is not in docs.
fn outside(path: &Path) -> Option<String> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            component => plain.push(component),
        }
    }
    (!plain.starts_with("docs")).then(|| plain.to_string_lossy().replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_docs_lead_to_the_repository() {
        let text = "[a](../../crates/a.rs) [b](../images/b.png) [c](c.md#d) [e](https://f.g) [h](README.md)";
        let expected =
            format!("[a]({REPOSITORY}/crates/a.rs) [b](../images/b.png) [c](c.md#d) [e](https://f.g) [h](index.md)");
        assert_eq!(with_links_to_repository(text, Path::new("guide")), expected);
    }
}
