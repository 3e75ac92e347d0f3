//! The results of a study: `best.toml`, `trials.csv`, `summary.json` and the figures.

use std::fs;
use std::path::Path;

use csv::WriterBuilder;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::TrialState;
use super::importance::importance;
use super::journal::State;
use super::objective::expected_worse_half;
use super::pruner::Pruner;
use super::sampler::Sampler;
use super::saved;
use super::study::Study;
use super::task::{CLAIMS, Task};
use super::trial::{Trial, ranked};
use crate::atomic_write::atomic_write;
use crate::config::TrainConfig;
use crate::config::settings::show;
use crate::error::Error;
use crate::experiment::FailedRun;
use crate::run::SUMMARY;
use crate::run::lock::Lock;
use crate::scores::{Scores, finite};

/// The configuration of the best trial.
pub(super) const BEST: &str = "best.toml";
/// The table of all trials.
pub(super) const TRIALS: &str = "trials.csv";

/// The summary of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudySummary {
    /// The version of quarl that wrote it.
    pub quarl_version: String,
    /// The command that wrote it, if it was a command.
    #[serde(default)]
    pub command: Option<String>,
    /// The environment's id.
    pub env: String,
    /// The number of trials that were requested.
    pub trials: u64,
    /// The number of complete trials.
    pub complete: usize,
    /// The number of pruned trials.
    pub pruned: usize,
    /// The number of failed trials.
    pub failed: usize,
    /// The number of requested trials that have not ended.
    pub missing: u64,
    /// The seeds of each trial.
    pub seeds: Vec<u64>,
    /// The sampler.
    pub sampler: Sampler,
    /// The pruner.
    pub pruner: Pruner,
    /// The number of greedy episodes of a run's score.
    pub score_episodes: u64,
    /// The returns of the scores 0 and 1; `None` if scores are returns.
    pub score_range: Option<[f64; 2]>,
    /// The duration of all ended runs together, in seconds.
    pub seconds: f64,
    /// The best trial; `None` before the first complete one.
    pub best: Option<BestTrial>,
    /// The runs of the best trial with fresh seeds; `None` before all trials have ended.
    pub confirmation: Option<Confirmation>,
    /// Whether all complete trials, two at least, have the same score: the best one is then merely the first.
    #[serde(default)]
    pub all_tie: bool,
    /// The importance of each parameter, most important first; `None` for fewer than ten complete or pruned trials, and where
    /// all complete trials have the same score.
    pub importance: Option<Vec<Importance>>,
}

/// The best trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestTrial {
    /// Its number.
    pub trial: u64,
    /// The value of each parameter.
    pub parameters: Table,
    /// Its score. As the best of many it is biased upwards.
    pub score: f64,
    /// The normalised scores of its seeds.
    pub scores: Vec<f64>,
}

/// The best trial's runs with fresh seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The number of runs that were requested.
    pub runs: usize,
    /// The score: the mean over all choices of as many fresh seeds as a trial has of the mean of the worse half of their
    /// normalised scores, so that it can be compared with the trial's. `None` for fewer runs than a trial has.
    pub score: Option<f64>,
    /// The trial's score minus this one: how much of it was luck.
    pub drop: Option<f64>,
    /// The normalised score of each run, by seed in ascending order.
    pub scores: Vec<f64>,
    /// Statistics of the runs' mean returns.
    pub returns: Scores,
    /// The runs that failed.
    pub failed: Vec<FailedRun>,
}

/// The importance of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The key.
    pub key: String,
    /// The share of the sum of all parameters' divergences (PED-ANOVA, Watanabe et al. 2023).
    pub importance: f64,
}

impl Study {
    /// Writes the results of all ended trials: `best.toml` (a complete configuration), `trials.csv`, `summary.json` and the
    /// figures.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails; [`Error::File`] for a damaged journal.
    pub fn results(&self) -> Result<StudySummary, Error> {
        let state = {
            let mut journal = self.setup.journal();
            journal.refresh()?;
            journal.state.clone()
        };
        let out = self.dir();
        let summary = self.summarise(&state);
        let _lock = Lock::wait(out)?;
        atomic_write(&out.join(TRIALS), self.table(&state).as_bytes())?;
        if let Some(best) = &summary.best {
            atomic_write(&out.join(BEST), self.best_configuration(best, &summary)?.as_bytes())?;
        }
        let text = serde_json::to_string_pretty(&summary).expect("results are plain data") + "\n";
        atomic_write(&out.join(SUMMARY), text.as_bytes())?;
        #[cfg(feature = "plot")]
        super::figures::draw(out, self.space(), &state, &summary)?;
        remove_claims(&out.join(CLAIMS));
        saved::remove_ended(out, |task| self.continues(&state, task));
        Ok(summary)
    }

    /// Whether a run may be continued, in this or another process.
    fn continues(&self, state: &State, task: Task) -> bool {
        let Some(trial) = state.trials.get(&task.trial) else { return true };
        let is_best = || state.best().is_some_and(|best| best.number == trial.number);
        let is_confirmed = || state.confirmed.contains_key(&(task.trial, task.seed));
        trial.state == TrialState::Running
            || (self.setup.fresh.contains(&task.seed) && is_best() && !is_confirmed())
            || task.claim(self.dir()).exists()
    }

    fn summarise(&self, state: &State) -> StudySummary {
        let plan = &self.setup.plan;
        let count = |wanted: TrialState| state.trials.values().filter(|trial| trial.state == wanted).count();
        let ended = |number: &u64| state.trials.get(number).is_some_and(|trial| trial.state != TrialState::Running);
        let best = state.best().map(|trial| BestTrial {
            trial: trial.number,
            parameters: trial.parameters.clone(),
            score: trial.score.unwrap_or(f64::NAN),
            scores: trial.scores().into_values().collect(),
        });
        let confirmed = state.confirmed.values().map(|run| run.seconds);
        StudySummary {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: plan.base.command.clone(),
            env: plan.config.env.id.clone(),
            trials: plan.trials,
            complete: count(TrialState::Complete),
            pruned: count(TrialState::Pruned),
            failed: count(TrialState::Failed),
            missing: (0..plan.trials).filter(|number| !ended(number)).count() as u64,
            seeds: self.setup.seeds.clone(),
            sampler: plan.sampler,
            pruner: plan.pruner,
            score_episodes: plan.score_episodes,
            score_range: self.setup.score_range,
            seconds: state.trials.values().map(|trial| trial.seconds).chain(confirmed).sum(),
            confirmation: best.as_ref().and_then(|best| self.confirmation(state, best)),
            all_tie: state.all_tie(),
            importance: if state.all_tie() { None } else { self.importance(state) },
            best,
        }
    }

    fn confirmation(&self, state: &State, best: &BestTrial) -> Option<Confirmation> {
        let runs = || state.confirmed.iter().filter(|((trial, _), _)| *trial == best.trial);
        let fresh = |seed: &u64| self.setup.fresh.contains(seed);
        let results: Vec<_> = runs().filter(|((_, seed), _)| fresh(seed)).filter_map(|(_, run)| run.result).collect();
        let failed = runs()
            .filter(|((_, seed), _)| fresh(seed))
            .filter_map(|((_, seed), run)| Some(FailedRun { seed: *seed, error: run.error.clone()? }));
        let failed: Vec<FailedRun> = failed.collect();
        if results.is_empty() && failed.is_empty() {
            return None;
        }
        let scores: Vec<f64> = results.iter().map(|result| result.score).collect();
        let returns: Vec<f64> = results.iter().map(|result| result.mean_return).collect();
        let score = finite(expected_worse_half(&scores, self.setup.seeds.len()));
        Some(Confirmation {
            runs: self.setup.fresh.len(),
            score,
            drop: score.map(|score| best.score - score),
            scores,
            returns: Scores::of(&returns, failed.len(), self.setup.spec.reward_threshold),
            failed,
        })
    }

    fn importance(&self, state: &State) -> Option<Vec<Importance>> {
        let space = self.space();
        let coordinates: Vec<Vec<f64>> =
            ranked(state.trials.values()).iter().map(|trial| space.coordinates(&trial.parameters)).collect();
        let found = importance(space.parameters(), &coordinates)?;
        let keys = space.parameters().iter().map(|parameter| parameter.key.clone());
        let mut importance: Vec<Importance> =
            keys.zip(found).map(|(key, importance)| Importance { key, importance }).collect();
        importance.sort_by(|a, b| b.importance.total_cmp(&a.importance));
        Some(importance)
    }

    /// The table of all trials. A parameter whose key does not apply to a trial is empty.
    fn table(&self, state: &State) -> String {
        let parameters = self.space().parameters();
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        let keys = parameters.iter().map(|parameter| parameter.key.clone());
        let header = ["trial", "state", "score"].map(str::to_owned).into_iter().chain(keys).chain(["error".to_owned()]);
        writer.write_record(header).expect("memory can be written to");
        for trial in state.trials.values() {
            let score = trial.score.map_or_else(String::new, |score| score.to_string());
            let cells = parameters.iter().map(|parameter| match self.applies(trial, &parameter.key) {
                true => trial.parameters.get(&parameter.key).map_or_else(String::new, plain),
                false => String::new(),
            });
            let start = [trial.number.to_string(), trial.state.name().to_owned(), score];
            let error = trial.error.clone().unwrap_or_default();
            writer.write_record(start.into_iter().chain(cells).chain([error])).expect("memory can be written to");
        }
        String::from_utf8(writer.into_inner().expect("memory can be written to")).expect("cells are text")
    }

    /// Whether a parameter's key applies to a trial.
    fn applies(&self, trial: &Trial, key: &str) -> bool {
        let key = TrainConfig::key(key).filter(|key| key.condition.is_some());
        let Some(key) = key else { return true };
        let config = self.space().apply(self.config(), &trial.parameters);
        config.map_or(true, |config| key.applies(&config))
    }

    /// The best configuration with comments: the settings of the first of its runs.
    fn best_configuration(&self, best: &BestTrial, summary: &StudySummary) -> Result<String, Error> {
        let BestTrial { trial, score, parameters, .. } = best;
        let config = self.space().apply(self.config(), parameters)?;
        let ended = summary.complete + summary.pruned + summary.failed;
        let mut header = format!(
            "# The best of {ended} trials of a study: trial {trial} with a score of {score:.3} over {} of {}.\n",
            counted(self.setup.seeds.len(), "seed"),
            config.env.id,
        );
        if let Some(Confirmation { score: Some(fresh), returns: Scores { mean: Some(mean), .. }, scores, .. }) =
            &summary.confirmation
        {
            let runs = counted(scores.len(), "fresh seed");
            header += &format!("# With {runs} it scores {fresh:.3}, with a mean return of {mean:.1}.\n");
        }
        if summary.all_tie {
            header += "# All complete trials have this score: this one is merely the first of them.\n";
        }
        for (key, value) in parameters {
            header += &format!("#   {key} = {}\n", show(value));
        }
        Ok(format!("{header}\n{}", config.to_commented_toml()))
    }
}

/// Removes the lock files that killed processes have left, and the directory, unless another process has claimed a run.
fn remove_claims(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // A lock file is removed when it is unlocked.
        drop(Lock::attempt_at(entry.path()));
    }
    let _ = fs::remove_dir(dir);
}

/// `1 seed`, `3 seeds`.
fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("{n} {noun}") } else { format!("{n} {noun}s") }
}

/// A value as in a table: texts without quotation marks.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| show(value), str::to_owned)
}
