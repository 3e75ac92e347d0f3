//! The worker process that several environments share, and its replacement after a loss.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::launch::{Description, GymOptions, gym_error, launch};
use super::worker::{Worker, WorkerError};
use crate::env::EnvironmentSpec;
use crate::error::Error;

/// A worker process shared by its environments.
pub(super) struct SharedWorker {
    options: GymOptions,
    environments: usize,
    /// `None` after a loss, until one of the environments is reset.
    worker: Option<Worker>,
    /// The number of workers lost so far. An episode belongs to the worker in which it began, and is lost with it.
    generation: u64,
    /// How the last lost worker ended.
    how: String,
}

impl SharedWorker {
    /// Starts a worker with `environments` environments. Returns their description and the bounds of their observations as
    /// bytes.
    pub(super) fn start(
        id: &str,
        options: GymOptions,
        environments: usize,
    ) -> Result<(Self, Description, Vec<u8>), Error> {
        let (worker, description, bounds) = launch(id, &options, environments)?;
        Ok((
            Self { options, environments, worker: Some(worker), generation: 0, how: String::new() },
            description,
            bounds,
        ))
    }

    pub(super) fn options(&self) -> &GymOptions {
        &self.options
    }

    /// The number of workers lost so far.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Starts a new worker if the last one was lost.
    pub(super) fn restart_if_lost(&mut self, spec: &EnvironmentSpec) -> Result<(), Error> {
        if self.worker.is_none() {
            let (worker, description, _) = launch(&spec.id, &self.options, self.environments)?;
            if (&description.shape, description.actions) != (&spec.observation_space.shape, spec.action_space.n) {
                return Err(gym_error(&spec.id, "after a restart its spaces differ from before".to_owned()));
            }
            self.worker = Some(worker);
        }
        Ok(())
    }

    /// The worker of this generation, or an error if it has been lost.
    pub(super) fn worker(&mut self, generation: u64) -> Result<&mut Worker, WorkerError> {
        match &mut self.worker {
            Some(worker) if self.generation == generation => Ok(worker),
            _ => Err(WorkerError::AlreadyLost(self.how.clone())),
        }
    }

    /// Ends a worker after `error` and returns how it ended. A worker that timed out is killed immediately.
    pub(super) fn end_lost(&mut self, error: WorkerError) -> String {
        self.generation += 1;
        let worker = self.worker.take();
        self.how = match error {
            WorkerError::Stopped => {
                worker.into_iter().for_each(Worker::kill);
                "it was stopped".to_owned()
            }
            WorkerError::TimedOut(timeout) => {
                worker.into_iter().for_each(Worker::kill);
                let seconds = timeout.as_secs();
                format!("it did not answer within {seconds} s (if it is only slow, raise env.gym.timeout_seconds)")
            }
            WorkerError::Lost(reason) if !reason.is_empty() => reason,
            _ => worker.map_or(String::new(), Worker::end),
        };
        self.how.clone()
    }
}

/// Locks the shared worker. A panic of another thread leaves it valid.
pub(super) fn lock(shared: &Mutex<SharedWorker>) -> MutexGuard<'_, SharedWorker> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
