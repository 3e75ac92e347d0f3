//! One run of a study: training, the values at the rungs, the score of the final model, and their records in the journal.
//!
//! While it trains, a run has checkpoints below the study's directory ([`super::saved`]), from which it continues when its
//! process was killed or stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use toml::Table;

use super::event::StudyEvent;
use super::journal::{Entry, Journal};
use super::objective::normalised;
use super::runner::Shared;
use super::saved::{Saved, SavedRun};
use super::study::Setup;
use crate::StopFlag;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::evaluate::{GreedyEpisodes, step_limit};
use crate::experiment::{Plan, internal};
use crate::policy::Policy;
use crate::rng::Stream;
use crate::stats::mean;
use crate::train::{Evaluation, Event, Trainer};

/// The interval in which a run checks whether another process has ended its trial.
const CHECK: Duration = Duration::from_secs(1);

/// The directory of the lock files.
pub(super) const CLAIMS: &str = "claims";

/// One run: of a trial with one of its seeds, or of the best trial with a fresh seed ([`Setup::confirms`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Task {
    pub(super) trial: u64,
    pub(super) seed: u64,
}

impl Task {
    /// The lock file of whoever runs it, in the directory of a study.
    pub(super) fn claim(self, study: &Path) -> PathBuf {
        study.join(CLAIMS).join(format!("{}.lock", self.name()))
    }

    /// Its name in file names.
    pub(super) fn name(self) -> String {
        format!("trial-{}-seed-{}", self.trial, self.seed)
    }

    /// The task with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (trial, seed) = name.strip_prefix("trial-")?.split_once("-seed-")?;
        Some(Self { trial: trial.parse().ok()?, seed: seed.parse().ok()? })
    }
}

/// Why a run has no result.
enum Ended {
    /// It was stopped.
    Stopped,
    /// It has failed.
    Failed(Error),
    /// The journal could not be written or read.
    Journal(Error),
}

impl Shared {
    /// Performs a run and records its result. An error is one of the journal.
    pub(super) fn perform(&self, task: Task, parameters: &Table) -> Result<(), Error> {
        let started = Instant::now();
        let confirms = self.setup.confirms(task);
        let stop = if confirms {
            self.stop.child()
        } else {
            self.local().stops.entry(task.trial).or_insert_with(|| self.stop.child()).clone()
        };
        let saved = Saved::of(&self.setup.plan.out, task);
        let mut earlier = 0.0;
        let run = || {
            let config = self.setup.run_config(parameters, task.seed).map_err(Ended::Failed)?;
            self.run(task, config, &stop, &saved, &mut earlier)
        };
        // A panic in one run must not end the others. Its trainer, whose state may be invalid, is dropped.
        let result =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(Ended::Failed(internal(panic.as_ref()))));
        let seconds = earlier + started.elapsed().as_secs_f64();
        match result {
            Ok(mean_return) => self.record(task, Ok(mean_return), seconds)?,
            // Of a trial that was pruned, nothing continues.
            Err(Ended::Stopped) if !confirms && !self.is_running(task.trial)? => {}
            Err(Ended::Stopped) => return Ok(()),
            Err(Ended::Journal(error)) => return Err(error),
            Err(Ended::Failed(error)) if error.is_transient() => {
                self.local().unfinished.insert(task);
                self.send(StudyEvent::Unfinished { trial: task.trial, seed: task.seed, error: error.to_string() });
                return Ok(());
            }
            Err(Ended::Failed(error)) => self.record(task, Err(error.to_string()), seconds)?,
        }
        // After its result is in the journal. What a process leaves that is killed here is removed with the results.
        saved.remove();
        Ok(())
    }

    /// Records the mean return of a run's final model, or why it failed.
    fn record(&self, task: Task, result: Result<f64, String>, seconds: f64) -> Result<(), Error> {
        let Task { trial, seed } = task;
        let confirms = self.setup.confirms(task);
        let score = |mean_return| normalised(mean_return, self.setup.score_range);
        let entry = match result {
            Ok(mean_return) if !confirms => {
                Entry::Score { trial, seed, score: score(mean_return), mean_return, seconds }
            }
            Err(error) if !confirms => Entry::Failed { trial, seed, error },
            result => {
                let (mean_return, error) = result.map_or_else(|error| (None, Some(error)), |mean| (Some(mean), None));
                Entry::Confirmed { trial, seed, score: mean_return.map(score), mean_return, error, seconds }
            }
        };
        self.with_journal(|journal| {
            journal.locked(|journal| {
                // Another run may have ended the trial in the meantime.
                let is_over = !confirms && !journal.state.is_running(trial);
                if is_over { Ok(()) } else { journal.append(entry) }
            })
        })
    }

    /// Trains one run, from its latest checkpoint on if it has one, and evaluates its final model on fresh episodes; returns
    /// their mean return. `earlier` becomes the duration of the run in other processes.
    fn run(
        &self,
        task: Task,
        config: TrainConfig,
        stop: &StopFlag,
        saved: &Saved,
        earlier: &mut f64,
    ) -> Result<f64, Ended> {
        let started = Instant::now();
        let Task { trial, seed } = task;
        let confirms = self.setup.confirms(task);
        let plan = self.setup.plan.base.with_config(config.clone());
        let failed = |error| match error {
            Error::Stopped { .. } => Ended::Stopped,
            error => Ended::Failed(error),
        };
        let mut trainer = plan.trainer(config, stop.clone()).build().map_err(failed)?;
        let mut climb = Climb { setup: &self.setup, rung: 0, last: None };
        let continued = saved.restore(&mut trainer).map_err(failed)?;
        if let Some(SavedRun { rung, last, seconds }) = continued.run {
            (climb.rung, climb.last, *earlier) = (rung, last, seconds);
            let (env_steps, episodes) = (trainer.env_steps(), trainer.episodes());
            self.send(StudyEvent::Continued { trial, seed, env_steps, episodes });
        }
        let mut schedule = continued.schedule;
        let state = |climb: &Climb<'_>, earlier: f64| SavedRun {
            rung: climb.rung,
            last: climb.last,
            seconds: earlier + started.elapsed().as_secs_f64(),
        };
        let mut checked = Instant::now();
        while let Some(event) = trainer.next() {
            let event = event.map_err(failed)?;
            let due = schedule.due(&event, &trainer, false);
            match event {
                Event::Evaluation(evaluation) if !confirms => {
                    let reached = climb.reached(&trainer, &evaluation);
                    self.report(task, reached).map_err(Ended::Journal)?;
                }
                Event::Episode(record) => {
                    self.send(StudyEvent::Episode { trial, seed, env_steps: record.env_steps });
                    if !confirms && checked.elapsed() >= CHECK {
                        checked = Instant::now();
                        self.check(task).map_err(Ended::Journal)?;
                    }
                }
                Event::Warning { message } => self.send(StudyEvent::Warning { trial, seed, message }),
                _ => {}
            }
            if let Some(best) = due {
                saved.prepare().map_err(failed)?;
                schedule.save(&trainer, best, &state(&climb, *earlier)).map_err(failed)?;
            }
        }
        if !trainer.is_finished() {
            if self.stop.is_requested() && schedule.saves_interruptions(&trainer) {
                saved.prepare().map_err(failed)?;
                schedule.save(&trainer, false, &state(&climb, *earlier)).map_err(failed)?;
            }
            return Err(Ended::Stopped);
        }
        self.score(&trainer, &plan, seed, stop).map_err(failed)
    }

    /// The mean return of the final model over the episodes of a score: those of [`TrainedAgent::evaluate`] with seed 0.
    ///
    /// [`TrainedAgent::evaluate`]: crate::trained::TrainedAgent::evaluate
    fn score(&self, trainer: &Trainer, plan: &Plan, seed: u64, stop: &StopFlag) -> Result<f64, Error> {
        let mut env = plan.evaluation_environment()?;
        let mut policy = Policy::new(&trainer.model())?;
        let limit = step_limit(trainer.config().evaluation.max_episode_steps, env.spec());
        let count = self.setup.plan.score_episodes;
        let mut episodes = GreedyEpisodes::new(env.spec(), Stream::Report.part_seed(0, seed), count, limit);
        let episodes = episodes.play(&mut policy, &mut *env, stop)?;
        Ok(mean(&episodes.iter().map(|episode| episode.total_reward).collect::<Vec<_>>()))
    }

    /// Records the values of a run at rungs, and stops its trial if the pruner says so.
    fn report(&self, task: Task, reached: Vec<(usize, f64)>) -> Result<(), Error> {
        let Task { trial, seed } = task;
        let Setup { plan, seeds, rungs, .. } = &*self.setup;
        if reached.is_empty() {
            return Ok(());
        }
        self.with_journal(|journal| {
            journal.locked(|journal| {
                for (rung, value) in reached {
                    if !journal.state.is_running(trial) {
                        break;
                    }
                    let own = |journal: &Journal| journal.state.trials[&trial].rungs(seeds);
                    let is_new =
                        seeds.iter().position(|other| *other == seed).is_some_and(|i| own(journal)[i].len() == rung);
                    if is_new {
                        journal.append(Entry::Rung { trial, seed, rung, value })?;
                    }
                    let others = journal.state.trials.values().filter(|other| other.number != trial);
                    let others: Vec<_> = others.map(|other| (other.number, other.rungs(seeds))).collect();
                    if plan.pruner.stops(trial, &own(journal), rung, rungs.len(), &others) {
                        journal.append(Entry::Pruned { trial, rung })?;
                    }
                }
                Ok(())
            })
        })?;
        self.check(task)
    }

    /// Stops the runs of a trial that another process has ended.
    fn check(&self, task: Task) -> Result<(), Error> {
        if !self.is_running(task.trial)? {
            self.end_trial(task.trial);
        }
        Ok(())
    }

    /// Whether a trial is running, according to the journal of all processes.
    fn is_running(&self, trial: u64) -> Result<bool, Error> {
        self.with_journal(|journal| {
            journal.refresh()?;
            Ok(journal.state.is_running(trial))
        })
    }
}

/// The rungs that a run has reached.
struct Climb<'a> {
    setup: &'a Setup,
    /// The next rung.
    rung: usize,
    /// The value of the last evaluation at an interval.
    last: Option<f64>,
}

impl Climb<'_> {
    /// The rungs that this evaluation is the first to reach, and its normalised value. When a run ends early, the rungs that
    /// are left have the value of the last evaluation at an interval.
    fn reached(&mut self, trainer: &Trainer, evaluation: &Evaluation) -> Vec<(usize, f64)> {
        let done = trainer.config().training.share(evaluation.episodes, evaluation.env_steps);
        let value = normalised(evaluation.mean_return, self.setup.score_range);
        let value = if evaluation.closing { self.last.unwrap_or(value) } else { value };
        self.last = Some(value);
        let from = self.rung;
        let reaches = |rung: &&f64| evaluation.closing || **rung <= done + 1e-9;
        self.rung += self.setup.rungs[from..].iter().take_while(reaches).count();
        (from..self.rung).map(|rung| (rung, value)).collect()
    }
}
