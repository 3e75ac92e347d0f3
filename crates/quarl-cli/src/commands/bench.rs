//! `quarl bench`: measures the speed of training, relative to the peak of the processor.
//!
//! Every quantity is measured in each of many short rounds, in turn. Other load only adds time, so the fastest round shows
//! the machine's capability, and the median shows what was typical; both are printed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use quarl::agent::Agent;
use quarl::config::{TrainConfig, presets};
use quarl::engine::cpu::{self, kernels::CpuPath};
use quarl::stats;
use quarl::train::{Event, Trainer};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::{Outcome, output};

/// The results for one instruction set.
#[derive(Debug, Serialize)]
struct Figures {
    cpu_path: &'static str,
    /// The peak of independent multiply-adds on one core, in the fastest round.
    fma_peak_gflops: f64,
    fma_peak_gflops_median: f64,
    /// One textbook update (batch 32, network 4-128-128-2), without cached values.
    update_us: f64,
    update_us_median: f64,
    /// The floating-point operations of an update's matrix products per second, as a fraction of the peak: from the fastest
    /// rounds, and the median over the rounds.
    update_peak_fraction: f64,
    update_peak_fraction_median: f64,
    /// One whole textbook training step: act, step, store, sample, update, with resets and target updates when they are
    /// due.
    step_us: f64,
    step_us_median: f64,
}

/// The times of many rounds.
#[derive(Default)]
struct Rounds(Vec<f64>);

impl Rounds {
    fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn max(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    fn median(&self) -> f64 {
        stats::median(&self.0)
    }
}

/// The results for one preset.
#[derive(Debug, Serialize)]
struct PresetFigures {
    preset: &'static str,
    cpu_path: &'static str,
    /// One update with the preset's network and batch.
    update_us: f64,
    update_us_median: f64,
    /// The update time relative to that of textbook, which is measured in turn.
    times_textbook: f64,
    /// The floating-point operations of its matrix products per second, as a fraction of the peak.
    update_peak_fraction: f64,
}

pub(crate) fn run(args: BenchArgs) -> Result<Outcome> {
    let in_use = CpuPath::select()?;
    if args.presets {
        return run_presets(&args, in_use);
    }
    let paths = if args.all { CpuPath::available() } else { vec![in_use] };
    if !args.json {
        output::line("The fastest round, and in brackets the median of all rounds.");
        output::line(format!(
            "{:<8} {:>15} {:>17} {:>18} {:>17}",
            "path", "peak, GFLOP/s", "update, us", "update, % of peak", "whole step, us"
        ));
    }
    for path in paths {
        let figures = measure(path)?;
        if args.json {
            output::json(&figures);
            continue;
        }
        let both = |fastest: f64, median: f64| format!("{fastest:.1} ({median:.1})");
        output::line(format!(
            "{:<8} {:>15} {:>17} {:>18} {:>17}{}",
            figures.cpu_path,
            both(figures.fma_peak_gflops, figures.fma_peak_gflops_median),
            both(figures.update_us, figures.update_us_median),
            both(100.0 * figures.update_peak_fraction, 100.0 * figures.update_peak_fraction_median),
            both(figures.step_us, figures.step_us_median),
            if path == in_use && args.all { " (in use)" } else { "" },
        ));
    }
    Ok(Outcome::Done)
}

fn run_presets(args: &BenchArgs, path: CpuPath) -> Result<Outcome> {
    if !args.json {
        output::line(format!(
            "{:<12} {:>19} {:>16} {:>18}",
            "preset", "update, us", "times textbook", "update, % of peak"
        ));
    }
    for (preset, _) in presets::list() {
        let figures = measure_preset(preset, path)?;
        if args.json {
            output::json(&figures);
            continue;
        }
        let PresetFigures { preset, update_us, update_us_median, times_textbook, update_peak_fraction, .. } = figures;
        output::line(format!(
            "{preset:<12} {:>19} {times_textbook:>16.2} {:>18.1}",
            format!("{update_us:.1} ({update_us_median:.1})"),
            100.0 * update_peak_fraction
        ));
    }
    Ok(Outcome::Done)
}

/// A preset without evaluations and with an unlimited budget.
fn only_training(preset: &str) -> Result<TrainConfig> {
    let mut config = TrainConfig::preset(preset).build()?;
    config.evaluation.every_episodes = None;
    config.evaluation.every_steps = None;
    config.training.episodes = None;
    config.training.steps = Some(i64::MAX as u64);
    Ok(config)
}

/// Measures updates of textbook and of a preset in turn.
fn measure_preset(preset: &'static str, path: CpuPath) -> Result<PresetFigures> {
    const ROUNDS: usize = 30;
    let learner = |preset: &str| -> Result<Agent> {
        let mut trainer = Trainer::builder(only_training(preset)?).engine(cpu::on(path)).build()?;
        advance(&mut trainer, 1000)?;
        Ok(trainer.into_agent())
    };
    let (mut textbook, mut other) = (learner("textbook")?, learner(preset)?);
    let flops = update_flops(&other);
    let repetitions = 1 + 50_000_000 / path.multiply_add_flops();
    let (mut peaks, mut textbooks, mut updates) = (Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        peaks.0.push(multiply_adds(path, repetitions)?);
        textbooks.0.push(uncached_update_seconds(&mut textbook, 20)?);
        updates.0.push(uncached_update_seconds(&mut other, 20)?);
    }
    Ok(PresetFigures {
        preset,
        cpu_path: path.name(),
        update_us: updates.min() * 1e6,
        update_us_median: updates.median() * 1e6,
        times_textbook: updates.min() / textbooks.min(),
        update_peak_fraction: flops / updates.min() / peaks.max(),
    })
}

/// Multiply-add operations per second.
fn multiply_adds(path: CpuPath, repetitions: u64) -> Result<f64> {
    // Once without timing: a processor reduces its clock for denser vector code, which takes a moment.
    black_box(path.multiply_adds(repetitions));
    let elapsed = time(|| Ok(black_box(path.multiply_adds(repetitions))))?;
    Ok((repetitions * path.multiply_add_flops()) as f64 / elapsed.as_secs_f64())
}

/// Floating-point operations of an update, which the CPU engine always knows.
fn update_flops(agent: &Agent) -> f64 {
    agent.update_flops().unwrap_or_default() as f64
}

/// Seconds per update, with all caches invalidated.
fn uncached_update_seconds(agent: &mut Agent, count: u64) -> Result<f64> {
    let elapsed = time(|| {
        (0..count).try_for_each(|_| {
            agent.drop_caches();
            agent.learn(0).map(|_| ())
        })
    })?;
    Ok(elapsed.as_secs_f64() / count as f64)
}

fn measure(path: CpuPath) -> Result<Figures> {
    // Rounds are long enough for each agent to have the processor's caches to itself, as in training: 20,000 steps after
    // the first 2,000. Without fused multiply-add the scalar path is a hundred times slower, and gets fewer repetitions.
    let is_slow = multiply_adds(path, 1000)? < 1e10;
    let (rounds, updates_a_round, steps_a_round, warm_up) = if is_slow { (5, 2, 2, 100) } else { (100, 50, 200, 2000) };
    let mut stepper = Trainer::builder(only_training("textbook")?).engine(cpu::on(path)).build()?;
    advance(&mut stepper, warm_up)?;
    let mut learner = Trainer::builder(only_training("textbook")?).engine(cpu::on(path)).build()?;
    advance(&mut learner, warm_up)?;
    let mut learner = learner.into_agent();
    let flops = update_flops(&learner);

    // A quarter of a millisecond at 200 GFLOP/s; on a slow path two milliseconds.
    let repetitions = 1 + (1_000_000 * updates_a_round) / path.multiply_add_flops();
    let (mut peaks, mut updates, mut fractions, mut steps) =
        (Rounds::default(), Rounds::default(), Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        let peak = multiply_adds(path, repetitions)?;
        let update = uncached_update_seconds(&mut learner, updates_a_round)?;
        let elapsed = time(|| advance(&mut stepper, steps_a_round))?;
        peaks.0.push(peak);
        updates.0.push(update);
        fractions.0.push(flops / update / peak);
        steps.0.push(elapsed.as_secs_f64() / steps_a_round as f64);
    }
    Ok(Figures {
        cpu_path: path.name(),
        fma_peak_gflops: peaks.max() / 1e9,
        fma_peak_gflops_median: peaks.median() / 1e9,
        update_us: updates.min() * 1e6,
        update_us_median: updates.median() * 1e6,
        update_peak_fraction: flops / updates.min() / peaks.max(),
        update_peak_fraction_median: fractions.median(),
        step_us: steps.min() * 1e6,
        step_us_median: steps.median() * 1e6,
    })
}

fn time<T>(work: impl FnOnce() -> Result<T, quarl::Error>) -> Result<Duration> {
    let started = Instant::now();
    black_box(work()?);
    Ok(started.elapsed())
}

/// Trains for `updates` updates; the textbook experiment has one in each environment step.
fn advance(trainer: &mut Trainer, updates: u64) -> Result<(), quarl::Error> {
    let mut left = updates;
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
