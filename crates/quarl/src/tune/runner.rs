//! The threads that run a study.
//!
//! A task is one run: a trial and a seed. A thread takes the first task that nobody is running: an unfinished run of a
//! started trial, otherwise the first run of a new trial, and after all trials the runs of the best trial with fresh
//! seeds. It claims a task by locking a file in `claims/`. The operating system releases the lock when a process ends,
//! however it ends, so the tasks of a killed process are continued by another one, with the same parameters.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use toml::Table;

use super::TrialState;
use super::event::StudyEvent;
use super::journal::{Entry, Journal, State};
use super::sampler::{self, History};
use super::study::Setup;
use super::task::{CLAIMS, Task};
use super::trial::{Trial, ranked};
use crate::StopFlag;
use crate::error::Error;
use crate::experiment::internal;
use crate::rng::Stream;
use crate::run::lock::{Attempt, Lock};
use crate::run::refuse_link;

/// The interval in which a thread without a task checks whether there is one.
const POLL: Duration = Duration::from_millis(100);

/// The running study: an iterator of its events, which ends when nothing is left to run. Dropping it stops the runs.
pub struct Runs {
    events: Receiver<Result<StudyEvent, Error>>,
    stop: StopFlag,
    workers: Vec<JoinHandle<()>>,
}

/// What a thread does next.
enum Next {
    Run(Task, Table, Lock),
    /// All tasks that are left are running; some in another process, if it is named.
    Wait(Option<String>),
    Nothing,
}

/// The data shared by the threads.
pub(super) struct Shared {
    pub(super) setup: Arc<Setup>,
    events: Sender<Result<StudyEvent, Error>>,
    pub(super) stop: StopFlag,
    local: Mutex<Local>,
}

/// What only this process knows.
#[derive(Default)]
pub(super) struct Local {
    running: HashSet<Task>,
    /// Tasks that failed for a reason outside the run.
    pub(super) unfinished: HashSet<Task>,
    /// Stops the runs of a trial.
    pub(super) stops: HashMap<u64, StopFlag>,
    announced: HashSet<String>,
}

impl Runs {
    pub(super) fn start(setup: &Arc<Setup>) -> Result<Self, Error> {
        let (sender, events) = channel();
        let plan = &setup.plan;
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

    /// Requests all runs to stop; the iterator ends soon after. Unfinished runs continue next time.
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
                    // Unlocked after the result is in the journal, so that nobody repeats the run.
                    drop(lock);
                    self.local().running.remove(&task);
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

    pub(super) fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, event: StudyEvent) {
        // There is no receiver while the study is being dropped, which also stops the runs.
        let _ = self.events.send(Ok(event));
    }

    /// Reads and changes the journal, and yields the events of all processes since the last time.
    pub(super) fn with_journal<T>(&self, change: impl FnOnce(&mut Journal) -> Result<T, Error>) -> Result<T, Error> {
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
            Entry::Study(_) | Entry::Plan(_) | Entry::Rung { .. } => {}
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
    pub(super) fn end_trial(&self, trial: u64) {
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
                let task = Task { trial: trial.number, seed: *seed };
                if let Some(lock) = self.claim(task, &mut waiting)? {
                    return Ok(Next::Run(task, trial.parameters.clone(), lock));
                }
            }
        }
        let is_new = |number: &u64| plan.shard.contains(*number) && !journal.state.trials.contains_key(number);
        if let Some(number) = (0..plan.trials).find(is_new) {
            let parameters = self.sample(&journal.state, number);
            journal.append(Entry::Trial { trial: number, parameters: parameters.clone() })?;
            let task = Task { trial: number, seed: setup.seeds[0] };
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
            let task = Task { trial: best.number, seed: *seed };
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
        // Another process may have removed it after its last task; it does so under the journal's lock, as this is called.
        let out = &self.setup.plan.out;
        let claims = out.join(CLAIMS);
        refuse_link(&claims)?;
        fs::create_dir_all(&claims).map_err(Error::io("create", &claims))?;
        match Lock::attempt_at(task.claim(out))? {
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
}

/// Whether a task is being run.
#[derive(Default)]
struct Waiting {
    is_needed: bool,
    /// Another process that runs one.
    holder: Option<String>,
}
