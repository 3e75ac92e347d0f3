//! Continues a run beyond its budget.

use super::Trainer;
use super::builder::resolve;
use super::progress::Phase;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::stop::StopFlag;

impl Trainer {
    /// Continues the run with another budget, whether it has ended or not. `config` may differ from the run's configuration
    /// only in the budget (`training.steps`, `training.episodes`) and in the schedules, which often depend on it:
    /// `optimizer.lr`, `exploration` and `replay.beta`.
    ///
    /// ```
    /// use quarl::{TrainConfig, Trainer};
    ///
    /// let config = |steps: i64| TrainConfig::preset("dqn").set("training.steps", steps).build();
    /// let mut trainer = Trainer::new(config(100)?)?;
    /// (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
    /// trainer.extend(config(150)?)?;
    /// (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
    /// assert_eq!(trainer.env_steps(), 150);
    /// # Ok::<(), quarl::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid configuration, [`Error::State`] for one that differs elsewhere, and after an error
    /// that ended the run. Nothing is changed then.
    pub fn extend(&mut self, mut config: TrainConfig) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the run's budget".to_owned(), message });
        config.validate()?;
        resolve(&mut config, self.envs[0].spec())?;
        if self.has_failed {
            return refused("an error ended the run, so it cannot be continued".to_owned());
        }
        let mut comparable = config.clone();
        (comparable.training.steps, comparable.training.episodes) =
            (self.config.training.steps, self.config.training.episodes);
        comparable.optimizer.lr = self.config.optimizer.lr;
        comparable.replay.beta = self.config.replay.beta;
        if comparable.exploration.kind == self.config.exploration.kind {
            comparable.exploration = self.config.exploration.clone();
        }
        let differences = self.config.differences(&comparable);
        if !differences.is_empty() {
            return refused(format!("only the budget and the schedules may change: {}", differences.join(", ")));
        }
        self.agent.set_schedules(&config);
        let training = &config.training;
        let reached = training.episodes.is_some_and(|budget| self.progress.episodes >= budget)
            || training.steps.is_some_and(|budget| self.progress.env_steps >= budget);
        if matches!(self.progress.phase, Phase::Close | Phase::Finished) && !reached {
            self.evaluation = None;
            self.progress.stopped_early = None;
            self.progress.phase = Phase::Step;
        }
        self.config = config;
        Ok(())
    }

    /// Replaces the flag that stops the run, so that a stopped run can continue.
    pub fn set_stop_flag(&mut self, stop: StopFlag) {
        self.stop = stop;
    }
}
