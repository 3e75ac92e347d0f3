//! The Python package: builds it and runs its tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::checks::run;

const PACKAGE: &str = "crates/quarl-python";
const MATURIN: &str = "maturin==1.16.0";
/// What the tests of the wheel need besides the package.
const PACKAGES: [&str; 6] =
    ["pytest==9.2.0", "pandas==3.1.1", "matplotlib==3.11.2", "mypy==2.4.1", "pyright==1.1.414", "pandas-stubs"];
/// What runs the notebook.
const NOTEBOOK: [&str; 2] = ["nbclient", "ipykernel"];

/// Builds the wheel, installs it into a clean virtual environment, runs the package's tests and checks its types.
pub(crate) fn wheel() -> Result<()> {
    let here = std::path::absolute("target/wheel")?;
    let text = |path: PathBuf| path.display().to_string();
    let builder = here.join("builder");
    if !builder.join("bin/maturin").exists() {
        make_venv(&builder)?;
        pip(&builder, &[MATURIN])?;
    }
    let dist = here.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    let manifest = format!("{PACKAGE}/Cargo.toml");
    let maturin = text(builder.join("bin/maturin"));
    run(&maturin, &["build", "--release", "--manifest-path", &manifest, "--out", &text(dist.clone())], &[])?;
    let wheels: Vec<PathBuf> = fs::read_dir(&dist)?.flatten().map(|entry| entry.path()).collect();
    let [wheel] = &*wheels else { bail!("maturin built {} wheels, expected one", wheels.len()) };
    let clean = here.join("clean");
    if clean.exists() {
        fs::remove_dir_all(&clean)?;
    }
    make_venv(&clean)?;
    pip(&clean, &[&[&*text(wheel.clone())], &PACKAGES[..]].concat())?;
    let python = text(clean.join("bin/python"));
    let tests = format!("{PACKAGE}/tests");
    run(&python, &["-m", "pytest", "-q", "-p", "no:cacheprovider", &tests], &[("PYTHONDONTWRITEBYTECODE", "1")])?;
    let configuration = format!("{PACKAGE}/pyproject.toml");
    let cache = text(here.join("mypy"));
    run(&python, &["-m", "mypy", "--cache-dir", &cache, "--config-file", &configuration, "-p", "quarl"], &[])?;
    run(&python, &["-m", "pyright", "--pythonpath", &python, "--project", &configuration], &[])?;
    eprintln!("the wheel: {}", wheel.display());
    Ok(())
}

/// Runs the package's quick tests against a native module built like the tests, with this interpreter of a virtual environment.
pub(crate) fn test(python: &str) -> Result<()> {
    // The selection of `cargo test` in `checks::test`: another one would choose other features of dependencies, and compile
    // the library again.
    run("cargo", &["build", "--workspace", "--all-features", "--lib", "--tests"], &[])?;
    let package = Path::new("target/python/quarl");
    if package.exists() {
        fs::remove_dir_all(package)?;
    }
    fs::create_dir_all(package)?;
    for entry in fs::read_dir(format!("{PACKAGE}/python/quarl"))?.flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), package.join(entry.file_name()))?;
    }
    let built = if cfg!(target_os = "macos") { "lib_quarl.dylib" } else { "lib_quarl.so" };
    let native = Path::new("target/debug").join(built);
    fs::copy(&native, package.join("_quarl.abi3.so")).with_context(|| format!("{} is missing", native.display()))?;
    let path = std::path::absolute("target/python")?.display().to_string();
    let tests = format!("{PACKAGE}/tests");
    let environment = [("PYTHONPATH", &*path), ("PYTHONDONTWRITEBYTECODE", "1")];
    run(python, &["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", &tests], &environment)
}

/// Runs the notebook with the wheel that `wheel` has installed.
pub(crate) fn notebook() -> Result<()> {
    wheel()?;
    let clean = std::path::absolute("target/wheel/clean")?;
    pip(&clean, &NOTEBOOK)?;
    let python = clean.join("bin/python").display().to_string();
    let notebook = std::path::absolute(format!("{PACKAGE}/examples/first_steps.ipynb"))?.display().to_string();
    let program = "import sys, tempfile, nbformat, nbclient\n\
                   notebook = nbformat.read(sys.argv[1], as_version=4)\n\
                   with tempfile.TemporaryDirectory() as here:\n    \
                   nbclient.NotebookClient(notebook, timeout=600, resources={'metadata': {'path': here}}).execute()\n";
    run(&python, &["-c", program, &notebook], &[("MPLBACKEND", "Agg")])
}

fn make_venv(at: &Path) -> Result<()> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    run(&python, &["-m", "venv", &at.display().to_string()], &[])
}

fn pip(venv: &Path, packages: &[&str]) -> Result<()> {
    let python = venv.join("bin/python").display().to_string();
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"];
    run(&python, &[&install[..], packages].concat(), &[])
}
