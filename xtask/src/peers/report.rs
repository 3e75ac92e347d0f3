//! The measurements, as written to results.json and results.md.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

/// The machine and the versions with which the numbers were measured.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) pinned_to_core: usize,
    pub(crate) rustc: String,
    pub(crate) python_packages: Vec<String>,
}

/// One value for each round.
#[derive(Clone, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Spread { median, min, max })
    }

    fn show(&self) -> String {
        format!("{} ({} - {})", digits(self.median), digits(self.min), digits(self.max))
    }
}

/// A number with three significant digits, or all digits of its integer part if they are more.
fn digits(value: f64) -> String {
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$}")
}

#[derive(Serialize)]
struct PeerReport {
    name: &'static str,
    /// Microseconds per whole training step: acting, environment, replay, one update.
    step_us: Option<Spread>,
    /// Microseconds per update, for the peers that report it.
    update_us: Option<Spread>,
    /// The ratio of this peer's median to quarl's.
    step_ratio_to_quarl: Option<f64>,
    /// The ratio of this peer's fastest round to quarl's, which excludes most disturbances.
    fastest_ratio_to_quarl: Option<f64>,
    /// The output of the peer in each round.
    rounds: Vec<Value>,
}

#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// Timed steps per round, for all peers except quarl, which chooses its own number.
    steps: usize,
    peers: Vec<PeerReport>,
}

impl Report {
    pub(crate) fn new(machine: Machine, steps: usize, peers: impl Iterator<Item = &'static str>) -> Self {
        let empty = |name| PeerReport {
            name,
            step_us: None,
            update_us: None,
            step_ratio_to_quarl: None,
            fastest_ratio_to_quarl: None,
            rounds: Vec::new(),
        };
        Report { machine, steps, peers: peers.map(empty).collect() }
    }

    /// Adds the output of `name` in one round.
    pub(crate) fn add(&mut self, name: &str, measured: Value) -> Result<()> {
        let peer = self.peers.iter_mut().find(|peer| peer.name == name).context("a peer of this report")?;
        measured["step_us"].as_f64().with_context(|| format!("{name} gave no step_us: {measured}"))?;
        peer.rounds.push(measured);
        peer.step_us = Spread::of(peer.values("step_us"));
        peer.update_us = Spread::of(peer.values("update_us"));
        let quarl = self.peers.iter().find(|peer| peer.name == "quarl").and_then(|quarl| quarl.step_us.clone());
        for peer in &mut self.peers {
            let both = peer.step_us.as_ref().zip(quarl.as_ref());
            peer.step_ratio_to_quarl = both.map(|(step, quarl)| step.median / quarl.median);
            peer.fastest_ratio_to_quarl = both.map(|(step, quarl)| step.min / quarl.min);
        }
        Ok(())
    }

    /// The latest `step_us` of a peer, for the progress output.
    pub(crate) fn last_step_us(&self, name: &str) -> f64 {
        let peer = self.peers.iter().find(|peer| peer.name == name);
        peer.and_then(|peer| peer.values("step_us").pop()).unwrap_or(f64::NAN)
    }

    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        fs::write(out.join("results.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(out.join("results.md"), self.markdown())?;
        Ok(())
    }

    pub(crate) fn markdown(&self) -> String {
        let Machine { date, cpu, rustc, .. } = &self.machine;
        let rounds = self.peers.iter().map(|peer| peer.rounds.len()).max().unwrap_or(0);
        let mut text = format!(
            "# The same DQN, {date}\n\n{cpu}, one core, {rustc}. Microseconds, median (smallest - largest) of {rounds} \
             rounds in turn.\nA step is a whole training step: acting, environment, replay buffer, one update of \
             batch 32.\n\n| program | version | step | update alone | step, times quarl's | fastest, times quarl's |\n\
             | --- | --- | --- | --- | --- | --- |\n"
        );
        for peer in &self.peers {
            let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), digits);
            let show = |spread: &Option<Spread>| spread.as_ref().map_or_else(|| "-".to_owned(), Spread::show);
            text += &format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                peer.name,
                peer.version(),
                show(&peer.step_us),
                show(&peer.update_us),
                ratio(peer.step_ratio_to_quarl),
                ratio(peer.fastest_ratio_to_quarl),
            );
        }
        if let Some(line) = self.peers.iter().find(|peer| peer.name == "quarl").and_then(PeerReport::peak) {
            text += &format!("\n{line}\n");
        }
        text
    }
}

impl PeerReport {
    fn values(&self, key: &str) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round[key].as_f64()).collect()
    }

    /// The peer's library and its version.
    fn version(&self) -> &str {
        self.rounds.last().and_then(|round| round["version"].as_str()).unwrap_or("")
    }

    /// The speed of quarl's update as a fraction of the core's peak.
    fn peak(&self) -> Option<String> {
        let path = self.rounds.last()?["cpu_path"].as_str()?;
        let peak = Spread::of(self.values("fma_peak_gflops"))?;
        let fraction = Spread::of(self.values("update_peak_fraction"))?;
        Some(format!(
            "quarl ran its {path} kernels; its update reaches {:.0} % ({:.0} - {:.0}) of the {} GFLOP/s that \
             multiply-adds alone reach on this core.",
            100.0 * fraction.median,
            100.0 * fraction.min,
            100.0 * fraction.max,
            digits(peak.median),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_peer_is_compared_with_quarls_median_over_the_rounds() {
        let machine = Machine {
            date: "2026-01-31".into(),
            cpu: "a processor".into(),
            cores: 1,
            pinned_to_core: 0,
            rustc: "rustc 1".into(),
            python_packages: vec![],
        };
        let mut report = Report::new(machine, 10, ["quarl", "jax"].into_iter());
        for (quarl, jax) in [(30.0, 120.0), (40.0, 90.0), (50.0, 100.0)] {
            report.add("quarl", json!({"step_us": quarl, "update_us": 26.0})).unwrap();
            report.add("jax", json!({"step_us": jax, "version": "jax 1.0"})).unwrap();
        }
        assert!(report.markdown().contains("| quarl |  | 40.0 (30.0 - 50.0) | 26.0 (26.0 - 26.0) | 1.00 | 1.00 |"));
        assert!(report.markdown().contains("| jax | jax 1.0 | 100 (90.0 - 120) | - | 2.50 | 3.00 |"));
        assert!(report.add("jax", json!({})).is_err());
    }
}
