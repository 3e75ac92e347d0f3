//! The results of a comparison: scores of each configuration on each environment, differences between configurations, and
//! aggregate scores over environments (Agarwal et al. 2021).
//!
//! A run's score is the mean return of the greedy episodes at its end. Failed runs have no score; they count as
//! unsuccessful in the share of runs that reach the threshold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, EFFICIENCY, RESULTS, SCORES};
use super::efficiency::{EfficiencyPoint, efficiency};
use super::{RunOutcome, outcomes};
use crate::atomic_write::atomic_write;
use crate::error::Error;
use crate::files;
use crate::run::lock::Lock;
use crate::run::table::{number, plain, with_header};
use crate::run::{self, Status};
use crate::scores::{Scores, ends, finite};
use crate::stats::{
    Bootstrap, PairedDifference, TaskScores, area_under_curve, bootstrap_iqm, interquartile_mean, paired_difference,
    resampler,
};

/// The number of bootstrap resamples, as in rliable.
const RESAMPLES: usize = 50_000;
/// The normalised score that the optimality gap is measured from.
const TARGET: f64 = 1.0;

/// The results of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonResults {
    /// The version of quarl that computed them.
    pub quarl_version: String,
    /// The command that repeats the comparison, if it is known.
    #[serde(default)]
    pub command: Option<String>,
    /// The results on each environment.
    pub environments: Vec<EnvironmentResults>,
    /// The aggregate scores over all environments; `None` without normalisation.
    pub overall: Option<Vec<OverallResults>>,
}

/// The results of all configurations on one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentResults {
    /// The environment's id.
    pub env: String,
    /// The return from which the environment counts as solved, if there is one.
    pub threshold: Option<f64>,
    /// The returns that are normalised to the scores 0 and 1; `None` without normalisation.
    pub score_range: Option<[f64; 2]>,
    /// The results of each configuration, in the order of the comparison.
    pub configurations: Vec<ConfigurationResults>,
}

/// The results of one configuration on one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationResults {
    /// The configuration's name for readers.
    pub label: String,
    /// The experiment's directory, within that of the comparison.
    pub dir: PathBuf,
    /// Statistics of the scores.
    pub scores: Scores,
    /// The mean over the greedy evaluations during training, weighted by environment steps (the area under the curve,
    /// divided by its length): the interquartile mean over the runs.
    pub area: Option<f64>,
    /// A 95% bootstrap interval of it.
    pub area_interval: Option<[f64; 2]>,
    /// The interquartile mean of the greedy evaluations over environment steps.
    pub efficiency: Vec<EfficiencyPoint>,
    /// The comparison with the first configuration; `None` for the first one.
    pub versus_first: Option<Versus>,
}

/// The comparison of a configuration with the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// The probability that a run scores higher than one of the first configuration; ties count half.
    pub probability_of_improvement: Option<f64>,
    /// A 95% bootstrap interval of it.
    pub probability_interval: Option<[f64; 2]>,
    /// The number of seeds with a score in both configurations.
    pub pairs: usize,
    /// The mean difference of the scores over these seeds.
    pub difference: Option<f64>,
    /// Its 95% bootstrap interval if pairs of runs are resampled.
    pub paired_interval: Option<[f64; 2]>,
    /// Its 95% bootstrap interval if the runs are resampled independently.
    pub unpaired_interval: Option<[f64; 2]>,
}

/// The aggregate normalised scores of one configuration over all environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverallResults {
    /// The configuration's name for readers.
    pub label: String,
    /// The mean score.
    pub mean: Option<f64>,
    /// A 95% bootstrap interval of it, stratified by environment.
    pub mean_interval: Option<[f64; 2]>,
    /// The median over environments of the mean score.
    pub median: Option<f64>,
    /// A 95% bootstrap interval of it.
    pub median_interval: Option<[f64; 2]>,
    /// The interquartile mean over all runs.
    pub iqm: Option<f64>,
    /// A 95% bootstrap interval of it.
    pub iqm_interval: Option<[f64; 2]>,
    /// The mean amount by which runs fall short of the score 1.
    pub optimality_gap: Option<f64>,
    /// A 95% bootstrap interval of it.
    pub optimality_gap_interval: Option<[f64; 2]>,
    /// The probability that a run scores higher than one of the first configuration on the same environment; `None` for the
    /// first configuration.
    pub probability_of_improvement: Option<f64>,
    /// A 95% bootstrap interval of it.
    pub probability_interval: Option<[f64; 2]>,
    /// The normalised scores of each environment's runs.
    pub scores: TaskScores,
}

/// One row of `scores.csv`: a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct ScoreRow {
    environment: String,
    configuration: String,
    seed: u64,
    #[serde(serialize_with = "number")]
    score: Option<f64>,
    #[serde(serialize_with = "number")]
    best: Option<f64>,
    #[serde(serialize_with = "number")]
    area: Option<f64>,
    error: String,
}

/// The ended runs of one variant.
struct Ended {
    env: String,
    label: String,
    dir: PathBuf,
    threshold: Option<f64>,
    rows: Vec<ScoreRow>,
    /// The evaluations of each run at an interval: environment steps and mean return.
    evaluations: Vec<Evaluations>,
}

impl Ended {
    fn scores(&self) -> Vec<f64> {
        self.rows.iter().filter_map(|row| row.score).collect()
    }
}

impl Comparison {
    /// Reads all ended runs and writes `scores.csv`, `comparison.json` and the figures. Aggregate scores need the ranges of
    /// all environments ([`Comparison::score_ranges`]).
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails; those of reading a run's files.
    pub fn results(&self, ranges: Option<&BTreeMap<String, [f64; 2]>>) -> Result<ComparisonResults, Error> {
        let mut ended = Vec::new();
        for (variant, experiment) in self.variants().iter().zip(self.experiments()) {
            let env = experiment.config().env.id.clone();
            let (rows, evaluations) = rows(experiment.dir(), &env, &variant.label)?;
            let (label, dir) = (variant.label.clone(), PathBuf::from(&variant.name));
            ended.push(Ended { env, label, dir, threshold: experiment.threshold, rows, evaluations });
        }
        let mut environments = Vec::new();
        for env in distinct(ended.iter().map(|ended| ended.env.as_str())) {
            let here: Vec<&Ended> = ended.iter().filter(|ended| ended.env == env).collect();
            let score_range = ranges.and_then(|ranges| ranges.get(env).copied());
            environments.push(environment(env, score_range, &here));
        }
        let overall = ranges.map(|_| overall(&environments, &ended));
        let results = ComparisonResults {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            command: self.command(),
            environments,
            overall,
        };
        self.write(&results, ended.into_iter().flat_map(|ended| ended.rows).collect())?;
        Ok(results)
    }

    fn write(&self, results: &ComparisonResults, rows: Vec<ScoreRow>) -> Result<(), Error> {
        let out = self.dir();
        let _lock = Lock::wait(out)?;
        atomic_write(&out.join(SCORES), with_header(&rows).as_bytes())?;
        let text = serde_json::to_string_pretty(results).expect("results are plain data") + "\n";
        atomic_write(&out.join(RESULTS), text.as_bytes())?;
        atomic_write(&out.join(EFFICIENCY), with_header(&efficiency_rows(results)).as_bytes())?;
        #[cfg(feature = "plot")]
        for (stem, panels) in super::comparison_figures(out, results)? {
            for extension in super::comparison::FIGURE_EXTENSIONS {
                crate::plot::write(&panels, out.join(format!("{stem}.{extension}")))?;
            }
        }
        Ok(())
    }
}

/// One row of `efficiency.csv`: a point of a sample-efficiency curve.
#[derive(Default, Serialize)]
struct EfficiencyRow {
    environment: String,
    configuration: String,
    env_steps: u64,
    #[serde(serialize_with = "plain")]
    iqm: f64,
    #[serde(serialize_with = "number")]
    lower: Option<f64>,
    #[serde(serialize_with = "number")]
    upper: Option<f64>,
    n: usize,
}

fn efficiency_rows(results: &ComparisonResults) -> Vec<EfficiencyRow> {
    let mut rows = Vec::new();
    for environment in &results.environments {
        for configuration in &environment.configurations {
            rows.extend(configuration.efficiency.iter().map(|point| EfficiencyRow {
                environment: environment.env.clone(),
                configuration: configuration.label.clone(),
                env_steps: point.env_steps,
                iqm: point.iqm,
                lower: point.lower,
                upper: point.upper,
                n: point.n,
            }));
        }
    }
    rows
}

/// Reads the results of the comparison in a directory; `None` if it holds none.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is damaged or of another version.
pub fn read_comparison(dir: &Path) -> Result<Option<ComparisonResults>, Error> {
    let path = dir.join(RESULTS);
    let Some(text) = files::read_text_if_exists(&path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let message = format!("the results are damaged or of another version ({error}): compare again");
        Error::File { path, message }
    })
}

/// The evaluations of a run at an interval: environment steps and mean return.
type Evaluations = Vec<(u64, f64)>;

/// Each ended run of an experiment, and the evaluations of each complete run.
fn rows(dir: &Path, env: &str, label: &str) -> Result<(Vec<ScoreRow>, Vec<Evaluations>), Error> {
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for RunOutcome { seed, dir, status } in outcomes(dir)? {
        let row =
            ScoreRow { environment: env.to_owned(), configuration: label.to_owned(), seed, ..ScoreRow::default() };
        match status {
            Status::Complete(summary) => {
                let (score, best) = (summary.greedy_mean, summary.best_mean);
                let evaluations = run::read_evaluations(&dir)?.into_iter().filter(|row| !row.closing);
                let evaluations: Evaluations = evaluations.map(|row| (row.env_steps, row.mean_return)).collect();
                let budget = run::read_config(&dir)?.training.steps.filter(|_| summary.stopped_early.is_some());
                rows.push(ScoreRow { score, best, area: area(&evaluations, budget), ..row });
                all.push(evaluations);
            }
            Status::Failed(summary) => rows.push(ScoreRow { error: summary.error.unwrap_or_default(), ..row }),
            Status::Incomplete => {}
        }
    }
    Ok((rows, all))
}

/// The area under the curve of a run's evaluations. After an early stop, the last one counts until the end of the budget, so
/// that runs of different length can be compared.
fn area(evaluations: &Evaluations, budget_after_early_stop: Option<u64>) -> Option<f64> {
    let mut points: Vec<(f64, f64)> = evaluations.iter().map(|&(step, mean)| (step as f64, mean)).collect();
    if let (Some(budget), Some((_, last))) = (budget_after_early_stop, points.last()) {
        points.push((budget as f64, *last));
    }
    finite(area_under_curve(&points))
}

fn environment(env: &str, score_range: Option<[f64; 2]>, here: &[&Ended]) -> EnvironmentResults {
    let configurations = here.iter().enumerate().map(|(i, ended)| {
        let failed = ended.rows.iter().filter(|row| row.score.is_none()).count();
        let areas: Vec<f64> = ended.rows.iter().filter_map(|row| row.area).collect();
        let area_interval = bootstrap_iqm(&areas, &bootstrap(), &mut resampler(0));
        ConfigurationResults {
            label: ended.label.clone(),
            dir: ended.dir.clone(),
            scores: Scores::of(&ended.scores(), failed, ended.threshold),
            area: finite(interquartile_mean(&areas)),
            area_interval: ends(area_interval),
            efficiency: efficiency(&ended.evaluations),
            versus_first: (i > 0).then(|| versus(ended, here[0])),
        }
    });
    let threshold = here.iter().find_map(|ended| ended.threshold);
    EnvironmentResults { env: env.to_owned(), threshold, score_range, configurations: configurations.collect() }
}

fn bootstrap() -> Bootstrap {
    Bootstrap { resamples: RESAMPLES, ..Bootstrap::default() }
}

fn versus(ended: &Ended, first: &Ended) -> Versus {
    let bootstrap = bootstrap();
    let [own, other] = [ended, first].map(|ended| TaskScores::new(vec![ended.scores()]));
    let with_seed = |seed: u64| first.rows.iter().find(|row| row.seed == seed)?.score;
    let pairs = ended.rows.iter().filter_map(|row| Some((row.score?, with_seed(row.seed)?)));
    let (paired, with): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let PairedDifference { mean, paired: paired_interval, unpaired } =
        paired_difference(&paired, &with, &bootstrap, &mut resampler(0));
    Versus {
        probability_of_improvement: finite(own.probability_of_improvement(&other)),
        probability_interval: ends(own.probability_interval(&other, &bootstrap, &mut resampler(0))),
        pairs: paired.len(),
        difference: finite(mean),
        paired_interval: ends(paired_interval),
        unpaired_interval: ends(unpaired),
    }
}

/// The aggregate scores of each configuration that has a score on every environment.
fn overall(environments: &[EnvironmentResults], ended: &[Ended]) -> Vec<OverallResults> {
    let normalised = |label: &str| -> Option<TaskScores> {
        let on = |environment: &EnvironmentResults| {
            let [low, high] = environment.score_range?;
            let own = ended.iter().find(|ended| ended.env == environment.env && ended.label == label)?;
            let scores: Vec<f64> = own.scores().iter().map(|score| (score - low) / (high - low)).collect();
            (!scores.is_empty()).then_some(scores)
        };
        environments.iter().map(on).collect::<Option<_>>().map(TaskScores::new)
    };
    let labels = distinct(ended.iter().map(|ended| ended.label.as_str()));
    let all: Vec<(&str, TaskScores)> =
        labels.into_iter().filter_map(|label| Some((label, normalised(label)?))).collect();
    let bootstrap = bootstrap();
    let results = all.iter().enumerate().map(|(i, (label, scores))| {
        let intervals = scores.intervals(TARGET, &bootstrap, &mut resampler(0));
        let first = (i > 0).then_some(&all[0].1);
        OverallResults {
            label: (*label).to_owned(),
            mean: finite(scores.mean()),
            mean_interval: ends(intervals.mean),
            median: finite(scores.median()),
            median_interval: ends(intervals.median),
            iqm: finite(scores.iqm()),
            iqm_interval: ends(intervals.iqm),
            optimality_gap: finite(scores.optimality_gap(TARGET)),
            optimality_gap_interval: ends(intervals.optimality_gap),
            probability_of_improvement: first.and_then(|first| finite(scores.probability_of_improvement(first))),
            probability_interval: first
                .and_then(|first| ends(scores.probability_interval(first, &bootstrap, &mut resampler(0)))),
            scores: scores.clone(),
        }
    });
    results.collect()
}

/// The distinct values, in order of their first appearance.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    values.for_each(|value| {
        if !found.contains(&value) {
            found.push(value);
        }
    });
    found
}
