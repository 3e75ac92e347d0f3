//! The threads that run a study.
//!
//! A task is one run: a trial and a seed. A thread takes the first task that nobody is running: an unfinished run of a
//! started trial, otherwise the first run of a new trial, and after all trials the runs of the best trial with fresh
//! seeds. It claims a task by locking a file in `claims/`. The operating system releases the lock when a process ends,
//! however it ends, so the tasks of a killed process are run again, with the same parameters.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use toml::Table;

use super::TrialState;
use super::journal::{Entry, Journal, State};
use super::objective::normalised;
use super::sampler::{self, History};
use super::study::Setup;
use super::trial::{Trial, ranked};
use crate::config::TrainConfig;
use crate::error::Error;
use crate::evaluate::{GreedyEpisodes, step_limit};
use crate::experiment::internal;
use crate::policy::Policy;
use crate::rng::Stream;
use crate::run::lock::{Attempt, Lock};
use crate::stop::StopFlag;
use crate::train::{Evaluation, Event, Trainer};

/// The interval in which a thread without a task checks whether there is one.
const POLL: Duration = Duration::from_millis(100);
/// The interval in which a run checks whether another process has ended its trial.
const CHECK: Duration = Duration::from_secs(1);
/// The directory of the lock files.
pub(super) const CLAIMS: &str = "claims";

/// An event of a study, in this or another process.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StudyEvent {
    /// A trial was started.
    Trial {
        /// The trial's number.
        trial: u64,
        /// The value of each parameter.
        parameters: Table,
    },
    /// A run of this process has finished an episode.
    Episode {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// Its environment steps so far.
        env_steps: u64,
    },
    /// A run of this process has given a warning.
    Warning {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// What is wrong, and what to do.
        message: String,
    },
    /// All runs that are left are run by other processes. Yielded once for each of these processes.
    Waiting {
        /// The process: `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
        holder: String,
    },
    /// A run of a trial has ended.
    Run {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// The normalised score of its final model.
        score: f64,
        /// The mean return of its final model.
        mean_return: f64,
    },
    /// A trial is complete.
    Complete {
        /// The trial's number.
        trial: u64,
        /// Its score.
        score: f64,
    },
    /// The pruner has stopped a trial.
    Pruned {
        /// The trial's number.
        trial: u64,
        /// The part of its runs after which it was stopped.
        at: f64,
        /// Its value then.
        value: Option<f64>,
    },
    /// A trial has failed: its parameters cannot be combined, or one of its runs has failed.
    Failed {
        /// The trial's number.
        trial: u64,
        /// The error message.
        error: String,
    },
    /// A run of this process has failed for a reason outside the run, such as a full disk. It is run again next time.
    Unfinished {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// The error message.
        error: String,
    },
    /// A run of the best trial with a fresh seed has ended.
    Confirmed {
        /// The trial's number.
        trial: u64,
        /// The run's seed.
        seed: u64,
        /// The normalised score of its final model; `None` if the run failed.
        score: Option<f64>,
        /// The mean return of its final model; `None` if the run failed.
        mean_return: Option<f64>,
        /// Why the run failed.
        error: Option<String>,
    },
}

/// The running study: an iterator of its events, which ends when nothing is left to run. Dropping it stops the runs.
pub struct Runs {
    events: Receiver<Result<StudyEvent, Error>>,
    stop: StopFlag,
    workers: Vec<JoinHandle<()>>,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Task {
    trial: u64,
    seed: u64,
    purpose: Purpose,
}

/// The purpose of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    /// A run of a trial.
    Search,
    /// A run of the best trial with a fresh seed.
    Confirm,
}

/// What a thread does next.
enum Next {
    Run(Task, Table, Lock),
    /// All tasks that are left are running; some in another process, if it is named.
    Wait(Option<String>),
    Nothing,
}

/// The data shared by the threads.
struct Shared {
    setup: Arc<Setup>,
    events: Sender<Result<StudyEvent, Error>>,
    stop: StopFlag,
    local: Mutex<Local>,
}

/// What only this process knows.
#[derive(Default)]
struct Local {
    running: HashSet<Task>,
    /// Tasks that failed for a reason outside the run.
    unfinished: HashSet<Task>,
    /// Stops the runs of a trial.
    stops: HashMap<u64, StopFlag>,
    announced: HashSet<String>,
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

impl Runs {
    pub(super) fn start(setup: &Arc<Setup>) -> Result<Self, Error> {
        let (sender, events) = channel();
        let plan = &setup.plan;
        let claims = plan.out.join(CLAIMS);
        fs::create_dir_all(&claims).map_err(Error::io("create", &claims))?;
        let stop = plan.stop.child();
        let shared = Shared { setup: setup.clone(), events: sender, stop: stop.clone(), local: Mutex::default() };
        let shared = Arc::new(shared);
        let most = (plan.trials.saturating_mul(plan.seeds_per_trial)).max(setup.fresh.len() as u64);
        let jobs = plan.jobs.min(usize::try_from(most).unwrap_or(usize::MAX));
        let mut runs = Self { events, stop, workers: Vec::with_capacity(jobs) };
        for _ in 0..jobs {
            let shared = shared.clone();
            let worker = std::thread::Builder::new().spawn(move || shared.work());
            runs.workers.push(worker.map_err(Error::io("start a thread for", &plan.out))?);
        }
        Ok(runs)
    }

    /// Requests all runs to stop; the iterator ends soon after. Unfinished runs are run again next time.
    pub fn stop(&self) {
        self.stop.request();
    }
}

impl Iterator for Runs {
    type Item = Result<StudyEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(event) = self.events.recv() {
            return Some(event);
        }
        while let Some(worker) = self.workers.pop() {
            if let Err(panic) = worker.join() {
                return Some(Err(internal(panic.as_ref())));
            }
        }
        None
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.stop.request();
        for worker in self.workers.drain(..) {
            // The caller that drops a study is not interested in its errors.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// One thread: runs task after task until none is left or a stop is requested.
    fn work(&self) {
        while !self.stop.is_requested() {
            let ended = match self.next() {
                Ok(Next::Run(task, parameters, lock)) => {
                    let ended = self.perform(task, &parameters);
                    self.local().running.remove(&task);
                    // Unlocked after the result is in the journal, so that nobody repeats the run.
                    drop(lock);
                    ended
                }
                Ok(Next::Wait(holder)) => {
                    if let Some(holder) = holder.filter(|holder| self.local().announced.insert(holder.clone())) {
                        self.send(StudyEvent::Waiting { holder });
                    }
                    std::thread::sleep(POLL);
                    Ok(())
                }
                Ok(Next::Nothing) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                // Without a journal, nothing can be kept.
                self.stop.request();
                let _ = self.events.send(Err(error));
            }
        }
    }

    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, event: StudyEvent) {
        // There is no receiver while the study is being dropped, which also stops the runs.
        let _ = self.events.send(Ok(event));
    }

    /// Reads and changes the journal, and yields the events of all processes since the last time.
    fn with_journal<T>(&self, change: impl FnOnce(&mut Journal) -> Result<T, Error>) -> Result<T, Error> {
        let mut journal = self.setup.journal();
        let result = change(&mut journal);
        for entry in journal.take_news() {
            self.yield_entry(entry, &journal.state);
        }
        result
    }

    fn yield_entry(&self, entry: Entry, state: &State) {
        let of = |number: u64| state.trials.get(&number);
        match entry {
            Entry::Study(_) | Entry::Rung { .. } => {}
            Entry::Trial { trial, parameters } => self.send(StudyEvent::Trial { trial, parameters }),
            Entry::Score { trial, seed, score, mean_return, .. } => {
                self.send(StudyEvent::Run { trial, seed, score, mean_return });
                if let Some(Trial { state: TrialState::Complete, score: Some(score), .. }) = of(trial) {
                    self.send(StudyEvent::Complete { trial, score: *score });
                }
            }
            Entry::Pruned { trial, rung } => {
                let at = self.setup.rungs.get(rung).copied().unwrap_or(1.0);
                self.end_trial(trial);
                self.send(StudyEvent::Pruned { trial, at, value: of(trial).and_then(|trial| trial.score) });
            }
            Entry::Failed { trial, error, .. } => {
                self.end_trial(trial);
                self.send(StudyEvent::Failed { trial, error });
            }
            Entry::Confirmed { trial, seed, score, mean_return, error, .. } => {
                self.send(StudyEvent::Confirmed { trial, seed, score, mean_return, error });
            }
        }
    }

    /// Stops the runs of a trial that has ended.
    fn end_trial(&self, trial: u64) {
        if let Some(stop) = self.local().stops.get(&trial) {
            stop.request();
        }
    }

    fn next(&self) -> Result<Next, Error> {
        self.with_journal(|journal| journal.locked(|journal| self.choose(journal)))
    }

    /// The next task, claimed.
    fn choose(&self, journal: &mut Journal) -> Result<Next, Error> {
        let (plan, setup) = (&self.setup.plan, &self.setup);
        let mut waiting = Waiting::default();
        let running = journal.state.trials.values().filter(|trial| trial.state == TrialState::Running);
        for trial in running.filter(|trial| plan.shard.contains(trial.number)) {
            let ended = trial.scores();
            for seed in setup.seeds.iter().filter(|seed| !ended.contains_key(seed)) {
                let task = Task { trial: trial.number, seed: *seed, purpose: Purpose::Search };
                if let Some(lock) = self.claim(task, &mut waiting)? {
                    return Ok(Next::Run(task, trial.parameters.clone(), lock));
                }
            }
        }
        let is_new = |number: &u64| plan.shard.contains(*number) && !journal.state.trials.contains_key(number);
        if let Some(number) = (0..plan.trials).find(is_new) {
            let parameters = self.sample(&journal.state, number);
            journal.append(Entry::Trial { trial: number, parameters: parameters.clone() })?;
            let task = Task { trial: number, seed: setup.seeds[0], purpose: Purpose::Search };
            return Ok(match self.claim(task, &mut waiting)? {
                Some(lock) => Next::Run(task, parameters, lock),
                None => Next::Wait(waiting.holder),
            });
        }
        if waiting.is_needed {
            return Ok(Next::Wait(waiting.holder));
        }
        let is_missing = |number: u64| !journal.state.trials.contains_key(&number) || journal.state.is_running(number);
        let Some(best) = journal.state.best().filter(|_| !(0..plan.trials).any(is_missing)) else {
            return Ok(Next::Nothing);
        };
        for seed in setup.fresh.iter().filter(|seed| !journal.state.confirmed.contains_key(&(best.number, **seed))) {
            let task = Task { trial: best.number, seed: *seed, purpose: Purpose::Confirm };
            if let Some(lock) = self.claim(task, &mut waiting)? {
                return Ok(Next::Run(task, best.parameters.clone(), lock));
            }
        }
        Ok(if waiting.is_needed { Next::Wait(waiting.holder) } else { Next::Nothing })
    }

    /// Claims a task, unless somebody is running it or this process has given it up.
    fn claim(&self, task: Task, waiting: &mut Waiting) -> Result<Option<Lock>, Error> {
        let mut local = self.local();
        if local.unfinished.contains(&task) {
            return Ok(None);
        }
        waiting.is_needed = true;
        if local.running.contains(&task) {
            return Ok(None);
        }
        let name = format!("trial-{}-seed-{}.lock", task.trial, task.seed);
        match Lock::attempt_at(self.setup.plan.out.join(CLAIMS).join(name))? {
            Attempt::Locked(lock) => {
                local.running.insert(task);
                Ok(Some(lock))
            }
            Attempt::HeldBy(holder) => {
                waiting.holder = Some(holder);
                Ok(None)
            }
        }
    }

    /// The parameters of a new trial.
    fn sample(&self, state: &State, number: u64) -> Table {
        let plan = &self.setup.plan;
        let parameters = plan.space.parameters();
        let coordinates = |trial: &Trial| plan.space.coordinates(&trial.parameters);
        let ranked = ranked(state.trials.values());
        let is_other = |trial: &&Trial| matches!(trial.state, TrialState::Failed | TrialState::Running);
        let history = History {
            ranked: ranked.into_iter().map(coordinates).collect(),
            others: state.trials.values().filter(is_other).map(coordinates).collect(),
        };
        let mut rng = Stream::Search.part_rng(plan.config.training.seed, number);
        let sample = sampler::sample(plan.sampler, parameters, &history, &mut rng);
        let values = parameters.iter().zip(sample);
        values.map(|(parameter, x)| (parameter.key.clone(), parameter.values.of_coordinate(x))).collect()
    }

    /// Performs a run and records its result. An error is one of the journal.
    fn perform(&self, task: Task, parameters: &Table) -> Result<(), Error> {
        let started = Instant::now();
        let stop = match task.purpose {
            Purpose::Search => self.local().stops.entry(task.trial).or_insert_with(|| self.stop.child()).clone(),
            Purpose::Confirm => self.stop.child(),
        };
        let run = || self.run(task, self.setup.run_config(parameters, task.seed).map_err(Ended::Failed)?, &stop);
        // A panic in one run must not end the others. Its trainer, whose state may be invalid, is dropped.
        let result =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(Ended::Failed(internal(panic.as_ref()))));
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(mean_return) => self.record(task, Ok(mean_return), seconds),
            Err(Ended::Stopped) => Ok(()),
            Err(Ended::Journal(error)) => Err(error),
            Err(Ended::Failed(error)) if error.is_transient() => {
                self.local().unfinished.insert(task);
                self.send(StudyEvent::Unfinished { trial: task.trial, seed: task.seed, error: error.to_string() });
                Ok(())
            }
            Err(Ended::Failed(error)) => self.record(task, Err(error.to_string()), seconds),
        }
    }

    /// Records the mean return of a run's final model, or why it failed.
    fn record(&self, task: Task, result: Result<f64, String>, seconds: f64) -> Result<(), Error> {
        let Task { trial, seed, purpose } = task;
        let score = |mean_return| normalised(mean_return, self.setup.score_range);
        let entry = match (purpose, result) {
            (Purpose::Search, Ok(mean_return)) => {
                Entry::Score { trial, seed, score: score(mean_return), mean_return, seconds }
            }
            (Purpose::Search, Err(error)) => Entry::Failed { trial, seed, error },
            (Purpose::Confirm, result) => {
                let (mean_return, error) = result.map_or_else(|error| (None, Some(error)), |mean| (Some(mean), None));
                Entry::Confirmed { trial, seed, score: mean_return.map(score), mean_return, error, seconds }
            }
        };
        self.with_journal(|journal| {
            journal.locked(|journal| {
                // Another run may have ended the trial in the meantime.
                let is_over = purpose == Purpose::Search && !journal.state.is_running(trial);
                if is_over { Ok(()) } else { journal.append(entry) }
            })
        })
    }

    /// Trains one run and evaluates its final model on fresh episodes; returns their mean return.
    fn run(&self, task: Task, config: TrainConfig, stop: &StopFlag) -> Result<f64, Ended> {
        let Task { trial, seed, purpose } = task;
        let plan = self.setup.plan.base.with_config(config.clone());
        let failed = |error| match error {
            Error::Stopped { .. } => Ended::Stopped,
            error => Ended::Failed(error),
        };
        let mut trainer = plan.trainer(config, stop.clone()).build().map_err(failed)?;
        let mut climb = Climb { setup: &self.setup, rung: 0, last: None };
        let mut checked = Instant::now();
        while let Some(event) = trainer.next() {
            match event.map_err(failed)? {
                Event::Evaluation(evaluation) if purpose == Purpose::Search => {
                    let reached = climb.reached(&trainer, &evaluation);
                    self.report(task, reached).map_err(Ended::Journal)?;
                }
                Event::Episode(record) => {
                    self.send(StudyEvent::Episode { trial, seed, env_steps: record.env_steps });
                    if purpose == Purpose::Search && checked.elapsed() >= CHECK {
                        checked = Instant::now();
                        self.check(task).map_err(Ended::Journal)?;
                    }
                }
                Event::Warning { message } => self.send(StudyEvent::Warning { trial, seed, message }),
                _ => {}
            }
        }
        if !trainer.is_finished() {
            return Err(Ended::Stopped);
        }
        self.score(&trainer, &plan, seed, stop).map_err(failed)
    }

    /// The mean return of the final model over the episodes of a score: those of [`TrainedAgent::evaluate`] with seed 0.
    ///
    /// [`TrainedAgent::evaluate`]: crate::trained::TrainedAgent::evaluate
    fn score(
        &self,
        trainer: &Trainer,
        plan: &crate::experiment::Plan,
        seed: u64,
        stop: &StopFlag,
    ) -> Result<f64, Error> {
        let mut env = plan.evaluation_environment()?;
        let mut policy = Policy::new(&trainer.model())?;
        let limit = step_limit(trainer.config().evaluation.max_episode_steps, env.spec());
        let count = self.setup.plan.score_episodes;
        let mut episodes = GreedyEpisodes::new(env.spec(), Stream::Report.part_seed(0, seed), count, limit);
        let mut sum = 0.0;
        while let Some(step) = episodes.step(&mut policy, &mut *env)? {
            sum += step.ended.map_or(0.0, |episode| episode.total_reward);
            if stop.is_requested() {
                return Err(Error::Stopped { id: env.spec().id.clone() });
            }
        }
        Ok(sum / count as f64)
    }

    /// Records the values of a run at rungs, and stops its trial if the pruner says so.
    fn report(&self, task: Task, reached: Vec<(usize, f64)>) -> Result<(), Error> {
        let Task { trial, seed, .. } = task;
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
        let is_running = self.with_journal(|journal| {
            journal.refresh()?;
            Ok(journal.state.is_running(task.trial))
        })?;
        if !is_running {
            self.end_trial(task.trial);
        }
        Ok(())
    }
}

/// Whether a task is being run.
#[derive(Default)]
struct Waiting {
    is_needed: bool,
    /// Another process that runs one.
    holder: Option<String>,
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
        let training = &trainer.config().training;
        let done = match (training.steps, training.episodes) {
            (Some(steps), _) => evaluation.env_steps as f64 / steps as f64,
            (None, Some(episodes)) => evaluation.episodes as f64 / episodes as f64,
            (None, None) => 0.0,
        };
        let value = normalised(evaluation.mean_return, self.setup.score_range);
        let value = if evaluation.closing { self.last.unwrap_or(value) } else { value };
        self.last = Some(value);
        let from = self.rung;
        let reaches = |rung: &&f64| evaluation.closing || **rung <= done + 1e-9;
        self.rung += self.setup.rungs[from..].iter().take_while(reaches).count();
        (from..self.rung).map(|rung| (rung, value)).collect()
    }
}
