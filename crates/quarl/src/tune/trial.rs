//! Trials, as the journal describes them.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Table;

use super::objective::worse_half;
use super::pruner;

/// A trial: one choice of parameters, trained with each seed of the study.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The number, from 0.
    pub number: u64,
    /// The value of each parameter.
    pub parameters: Table,
    /// The state.
    pub state: TrialState,
    /// The score: for a complete trial that of its final models, for a pruned trial its value at the last rung.
    pub score: Option<f64>,
    /// Why the trial failed.
    pub error: Option<String>,
    /// The duration of its ended runs.
    pub seconds: f64,
    /// The run of each seed that has a value.
    pub(super) runs: BTreeMap<u64, TrialRun>,
    /// The rung at which the trial was pruned.
    pub(super) pruned_at: Option<usize>,
}

/// The state of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// Some of its runs are running or unfinished.
    Running,
    /// All of its runs have ended, and the trial has a score.
    Complete,
    /// The pruner has stopped it.
    Pruned,
    /// Its parameters cannot be combined, or one of its runs has failed.
    Failed,
}

impl TrialState {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
        }
    }
}

/// The values of one run of a trial.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TrialRun {
    /// The normalised values at the rungs, from the first on.
    pub(super) rungs: Vec<f64>,
    /// The result of the final model.
    pub(super) result: Option<RunResult>,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RunResult {
    pub(super) score: f64,
    pub(super) mean_return: f64,
}

impl Trial {
    pub(super) fn new(number: u64, parameters: Table) -> Self {
        let state = TrialState::Running;
        Self {
            number,
            parameters,
            state,
            score: None,
            error: None,
            seconds: 0.0,
            runs: BTreeMap::new(),
            pruned_at: None,
        }
    }

    /// The normalised score of the final model of each ended run, by seed.
    pub fn scores(&self) -> BTreeMap<u64, f64> {
        self.runs.iter().filter_map(|(seed, run)| Some((*seed, run.result?.score))).collect()
    }

    /// The values at the rungs for each of these seeds.
    pub(super) fn rungs(&self, seeds: &[u64]) -> pruner::Values {
        seeds.iter().map(|seed| self.runs.get(seed).map(|run| run.rungs.clone()).unwrap_or_default()).collect()
    }

    pub(super) fn add_rung(&mut self, seed: u64, rung: usize, value: f64) {
        let rungs = &mut self.runs.entry(seed).or_default().rungs;
        // A run that is repeated after its process was killed reports the same values again.
        if rungs.len() == rung {
            rungs.push(value);
        }
    }

    /// Adds the result of a run; the trial is complete when all of `seeds` have one.
    pub(super) fn add_result(&mut self, seed: u64, result: RunResult, seconds: f64, seeds: &[u64]) {
        let run = self.runs.entry(seed).or_default();
        if self.state != TrialState::Running || run.result.is_some() {
            return;
        }
        run.result = Some(result);
        self.seconds += seconds;
        let scores = self.scores();
        let scores: Vec<f64> = seeds.iter().filter_map(|seed| scores.get(seed).copied()).collect();
        if scores.len() == seeds.len() {
            (self.state, self.score) = (TrialState::Complete, Some(worse_half(&scores)));
        }
    }

    pub(super) fn prune(&mut self, rung: usize) {
        if self.state != TrialState::Running {
            return;
        }
        let values: Vec<f64> = self.runs.values().filter_map(|run| run.rungs.get(rung).copied()).collect();
        self.score = Some(worse_half(&values)).filter(|score| score.is_finite());
        (self.state, self.pruned_at) = (TrialState::Pruned, Some(rung));
    }

    pub(super) fn fail(&mut self, error: String) {
        if self.state == TrialState::Running {
            (self.state, self.score, self.error) = (TrialState::Failed, None, Some(error));
        }
    }
}

/// The complete trials, best first, then the pruned ones: those that came further first, then by value.
pub(super) fn ranked<'a>(trials: impl Iterator<Item = &'a Trial>) -> Vec<&'a Trial> {
    let mut ranked: Vec<&Trial> =
        trials.filter(|trial| matches!(trial.state, TrialState::Complete | TrialState::Pruned)).collect();
    let rung = |trial: &Trial| trial.pruned_at.unwrap_or(usize::MAX);
    let score = |trial: &Trial| trial.score.unwrap_or(f64::NEG_INFINITY);
    ranked.sort_by(|a, b| rung(b).cmp(&rung(a)).then(score(b).total_cmp(&score(a))).then(a.number.cmp(&b.number)));
    ranked
}
