//! `cargo xtask bridge`: what a step of a Gymnasium environment costs more than inside Python.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{gymnasium, peers};

/// Measures on this machine, as it is, and keeps the numbers under `benchmarks/runs/DATE/`.
pub(crate) fn run() -> Result<()> {
    let python = gymnasium::python()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "quarl", "--example", "bridge_cost"])
        .current_dir(root)
        .env("QUARL_TEST_PYTHON", python)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the measurement failed");
    }
    let results: Value = serde_json::from_slice(&output.stdout).context("the measurement printed no JSON")?;
    let out = root.join("benchmarks/runs").join(peers::today()?);
    fs::create_dir_all(&out)?;
    fs::write(out.join("bridge.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    let table = table(&results);
    fs::write(out.join("bridge.md"), &table)?;
    print!("{table}");
    println!("written to {}", out.display());
    Ok(())
}

fn table(results: &Value) -> String {
    let number = |value: &Value| value.as_f64().map_or("?".to_owned(), |x| format!("{x:.1}"));
    let mut table =
        "| microseconds a CartPole step, resets included | median | least | most |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for (key, name) in [
        ("bridge", "through the bridge"),
        ("inside_python", "the same loop inside Python"),
        ("bare_pipe_round_trip", "a bare pipe's round trip"),
    ] {
        let rounds: Vec<f64> =
            results[key]["rounds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        table += &format!("| {name} | {} | {least:.1} | {most:.1} |\n", number(&results[key]["median"]));
    }
    table
        + &format!(
            "\nThe bridge adds {}; allowed are {} (15, or one and a half bare round trips where that is more).\n",
            number(&results["bridge_adds"]),
            number(&results["allowed"])
        )
}
