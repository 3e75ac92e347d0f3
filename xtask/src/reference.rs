//! `cargo xtask reference`: writes the pages of docs that are generated from the code.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The pages, each with the arguments of `quarl` that print it.
const PAGES: [(&str, &[&str]); 2] =
    [("docs/reference.md", &["config", "reference"]), ("docs/command-reference.md", &["man", "--markdown"])];

pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    for (page, arguments) in PAGES {
        let quarl = ["run", "--quiet", "--package", "quarl-cli", "--"];
        let output = Command::new("cargo").current_dir(root).args(quarl).args(arguments).output()?;
        if !output.status.success() {
            bail!("quarl {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        fs::write(root.join(page), output.stdout).with_context(|| format!("cannot write {page}"))?;
        eprintln!("written: {page}");
    }
    Ok(())
}
