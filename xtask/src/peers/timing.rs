//! Times all peers, including quarl, in turn on one core, so that a temporary disturbance of the machine affects all of
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::report::{Machine, Report};
use super::setup::{Workplace, output_of};
use super::{Args, Peer};

const STEPS: usize = 20_000;

/// Times `peers` and writes results.json and results.md into `out` after every measurement.
pub(crate) fn run(workplace: &Workplace, args: &Args, peers: &[Peer], out: &Path) -> Result<()> {
    let (rounds, steps) = if args.quick { (1, STEPS / 10) } else { (args.rounds, STEPS) };
    let core = last_core()?;
    let programs = Programs::prepare(workplace, args, peers)?;
    let mut report =
        Report::new(machine(core, programs.python.as_deref())?, steps, peers.iter().map(|peer| peer.name()));
    for round in 1..=rounds {
        for &peer in peers {
            eprint!("round {round} of {rounds}: {} ", peer.name());
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]);
            programs.add_command(&mut command, peer, steps);
            let printed = output_of(&mut command)?;
            let mut measured: Value = serde_json::from_str(&printed)
                .with_context(|| format!("{} printed {printed:?} instead of JSON", peer.name()))?;
            if peer == Peer::Quarl {
                // `quarl bench` reports its fastest block first; the peers report the median of theirs.
                for key in ["step_us", "update_us", "update_peak_fraction", "fma_peak_gflops"] {
                    measured[format!("{key}_fastest")] = measured[key].take();
                    measured[key] = measured[format!("{key}_median")].take();
                }
            }
            report.add(peer.name(), measured)?;
            report.write(out)?;
            eprintln!("{:.0} us a step", report.last_step_us(peer.name()));
        }
    }
    println!("{}", report.markdown());
    Ok(())
}

/// The programs that the selected peers need.
struct Programs {
    sources: PathBuf,
    python: Option<PathBuf>,
    quarl: Option<PathBuf>,
    burn: Option<PathBuf>,
}

impl Programs {
    fn prepare(workplace: &Workplace, args: &Args, peers: &[Peer]) -> Result<Self> {
        let wants = |peer: Peer| peers.contains(&peer);
        let quarl = match &args.quarl {
            Some(file) => Some(file.clone()),
            None => wants(Peer::Quarl).then(|| workplace.build_quarl()).transpose()?,
        };
        Ok(Programs {
            sources: workplace.peer(""),
            python: peers.iter().any(|peer| peer.is_python()).then(|| workplace.python()).transpose()?,
            quarl,
            burn: wants(Peer::Burn).then(|| workplace.build_burn()).transpose()?,
        })
    }

    /// Adds the program and its arguments to a command that runs it.
    fn add_command(&self, command: &mut Command, peer: Peer, steps: usize) {
        let program = match peer {
            Peer::Quarl => &self.quarl,
            Peer::Burn => &self.burn,
            _ => &self.python,
        };
        command.arg(program.as_ref().expect("prepared for every wanted peer"));
        let script = |file| self.sources.join(file);
        match peer {
            Peer::Quarl => command.args(["bench", "--json"]),
            Peer::Pytorch => command.arg(script("note_pytorch.py")),
            Peer::PytorchNoGrad => command.arg(script("note_pytorch.py")).arg("--no-grad"),
            Peer::Sb3 => command.arg(script("sb3_dqn.py")),
            Peer::Jax => command.arg(script("jax_dqn.py")),
            Peer::Burn => command,
        };
        if peer != Peer::Quarl {
            command.arg("--time").arg(steps.to_string());
        }
    }
}

/// The last core that this process may use, because the system's own work often runs on the first one.
pub(super) fn last_core() -> Result<usize> {
    let status = fs::read_to_string("/proc/self/status").context("pinning to one core needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let last = line.and_then(|list| list.rsplit([',', '-']).next()).context("no Cpus_allowed_list")?;
    Ok(last.trim().parse()?)
}

fn machine(core: usize, python: Option<&Path>) -> Result<Machine> {
    let cpu_info = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu_info.lines().find(|line| line.starts_with("model name"));
    let cpu = model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
    let packages = match python {
        Some(python) => output_of(Command::new(python).args(["-m", "pip", "freeze"]))?,
        None => String::new(),
    };
    Ok(Machine {
        date: super::setup::today()?,
        cpu: cpu.to_owned(),
        cores: std::thread::available_parallelism()?.get(),
        pinned_to_core: core,
        rustc: output_of(Command::new("rustc").arg("--version"))?,
        python_packages: packages.lines().map(str::to_owned).collect(),
    })
}
