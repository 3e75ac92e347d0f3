//! `cargo xtask bridge`: measures the overhead of the bridge to Gymnasium per environment step.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{gymnasium, peers};

/// Runs the measurement and writes the results to `benchmarks/runs/DATE/`.
pub(crate) fn run() -> Result<()> {
    let python = gymnasium::python()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let before = load();
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "quarl", "--example", "bridge_cost"])
        .current_dir(root)
        .env("QUARL_TEST_PYTHON", python)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the measurement failed");
    }
    let mut results: Value = serde_json::from_slice(&output.stdout).context("the measurement printed no JSON")?;
    results["machine"] = json!({ "cores": cores(), "load_before": before, "load_after": load() });
    let out = root.join("benchmarks/runs").join(peers::today()?);
    fs::create_dir_all(&out)?;
    fs::write(out.join("bridge.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    let table = table(&results);
    fs::write(out.join("bridge.md"), &table)?;
    print!("{table}");
    println!("written to {}", out.display());
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The load average of the last minute, where the system reports it; the measurement itself contributes one or two.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
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
            "\nThe bridge adds {}; allowed are {} (15, or one and a half bare round trips where that is more).\n\
             \nLoad of the last minute: {} before, {} after (the measurement itself makes 1 to 2), on {} cores.\n",
            number(&results["bridge_adds"]),
            number(&results["allowed"]),
            number(&results["machine"]["load_before"]),
            number(&results["machine"]["load_after"]),
            results["machine"]["cores"],
        )
}
