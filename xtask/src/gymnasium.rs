//! Installs the real Gymnasium for the tests that need it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The pinned packages of the tests.
const REQUIREMENTS: &str = "crates/quarl/tests/python/requirements.txt";

/// The Python interpreter of .venv, with the pinned packages installed (about half a minute, once).
pub(crate) fn python() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let venv = root.join(".venv");
    let wanted = fs::read_to_string(root.join(REQUIREMENTS))?;
    // Written last, so that an interrupted installation is repeated.
    let installed = venv.join("installed-requirements.txt");
    if fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
        eprintln!("installing Gymnasium into .venv (half a minute, once)");
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        succeed(Command::new(python).args(["-m", "venv"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary", "-r"];
        succeed(Command::new(venv.join("bin/python")).args(pip).arg(root.join(REQUIREMENTS)))?;
        fs::write(installed, wanted)?;
    }
    Ok(venv.join("bin/python"))
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: the tests need Python 3.10 or later, and the package index or a mirror of it");
    }
    Ok(())
}
