//! Times Rainbow's update in quarl and in PyTorch, in turn on one core.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Args;
use super::setup::{Workplace, output_of};
use super::timing::last_core;

const UPDATES: usize = 500;

/// Times both `args.rounds` times and writes rainbow.json and rainbow.md into `out`.
pub(crate) fn run(workplace: &Workplace, args: &Args, out: &Path) -> Result<()> {
    let quarl = match &args.quarl {
        Some(file) => file.clone(),
        None => workplace.build_quarl()?,
    };
    let python = workplace.python()?;
    let core = last_core()?.to_string();
    let pinned = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &core]).arg(program).args(arguments);
        output_of(&mut command)
    };
    let script = workplace.peer("rainbow_pytorch.py");
    let script = script.to_str().context("the repository's path is not UTF-8")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let lines = pinned(&quarl, &["bench", "--presets", "--json"])?;
        let rainbow = lines.lines().find(|line| line.contains("\"rainbow\"")).context("quarl measured no rainbow")?;
        ours.push(number(rainbow, "update_us_median")?);
        theirs.push(number(&pinned(&python, &[script, "--time", &UPDATES.to_string()])?, "step_us")?);
        eprintln!(
            "round {round} of {}: quarl {:.0} us, PyTorch {:.0} us",
            args.rounds,
            ours[round - 1],
            theirs[round - 1]
        );
    }
    let ratio = median(&theirs) / median(&ours);
    let json = json!({ "quarl_update_us": ours, "pytorch_update_us": theirs, "ratio_of_medians": ratio });
    fs::write(out.join("rainbow.json"), serde_json::to_string_pretty(&json)? + "\n")?;
    let text = format!(
        "# Rainbow's update\n\nOne core, {} rounds in turn, medians: quarl {:.0} microseconds, PyTorch {:.0}: {ratio:.0} times \
         as long.\nNetwork 4-128-128, noisy and dueling (128 units a stream), 51 atoms, batch 64, prioritised replay, three-step returns.\n",
        args.rounds,
        median(&ours),
        median(&theirs)
    );
    fs::write(out.join("rainbow.md"), &text)?;
    println!("{text}");
    Ok(())
}

fn number(line: &str, key: &str) -> Result<f64> {
    let value: Value = serde_json::from_str(line)?;
    value[key].as_f64().with_context(|| format!("no {key} in {line}"))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
