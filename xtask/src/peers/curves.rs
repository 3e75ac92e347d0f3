//! Learning curves of the PyTorch program: many runs, one process per core.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::parity::{WINDOW, Windows};
use super::setup::Workplace;

/// The return of each episode of a run.
pub(crate) type Returns = Vec<f64>;

const CURVES: &str = "pytorch_curves.csv";
const GREEDY: &str = "pytorch_greedy.csv";

/// Trains seeds 0 to `runs` - 1 and writes their returns, and a summary, into `out`.
pub(crate) fn run(workplace: &Workplace, runs: usize, out: &Path) -> Result<()> {
    let python = workplace.python()?;
    let scratch = workplace.scratch().join("curves");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?; // the rows of an interrupted earlier run
    }
    fs::create_dir_all(&scratch)?;
    let cores = thread::available_parallelism()?.get().min(runs);
    let mut processes = Vec::new();
    for core in 0..cores {
        let (first, end) = (core * runs / cores, (core + 1) * runs / cores);
        let mut command = Command::new(&python);
        command.arg(workplace.peer("note_pytorch.py"));
        command.args(["--runs", &(end - first).to_string(), "--seed", &first.to_string()]);
        command.arg("--csv").arg(scratch.join(format!("{core}-{CURVES}")));
        command.arg("--greedy-csv").arg(scratch.join(format!("{core}-{GREEDY}")));
        processes.push(command.spawn()?);
    }
    let ended: Vec<_> = processes.iter_mut().map(|process| process.wait()).collect();
    for status in ended {
        ensure!(status?.success(), "a PyTorch run failed; what the others learned is in {}", scratch.display());
    }
    for name in [CURVES, GREEDY] {
        join_csv((0..cores).map(|core| scratch.join(format!("{core}-{name}"))), &out.join(name))?;
    }
    let summary = summary(&read(&out.join(CURVES))?, &read(&out.join(GREEDY))?);
    fs::write(out.join("pytorch_curves.md"), &summary)?;
    println!("{summary}");
    Ok(())
}

/// Concatenates the files, with the header of the first one.
fn join_csv(parts: impl Iterator<Item = impl AsRef<Path>>, whole: &Path) -> Result<()> {
    let mut text = String::new();
    for part in parts {
        let part = fs::read_to_string(part)?;
        let rows = if text.is_empty() { &part[..] } else { part.split_once('\n').map_or("", |(_, rows)| rows) };
        text += rows;
    }
    fs::write(whole, text)?;
    Ok(())
}

/// The newest stored curves; those in `out` are preferred.
pub(crate) fn newest(workplace: &Workplace, out: &Path) -> Result<Vec<Returns>> {
    let mut candidates = vec![out.join(CURVES)];
    if let Ok(days) = fs::read_dir(workplace.root.join("benchmarks/runs")) {
        let mut days: Vec<_> = days.flatten().map(|day| day.path().join(CURVES)).collect();
        days.sort(); // the directories are named by date
        candidates.extend(days.into_iter().rev());
    }
    match candidates.iter().find(|file| file.exists()) {
        Some(file) => read(file),
        None => bail!("there are no PyTorch curves to compare with: make them with `cargo xtask peers --curves`"),
    }
}

/// Reads rows of run,episode,return.
fn read(path: &Path) -> Result<Vec<Returns>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut runs: Vec<Returns> = Vec::new();
    for row in text.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let [_, episode, value] = fields[..] else { bail!("{}: {row:?} is not run,episode,return", path.display()) };
        if episode == "0" {
            runs.push(Vec::new());
        }
        let run = runs.last_mut().with_context(|| format!("{} starts after episode 0", path.display()))?;
        run.push(value.parse().with_context(|| format!("{}: {row:?}", path.display()))?);
    }
    Ok(runs)
}

fn summary(curves: &[Returns], greedy: &[Returns]) -> String {
    let mut text = format!(
        "# What the PyTorch program learns\n\n{} runs of 300 episodes of CartPole-v0; mean return while learning, with \
         the 95% t-interval over runs.\n\n| episodes | mean | 95% interval |\n| --- | --- | --- |\n",
        curves.len()
    );
    for (index, window) in Windows::of(curves).0.iter().enumerate() {
        let half = window.half_width();
        let (first, mean) = (index * WINDOW, window.mean);
        text += &format!("| {first}-{} | {mean:.1} | {:.1} to {:.1} |\n", first + WINDOW - 1, mean - half, mean + half);
    }
    let means: Vec<String> =
        greedy.iter().map(|run| format!("{:.0}", run.iter().sum::<f64>() / run.len() as f64)).collect();
    text += &format!("\nGreedy after training, mean of ten episodes, run by run: {}.\n", means.join(", "));
    text
}
