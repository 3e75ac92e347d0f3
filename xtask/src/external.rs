//! Checks against programs that are too heavy for the normal tests: rliable, TensorBoard, Stable-Baselines3, a notebook of the Python
//! package, and a browser. They are installed into target/external and target/wheel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::checks::{run, succeeds};

/// The Python packages: rliable needs a pandas before version 3.
const PACKAGES: [&str; 5] =
    ["rliable==1.2.0", "pandas<3", "tensorboard==2.21.0", "onnx==1.23.2", "onnxruntime==1.32.0"];
const PLAYWRIGHT: &str = "playwright-core@1.64.1";

/// Runs all checks.
pub(crate) fn run_all() -> Result<()> {
    let here = PathBuf::from("target/external");
    fs::create_dir_all(&here)?;
    let python = install(&here.join("venv"), &PACKAGES)?;
    rliable(&python)?;
    onnx_runtime(&python, &here)?;
    stable_baselines3(&here)?;
    run("cargo", &["build", "--package", "quarl-cli"], &[])?;
    tensorboard(&python, &here)?;
    crate::python::notebook()?;
    browser(&here)
}

/// The Python interpreter of a virtual environment with these packages.
fn install(venv: &Path, packages: &[&str]) -> Result<String> {
    let python = venv.join("bin/python").display().to_string();
    // Written last, so that an interrupted installation is repeated.
    let installed = venv.join("installed");
    if fs::read_to_string(&installed).ok().as_deref() != Some(&packages.join("\n")) {
        let outer = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        run(&outer, &["-m", "venv", &venv.display().to_string()], &[])?;
        run(&python, &[&["-m", "pip", "install", "--quiet", "--disable-pip-version-check"], packages].concat(), &[])?;
        fs::write(installed, packages.join("\n"))?;
    }
    Ok(python)
}

/// ONNX Runtime computes the Q-values and actions of exported agents.
fn onnx_runtime(python: &str, here: &Path) -> Result<()> {
    let exports = std::path::absolute(here.join("exports"))?.display().to_string();
    let test = ["test", "--package", "quarl", "--test", "export", "--", "--ignored", "write_files_for_onnx_runtime"];
    run("cargo", &test, &[("QUARL_EXPORTS", &exports)])?;
    run(python, &["crates/quarl/tests/oracles/onnx_runtime.py", &exports], &[])
}

/// Stable-Baselines3 writes archives, and quarl reads them. It has its own environment: PyTorch takes gigabytes.
fn stable_baselines3(here: &Path) -> Result<()> {
    let python = install(&here.join("stable-baselines3"), &["stable-baselines3==2.9.2", "sb3-contrib==2.9.2"])?;
    let archives = std::path::absolute(here.join("archives"))?.display().to_string();
    run(&python, &["crates/quarl/tests/oracles/sb3_archives.py", &archives, "--variants"], &[])?;
    run(&python, &["crates/quarl/tests/oracles/sb3_archives.py", &archives, "--qrdqn"], &[])?;
    let test = ["test", "--package", "quarl", "--test", "import", "--", "--ignored"];
    run("cargo", &test, &[("QUARL_SB3", &archives)])
}

/// rliable computes the numbers of the fixture again: the points have to be equal, its random intervals close.
fn rliable(python: &str) -> Result<()> {
    let script = "crates/quarl/tests/oracles/rliable_scores.py";
    eprintln!("$ {python} {script}");
    let output = Command::new(python).arg(script).output().context("cannot start Python")?;
    if !output.status.success() {
        bail!("{script} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let computed: Value = serde_json::from_slice(&output.stdout)?;
    let fixture = "crates/quarl/tests/fixtures/rliable.json";
    let recorded: Value = serde_json::from_str(&fs::read_to_string(fixture)?)?;
    let cases = |value: &Value| value["cases"].as_array().cloned().unwrap_or_default();
    let (computed, recorded) = (cases(&computed), cases(&recorded));
    if computed.is_empty() || computed.len() != recorded.len() {
        bail!("{fixture} has {} cases, and rliable computed {}", recorded.len(), computed.len());
    }
    for (computed, recorded) in computed.iter().zip(&recorded) {
        for (key, tolerance) in [
            ("own", 0.0),
            ("other", 0.0),
            ("aggregates", 1e-12),
            ("probability", 1e-12),
            ("profile", 1e-12),
            ("intervals", 0.02),
            ("probability_interval", 0.05),
            ("profile_intervals", 0.05),
        ] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            numbers(&recorded[key], &mut ours);
            numbers(&computed[key], &mut theirs);
            let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance;
            if ours.is_empty() || ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(is_close) {
                bail!("{fixture}: {key} of '{}' is not what rliable computes", recorded["name"]);
            }
        }
    }
    eprintln!("rliable computes the {} recorded cases", recorded.len());
    Ok(())
}

fn numbers(value: &Value, found: &mut Vec<f64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| numbers(value, found)),
        value => found.extend(value.as_f64()),
    }
}

/// TensorBoard's own package reads a run's event file.
fn tensorboard(python: &str, here: &Path) -> Result<()> {
    let out = here.join("logged").display().to_string();
    let settings = ["--set", "evaluation.every_steps=400", "--set", "training.diagnostics=true"];
    quarl(
        &[&["train", "--steps", "3000", "--tensorboard", "--force", "--quiet", "--out", &out], &settings[..]].concat(),
    )?;
    run(python, &["crates/quarl/tests/oracles/tensorboard_reads.py", &out], &[("TF_CPP_MIN_LOG_LEVEL", "3")])
}

/// A reader uses a report in Chromium.
fn browser(here: &Path) -> Result<()> {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    if !succeeds(&chromium, &["--version"]) {
        bail!(
            "{chromium} cannot be started: install Chromium (Debian: apt-get install chromium), or set CHROMIUM to its path"
        );
    }
    let here_text = here.display().to_string();
    run("npm", &["install", "--no-audit", "--no-fund", "--silent", "--prefix", &here_text, PLAYWRIGHT], &[])?;
    let comparison = here.join("comparison").display().to_string();
    let compare = ["compare", "dqn", "double", "--envs", "CartPole-v1,Acrobot-v1", "--steps", "1500", "--runs", "3"];
    let more = ["--set", "evaluation.every_steps=250", "--normalize", "threshold", "--quiet", "--out", &comparison];
    quarl(&[&compare[..], &more].concat())?;
    let (report, logged) = (here.join("report.html").display().to_string(), here.join("logged").display().to_string());
    quarl(&["report", &comparison, &logged, "--out", &report])?;
    let screenshots = here.join("screenshots");
    fs::create_dir_all(&screenshots)?;
    let script = fs::canonicalize("crates/quarl-cli/tests/oracles/report_in_chromium.mjs")?;
    // Node looks for the package beside package.json in the current directory.
    eprintln!("$ node {} report.html screenshots", script.display());
    let status = Command::new("node").current_dir(here).arg(script).args(["report.html", "screenshots"]).status();
    if !status.context("cannot start node")?.success() {
        bail!("the report does not work in Chromium");
    }
    eprintln!("screenshots: {}", screenshots.display());
    Ok(())
}

fn quarl(arguments: &[&str]) -> Result<()> {
    run("target/debug/quarl", arguments, &[])
}
