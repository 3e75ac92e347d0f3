//! `quarl bench`: what this machine can do, and how much of it training uses.
//!
//! All figures are medians over many short rounds, each of which measures everything once: so a change of the machine's
//! speed meets all of them alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use quarl::agent::Agent;
use quarl::config::{TrainConfig, presets};
use quarl::network::kernels::CpuPath;
use quarl::stats;
use quarl::train::{Event, Trainer};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::{Outcome, output};

/// One path's figures.
#[derive(Debug, Serialize)]
struct Figures {
    cpu_path: &'static str,
    /// What one core reaches with independent multiply-adds alone.
    fma_peak_gflops: f64,
    /// One textbook update: batch 32, network 4-128-128-2.
    update_us: f64,
    /// Its products' floating-point operations over its time, as a share of the peak.
    update_peak_fraction: f64,
    /// One whole textbook training step: act, step, store, sample, update.
    step_us: f64,
}

/// One preset's update.
#[derive(Debug, Serialize)]
struct PresetFigures {
    preset: &'static str,
    cpu_path: &'static str,
    /// One update, with the preset's own network and batch.
    update_us: f64,
    /// That over textbook's, measured in turn with it.
    times_textbook: f64,
    /// Its products' floating-point operations over its time, as a share of the peak.
    update_peak_fraction: f64,
}

pub(crate) fn run(args: BenchArgs) -> Result<Outcome> {
    let in_use = CpuPath::select()?;
    if args.presets {
        return run_presets(&args, in_use);
    }
    let paths = if args.all { CpuPath::available() } else { vec![in_use] };
    if !args.json {
        output::line(format!(
            "{:<8} {:>14} {:>12} {:>18} {:>22}",
            "path", "peak, GFLOP/s", "update, us", "update, % of peak", "whole step, us"
        ));
    }
    for path in paths {
        let figures = measure(path)?;
        if args.json {
            output::json(&figures);
            continue;
        }
        let Figures { cpu_path, fma_peak_gflops, update_us, update_peak_fraction, step_us } = figures;
        let mark = if path == in_use && args.all { " (in use)" } else { "" };
        output::line(format!(
            "{cpu_path:<8} {fma_peak_gflops:>14.1} {update_us:>12.1} {:>18.1} {step_us:>22.1}{mark}",
            100.0 * update_peak_fraction
        ));
    }
    Ok(Outcome::Done)
}

fn run_presets(args: &BenchArgs, path: CpuPath) -> Result<Outcome> {
    if !args.json {
        output::line(format!(
            "{:<12} {:>12} {:>16} {:>18}",
            "preset", "update, us", "times textbook", "update, % of peak"
        ));
    }
    for (preset, _) in presets::list() {
        let figures = measure_preset(preset, path)?;
        if args.json {
            output::json(&figures);
            continue;
        }
        let PresetFigures { preset, update_us, times_textbook, update_peak_fraction, .. } = figures;
        output::line(format!(
            "{preset:<12} {update_us:>12.1} {times_textbook:>16.2} {:>18.1}",
            100.0 * update_peak_fraction
        ));
    }
    Ok(Outcome::Done)
}

/// A preset with nothing but training.
fn only_training(preset: &str) -> Result<TrainConfig> {
    let mut config = presets::config(preset, None)?;
    config.evaluation.every_episodes = None;
    config.evaluation.every_steps = None;
    config.training.episodes = None;
    config.training.steps = Some(u64::MAX);
    Ok(config)
}

/// Textbook's and a preset's updates in turn.
fn measure_preset(preset: &'static str, path: CpuPath) -> Result<PresetFigures> {
    const ROUNDS: usize = 30;
    let learner = |preset: &str| -> Result<Agent> {
        let mut trainer = Trainer::on(only_training(preset)?, path)?;
        advance(&mut trainer, 1000)?;
        Ok(trainer.agent_copy()?)
    };
    let (mut textbook, mut other) = (learner("textbook")?, learner(preset)?);
    let flops = other.update_flops() as f64;
    let repetitions = 1 + 50_000_000 / path.multiply_add_flops();
    let (mut updates, mut ratios, mut fractions) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        black_box(path.multiply_adds(repetitions));
        let elapsed = time(|| Ok(black_box(path.multiply_adds(repetitions))))?;
        let peak = (repetitions * path.multiply_add_flops()) as f64 / elapsed.as_secs_f64();
        let elapsed = time(|| (0..20).try_for_each(|_| textbook.learn(0).map(|_| ())))?;
        let base = elapsed.as_secs_f64() / 20.0;
        let elapsed = time(|| (0..20).try_for_each(|_| other.learn(0).map(|_| ())))?;
        let update = elapsed.as_secs_f64() / 20.0;
        updates.push(update);
        ratios.push(update / base);
        fractions.push(flops / update / peak);
    }
    Ok(PresetFigures {
        preset,
        cpu_path: path.name(),
        update_us: stats::median(&updates) * 1e6,
        times_textbook: stats::median(&ratios),
        update_peak_fraction: stats::median(&fractions),
    })
}

fn measure(path: CpuPath) -> Result<Figures> {
    // Long enough rounds for each agent to have the caches to itself, as in training. The scalar path is a hundred times
    // slower; fewer repetitions keep it bearable.
    let (rounds, per_round, warm_up) = if path == CpuPath::Scalar { (5, 2, 100) } else { (60, 50, 3000) };
    let mut stepper = Trainer::on(only_training("textbook")?, path)?;
    advance(&mut stepper, warm_up)?;
    let mut learner = stepper.agent_copy()?;
    let flops = learner.update_flops() as f64;

    // A quarter of a millisecond at 200 GFLOP/s; on the scalar path two milliseconds.
    let repetitions = 1 + (1_000_000 * per_round) / path.multiply_add_flops();
    let (mut peaks, mut updates, mut fractions, mut steps) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        // Once untimed: a processor that meets denser vector work than before slows down until its clock has settled.
        black_box(path.multiply_adds(repetitions));
        let elapsed = time(|| Ok(black_box(path.multiply_adds(repetitions))))?;
        let peak = (repetitions * path.multiply_add_flops()) as f64 / elapsed.as_secs_f64();
        let elapsed = time(|| (0..per_round).try_for_each(|_| learner.learn(0).map(|_| ())))?;
        let update = elapsed.as_secs_f64() / per_round as f64;
        let elapsed = time(|| advance(&mut stepper, per_round))?;
        peaks.push(peak);
        updates.push(update);
        fractions.push(flops / update / peak);
        steps.push(elapsed.as_secs_f64() / per_round as f64);
    }
    Ok(Figures {
        cpu_path: path.name(),
        fma_peak_gflops: stats::median(&peaks) / 1e9,
        update_us: stats::median(&updates) * 1e6,
        update_peak_fraction: stats::median(&fractions),
        step_us: stats::median(&steps) * 1e6,
    })
}

fn time<T>(work: impl FnOnce() -> Result<T, quarl::Error>) -> Result<Duration> {
    let started = Instant::now();
    black_box(work()?);
    Ok(started.elapsed())
}

/// Trains for `steps` more environment steps.
fn advance(trainer: &mut Trainer, steps: u64) -> Result<(), quarl::Error> {
    let mut left = steps;
    while left > 0 {
        match trainer.next() {
            Some(Ok(Event::Learn { .. })) => left -= 1,
            Some(Err(error)) => return Err(error),
            None => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
