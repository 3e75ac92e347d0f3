//! The threads that run the runs of one or several experiments.

use std::any::Any;
use std::collections::VecDeque;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Plan, run_path};
use crate::StopFlag;
use crate::checkpoint;
use crate::config::TrainConfig;
use crate::error::Error;
use crate::run::Origin;
use crate::run::lock::{Attempt, Lock};
use crate::run::{CHECKPOINTS, Resume, RunWriter, Status, Summary, refuse_link};
use crate::train::Event;

/// The interval in which a thread checks whether another process has released a run.
const POLL: Duration = Duration::from_millis(200);

/// An event of an experiment.
#[derive(Clone, Debug)]
pub enum ExperimentEvent {
    /// A run has finished an episode.
    Episode {
        /// The run's seed.
        seed: u64,
        /// Its environment steps so far.
        env_steps: u64,
    },
    /// A run has given a warning.
    Warning {
        /// The run's seed.
        seed: u64,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Another process is running this run, and no other run is left. Yielded once for each run.
    Waiting {
        /// The run's seed.
        seed: u64,
        /// The process that runs it: `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
        holder: String,
    },
    /// A run is complete, in this or another process.
    Finished {
        /// The run's seed.
        seed: u64,
        /// The run's summary.
        summary: Box<Summary>,
    },
    /// A run has failed, in this or another process. The others continue.
    Failed {
        /// The run's seed.
        seed: u64,
        /// The error message.
        error: String,
    },
}

/// The running experiment: an iterator of its events, which ends when all runs have ended. Dropping it stops the runs.
pub struct Runs(Pool);

impl Runs {
    /// Starts the runs of an experiment with these seeds; `run` performs a run.
    pub(super) fn start(plan: &Plan, seeds: Vec<u64>, run: RunFn) -> Result<Self, Error> {
        let jobs = plan.jobs;
        let runs = seeds.into_iter().map(|seed| (0, seed)).collect();
        Pool::start(vec![plan.clone()], runs, jobs, plan.stop.child(), run).map(Self)
    }

    /// Requests all runs to stop; the iterator ends soon after. Unfinished runs leave no summary and are run again next
    /// time.
    pub fn stop(&self) {
        self.0.stop.request();
    }
}

impl Iterator for Runs {
    type Item = Result<ExperimentEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(|(_, event)| event))
    }
}

/// Threads that take runs from one queue: an iterator of each event and its experiment's index.
pub(super) struct Pool {
    events: Receiver<(usize, ExperimentEvent)>,
    stop: StopFlag,
    workers: Vec<JoinHandle<()>>,
}

/// The data shared by the threads.
pub(super) struct Shared {
    plans: Vec<Plan>,
    /// The runs to run.
    queue: Mutex<VecDeque<Queued>>,
    events: Sender<(usize, ExperimentEvent)>,
    stop: StopFlag,
    run: RunFn,
}

/// A run in the queue.
struct Queued {
    /// The index of its experiment.
    experiment: usize,
    seed: u64,
    /// Whether a wait for another process has been reported.
    announced: bool,
}

/// Trains one run of the experiment with this index and writes it into the locked directory; returns `None` if it was stopped.
/// The writer stays in the given place, for the case that the run panics.
pub(super) type RunFn = fn(&Shared, usize, TrainConfig, Lock, &mut Option<RunWriter>) -> Result<Option<Summary>, Error>;

impl Pool {
    /// Starts threads that run `runs`, pairs of an experiment's index and a seed, in this order.
    pub(super) fn start(
        plans: Vec<Plan>,
        runs: Vec<(usize, u64)>,
        jobs: usize,
        stop: StopFlag,
        run: RunFn,
    ) -> Result<Self, Error> {
        let (sender, events) = channel();
        let jobs = jobs.clamp(1, runs.len().max(1));
        let queue = runs.into_iter().map(|(experiment, seed)| Queued { experiment, seed, announced: false });
        let out = plans.first().map_or_else(Default::default, |plan| plan.out.clone());
        let shared = Shared { plans, queue: Mutex::new(queue.collect()), events: sender, stop: stop.clone(), run };
        let shared = Arc::new(shared);
        let mut pool = Self { events, stop, workers: Vec::with_capacity(jobs) };
        for _ in 0..jobs {
            let shared = shared.clone();
            let worker = std::thread::Builder::new().spawn(move || work(&shared));
            pool.workers.push(worker.map_err(Error::io("start a thread for", &out))?);
        }
        Ok(pool)
    }
}

impl Iterator for Pool {
    type Item = Result<(usize, ExperimentEvent), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(event) = self.events.recv() {
            return Some(Ok(event));
        }
        // All threads have ended: a thread that panicked has not done its work.
        while let Some(worker) = self.workers.pop() {
            if let Err(panic) = worker.join() {
                return Some(Err(internal(panic.as_ref())));
            }
        }
        None
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop.request();
        for worker in self.workers.drain(..) {
            // The caller that drops an experiment is not interested in its errors.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn send(&self, experiment: usize, event: ExperimentEvent) {
        // There is no receiver while the experiment is being dropped, which also stops the runs.
        let _ = self.events.send((experiment, event));
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread: performs run after run, until none is left or a stop is requested. Runs of other processes are moved to the
/// end of the queue; a thread without other runs waits for them.
fn work(shared: &Shared) {
    let mut held_in_a_row = 0;
    while !shared.stop.is_requested() {
        let Some(Queued { experiment, seed, announced }) = shared.queue().pop_front() else { return };
        let send = |event| shared.send(experiment, event);
        match claim(&shared.plans[experiment], seed) {
            Ok(Claim::HeldBy(holder)) => {
                held_in_a_row += 1;
                let wait = held_in_a_row > shared.queue().len();
                shared.queue().push_back(Queued { experiment, seed, announced: announced || wait });
                if wait {
                    if !announced {
                        send(ExperimentEvent::Waiting { seed, holder });
                    }
                    std::thread::sleep(POLL);
                }
                continue;
            }
            Ok(Claim::Over(Status::Complete(summary))) => send(ExperimentEvent::Finished { seed, summary }),
            Ok(Claim::Over(status)) => {
                let error = if let Status::Failed(summary) = status { summary.error } else { None };
                send(ExperimentEvent::Failed { seed, error: error.unwrap_or_default() });
            }
            Ok(Claim::Ours(lock)) => match run(shared, experiment, seed, lock) {
                Ok(Some(summary)) => send(ExperimentEvent::Finished { seed, summary: Box::new(summary) }),
                Ok(None) => return,
                Err(error) => send(ExperimentEvent::Failed { seed, error: error.to_string() }),
            },
            Err(error) => send(ExperimentEvent::Failed { seed, error: error.to_string() }),
        }
        held_in_a_row = 0;
    }
}

enum Claim {
    /// This process runs it.
    Ours(Lock),
    /// Another process is running it.
    HeldBy(String),
    /// Another process has finished it.
    Over(Status),
}

fn claim(plan: &Plan, seed: u64) -> Result<Claim, Error> {
    let dir = run_path(&plan.out, seed);
    refuse_link(&dir)?;
    fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
    match Lock::attempt(&dir)? {
        Attempt::HeldBy(holder) => Ok(Claim::HeldBy(holder)),
        Attempt::Locked(lock) => Ok(plan.outcome(seed)?.map_or(Claim::Ours(lock), Claim::Over)),
    }
}

/// Performs one run; `None` if it was stopped. An error is recorded in the run's directory, if it can be written.
fn run(shared: &Shared, experiment: usize, seed: u64, lock: Lock) -> Result<Option<Summary>, Error> {
    let plan = &shared.plans[experiment];
    let config = plan.run_config(seed);
    let (mut writer, started) = (None, Instant::now());
    // A panic in one run must not end the others. Its trainer, whose state may be invalid, is dropped.
    let trained =
        catch_unwind(AssertUnwindSafe(|| (shared.run)(shared, experiment, config.clone(), lock, &mut writer)));
    trained.unwrap_or_else(|panic| {
        let error = internal(panic.as_ref());
        let dir = run_path(&plan.out, seed);
        let mut writer = match writer.take() {
            Some(writer) => writer,
            None => RunWriter::locked(Lock::acquire(&dir)?, &dir, true, &config, &Origin::default())?,
        };
        let seconds = started.elapsed().as_secs_f64();
        writer.record_failure(None, seconds, error.to_string(), error.is_transient())?;
        Err(error)
    })
}

/// Trains one run with its configuration. A run that was interrupted continues from its latest checkpoint.
pub(super) fn train(
    shared: &Shared,
    experiment: usize,
    config: TrainConfig,
    lock: Lock,
    writer: &mut Option<RunWriter>,
) -> Result<Option<Summary>, Error> {
    let (seed, started) = (config.training.seed, Instant::now());
    let plan = &shared.plans[experiment];
    let dir = run_path(&plan.out, seed);
    let build = |config: TrainConfig| plan.trainer(config, shared.stop.clone()).build();
    let (mut trainer, writer) = if checkpoint::list(&dir.join(CHECKPOINTS))?.is_empty() {
        let writer = writer.insert(RunWriter::locked(lock, &dir, true, &config, &Origin::default())?);
        if plan.tensorboard {
            writer.log_to_tensorboard(&config)?;
        }
        match build(config) {
            Ok(trainer) => (trainer, writer),
            Err(Error::Stopped { .. }) => return Ok(None),
            Err(error) => {
                writer.record_failure(None, 0.0, error.to_string(), error.is_transient())?;
                return Err(error);
            }
        }
    } else {
        let mut trainer = match build(config) {
            Err(Error::Stopped { .. }) => return Ok(None),
            built => built?,
        };
        let mut resume = Resume::locked(lock, &dir)?;
        let resumed = resume.restore(&mut trainer).is_ok() && resume.env_steps().is_some();
        let writer = writer.insert(resume.writer(&trainer)?);
        if plan.tensorboard && !resumed {
            writer.log_to_tensorboard(trainer.config())?;
        }
        (trainer, writer)
    };
    let mut train = || -> Result<(), Error> {
        while let Some(event) = trainer.next() {
            let event = event?;
            writer.record(&event, &trainer)?;
            match event {
                Event::Episode(record) => {
                    shared.send(experiment, ExperimentEvent::Episode { seed, env_steps: record.env_steps })
                }
                Event::Warning { message } => shared.send(experiment, ExperimentEvent::Warning { seed, message }),
                _ => {}
            }
        }
        Ok(())
    };
    let trained = train();
    if trained.is_ok() && !trainer.is_finished() {
        writer.suspend(&trainer)?;
        return Ok(None);
    }
    let seconds = started.elapsed().as_secs_f64();
    let finished = trained.and_then(|()| writer.finish(&trainer, seconds, false));
    let summary = finished.inspect_err(|error| {
        // The run's own error is reported; if it cannot be recorded, the run counts as not started.
        let _ = writer.abandon(&trainer, seconds, error);
    })?;
    // The runs of an experiment are not extended.
    writer.remove_checkpoints()?;
    Ok(Some(summary))
}

/// The error for a panic.
pub(crate) fn internal(panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::Internal { message: message.unwrap_or_else(|| "without a message".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(out: &std::path::Path, runs: u64) -> Plan {
        let config = TrainConfig::preset("textbook").set("training.episodes", 2).build().unwrap();
        Plan::new(config, out.join("out")).runs(runs).jobs(2)
    }

    #[test]
    fn a_run_that_panics_is_a_failed_run_and_the_others_go_on() {
        fn panics_at_seed_1(
            shared: &Shared,
            experiment: usize,
            config: TrainConfig,
            lock: Lock,
            writer: &mut Option<RunWriter>,
        ) -> Result<Option<Summary>, Error> {
            assert!(config.training.seed != 1, "seed 1 is unlucky");
            train(shared, experiment, config, lock, writer)
        }
        let directory = tempfile::tempdir().unwrap();
        let plan = plan(directory.path(), 4);
        let experiment = plan.clone().open().unwrap();
        let runs = Runs::start(&experiment.plan, experiment.missing().to_vec(), panics_at_seed_1).unwrap();
        let (mut finished, mut failed) = (Vec::new(), Vec::new());
        for event in runs {
            match event.unwrap() {
                ExperimentEvent::Finished { seed, .. } => finished.push(seed),
                ExperimentEvent::Failed { seed, error } => failed.push((seed, error)),
                _ => {}
            }
        }
        finished.sort_unstable();
        assert_eq!(finished, [0, 2, 3]);
        let [(1, error)] = &failed[..] else { panic!("{failed:?}") };
        assert!(error.contains("seed 1 is unlucky") && error.starts_with("internal error: "), "{error}");
        let (_, summary) = experiment.aggregate().unwrap();
        assert_eq!((summary.runs, summary.completed, &summary.failed[0].error), (4, 3, error));
        assert_eq!(plan.clone().open().unwrap().missing(), [0; 0], "it would panic again");
        assert_eq!(plan.retry_failed(true).open().unwrap().missing(), [1]);
    }

    #[test]
    fn a_thread_that_dies_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut runs = Runs::start(&plan(directory.path(), 1), Vec::new(), train).unwrap();
        runs.0.workers.push(std::thread::spawn(|| panic!("the thread itself")));
        let errors: Vec<String> = runs.by_ref().filter_map(|event| Some(event.err()?.to_string())).collect();
        assert!(errors.len() == 1 && errors[0].contains("the thread itself"), "{errors:?}");
    }

    #[test]
    fn a_stopped_experiment_leaves_its_runs_to_be_run_again() {
        let directory = tempfile::tempdir().unwrap();
        let stop = StopFlag::default();
        let plan = plan(directory.path(), 2);
        let experiment = plan.clone().stop_flag(stop.clone()).open().unwrap();
        stop.request();
        assert_eq!(experiment.start().unwrap().count(), 0);
        assert_eq!(plan.open().unwrap().missing(), [0, 1]);
    }
}
