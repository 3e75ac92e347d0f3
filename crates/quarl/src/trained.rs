//! Trained agents on disk: a model and the settings that it was trained with.

use std::path::{Path, PathBuf};

use crate::config::{EnvConfig, StepLimit};
use crate::error::Error;
use crate::experiment;
use crate::model::Model;
use crate::results_dir::{ResultsDir, name};
use crate::rng::Stream;
use crate::run_dir;

/// Which of a run's models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// That at the end of training.
    #[default]
    Last,
    /// That of the best evaluation. A mean that was selected for being the best is too high: play it again.
    Best,
}

/// A trained agent.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedAgent {
    /// The model's file.
    pub path: PathBuf,
    /// The model.
    pub model: Model,
    /// The environment, with the settings of the run that the model lies in; without further settings where it lies in none.
    pub env: EnvConfig,
    /// The run's step limit for greedy episodes.
    pub max_episode_steps: StepLimit,
    /// The run's seed; 0 where the model lies in no run.
    pub seed: u64,
}

impl TrainedAgent {
    /// The agent in `path`: a run's directory, or a model file.
    ///
    /// # Errors
    /// [`Error::File`] where there is none, saying what is there instead; what is wrong with a file.
    pub fn load(path: &Path, which: Which) -> Result<Self, Error> {
        let file = model_file(path, which)?;
        let model = Model::load(&file)?;
        let dir = file.parent().unwrap_or(Path::new(""));
        let mut agent = Self {
            env: EnvConfig::named(&model.env),
            path: file.clone(),
            model,
            max_episode_steps: StepLimit::Environment,
            seed: 0,
        };
        if dir.join(run_dir::CONFIG).is_file() {
            let config = run_dir::read_config(dir)?;
            if config.env.id == agent.model.env {
                agent.seed = config.training.seed;
                agent.max_episode_steps = config.evaluation.max_episode_steps;
                agent.env = config.env;
            }
        }
        Ok(agent)
    }

    /// The seed of the episodes that its reported scores come from: a stream of its own, apart from all that training and its
    /// evaluations see. `seed` gives other episodes; agents of different runs get different ones.
    pub fn report_seed(&self, seed: u64) -> u64 {
        Stream::Report.part_seed(seed, self.seed)
    }
}

/// A run's model file, or the file itself.
fn model_file(path: &Path, which: Which) -> Result<PathBuf, Error> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let refused = |message: String| Err(Error::File { path: path.to_owned(), message });
    match ResultsDir::of(path) {
        Ok(ResultsDir::Run) => {}
        Ok(ResultsDir::Experiment) => {
            let seeds = experiment::seeds(path)?;
            return refused(match seeds.first() {
                None => "this is an experiment of which no run has begun".to_owned(),
                Some(first) => format!(
                    "this is an experiment: name one of its {}, such as {}",
                    counted(&seeds),
                    experiment::run_path(path, *first).display()
                ),
            });
        }
        Ok(ResultsDir::Ablation(found) | ResultsDir::Several(found)) => {
            let names: Vec<String> = found.iter().map(|path| name(path)).collect();
            return refused(format!(
                "this directory holds several runs or experiments: name one of {}",
                listed(&names)
            ));
        }
        // A directory that holds nothing but a model is good enough.
        Err(error) if !path.join(file_name(which)).is_file() => return Err(error),
        Err(_) => {}
    }
    let file = path.join(file_name(which));
    if file.is_file() {
        return Ok(file);
    }
    let best = path.join(run_dir::BEST);
    refused(match which {
        Which::Last if best.is_file() => {
            format!(
                "this run is not finished: it has no {} yet; its best model so far is {}",
                run_dir::MODEL,
                best.display()
            )
        }
        Which::Last => format!("this run is not finished: it has no {} yet", run_dir::MODEL),
        Which::Best => format!("this run has no {}: it has not been evaluated yet", run_dir::BEST),
    })
}

fn file_name(which: Which) -> &'static str {
    match which {
        Which::Last => run_dir::MODEL,
        Which::Best => run_dir::BEST,
    }
}

/// `1 run (seed 3)`, `8 runs (seeds 0 to 7)`, `3 runs (seeds 0, 2, 5)`.
fn counted(seeds: &[u64]) -> String {
    let text: Vec<String> = seeds.iter().map(u64::to_string).collect();
    match seeds {
        [only] => format!("1 run (seed {only})"),
        [first, .., last] if last - first == seeds.len() as u64 - 1 => {
            format!("{} runs (seeds {first} to {last})", seeds.len())
        }
        _ => format!("{} runs (seeds {})", seeds.len(), listed(&text)),
    }
}

/// The first few of several names.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = if names.len() > SHOWN { format!(", and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_counted_as_a_reader_would() {
        assert_eq!(counted(&[3]), "1 run (seed 3)");
        assert_eq!(counted(&[3, 4, 5]), "3 runs (seeds 3 to 5)");
        assert_eq!(counted(&[0, 2, 5]), "3 runs (seeds 0, 2, 5)");
    }
}
