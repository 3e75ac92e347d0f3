//! Compares the learning curves of quarl and PyTorch: the mean returns of the same algorithm, window by window.
//!
//! Each run contributes one number to each window, its mean return over 25 episodes, so the numbers of a window are
//! independent. The difference of the two means is tested with Welch's t (B. L. Welch, 1947), with a Bonferroni correction
//! over the windows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::Args;
use super::curves::{self, Returns};
use super::setup::{Workplace, succeed};
use super::student_t::quantile;

/// The number of episodes in a window.
pub(crate) const WINDOW: usize = 25;
const EPISODES: usize = 300;
const RUNS: usize = 100;
/// The probability of a false alarm over all windows together.
const SIGNIFICANCE: f64 = 0.05;

/// Compares the curves, and writes parity.md and parity.json into `out`.
pub(crate) fn run(workplace: &Workplace, args: &Args, out: &Path) -> Result<()> {
    let pytorch = curves::newest(workplace, out)?;
    let experiment = match &args.experiment {
        Some(dir) => dir.clone(),
        None => run_experiment(workplace, args)?,
    };
    let quarl = read_experiment(&experiment)?;
    let parity = Parity::of(&quarl, &pytorch)?;
    fs::write(out.join("parity.json"), serde_json::to_string_pretty(&parity)? + "\n")?;
    fs::write(out.join("parity.md"), parity.markdown())?;
    println!("{}", parity.markdown());
    Ok(())
}

/// Runs the textbook experiment with quarl; an existing one is continued.
fn run_experiment(workplace: &Workplace, args: &Args) -> Result<PathBuf> {
    let quarl = match &args.quarl {
        Some(file) => file.clone(),
        None => workplace.build_quarl()?,
    };
    let dir = workplace.scratch().join("experiment");
    let mut command = Command::new(quarl);
    command.args(["experiment", "CartPole-v0", "--preset", "textbook", "--runs", &RUNS.to_string(), "--out"]);
    succeed(command.arg(&dir))?;
    Ok(dir)
}

/// Reads the returns of every run of a `quarl experiment` from `runs/<name>/episodes.csv`, whose header has a column
/// `return`.
fn read_experiment(dir: &Path) -> Result<Vec<Returns>> {
    let runs = dir.join("runs");
    let entries = fs::read_dir(&runs).with_context(|| format!("reading {}", runs.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|run| run.path().join("episodes.csv")).collect();
    files.sort();
    let read = |file: &PathBuf| -> Result<Returns> {
        let text = fs::read_to_string(file)?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let column = header.split(',').position(|name| name == "return").context("no column `return`")?;
        lines.map(|row| Ok(row.split(',').nth(column).context("a short row")?.parse()?)).collect()
    };
    files.iter().map(|file| read(file).with_context(|| format!("reading {}", file.display()))).collect()
}

/// The numbers of one window, one from each run.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Window {
    pub(crate) mean: f64,
    /// The sample standard deviation.
    std: f64,
    runs: usize,
}

impl Window {
    fn of(values: &[f64]) -> Self {
        let runs = values.len();
        let mean = values.iter().sum::<f64>() / runs as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Window { mean, std: (squares / (runs as f64 - 1.0)).sqrt(), runs }
    }

    /// The squared standard error of the mean.
    fn error_squared(&self) -> f64 {
        self.std * self.std / self.runs as f64
    }

    /// Half of the width of the mean's 95% t-interval.
    pub(crate) fn half_width(&self) -> f64 {
        quantile(1.0 - 0.05 / 2.0, self.runs as f64 - 1.0) * self.error_squared().sqrt()
    }
}

/// The windows of a learning curve.
pub(crate) struct Windows(pub(crate) Vec<Window>);

impl Windows {
    pub(crate) fn of(runs: &[Returns]) -> Self {
        let mean_of = |run: &Returns, first: usize| run[first..first + WINDOW].iter().sum::<f64>() / WINDOW as f64;
        let window = |first| Window::of(&runs.iter().map(|run| mean_of(run, first)).collect::<Vec<f64>>());
        let episodes = runs.iter().map(Vec::len).min().unwrap_or(0);
        Windows((0..episodes / WINDOW).map(|index| window(index * WINDOW)).collect())
    }
}

/// A difference of means, with the bands that it would lie in if the two programs learned alike.
#[derive(Serialize)]
struct Difference {
    first_episode: usize,
    quarl: Window,
    pytorch: Window,
    difference: f64,
    /// Half of the width of the 95% band of this window alone.
    band: f64,
    /// Half of the width of the 95% band of all windows jointly.
    joint_band: f64,
}

#[derive(Serialize)]
struct Parity {
    quarl_runs: usize,
    pytorch_runs: usize,
    windows: Vec<Difference>,
    /// Whether every difference lies within its joint band.
    same: bool,
}

impl Parity {
    fn of(quarl: &[Returns], pytorch: &[Returns]) -> Result<Self> {
        for (name, runs) in [("quarl", quarl), ("PyTorch", pytorch)] {
            ensure!(runs.len() > 1, "{name} has {} runs: an interval needs two at least", runs.len());
            if let Some(short) = runs.iter().find(|run| run.len() < EPISODES) {
                bail!("a run of {name} has {} episodes, not {EPISODES}", short.len());
            }
        }
        let count = EPISODES / WINDOW;
        let differences = Windows::of(quarl).0.into_iter().zip(Windows::of(pytorch).0).take(count).enumerate();
        let windows: Vec<Difference> = differences
            .map(|(index, (quarl, pytorch))| Difference {
                first_episode: index * WINDOW,
                quarl,
                pytorch,
                difference: quarl.mean - pytorch.mean,
                band: welch_half_width(&quarl, &pytorch, SIGNIFICANCE),
                joint_band: welch_half_width(&quarl, &pytorch, SIGNIFICANCE / count as f64),
            })
            .collect();
        let same = windows.iter().all(|window| window.difference.abs() <= window.joint_band);
        Ok(Parity { quarl_runs: quarl.len(), pytorch_runs: pytorch.len(), windows, same })
    }

    fn markdown(&self) -> String {
        let count = self.windows.len();
        let mut text = format!(
            "# Does quarl learn what PyTorch learns?\n\nThe study note's DQN on CartPole-v0, {} runs of quarl and {} of \
             PyTorch: mean return while learning, with 95% t-intervals over runs. The bands are Welch's, 95% for the \
             window alone and 95% for all {count} windows jointly (Bonferroni).\n\n\
             | episodes | quarl | PyTorch | difference | band | joint band | within |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
            self.quarl_runs, self.pytorch_runs
        );
        for window in &self.windows {
            let within = if window.difference.abs() <= window.joint_band { "yes" } else { "no" };
            text += &format!(
                "| {}-{} | {:.1} +- {:.1} | {:.1} +- {:.1} | {:+.1} | +- {:.1} | +- {:.1} | {within} |\n",
                window.first_episode,
                window.first_episode + WINDOW - 1,
                window.quarl.mean,
                window.quarl.half_width(),
                window.pytorch.mean,
                window.pytorch.half_width(),
                window.difference,
                window.band,
                window.joint_band,
            );
        }
        let outside = self.windows.iter().filter(|window| window.difference.abs() > window.joint_band).count();
        let verdict = if self.same {
            "Every difference lies within the joint 95% band: no difference shown.".to_owned()
        } else {
            format!("{outside} of {count} differences lie outside the joint 95% band: the curves differ.")
        };
        text + &format!("\n{verdict}\n")
    }
}

/// Half of the width of the band that contains the difference of two equal means with probability 1 - `significance`, by
/// Welch's t with the degrees of freedom of Welch and Satterthwaite.
fn welch_half_width(left: &Window, right: &Window, significance: f64) -> f64 {
    let (left_squared, right_squared) = (left.error_squared(), right.error_squared());
    let error_squared = left_squared + right_squared;
    if error_squared == 0.0 {
        return 0.0; // all runs alike on both sides: there is no spread to estimate
    }
    let parts = left_squared * left_squared / (left.runs as f64 - 1.0)
        + right_squared * right_squared / (right.runs as f64 - 1.0);
    quantile(1.0 - significance / 2.0, error_squared * error_squared / parts) * error_squared.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: scipy.stats.t.ppf(0.975, 9) = 2.2621571627982 and the textbook formula of Welch and Satterthwaite.
    #[test]
    fn intervals_are_students_and_bands_are_welchs() {
        let left = Window { mean: 0.0, std: 3.0, runs: 10 };
        assert!((left.half_width() - 2.262_157_162_798 * 3.0 / 10_f64.sqrt()).abs() < 1e-8);
        let right = Window { mean: 0.0, std: 3.0, runs: 10 };
        // Equal spreads and sizes: 18 degrees of freedom, t.ppf(0.975, 18) = 2.10092204024.
        let expected = 2.100_922_040_24 * (2.0_f64 * 9.0 / 10.0).sqrt();
        assert!((welch_half_width(&left, &right, 0.05) - expected).abs() < 1e-8);
        assert!(welch_half_width(&left, &right, 0.05 / 12.0) > expected);
    }

    #[test]
    fn equal_curves_pass_and_a_shifted_window_is_named() {
        let runs = |shift: f64| -> Vec<Returns> {
            (0..10)
                .map(|run| (0..EPISODES).map(|at| f64::from(run) + if at < WINDOW { shift } else { 0.0 }).collect())
                .collect()
        };
        assert!(Parity::of(&runs(0.0), &runs(0.5)).unwrap().same);
        let parity = Parity::of(&runs(0.0), &runs(20.0)).unwrap();
        assert!(!parity.same && parity.markdown().contains("1 of 12 differences"));
        assert!(Parity::of(&runs(0.0)[..1], &runs(0.0)).is_err());
    }
}
