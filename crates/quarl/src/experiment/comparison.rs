//! Comparisons: several configurations, each with many seeds. All runs share one queue, so that every core is busy until the
//! last run.

use std::path::Path;

use super::runner::{Pool, train};
use super::{Experiment, ExperimentEvent, Plan};
use crate::config::{EnvConfig, TrainConfig};
use crate::env::EnvironmentSpec;
use crate::error::Error;
use crate::memory;
use crate::run::refuse_link;

/// All statistics.
pub(super) const RESULTS: &str = "comparison.json";
/// The score of each run.
pub(super) const SCORES: &str = "scores.csv";
/// The sample-efficiency curves.
pub(super) const EFFICIENCY: &str = "efficiency.csv";
/// The figures, without the extensions of their file names.
const FIGURES: [&str; 5] = ["curve", "scores", "improvement", "efficiency", "profile"];
/// The formats of each figure.
pub(super) const FIGURE_EXTENSIONS: [&str; 2] = ["svg", "png"];

/// Whether a comparison or an ablation writes a file of this name beside its experiments.
pub(super) fn is_own_file(name: &str) -> bool {
    let is_figure = |(stem, extension)| FIGURES.contains(&stem) && FIGURE_EXTENSIONS.contains(&extension);
    [RESULTS, SCORES, EFFICIENCY].contains(&name) || name.split_once('.').is_some_and(is_figure)
}

/// One configuration of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The name of its directory: `CartPole-v1-rainbow`; in an ablation `all`, `no-replay`, `no-replay-no-target_network`.
    pub name: String,
    /// Its name for readers, the same for every environment: `Rainbow`, `without replay and target network`.
    pub label: String,
    /// The configuration.
    pub config: TrainConfig,
}

/// A comparison and its directory, which holds one experiment for each variant.
pub struct Comparison {
    plan: Plan,
    variants: Vec<Variant>,
    experiments: Vec<Experiment>,
}

impl Comparison {
    /// Creates the directory, or checks that it holds experiments with these configurations, and determines the missing
    /// runs. `plan` gives the directory, the number of runs of each variant, the shard, and the number of runs in parallel; its
    /// configuration is not used.
    ///
    /// Variants of the same environment with the same seed share their environment's random stream.
    ///
    /// # Errors
    /// Those of [`Plan::open`].
    pub fn open(plan: &Plan, variants: Vec<Variant>) -> Result<Self, Error> {
        plan.shard.check()?;
        let runs = plan.runs.saturating_mul(variants.len() as u64);
        let at_once = plan.jobs.min(usize::try_from(runs).unwrap_or(usize::MAX)).max(1);
        let mut specs: Vec<(EnvConfig, EnvironmentSpec)> = Vec::new();
        let mut plans = Vec::with_capacity(variants.len());
        for variant in &variants {
            let mut plan = plan.variant(variant);
            refuse_link(&plan.out)?;
            // An environment in Python takes a while to start: variants of the same one ask it once.
            let known = specs.iter().find(|(env, _)| *env == plan.config.env).map(|(_, spec)| spec.clone());
            let spec = known.map_or_else(|| plan.specification(), Ok)?;
            specs.push((plan.config.env.clone(), spec.clone()));
            memory::check(&plan.config, &spec, at_once)?;
            plan.spec = Some(spec);
            plans.push(plan);
        }
        plan.check_variants(&plans)?;
        let experiments = plans.into_iter().map(Plan::open).collect::<Result<_, _>>()?;
        Ok(Self { plan: plan.clone(), variants, experiments })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.plan.out
    }

    /// The command that repeats the comparison, if it is known.
    pub(super) fn command(&self) -> Option<String> {
        self.plan.command.clone()
    }

    /// The variants.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The experiments of the variants, in the same order.
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }

    /// The missing runs of this shard, as the index of a variant and a seed: the first seed of every variant first, so that
    /// an unfinished comparison has about as many runs of each.
    pub fn missing(&self) -> Vec<(usize, u64)> {
        let seeds = (0..self.plan.runs).flat_map(|k| (0..self.experiments.len()).map(move |i| (i, k)));
        let runs = seeds.map(|(i, k)| (i, self.experiments[i].plan.seeds().start + k));
        let in_shard = runs.zip(0..).filter(|(_, position)| self.plan.shard.contains(*position)).map(|(run, _)| run);
        in_shard.filter(|(i, seed)| self.experiments[*i].missing.contains(seed)).collect()
    }

    /// Starts the missing runs.
    ///
    /// # Errors
    /// [`Error::Io`] where a thread cannot be started.
    pub fn start(&self) -> Result<ComparisonRuns, Error> {
        let plans = self.experiments.iter().map(|experiment| experiment.plan.clone()).collect();
        Pool::start(plans, self.missing(), self.plan.jobs, self.plan.stop.child(), train).map(ComparisonRuns)
    }
}

/// The running comparison: an iterator of each event and the index of its variant, which ends when all runs have ended.
/// Dropping it stops the runs.
pub struct ComparisonRuns(Pool);

impl Iterator for ComparisonRuns {
    type Item = Result<(usize, ExperimentEvent), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
