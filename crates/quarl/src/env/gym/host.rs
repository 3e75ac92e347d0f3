//! What the environments of one worker share: the worker, and who takes its place when it is lost.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::making::{GymOptions, Offer, gym_error, open};
use super::worker::{Worker, WorkerError};
use crate::env::EnvironmentSpec;
use crate::error::Error;

/// One worker at a time, and its environments' way to it.
pub(super) struct Host {
    options: GymOptions,
    environments: usize,
    /// None from a loss to the next reset of one of the environments.
    worker: Option<Worker>,
    /// How many workers were lost. An episode belongs to the worker that it began in, and is lost with it.
    losses: u64,
    /// How the last lost one ended.
    how: String,
}

impl Host {
    /// A worker with so many environments, what they are, and the bounds of their observations as bytes.
    pub(super) fn start(id: &str, options: GymOptions, environments: usize) -> Result<(Self, Offer, Vec<u8>), Error> {
        let (worker, offer, bounds) = open(id, &options, environments)?;
        Ok((Self { options, environments, worker: Some(worker), losses: 0, how: String::new() }, offer, bounds))
    }

    pub(super) fn options(&self) -> &GymOptions {
        &self.options
    }

    /// How many workers were lost so far.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Sees to it that there is a worker.
    pub(super) fn revive(&mut self, spec: &EnvironmentSpec) -> Result<(), Error> {
        if self.worker.is_none() {
            let (worker, offer, _) = open(&spec.id, &self.options, self.environments)?;
            if (&offer.shape, offer.actions) != (&spec.observation_space.shape, spec.action_space.n) {
                return Err(gym_error(&spec.id, "started anew, it has other spaces than before".to_owned()));
            }
            self.worker = Some(worker);
        }
        Ok(())
    }

    /// The worker that was there after so many losses.
    pub(super) fn worker(&mut self, losses: u64) -> Result<&mut Worker, WorkerError> {
        match &mut self.worker {
            Some(worker) if self.losses == losses => Ok(worker),
            _ => Err(WorkerError::Gone(self.how.clone())),
        }
    }

    /// Ends a worker that is lost, for whatever reason; how it ended. One that hangs gets no time to end by itself.
    pub(super) fn lose(&mut self, error: WorkerError) -> String {
        self.losses += 1;
        let worker = self.worker.take();
        self.how = match error {
            WorkerError::Stopped => {
                worker.into_iter().for_each(Worker::kill);
                "it was stopped".to_owned()
            }
            WorkerError::Late(patience) => {
                worker.into_iter().for_each(Worker::kill);
                let seconds = patience.as_secs();
                format!(
                    "it gave no answer within {seconds} seconds (if it is only slow, raise env.gym.timeout_seconds)"
                )
            }
            WorkerError::Lost(reason) if !reason.is_empty() => reason,
            _ => worker.map_or(String::new(), Worker::end),
        };
        self.how.clone()
    }
}

/// The host, also after a panic elsewhere: what it says of its worker still holds.
pub(super) fn lock(host: &Mutex<Host>) -> MutexGuard<'_, Host> {
    host.lock().unwrap_or_else(PoisonError::into_inner)
}
