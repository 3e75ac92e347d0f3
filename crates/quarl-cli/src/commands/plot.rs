//! `quarl plot`: runs and experiments in one figure; and the figures that training and experiments leave by themselves.

use std::path::{Path, PathBuf};

use anyhow::Result;
use quarl::ablation::Variant;
use quarl::env;
use quarl::experiment;
use quarl::plot::{
    Figure, Run, comparison_figure, comparison_figure_by_steps, experiment_figure, experiment_figure_by_steps,
    run_figure,
};
use quarl::{Error, run_dir};

use crate::args::{PlotArgs, XAxis};
use crate::{Outcome, output};

/// Over how many episodes a single run's curve is averaged.
const RUN_WINDOW: usize = 10;

pub(crate) fn run(args: PlotArgs) -> Result<Outcome> {
    let groups = args.paths.iter().map(|path| Group::read(path)).collect::<Result<Vec<_>, Error>>()?;
    let named: Vec<(&str, &[Run])> = groups.iter().map(|group| (group.name.as_str(), &*group.runs)).collect();
    let have_budgets_of_steps = groups.iter().all(|group| group.has_budget_of_steps);
    let x = args.x.unwrap_or(if have_budgets_of_steps { XAxis::Steps } else { XAxis::Episodes });
    let same_env = groups.iter().all(|group| group.env == groups[0].env);
    let title = if same_env { groups[0].env.clone() } else { "Returns".to_owned() };
    let threshold = if same_env { groups[0].threshold } else { None };
    let figure = compare(x, &title, &named, args.window as usize, threshold);
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
    has_budget_of_steps: bool,
    runs: Vec<Run>,
    threshold: Option<f64>,
}

impl Group {
    fn read(path: &Path) -> Result<Self, Error> {
        let config = run_dir::read_config(path)?;
        let is_experiment = path.join("runs").is_dir();
        let id = &config.env.id;
        let name = path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        Ok(Self {
            name: name.unwrap_or_else(|| path.display().to_string()),
            has_budget_of_steps: config.training.steps.is_some(),
            runs: if is_experiment { all_runs(path)? } else { vec![read_run(path)?] },
            threshold: if is_experiment { experiment_threshold(id, path)? } else { run_threshold(id, path)? },
            env: config.env.id,
        })
    }
}

fn read_run(dir: &Path) -> Result<Run, Error> {
    let episodes = run_dir::read_episodes(dir)?;
    Ok(Run {
        env_steps: episodes.iter().map(|record| record.env_steps).collect(),
        returns: episodes.iter().map(|record| record.total_reward).collect(),
    })
}

/// An experiment's whole runs, in order of their seeds.
fn all_runs(out: &Path) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    for seed in experiment::seeds(out)? {
        let dir = experiment::run_path(out, seed);
        if run_dir::read_summary(&dir)?.is_some() {
            runs.push(read_run(&dir)?);
        }
    }
    if runs.is_empty() {
        return Err(Error::File { path: out.to_owned(), message: "none of its runs is finished".to_owned() });
    }
    Ok(runs)
}

fn returns(runs: &[Run]) -> Vec<&[f64]> {
    runs.iter().map(|run| &*run.returns).collect()
}

fn compare(x: XAxis, title: &str, named: &[(&str, &[Run])], window: usize, threshold: Option<f64>) -> Figure {
    if x == XAxis::Steps {
        return comparison_figure_by_steps(title, named, window, threshold);
    }
    let returns: Vec<(&str, Vec<&[f64]>)> = named.iter().map(|(name, runs)| (*name, returns(runs))).collect();
    let named: Vec<(&str, &[&[f64]])> = returns.iter().map(|(name, runs)| (*name, &**runs)).collect();
    comparison_figure(title, &named, window, threshold)
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
    let runs =
        plan.seeds().map(|seed| read_run(&experiment::run_path(&plan.out, seed))).collect::<Result<Vec<_>, Error>>()?;
    let id = &plan.config.env.id;
    let title = format!("{id}, {} runs", runs.len());
    let threshold = experiment_threshold(id, &plan.out)?;
    let figure = match plan.config.training.steps {
        Some(_) => experiment_figure_by_steps(&title, &runs, RUN_WINDOW, threshold),
        None => experiment_figure(&title, &returns(&runs), threshold),
    };
    write_both(&figure, &plan.out)
}

/// The figure that an ablation leaves: each combination's mean curve, named for what is off.
pub(crate) fn draw_ablation(plan: &experiment::Plan, variants: &[Variant]) -> Result<()> {
    let runs = variants.iter().map(|variant| all_runs(&plan.out.join(&variant.name)));
    let runs = runs.collect::<Result<Vec<_>, Error>>()?;
    let named: Vec<(&str, &[Run])> =
        variants.iter().zip(&runs).map(|(variant, runs)| (variant.label.as_str(), &**runs)).collect();
    let id = &plan.config.env.id;
    let threshold = match variants.first() {
        Some(variant) => experiment_threshold(id, &plan.out.join(&variant.name))?,
        None => None,
    };
    let x = if plan.config.training.steps.is_some() { XAxis::Steps } else { XAxis::Episodes };
    write_both(&compare(x, id, &named, RUN_WINDOW, threshold), &plan.out)
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
