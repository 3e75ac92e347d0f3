//! Continues a run beyond its budget.

use super::builder::resolve;
use super::progress::Phase;
use super::{RunState, Trainer};
use crate::config::{StepLimit, TrainConfig};
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
        let differences = self.config.fixed_differences(&config);
        if !differences.is_empty() {
            return refused(format!("only the budget and the schedules may change: {}", differences.join(", ")));
        }
        self.agent.set_schedules(&config);
        self.config = config;
        if self.is_closing() && !self.reached_budget() {
            self.evaluation = None;
            self.progress.stopped_early = None;
            self.reopen();
        }
        Ok(())
    }

    /// Whether the budget is used up.
    fn reached_budget(&self) -> bool {
        self.config.training.is_complete(self.progress.episodes, self.progress.env_steps)
    }

    /// Continues from the state of another run, whose settings may differ: the networks, the replay buffer and the random streams
    /// are those of the other run, the settings of this one apply from here on. Where the other run was about to end, and the
    /// budget of this one is larger, training goes on.
    ///
    /// # Errors
    /// [`Error::State`] where the state does not fit: another network, optimizer, replay buffer or environment. Nothing is
    /// changed then.
    pub fn branch_off(&mut self, state: RunState) -> Result<(), Error> {
        self.set_state(state.with_config(&self.config))?;
        if self.progress.stopped_early.is_none() && !self.reached_budget() {
            self.reopen();
        }
        Ok(())
    }

    /// Takes back that training has ended. An evaluation that is due now still takes place; the closing one does not.
    fn reopen(&mut self) {
        self.progress.phase = match self.progress.phase {
            Phase::Close | Phase::Finished => Phase::Step,
            Phase::Evaluate { .. } => Phase::Evaluate { training_ended: false },
            phase => phase,
        };
    }

    /// Replaces the flag that stops the run, so that a stopped run can continue.
    pub fn set_stop_flag(&mut self, stop: StopFlag) {
        self.stop = stop;
    }
}

impl TrainConfig {
    /// [`TrainConfig::differences`], except in what may change while a run is trained: its budget, its schedules and its
    /// checkpoints.
    pub fn fixed_differences(&self, other: &Self) -> Vec<String> {
        let mut comparable = other.clone();
        (comparable.training.steps, comparable.training.episodes) = (self.training.steps, self.training.episodes);
        comparable.optimizer.lr = self.optimizer.lr;
        comparable.replay.beta = self.replay.beta;
        comparable.checkpoint = self.checkpoint.clone();
        // A run replaces "the environment's limit" by its number.
        if self.evaluation.max_episode_steps == StepLimit::Environment {
            comparable.evaluation.max_episode_steps = StepLimit::Environment;
        }
        if comparable.exploration.kind == self.exploration.kind {
            comparable.exploration = self.exploration.clone();
        }
        self.differences(&comparable)
    }
}
