//! The library's error type. Every message names what is wrong (a key, a file, an environment) and how to fix it.

use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

/// An error of this library.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The value of a setting is not allowed, or conflicts with another setting.
    #[error("{key}: {message}")]
    Setting {
        /// The configuration key, with its section; or the name of what a plan is given, such as `shard`.
        key: String,
        /// What is wrong with the value, what is allowed, and what to do.
        message: String,
    },

    /// Required configuration keys are missing.
    #[error("{keys}: not given, and there is no default: set it, or start from a preset")]
    MissingKeys {
        /// The missing keys, with their sections.
        keys: String,
    },

    /// A text could not be read as a configuration.
    #[error("{origin}: {message}")]
    Config {
        /// The file, preset or argument that the text came from.
        origin: String,
        /// What is wrong with the text, and what to do.
        message: String,
    },

    /// No environment has this id.
    #[error("unknown environment '{id}': {remedy}")]
    UnknownEnvironment {
        /// The id given.
        id: String,
        /// The nearest known ids.
        remedy: String,
    },

    /// No preset has this name.
    #[error("unknown preset '{name}': {remedy}")]
    UnknownPreset {
        /// The name given.
        name: String,
        /// The nearest known names.
        remedy: String,
    },

    /// `step` was called while no episode is running: before the first reset, or after the end of an episode.
    #[error("{id}: step() needs a running episode; call reset() first (an episode that has ended cannot be stepped)")]
    StepBeforeReset {
        /// The environment's id.
        id: String,
    },

    /// `begin_step` announced one action, and `step` was called with another one.
    #[error(
        "{id}: step() with action {begun} has begun, action {action} cannot take its place; call step({begun}) or reset()"
    )]
    StepBegun {
        /// The environment's id.
        id: String,
        /// The action that was announced.
        begun: usize,
        /// The action given.
        action: usize,
    },

    /// The action is outside the action space.
    #[error("{id}: action {action} is not one of 0..{n}")]
    InvalidAction {
        /// The environment's id.
        id: String,
        /// The action given.
        action: usize,
        /// The number of actions.
        n: usize,
    },

    /// A slice for an observation does not have the length of an observation.
    #[error("{id}: an observation has {expected} numbers, the slice given has {actual}")]
    ObservationLength {
        /// The environment's id.
        id: String,
        /// The length of an observation.
        expected: usize,
        /// The length of the slice.
        actual: usize,
    },

    /// An action mask does not have one entry for each action.
    #[error("the action mask has {actual} entries; it needs one for each of the {expected} actions")]
    MaskLength {
        /// The number of actions.
        expected: usize,
        /// The length of the mask.
        actual: usize,
    },

    /// A transition has an action mask, but the environment's specification has `has_action_mask = false`.
    #[error("the transition has an action mask, but the environment's specification says has_action_mask = false")]
    UnexpectedMask,

    /// The replay buffer holds fewer transitions than a batch needs.
    #[error(
        "a batch needs {needed} transitions, the replay buffer has {available}: store more first, or lower agent.batch_size"
    )]
    TooFewTransitions {
        /// The batch size.
        needed: usize,
        /// The number of transitions that can be sampled.
        available: usize,
    },

    /// An environment returned a number that is not finite.
    #[error("{id} returned {what} {value} at step {step} of {of}: every number has to be finite")]
    EnvironmentValue {
        /// The environment's id.
        id: String,
        /// What the value is: `reward`, `observation`, or an episode's `return`.
        what: &'static str,
        /// The value.
        value: f64,
        /// The environment step, counted from 1; 0 is the reset.
        step: u64,
        /// Where it happened: `training` or `a greedy episode`.
        of: &'static str,
    },

    /// A Gymnasium environment could not be created.
    #[error("{id}: {message}")]
    Gym {
        /// The environment's id, or `gym:` for an error that concerns all Gymnasium environments.
        id: String,
        /// What is missing or not supported, and what to do.
        message: String,
    },

    /// The environment's observations are images, which a network of fully connected layers cannot process.
    #[error(
        "{id}: observations are images (unsigned bytes of shape {shape:?}), and the network has fully connected layers \
         only: use an environment that gives features, or register one whose wrapper makes a vector of the image (for a \
         small image or a board, gymnasium.wrappers.FlattenObservation)"
    )]
    ImageObservation {
        /// The environment's id.
        id: String,
        /// The shape of one image.
        shape: Vec<usize>,
    },

    /// An environment failed while it was running.
    #[error("{id} failed at step {step}, in episode {episode}: {message}")]
    EnvironmentFailed {
        /// The environment's id.
        id: String,
        /// The step, counted from 1 since the environment was created.
        step: u64,
        /// The episode, counted from 0.
        episode: u64,
        /// The environment's error message.
        message: String,
    },

    /// The worker process that ran an environment has ended.
    #[error("{id}: the worker process ended at step {step}, in episode {episode}: {how}")]
    WorkerLost {
        /// The environment.
        id: String,
        /// The step since the environment was made, from 1.
        step: u64,
        /// The episode, counted from 0.
        episode: u64,
        /// How the process ended.
        how: String,
        /// Whether another environment of the same worker process has already reported this loss.
        already_reported: bool,
    },

    /// An environment's action mask allows no action while an episode is running.
    #[error(
        "{id}: the action mask at step {step} of {of} allows no action: the environment has to allow one, or end the episode"
    )]
    NoActionAllowed {
        /// The environment's id.
        id: String,
        /// The environment step, counted from 1; 0 is the reset.
        step: u64,
        /// Where it happened: `training` or `a greedy episode`.
        of: &'static str,
    },

    /// The environments of one run differ.
    #[error("environment '{id}' has different {what} from '{first}': all environments of a run have to be alike")]
    UnlikeEnvironments {
        /// The id of the environment that differs.
        id: String,
        /// The run's first environment.
        first: String,
        /// The property in which they differ.
        what: &'static str,
    },

    /// An environment's specification, or a batch, cannot be learnt from.
    #[error("{what}: {message}")]
    Unusable {
        /// The environment's id, or a name for the rejected value.
        what: String,
        /// Why it cannot be learnt from, and what is required.
        message: String,
    },

    /// A stop was requested while an environment was working.
    #[error("{id}: stopped while waiting for the environment")]
    Stopped {
        /// The environment's id.
        id: String,
    },

    /// A layer's output, the loss, a gradient or a parameter is no longer a finite number: training has diverged.
    #[error("{what} is not finite at step {step}: lower optimizer.lr, or set optimizer.max_grad_norm")]
    NotFinite {
        /// Which of these comes first in the update, with the layer or tensor.
        what: String,
        /// The environment step.
        step: u64,
    },

    /// A saved state does not fit the object that it is loaded into.
    #[error("cannot restore {what}: {message}")]
    State {
        /// The name of the object.
        what: String,
        /// Why the state does not fit.
        message: String,
    },

    /// A file is damaged or has the wrong format.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file, and what to do.
        message: String,
    },

    /// The operating system refused to read or write a file.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// The operation that failed: `read`, `write`, `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error. The message includes it, so `source()` does not return it: printing the chain of
        /// causes would print it twice.
        error: std::io::Error,
    },

    /// A run's directory exists already, and replacing it was not requested.
    #[error("{} exists already", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },

    /// A directory holds files that can be neither continued nor replaced.
    #[error("{} {message}", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// What the directory holds, and what to do: `holds an experiment: choose another directory`.
        message: String,
    },

    /// Another process is writing to this directory.
    #[error("{} is in use by {holder}: wait until it has ended, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds the lock: `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
        holder: String,
    },

    /// A defect of quarl itself ended the run.
    #[error("internal error: {message}; this is a defect of quarl: please report it")]
    Internal {
        /// The message of the defect.
        message: String,
    },

    /// A figure or picture could not be drawn.
    #[error("cannot draw {what}: {message}")]
    Draw {
        /// The figure or picture.
        what: String,
        /// Why it could not be drawn.
        message: String,
    },

    /// The processor does not support the instruction set that `QUARL_CPU` requests.
    #[error("QUARL_CPU={wanted}: {remedy}")]
    CpuPath {
        /// The value of `QUARL_CPU`.
        wanted: String,
        /// The instruction sets that this machine supports.
        remedy: String,
    },
}

impl Error {
    /// Returns a function for `map_err` that makes an [`Error::Io`] from the operating system's error. `action` is the
    /// operation that failed (`read`, `write`, `create`), `path` the file or directory.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Io { action, path: path.as_ref().to_owned(), error }
    }

    /// Whether the cause lies outside the run, so that the same run may succeed when it is repeated: a full disk, a worker
    /// process that was killed, a Python interpreter that cannot be started. Any other error would occur again at the same
    /// step, because runs are deterministic.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Locked { .. } | Self::WorkerLost { .. } | Self::Gym { .. })
    }
}
