//! `quarl plot`: runs and experiments in one figure; and the figures that training and experiments leave by themselves.

use std::path::{Path, PathBuf};

use anyhow::Result;
use quarl::ablation::Variant;
use quarl::env;
use quarl::experiment;
use quarl::plot::{Figure, comparison_figure, experiment_figure, run_figure};
use quarl::{Error, run_dir};

use crate::args::PlotArgs;
use crate::{Outcome, output};

/// Over how many episodes a single run's curve is averaged.
const RUN_WINDOW: usize = 10;

pub(crate) fn run(args: PlotArgs) -> Result<Outcome> {
    let groups = args.paths.iter().map(|path| Group::read(path)).collect::<Result<Vec<_>, Error>>()?;
    let named: Vec<(&str, &[Vec<f64>])> =
        groups.iter().map(|group| (group.name.as_str(), group.returns.as_slice())).collect();
    let same_env = groups.iter().all(|group| group.env == groups[0].env);
    let title = if same_env { groups[0].env.clone() } else { "Returns".to_owned() };
    let threshold = if same_env { groups[0].threshold } else { None };
    let figure = comparison_figure(&title, &named, args.window as usize, threshold);
    let files = match args.out {
        Some(file) => vec![file],
        None => vec![PathBuf::from("quarl-plot.svg"), PathBuf::from("quarl-plot.png")],
    };
    for file in &files {
        figure.write(file)?;
        output::line(format!("drawn in {}", file.display()));
    }
    Ok(Outcome::Done)
}

/// The curves of one path: a single run, or all runs of an experiment.
struct Group {
    name: String,
    env: String,
    returns: Vec<Vec<f64>>,
    threshold: Option<f64>,
}

impl Group {
    fn read(path: &Path) -> Result<Self, Error> {
        let env = run_dir::read_config(path)?.env.id;
        let is_experiment = path.join("runs").is_dir();
        let returns = if is_experiment { all_returns(path)? } else { vec![experiment::run_returns(path)?] };
        let threshold = if is_experiment { experiment_threshold(&env, path)? } else { run_threshold(&env, path)? };
        let name = path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        Ok(Self { name: name.unwrap_or_else(|| path.display().to_string()), env, returns, threshold })
    }
}

/// The returns of an experiment's whole runs, in order of their seeds.
fn all_returns(out: &Path) -> Result<Vec<Vec<f64>>, Error> {
    let mut returns = Vec::new();
    for seed in experiment::seeds(out)? {
        let dir = experiment::run_path(out, seed);
        if run_dir::read_summary(&dir)?.is_some() {
            returns.push(experiment::run_returns(&dir)?);
        }
    }
    if returns.is_empty() {
        return Err(Error::File { path: out.to_owned(), message: "none of its runs is finished".to_owned() });
    }
    Ok(returns)
}

/// The figure that a run leaves: every episode, their moving average, the greedy evaluations.
pub(crate) fn draw_run(dir: &Path) -> Result<()> {
    let config = run_dir::read_config(dir)?;
    let returns = experiment::run_returns(dir)?;
    let evaluations: Vec<(f64, f64)> =
        run_dir::read_evaluations(dir)?.into_iter().map(|(episodes, mean)| (episodes as f64, mean)).collect();
    let title = format!("{}, seed {}", config.env.id, config.training.seed);
    write_both(&run_figure(&title, &returns, RUN_WINDOW, &evaluations, run_threshold(&config.env.id, dir)?), dir)
}

/// The figure that an experiment leaves: the mean with its band over the single runs.
pub(crate) fn draw_experiment(plan: &experiment::Plan) -> Result<()> {
    let returns = plan
        .seeds()
        .map(|seed| experiment::run_returns(&experiment::run_path(&plan.out, seed)))
        .collect::<Result<Vec<_>, Error>>()?;
    let id = &plan.config.env.id;
    let title = format!("{id}, {} runs", returns.len());
    write_both(&experiment_figure(&title, &returns, experiment_threshold(id, &plan.out)?), &plan.out)
}

/// The figure that an ablation leaves: each combination's mean curve, named for what is off.
pub(crate) fn draw_ablation(plan: &experiment::Plan, variants: &[Variant]) -> Result<()> {
    let returns = variants.iter().map(|variant| all_returns(&plan.out.join(&variant.name)));
    let returns = returns.collect::<Result<Vec<_>, Error>>()?;
    let named: Vec<(&str, &[Vec<f64>])> =
        variants.iter().zip(&returns).map(|(variant, runs)| (variant.label.as_str(), runs.as_slice())).collect();
    let id = &plan.config.env.id;
    let threshold = match variants.first() {
        Some(variant) => experiment_threshold(id, &plan.out.join(&variant.name))?,
        None => None,
    };
    write_both(&comparison_figure(id, &named, RUN_WINDOW, threshold), &plan.out)
}

fn write_both(figure: &Figure, dir: &Path) -> Result<()> {
    for name in run_dir::CURVES {
        figure.write(dir.join(name))?;
    }
    Ok(())
}

/// The return from which `id` counts as solved. Of Gymnasium's environments the run knows it: asking Python would take longer
/// than the drawing.
fn run_threshold(id: &str, run: &Path) -> Result<Option<f64>, Error> {
    if id.starts_with("gym:") {
        return Ok(run_dir::read_summary(run)?.and_then(|summary| summary.reward_threshold));
    }
    Ok(env::make(id)?.spec().reward_threshold)
}

/// [`run_threshold`] of an experiment's first whole run.
fn experiment_threshold(id: &str, out: &Path) -> Result<Option<f64>, Error> {
    for seed in experiment::seeds(out)? {
        let run = experiment::run_path(out, seed);
        if run_dir::read_summary(&run)?.is_some() {
            return run_threshold(id, &run);
        }
    }
    Ok(None)
}
