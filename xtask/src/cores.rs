//! `cargo xtask cores`: measures the gain of an experiment from a second core.
//!
//! Even programs that only multiply and add do not run twice as fast on two cores that share a clock or memory. The
//! efficiency is therefore relative to multiply-adds: the speed of both cores together over the sum of their separate
//! speeds, in training, divided by the same ratio for multiply-adds.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::Value;

use crate::peers;
use crate::peers::setup::{Workplace, output_of, succeed};

/// The length of each run in environment steps.
const STEPS: &str = "20000";

/// The options of the measurement.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Textbook runs per core in each measurement, of 20,000 steps each: a number of episodes would be more work in some
    #[arg(long, value_name = "N", default_value_t = 12)]
    runs: usize,
    /// Use this `quarl` instead of building one
    #[arg(long, value_name = "FILE")]
    quarl: Option<std::path::PathBuf>,
}

/// The results of one round: the two cores separately, one after the other, and together.
#[derive(Serialize)]
struct Round {
    /// Textbook training steps per second.
    steps_alone: [f64; 2],
    steps_together: f64,
    /// GFLOP/s of multiply-adds.
    fma_alone: [f64; 2],
    fma_together: f64,
    /// The gain of the experiment relative to that of the multiply-adds.
    efficiency: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workplace = Workplace::find()?;
    let quarl = match &args.quarl {
        Some(file) => file.clone(),
        None => workplace.build_quarl()?,
    };
    let cores = [0, 1];
    let scratch = workplace.scratch().join("cores");
    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        let train = |cores: &str, jobs: usize, runs: usize| -> Result<f64> {
            if scratch.exists() {
                fs::remove_dir_all(&scratch)?;
            }
            let started = Instant::now();
            succeed(
                pinned(&quarl, cores)
                    .args(["experiment", "--preset", "textbook", "--steps", STEPS, "--quiet", "--out"])
                    .arg(&scratch)
                    .args(["--runs", &runs.to_string(), "--jobs", &jobs.to_string(), "--seed", &round.to_string()])
                    .stdout(Stdio::null()),
            )?;
            Ok(runs as f64 * STEPS.parse::<f64>()? / started.elapsed().as_secs_f64())
        };
        let peak = |line: &str| -> Result<f64> {
            let value: Value = serde_json::from_str(line)?;
            value["fma_peak_gflops_median"].as_f64().context("quarl bench told no peak")
        };
        let bench = |core: usize| {
            let mut command = pinned(&quarl, &core.to_string());
            command.args(["bench", "--json"]);
            command
        };
        let steps_alone = [train("0", 1, args.runs)?, train("1", 1, args.runs)?];
        let steps_together = train("0,1", 2, 2 * args.runs)?;
        let fma_alone = [peak(&output_of(&mut bench(0))?)?, peak(&output_of(&mut bench(1))?)?];
        let both: Vec<Child> =
            cores.iter().map(|core| bench(*core).stdout(Stdio::piped()).spawn()).collect::<Result<_, _>>()?;
        let mut fma_together = 0.0;
        for child in both {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                bail!("quarl bench failed: {}", output.status);
            }
            fma_together += peak(&String::from_utf8(output.stdout)?)?;
        }
        let gain = |together: f64, alone: [f64; 2]| together / (alone[0] + alone[1]);
        let efficiency = gain(steps_together, steps_alone) / gain(fma_together, fma_alone);
        eprintln!("round {round} of {}: {:.1} %", args.rounds, 100.0 * efficiency);
        rounds.push(Round { steps_alone, steps_together, fma_alone, fma_together, efficiency });
    }
    let out = workplace.root.join("benchmarks/runs").join(peers::today()?);
    keep(&rounds, args, &out)
}

fn pinned(program: &Path, cores: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(program);
    command
}

fn keep(rounds: &[Round], args: &Args, out: &Path) -> Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join("cores.json"), serde_json::to_string_pretty(rounds)? + "\n")?;
    let mut text = format!(
        "# Two cores\n\n{} textbook runs of {STEPS} steps a core and measurement. Steps a second, and multiply-adds in GFLOP/s, of each core alone \
         and of both\ntogether; last, the steps' gain over the multiply-adds'.\n\n\
         | steps alone | together | multiply-adds alone | together | efficiency |\n| --- | --- | --- | --- | --- |\n",
        args.runs
    );
    for Round { steps_alone, steps_together, fma_alone, fma_together, efficiency } in rounds {
        text += &format!(
            "| {:.0} + {:.0} | {steps_together:.0} | {:.0} + {:.0} | {fma_together:.0} | {:.1} % |\n",
            steps_alone[0],
            steps_alone[1],
            fma_alone[0],
            fma_alone[1],
            100.0 * efficiency
        );
    }
    let mut efficiencies: Vec<f64> = rounds.iter().map(|round| round.efficiency).collect();
    efficiencies.sort_by(f64::total_cmp);
    text += &format!("\nMedian efficiency {:.1} %.\n", 100.0 * efficiencies[efficiencies.len() / 2]);
    fs::write(out.join("cores.md"), &text)?;
    print!("{text}");
    Ok(())
}
