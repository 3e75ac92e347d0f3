//! Prepares the measurements: the Python environment and the two compiled programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The directories that `cargo xtask peers` works in.
pub(crate) struct Workplace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    target: PathBuf,
}

impl Workplace {
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        // xtask itself is <target>/<profile>/xtask, wherever the target directory was put.
        let xtask = env::current_exe()?;
        let target = xtask.ancestors().nth(2).context("xtask was not run by cargo")?;
        Ok(Workplace { root: root.to_path_buf(), target: target.to_path_buf() })
    }

    /// The source directory of a peer.
    pub(crate) fn peer(&self, file: &str) -> PathBuf {
        self.root.join("benchmarks/peers").join(file)
    }

    /// The directory of files that can be recreated.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.target.join("peers")
    }

    /// The Python interpreter of .venv-peers, with the pinned packages installed.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        let venv = self.root.join(".venv-peers");
        let requirements = self.peer("requirements.txt");
        // Written last, so that an interrupted installation is repeated.
        let installed = venv.join("installed-requirements.txt");
        let wanted = fs::read_to_string(&requirements)?;
        if fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
            eprintln!("installing the Python peers into .venv-peers (several GB, once)");
            let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
            succeed(Command::new(python).args(["-m", "venv"]).arg(&venv))?;
            succeed(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "-r"]).arg(&requirements))?;
            fs::write(installed, wanted)?;
        }
        Ok(venv.join("bin/python"))
    }

    /// Builds quarl in release mode.
    pub(crate) fn build_quarl(&self) -> Result<PathBuf> {
        self.build(&self.root.join("Cargo.toml"), "quarl-cli", "quarl")
    }

    /// Builds the burn peer.
    pub(crate) fn build_burn(&self) -> Result<PathBuf> {
        self.build(&self.peer("burn/Cargo.toml"), "burn-peer", "burn-peer")
    }

    fn build(&self, manifest: &Path, package: &str, binary: &str) -> Result<PathBuf> {
        let mut cargo = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        cargo.args(["build", "--release", "--package", package, "--manifest-path"]).arg(manifest);
        succeed(cargo.arg("--target-dir").arg(&self.target))?;
        Ok(self.target.join("release").join(binary))
    }
}

/// Runs a command to its end and shows its output.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// The standard output of a command; its standard error is shown.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Today's date as 2026-01-31, the name of the results' directory.
pub(crate) fn today() -> Result<String> {
    output_of(Command::new("date").arg("+%F"))
}
