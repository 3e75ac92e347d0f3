//! Figures from files: runs, experiments, ablations, directories of runs and experiments, and tables of other programs.

use std::path::{Path, PathBuf};

use super::episodes::{self, Episodes};
use super::names::{distinct, number_repeated, without_seed};
use super::{Figure, Group, Run, XAxis, comparison_figure};
use crate::config::{EnvConfig, TrainConfig, presets};
use crate::error::Error;
use crate::experiment::{self, RunOutcome, ablation};
use crate::run::{self, Contents, Status, name, read_curve, threshold};

/// The runs of one configuration, which form one curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The runs, and their name in the legend.
    pub group: Group,
    /// The environment, with its keyword arguments if it has any; empty for a table that does not name one.
    pub env: String,
    /// Whether the training budget is in environment steps.
    pub budget_in_steps: bool,
    /// The return from which the environment counts as solved, if there is one.
    pub threshold: Option<f64>,
    /// The preset of the runs; `None` for other settings.
    preset: Option<Preset>,
    /// Whether another program wrote them.
    is_table: bool,
}

/// The names of a preset's runs.
#[derive(Clone, Debug, PartialEq)]
struct Preset {
    /// Default names of directories, without a seed.
    directories: [String; 2],
    /// The name in words.
    words: &'static str,
}

/// The curves read from several paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// The curves, in the order of the paths.
    pub curves: Vec<Curves>,
    /// One sentence for each result that was left out, with the reason.
    pub left_out: Vec<String>,
}

/// The options of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The title; the environment by default.
    pub title: Option<String>,
    /// The x axis; by default environment steps if a run has a budget in steps, otherwise episodes.
    pub x: Option<XAxis>,
    /// The number of episodes in the moving average.
    pub window: usize,
}

/// Reads the results in `paths`: one curve for a run or an experiment, one for each combination of an ablation, one for
/// each configuration in a directory of runs, and one for a table of episodes that another program wrote (a file `.csv` with a
/// column `return`, and `run` for several runs; or a `monitor.csv` of Stable-Baselines3). A table belongs to the environment of the others. `labels` name the curves of each path, in order. Paths without a label are
/// named by as many of their last components as distinguish them. A directory that is named after a preset and holds its
/// runs gets that preset's display name (`Double DQN` for `double`).
///
/// # Errors
/// Those of reading the files in a path; [`Error::File`] for a table that could belong to several environments.
pub fn collect(paths: &[PathBuf], labels: &[String]) -> Result<Collected, Error> {
    let names = distinct(paths);
    let mut collected = Collected::default();
    // Curves that are named after a directory within their path only, with the path's name.
    let mut inner: Vec<(usize, &String)> = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        let (mut curves, left_out) = read(path)?;
        collected.left_out.extend(left_out);
        match (labels.get(i), &mut curves[..]) {
            (Some(label), [only]) => only.group.name.clone_from(label),
            (None, [only]) if only.group.name.is_empty() => only.group.name.clone_from(&names[i]),
            (None, [_]) => inner.push((collected.curves.len(), &names[i])),
            (label, several) => {
                let prefix = label.or((paths.len() > 1).then_some(&names[i]));
                for curve in several {
                    let own = std::mem::take(&mut curve.group.name);
                    let own = if own.is_empty() { names[i].clone() } else { own };
                    curve.group.name = prefix.map_or(own.clone(), |prefix| format!("{prefix}: {own}"));
                }
            }
        }
        collected.curves.extend(curves);
    }
    let mut names: Vec<String> = collected.curves.iter().map(|curves| curves.group.name.clone()).collect();
    let given = names.clone();
    for (curve, path) in inner {
        if given.iter().filter(|name| **name == given[curve]).count() > 1 {
            names[curve] = format!("{path}: {}", given[curve]);
        }
    }
    let in_words: Vec<String> = names.iter().zip(&collected.curves).map(|(name, curve)| curve.in_words(name)).collect();
    for (i, words) in in_words.iter().enumerate() {
        let is_labelled = labels.contains(&names[i]);
        if !is_labelled && in_words.iter().filter(|other| *other == words).count() == 1 {
            names[i].clone_from(words);
        }
    }
    number_repeated(&mut names);
    join_tables(&mut collected.curves, paths)?;
    collected.curves.iter_mut().zip(names).for_each(|(curves, name)| curves.group.name = name);
    Ok(collected)
}

/// Gives the tables the environment that they are compared in.
fn join_tables(all: &mut [Curves], paths: &[PathBuf]) -> Result<(), Error> {
    let (tables, others): (Vec<&mut Curves>, Vec<&mut Curves>) = all.iter_mut().partition(|curves| curves.is_table);
    let known = distinct_environments(others.iter().map(|curves| &*curves.env));
    // Each path of a table has one curve.
    for (table, path) in tables.into_iter().zip(paths.iter().filter(|path| is_table(path))) {
        // Gymnasium's names have no prefix.
        let named = known.iter().find(|env| env.strip_prefix("gym:").unwrap_or(env) == table.env);
        match (named, &known[..]) {
            (Some(env), _) => table.env = (*env).to_owned(),
            (None, [env]) if table.env.is_empty() => table.env = (*env).to_owned(),
            (None, [_, _, ..]) if table.env.is_empty() => {
                let message = format!(
                    "this table does not name its environment, and the other results have {}: draw it with those of one",
                    known.join(", ")
                );
                return Err(Error::File { path: path.clone(), message });
            }
            _ => {}
        }
    }
    Ok(())
}

impl Preset {
    fn of(config: &TrainConfig) -> Option<Self> {
        let (name, words) = presets::of(config)?;
        Some(Self { directories: [name.to_owned(), run::default_name(&config.env.id, name)], words })
    }
}

/// The subject of a figure of one configuration: its environment, and its preset's display name if it is a preset.
pub(crate) fn subject(config: &TrainConfig) -> String {
    let env = described(&config.env);
    presets::of(config).map_or(env.clone(), |(_, words)| format!("{env}: {words}"))
}

impl Curves {
    /// The preset's display name, if `name` is the preset's name (`dqn`) or the default name of its runs
    /// (`CartPole-v1-dqn-seed0`); otherwise `name`.
    fn in_words(&self, name: &str) -> String {
        let without_seed = name.split("-seed").next().unwrap_or(name);
        let preset = self.preset.as_ref().filter(|preset| preset.directories.iter().any(|own| own == without_seed));
        preset.map_or(name, |preset| preset.words).to_owned()
    }
}

/// The environments of the curves, in order of first appearance.
pub fn environments(curves: &[Curves]) -> Vec<&str> {
    distinct_environments(curves.iter().map(|curves| &*curves.env))
}

fn distinct_environments<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for env in all {
        if !found.contains(&env) {
            found.push(env);
        }
    }
    found
}

/// A comparison of the curves: one figure for each environment, because returns of different environments cannot be
/// compared.
///
/// # Errors
/// [`Error::Setting`] where the x axis shall be environment steps and a table does not have them.
pub fn compare(curves: &[Curves], options: &Options) -> Result<Vec<Figure>, Error> {
    let environments = environments(curves);
    let panel = |env: &&str| {
        let here: Vec<&Curves> = curves.iter().filter(|curves| curves.env == *env).collect();
        let without_steps = here.iter().find(|curves| curves.group.runs.iter().any(|run| run.env_steps.is_empty()));
        let steps = without_steps.is_none() && here.iter().any(|curves| curves.budget_in_steps);
        let x = options.x.unwrap_or(if steps { XAxis::Steps } else { XAxis::Episodes });
        if let (XAxis::Steps, Some(table)) = (x, without_steps) {
            let name = &table.group.name;
            let message = format!(
                "{name} has neither a column env_steps nor a column length, so it can only be drawn over episodes"
            );
            return Err(Error::Setting { key: "x".to_owned(), message });
        }
        let title = match &options.title {
            None if env.is_empty() => "Learning curves".to_owned(),
            None => (*env).to_owned(),
            Some(title) if environments.len() == 1 => title.clone(),
            Some(title) => format!("{title}, {env}"),
        };
        let groups: Vec<&Group> = here.iter().map(|curves| &curves.group).collect();
        Ok(comparison_figure(&title, &groups, x, options.window, here.iter().find_map(|curves| curves.threshold)))
    };
    environments.iter().map(panel).collect()
}

/// The curves of a path, and the reasons for results that were left out. Curves without a name are named after their path.
fn read(path: &Path) -> Result<(Vec<Curves>, Vec<String>), Error> {
    if is_table(path) {
        return Ok((vec![read_table(path)?], Vec::new()));
    }
    let named = |path: &PathBuf, label: String| -> Result<Curves, Error> {
        let mut curves = read_experiment(path)?;
        curves.group.name = label;
        Ok(curves)
    };
    let (found, left_out): (Vec<Curves>, Vec<String>) = match Contents::of(path)? {
        Contents::Nothing | Contents::Other { .. } => return Err(Contents::no_results(path)),
        Contents::Study => return Err(Contents::study_without_models(path)),
        Contents::Run { .. } => (vec![read_single(path)?.1], Vec::new()),
        Contents::Experiment => (vec![read_experiment(path)?], Vec::new()),
        Contents::Several { results, .. } => match ablation::combinations(&results) {
            Some(combinations) => split(combinations.iter().map(|(path, parts)| named(path, ablation::label(parts)))),
            None => read_several(&results),
        },
    };
    match left_out.first() {
        Some(reason) if found.is_empty() => Err(Error::File { path: path.to_owned(), message: reason.clone() }),
        _ => Ok((found, left_out)),
    }
}

/// The runs of one configuration in a directory of several.
struct Gathered {
    /// The configuration with seed 0; `None` for an experiment, which is a curve of its own.
    config: Option<TrainConfig>,
    /// Seed and name of each run.
    runs: Vec<(u64, String)>,
    curves: Curves,
}

/// Runs of equal configurations become one curve; each experiment is a curve.
fn read_several(paths: &[PathBuf]) -> (Vec<Curves>, Vec<String>) {
    let mut left_out = Vec::new();
    let mut gathered: Vec<Gathered> = Vec::new();
    for path in paths {
        let is_run = matches!(Contents::of(path), Ok(Contents::Run { .. }));
        let read = if is_run { read_single(path) } else { read_experiment(path).map(|curves| (None, curves)) };
        let (mut config, mut curves) = match read {
            Ok(read) => read,
            Err(error) => {
                left_out.push(error.to_string());
                continue;
            }
        };
        curves.group.name = name(path);
        let seed = config.as_mut().map_or(0, |config| std::mem::take(&mut config.training.seed));
        let alike = gathered.iter_mut().find(|other| config.is_some() && other.config == config);
        let Some(alike) = alike else {
            gathered.push(Gathered { config, runs: vec![(seed, name(path))], curves });
            continue;
        };
        if let Some((_, twin)) = alike.runs.iter().find(|(other, _)| *other == seed) {
            left_out.push(format!("{}: repeats {twin} (the same settings and seed)", path.display()));
            continue;
        }
        alike.runs.push((seed, name(path)));
        alike.curves.group.runs.extend(curves.group.runs);
        alike.curves.group.planned += 1;
    }
    let named = gathered.into_iter().map(|Gathered { runs, mut curves, .. }| {
        if runs.len() > 1 {
            let names: Vec<String> = runs.into_iter().map(|(_, name)| name).collect();
            curves.group.name = without_seed(&names).unwrap_or_default();
        }
        curves
    });
    (named.collect(), left_out)
}

/// Separates the results that could be read from the errors.
fn split(results: impl Iterator<Item = Result<Curves, Error>>) -> (Vec<Curves>, Vec<String>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(curves) => found.push(curves),
            Err(error) => left_out.push(error.to_string()),
        }
    }
    (found, left_out)
}

/// A single run with its configuration.
fn read_single(dir: &Path) -> Result<(Option<TrainConfig>, Curves), Error> {
    let config = run::read_config(dir)?;
    let run = read_curve(dir)?;
    if run.returns.is_empty() {
        let message = "no episode of this run has finished, so there is nothing to draw".to_owned();
        return Err(Error::File { path: dir.to_owned(), message });
    }
    let curves = curves(&config, dir, vec![run], 1)?;
    Ok((Some(config), curves))
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) && !path.is_dir()
}

/// The curve of a table of episodes.
fn read_table(path: &Path) -> Result<Curves, Error> {
    let Episodes { runs, env } = episodes::read(path)?;
    Ok(Curves {
        group: Group { name: String::new(), planned: runs.len(), runs },
        env: env.unwrap_or_default(),
        budget_in_steps: false,
        threshold: None,
        preset: None,
        is_table: true,
    })
}

/// The complete runs of an experiment, in order of their seeds.
pub(crate) fn read_experiment(out: &Path) -> Result<Curves, Error> {
    let config = run::read_config(out)?;
    let mut whole = Vec::new();
    let outcomes = experiment::outcomes(out)?;
    let planned = outcomes.len();
    for RunOutcome { dir, .. } in outcomes.into_iter().filter(|run| matches!(run.status, Status::Complete(_))) {
        whole.push((read_curve(&dir)?, dir));
    }
    let Some((_, first)) = whole.first() else {
        return Err(Error::File {
            path: out.to_owned(),
            message: "none of the runs in this experiment is finished".to_owned(),
        });
    };
    let first = first.clone();
    curves(&config, &first, whole.into_iter().map(|(run, _)| run).collect(), planned)
}

/// The curves of runs; `run` is the directory of one of them.
fn curves(config: &TrainConfig, run: &Path, runs: Vec<Run>, planned: usize) -> Result<Curves, Error> {
    Ok(Curves {
        group: Group { name: String::new(), runs, planned },
        env: described(&config.env),
        budget_in_steps: config.training.steps.is_some(),
        threshold: threshold(config, run)?,
        preset: Preset::of(config),
        is_table: false,
    })
}

/// An environment's id, with the keyword arguments that change the task.
fn described(env: &EnvConfig) -> String {
    let args: Vec<String> = env.gym.kwargs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if args.is_empty() { env.id.clone() } else { format!("{} ({})", env.id, args.join(", ")) }
}
