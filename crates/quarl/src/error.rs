//! Everything that can go wrong, as one enum. A message names the culprit, and the remedy where the user has one.

use std::path::{Path, PathBuf};

use thiserror::Error as ThisError;

/// The library's error.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// A configuration value cannot be used.
    #[error("{key} = {value}: {remedy}")]
    InvalidValue {
        /// The configuration key, with its section.
        key: String,
        /// What was given.
        value: String,
        /// What would be accepted.
        remedy: String,
    },

    /// The value of a configuration key cannot be used.
    #[error("{key}: {message}")]
    Setting {
        /// The configuration key, with its section.
        key: String,
        /// What is wrong with its value, what is allowed, and what to do.
        message: String,
    },

    /// A configuration is not complete.
    #[error("{keys}: not given, and there is no default: set it, or start from a preset")]
    MissingKeys {
        /// The keys, with their sections.
        keys: String,
    },

    /// The text is not a configuration.
    #[error("{origin}: {message}")]
    Config {
        /// The file, preset or argument it came from.
        origin: String,
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// No environment has this name.
    #[error("unknown environment '{id}': {remedy}")]
    UnknownEnvironment {
        /// What was asked for.
        id: String,
        /// The nearest known names.
        remedy: String,
    },

    /// No preset has this name.
    #[error("unknown preset '{name}': {remedy}")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// The nearest known names.
        remedy: String,
    },

    /// Nothing to step: no episode is running.
    #[error("{id}: step() needs a running episode; call reset() first (an episode that has ended cannot be stepped)")]
    StepBeforeReset {
        /// The environment.
        id: String,
    },

    /// Another action than the one whose step has begun.
    #[error(
        "{id}: step() with action {begun} has begun, action {action} cannot take its place; call step({begun}) or reset()"
    )]
    StepBegun {
        /// The environment.
        id: String,
        /// The action of the step that has begun.
        begun: usize,
        /// What was given.
        action: usize,
    },

    /// The action is outside the action space.
    #[error("{id}: action {action} is not one of 0..{n}")]
    InvalidAction {
        /// The environment.
        id: String,
        /// What was given.
        action: usize,
        /// How many actions there are.
        n: usize,
    },

    /// A slice for an observation has the wrong length.
    #[error("{id}: an observation has {expected} numbers, the slice given has {actual}")]
    ObservationLength {
        /// The environment.
        id: String,
        /// The space's length.
        expected: usize,
        /// The slice's length.
        actual: usize,
    },

    /// An action mask has the wrong length.
    #[error("an action mask has one entry for each of the {expected} actions, the mask given has {actual}")]
    MaskLength {
        /// How many actions there are.
        expected: usize,
        /// The mask's length.
        actual: usize,
    },

    /// A transition has an action mask where the environment's specification announces none.
    #[error("the transition has an action mask, but the environment's specification says has_action_mask = false")]
    UnexpectedMask,

    /// There are too few transitions for a batch.
    #[error(
        "a batch needs {needed} transitions, the replay buffer has {available}: store more first, or lower agent.batch_size"
    )]
    TooFewTransitions {
        /// The batch's size.
        needed: usize,
        /// How many can be drawn.
        available: usize,
    },

    /// An environment gave something that is not a finite number.
    #[error("{id} gave {what} {value} at step {step} of {of}: the environment has to give finite numbers")]
    EnvironmentValue {
        /// The environment.
        id: String,
        /// `reward`, `observation`, or an episode's `return`.
        what: &'static str,
        /// The value.
        value: f64,
        /// The environment step, from 1; 0 is the reset.
        step: u64,
        /// Of what: `training`, or `a greedy episode`.
        of: &'static str,
    },

    /// An environment in Python cannot be had.
    #[error("{id}: {message}")]
    Gym {
        /// The environment, or `gym:` where it is about all of them.
        id: String,
        /// What is missing or not supported, and what to do.
        message: String,
    },

    /// Observations are images, which a network of fully connected layers does not learn from.
    #[error(
        "{id}: observations are images (unsigned bytes of shape {shape:?}), and the network has fully connected layers \
         only: use an environment that gives features, or register one whose wrapper makes a vector of the image (for a \
         small image or a board, gymnasium.wrappers.FlattenObservation)"
    )]
    ImageObservation {
        /// The environment.
        id: String,
        /// The shape of one image.
        shape: Vec<usize>,
    },

    /// An environment failed while it ran.
    #[error("{id} failed at step {step}, in episode {episode}: {message}")]
    EnvironmentFailed {
        /// The environment.
        id: String,
        /// The step since the environment was made, from 1.
        step: u64,
        /// The episode, from 0.
        episode: u64,
        /// What it said.
        message: String,
    },

    /// The process that ran an environment is gone.
    #[error("{id} lost its worker at step {step}, in episode {episode}: {how}")]
    WorkerLost {
        /// The environment.
        id: String,
        /// The step since the environment was made, from 1.
        step: u64,
        /// The episode, from 0.
        episode: u64,
        /// How it ended.
        how: String,
        /// Whether another environment of the same worker has reported this loss already.
        known: bool,
    },

    /// An environment's action mask allows nothing while its episode runs.
    #[error(
        "{id}: the action mask at step {step} of {of} allows no action: the environment has to allow one, or end the episode"
    )]
    NoActionAllowed {
        /// The environment.
        id: String,
        /// The environment step, from 1; 0 is the reset.
        step: u64,
        /// Of what: `training`, or `a greedy episode`.
        of: &'static str,
    },

    /// Several environments of one run are not alike.
    #[error("environment '{id}' has other {what} than '{first}': the environments of a run have to be alike")]
    UnlikeEnvironments {
        /// The environment.
        id: String,
        /// The run's first environment.
        first: String,
        /// In what they differ.
        what: &'static str,
    },

    /// An environment's description, or a batch, that nothing can be learnt with.
    #[error("{what}: {message}")]
    Unusable {
        /// The environment's id, or what it is.
        what: String,
        /// Why, and what it has to be.
        message: String,
    },

    /// Somebody asked to stop while an environment was working.
    #[error("{id}: stopped before it answered")]
    Stopped {
        /// The environment.
        id: String,
    },

    /// A loss or parameter is no longer a finite number.
    #[error("{what} is not finite at step {step}: lower optimizer.lr, or set optimizer.max_grad_norm")]
    NotFinite {
        /// Which number.
        what: String,
        /// The environment step.
        step: u64,
    },

    /// A saved state does not fit.
    #[error("cannot restore {what}: {message}")]
    State {
        /// What was to be restored.
        what: String,
        /// Why not.
        message: String,
    },

    /// A file is damaged, or not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// The system refused to read or write.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error. It is part of the message, and so it is not also the `source()`: whoever prints the chain of
        /// causes would print it twice.
        error: std::io::Error,
    },

    /// The directory of a run exists already, and nobody said that it may be replaced.
    #[error("{} exists already", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },

    /// The directory holds something that is neither continued nor replaced.
    #[error("{} {message}", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// What it holds, and what to do: `holds an experiment: choose another directory`.
        message: String,
    },

    /// Another process writes this directory.
    #[error("{} is in use by {holder}: wait until it has ended, or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it: `process 4711 on host alpha, since 2026-11-23 06:29:02 UTC`.
        holder: String,
    },

    /// A defect of quarl itself ended a run.
    #[error("internal error: {message}; this is a defect of quarl, please report it")]
    Internal {
        /// What the defect said.
        message: String,
    },

    /// A figure or picture could not be drawn.
    #[error("cannot draw {what}: {message}")]
    Draw {
        /// The figure or picture.
        what: String,
        /// Why not.
        message: String,
    },

    /// The processor lacks what was asked for.
    #[error("QUARL_CPU={wanted}: {remedy}")]
    CpuPath {
        /// What was asked for.
        wanted: String,
        /// What this machine has.
        remedy: String,
    },
}

impl Error {
    /// Makes an [`Error::Io`] of the system's error, for `map_err`: what was tried (`read`, `write`, `create`), and with which
    /// file or directory.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Io { action, path: path.as_ref().to_owned(), error }
    }

    /// Whether the error lies outside the run that it ended, so that the same run may succeed another time: a full disk, a worker
    /// process that was killed, a Python that cannot be started. Any other error comes again at the same step.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Locked { .. } | Self::WorkerLost { .. } | Self::Gym { .. })
    }
}
