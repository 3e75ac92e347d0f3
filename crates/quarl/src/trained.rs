//! Trained agents on disk: a model and the settings of its run.

use std::path::{Path, PathBuf};

use crate::StopFlag;
use crate::config::{EnvConfig, StepLimit};
use crate::env::{self, Environment, EnvironmentSpec, MakeOptions, wrappers};
use crate::error::Error;
use crate::evaluate::{GreedyEpisode, GreedyEpisodes, step_limit};
use crate::experiment;
use crate::model::Model;
use crate::policy::Policy;
use crate::rng::Stream;
use crate::run::{self, Contents, listed, name};

/// The model of a run to load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SavedModel {
    /// The model at the end of training.
    #[default]
    Last,
    /// The model of the best evaluation during training. That evaluation's mean is biased upwards by the selection:
    /// evaluate the model again.
    Best,
}

/// A trained agent.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedAgent {
    /// The path of the model file.
    pub path: PathBuf,
    /// The model.
    pub model: Model,
    /// The environment with the wrappers of the run; without wrappers if the model file does not belong to a run.
    pub env: EnvConfig,
    /// The run's step limit for greedy episodes.
    pub max_episode_steps: StepLimit,
    /// The run's seed; 0 if the model file does not belong to a run.
    pub seed: u64,
}

impl TrainedAgent {
    /// Loads the agent in `path`: a run's directory, or a model file.
    ///
    /// # Errors
    /// [`Error::File`] where `path` holds no agent, with what it holds instead, and for damaged files.
    pub fn load(path: &Path, saved: SavedModel) -> Result<Self, Error> {
        let file = model_file(path, saved)?;
        let model = Model::load(&file)?;
        let dir = file.parent().unwrap_or(Path::new(""));
        let mut agent = Self {
            env: EnvConfig::named(&model.env),
            path: file.clone(),
            model,
            max_episode_steps: StepLimit::Environment,
            seed: 0,
        };
        if dir.join(run::CONFIG).is_file() {
            let config = run::read_config(dir)?;
            if config.env.id == agent.model.env {
                agent.seed = config.training.seed;
                agent.max_episode_steps = config.evaluation.max_episode_steps;
                agent.env = config.env;
            }
        }
        Ok(agent)
    }

    /// Creates the environment that the agent was trained in, with the run's wrappers.
    ///
    /// # Errors
    /// Those of [`env::make_configured`].
    pub fn make_environment(&self, options: &MakeOptions) -> Result<Box<dyn Environment>, Error> {
        env::make_configured(&self.env, options)
    }

    /// Puts the run's wrappers around an environment of your own.
    ///
    /// # Errors
    /// [`Error::Setting`] for a wrapper's setting that does not suit this environment.
    pub fn wrap(&self, env: impl Environment + 'static) -> Result<Box<dyn Environment>, Error> {
        wrappers::wrap(Box::new(env), &self.env)
    }

    /// The agent's greedy policy, and `episodes` episodes from `seed`, for an environment with the run's wrappers.
    ///
    /// # Errors
    /// [`Error::State`] where the environment does not match the model.
    pub fn greedy(&self, spec: &EnvironmentSpec, seed: u64, episodes: u64) -> Result<(Policy, GreedyEpisodes), Error> {
        let policy = Policy::new(&self.model)?;
        policy.check_environment(spec)?;
        let limit = step_limit(self.max_episode_steps, spec);
        let episodes = GreedyEpisodes::new(spec, seed, episodes, limit);
        Ok((policy, episodes))
    }

    /// Plays greedy episodes in an environment with the run's wrappers. Their random stream differs from those of training
    /// and its evaluations. Another `seed` gives other episodes.
    ///
    /// ```
    /// # use quarl::config::TrainConfig;
    /// # use quarl::run::RunWriter;
    /// # use quarl::train::Trainer;
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let dir = directory.path().join("run");
    /// # let mut trainer = Trainer::new(TrainConfig::preset("textbook").set("training.episodes", 2).build()?)?;
    /// # let mut writer = RunWriter::create(&dir, false, trainer.config())?;
    /// # while let Some(event) = trainer.next() {
    /// #     writer.record(&event?, &trainer)?;
    /// # }
    /// # writer.finish(&trainer, 0.1, false)?;
    /// use quarl::env::CartPole;
    /// use quarl::trained::{TrainedAgent, SavedModel};
    ///
    /// let agent = TrainedAgent::load(&dir, SavedModel::Last)?;
    /// let mut env = agent.wrap(CartPole::v0())?; // or an environment of your own
    /// let episodes = agent.evaluate(&mut *env, 0, 10)?;
    /// assert_eq!(episodes.len(), 10);
    /// # Ok::<(), quarl::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`GreedyEpisodes::step`], and [`Error::State`] where the environment does not match the model.
    pub fn evaluate(&self, env: &mut dyn Environment, seed: u64, episodes: u64) -> Result<Vec<GreedyEpisode>, Error> {
        let (mut policy, mut greedy) = self.greedy(env.spec(), self.report_seed(seed), episodes)?;
        greedy.play(&mut policy, env, &StopFlag::default())
    }

    /// The seed of the episodes for reported scores. It differs from all seeds of training and its evaluations, and between
    /// runs. Another `seed` gives other episodes.
    pub fn report_seed(&self, seed: u64) -> u64 {
        Stream::Report.part_seed(seed, self.seed)
    }
}

/// The model file of a run, or the file itself.
fn model_file(path: &Path, saved: SavedModel) -> Result<PathBuf, Error> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let refused = |message: String| Err(Error::File { path: path.to_owned(), message });
    match Contents::of(path)? {
        Contents::Run { .. } => {}
        Contents::Experiment => {
            let seeds = experiment::seeds(path)?;
            return refused(match seeds.first() {
                None => "this is an experiment without any started run".to_owned(),
                Some(first) => format!(
                    "this is an experiment; choose one of its {}, such as {}",
                    counted(&seeds),
                    experiment::run_path(path, *first).display()
                ),
            });
        }
        Contents::Several { results, .. } => {
            let names: Vec<String> = results.iter().map(|path| name(path)).collect();
            return refused(format!(
                "this directory holds several runs or experiments; choose one of {}",
                listed(&names)
            ));
        }
        // A directory with nothing but a model file is accepted.
        Contents::Other { .. } if path.join(file_name(saved)).is_file() => {}
        Contents::Study => return Err(Contents::study_without_models(path)),
        Contents::Nothing | Contents::Other { .. } => return Err(Contents::no_results(path)),
    }
    let file = path.join(file_name(saved));
    if file.is_file() {
        return Ok(file);
    }
    let best = path.join(run::BEST);
    refused(match saved {
        SavedModel::Last if best.is_file() => {
            format!(
                "this run is not finished: it has no {} yet; its best model so far is {}",
                run::MODEL,
                best.display()
            )
        }
        SavedModel::Last => format!("this run is not finished: it has no {} yet", run::MODEL),
        SavedModel::Best => format!("this run has no {}: it has not been evaluated yet", run::BEST),
    })
}

fn file_name(saved: SavedModel) -> &'static str {
    match saved {
        SavedModel::Last => run::MODEL,
        SavedModel::Best => run::BEST,
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
