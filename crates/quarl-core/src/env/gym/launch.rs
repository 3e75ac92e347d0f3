//! Starts a worker for given [`GymOptions`], reads its description of the environment, and explains why it failed.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::startup::Activity;
use super::worker::{Failure, Handshake, PROTOCOL, Worker, WorkerError, body};
use crate::config::settings::invalid;
use crate::env::config::{AUTO, GymConfig};
use crate::env::{EnvironmentSpec, GYM_PREFIX};
use crate::error::Error;
use crate::space::{BoxSpace, Discrete, Dtype};
use crate::stop::StopFlag;

/// A Gymnasium environment and the Python interpreter that runs it.
#[derive(Clone, Debug, Default)]
pub struct GymOptions {
    /// Gymnasium's id of the environment, without `gym:`.
    pub id: String,
    /// The settings of `[env.gym]`.
    pub settings: GymConfig,
    /// Whether the environment is created for rendering.
    pub render: bool,
    /// Cancels the wait for an answer: the waiting call fails with [`Error::Stopped`].
    pub stop: StopFlag,
}

/// A worker's description of its environments.
#[derive(Deserialize)]
pub(super) struct Description {
    pub(super) protocol: u32,
    #[serde(default)]
    pub(super) ids: Vec<String>,
    #[serde(default)]
    pub(super) shape: Vec<usize>,
    #[serde(default)]
    pub(super) bytes: bool,
    #[serde(default)]
    pub(super) actions: usize,
    pub(super) max_episode_steps: Option<u32>,
    pub(super) reward_threshold: Option<f64>,
    #[serde(default)]
    pub(super) render_fps: u32,
    #[serde(default)]
    pub(super) has_action_mask: bool,
    /// Whether the state of the random generator can be saved.
    #[serde(default)]
    pub(super) saves_random_state: bool,
    #[serde(default)]
    pub(super) observation_space: String,
    #[serde(default)]
    pub(super) action_space: String,
    #[serde(default)]
    pub(super) gymnasium: String,
}

/// All ids that Gymnasium knows in this interpreter, including those registered by `env.gym.imports`.
///
/// # Errors
/// Those of [`GymEnv::new`](super::GymEnv::new).
pub fn ids(options: &GymOptions) -> Result<Vec<String>, Error> {
    let (_, description, _) = launch(GYM_PREFIX, &GymOptions { id: String::new(), ..options.clone() }, 1)?;
    Ok(description.ids.iter().map(|id| format!("{GYM_PREFIX}{id}")).collect())
}

/// The path of the interpreter for a value of `env.gym.python`.
pub(super) fn python(configured: &str) -> String {
    if configured != AUTO {
        return configured.to_owned();
    }
    if let Some(active) = std::env::var_os("VIRTUAL_ENV").filter(|active| !active.is_empty()) {
        return Path::new(&active).join("bin/python").display().to_string();
    }
    let local = Path::new(".venv/bin/python");
    if local.exists() { local.display().to_string() } else { "python3".to_owned() }
}

/// Starts a worker with `environments` environments. Returns it with their description and the bytes of their bounds.
pub(super) fn launch(
    id: &str,
    options: &GymOptions,
    environments: usize,
) -> Result<(Worker, Description, Vec<u8>), Error> {
    let GymOptions { id: name, settings, render, .. } = options;
    let python = python(&settings.python);
    let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
    let activity = Activity::begin(id, format!("starting {python}"));
    let mut worker = Worker::start(&python, timeout, options.stop.clone()).map_err(|error| {
        let remedy = "install Python 3.10 or later, or name another interpreter as env.gym.python";
        gym_error(id, format!("cannot start '{python}' ({error}): {remedy}"))
    })?;
    let GymConfig { kwargs, imports, .. } = settings;
    let handshake = Handshake { protocol: PROTOCOL, id: name, args: kwargs, imports, render: *render, environments };
    let payload = match worker.handshake(&handshake, &activity) {
        Ok(payload) => payload,
        Err(WorkerError::Failed(failure)) => return Err(launch_error(id, &failure, &python)),
        Err(WorkerError::Lost(reason)) if !reason.is_empty() => {
            worker.kill();
            return Err(gym_error(id, format!("'{python}' has not created the environment: {reason}")));
        }
        Err(WorkerError::Lost(_) | WorkerError::AlreadyLost(_)) => {
            let how = worker.end();
            return Err(gym_error(id, format!("'{python}' ended before it created the environment: {how}")));
        }
        Err(WorkerError::Stopped) => {
            worker.kill();
            return Err(Error::Stopped { id: id.to_owned() });
        }
        Err(WorkerError::TimedOut(timeout)) => {
            let (seconds, activity) = (timeout.as_secs(), activity.current());
            let remedy = "if it is only slow, raise env.gym.timeout_seconds";
            return Err(gym_error(
                id,
                format!("'{python}' has not started the environment within {seconds} s ({activity}): {remedy}"),
            ));
        }
    };
    let parse = || {
        let (length, rest) = body(&payload).split_at_checked(4)?;
        let length = u32::from_le_bytes(std::array::from_fn(|i| length[i])) as usize;
        let (text, bounds) = rest.split_at_checked(length)?;
        let description: Description = serde_json::from_slice(text).ok()?;
        (description.protocol == PROTOCOL).then(|| (description, bounds.to_vec()))
    };
    let (description, bounds) =
        parse().ok_or_else(|| gym_error(id, "its worker uses another protocol version".to_owned()))?;
    Ok((worker, description, bounds))
}

/// The specification from a worker's description, and the spaces and Gymnasium's version as text.
pub(super) fn to_spec(
    id: String,
    description: Description,
    bounds: &[u8],
) -> Result<(EnvironmentSpec, [String; 3]), Error> {
    let numbers = description.shape.iter().try_fold(1_usize, |numbers, size| numbers.checked_mul(*size)).unwrap_or(0);
    let floats = bounds.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let mut low: Vec<f32> = floats.collect();
    if numbers.checked_mul(2) != Some(low.len())
        || numbers == 0
        || description.actions == 0
        || description.max_episode_steps == Some(0)
    {
        return Err(gym_error(&id, "its worker describes inconsistent spaces, or an episode of no steps".to_owned()));
    }
    let high = low.split_off(numbers);
    let spec = EnvironmentSpec {
        id,
        observation_space: BoxSpace {
            shape: description.shape,
            low,
            high,
            dtype: if description.bytes { Dtype::U8 } else { Dtype::F32 },
        },
        action_space: Discrete { n: description.actions },
        max_episode_steps: description.max_episode_steps,
        reward_threshold: description.reward_threshold,
        render_fps: description.render_fps.max(1),
        has_action_mask: description.has_action_mask,
    };
    Ok((spec, [description.observation_space, description.action_space, description.gymnasium]))
}

/// The error for an environment that could not be created, with the remedy.
fn launch_error(id: &str, failure: &Failure, python: &str) -> Error {
    let Failure { kind, message, .. } = failure;
    match kind.as_str() {
        "gymnasium" => {
            gym_error(id, format!("'{python}' has no Gymnasium ({message}): {}", install(python, "classic-control")))
        }
        "unknown" => {
            let remedy = match id.strip_prefix(GYM_PREFIX).is_some_and(|name| name.starts_with("ALE/")) {
                true => format!("{} and env.gym.imports = [\"ale_py\"]", install(python, "atari")),
                false => "env.gym.imports names the modules that register further environments".to_owned(),
            };
            Error::UnknownEnvironment { id: id.to_owned(), remedy: format!("{message} {remedy}") }
        }
        "import" => invalid("env.gym.imports", format!("{message}: install it for '{python}', or leave it out")),
        _ => gym_error(id, describe_failure(failure, python)),
    }
}

/// An exception in one line: type, message and place, and the command that installs a missing package.
pub(super) fn describe_failure(failure: &Failure, python: &str) -> String {
    let Failure { kind, exception, message, at } = failure;
    match kind.as_str() {
        "space" | "value" | "protocol" => message.clone(),
        "dependency" => {
            let extra = message.split_once("gymnasium[").and_then(|(_, rest)| rest.split_once(']'));
            let reason = message.split(['.', ',']).next().unwrap_or(message);
            match extra {
                Some((extra, _)) => format!("{reason}: {}", install(python, extra)),
                None => message.clone(),
            }
        }
        // Here the message is the name of the missing module.
        "module" => match EXTRAS.iter().find(|(module, _)| module == message) {
            Some((_, extra)) => format!("{message} is not installed: {}", install(python, extra)),
            None => format!("'{python}' has no module '{message}', which the environment imports: install it there"),
        },
        _ => format!("{exception}: {message} ({at})"),
    }
}

/// Modules that Gymnasium's environments import without saying which extra installs them, with that extra.
const EXTRAS: [(&str, &str); 9] = [
    ("Box2D", "box2d"),
    ("pygame", "classic-control"),
    ("mujoco", "mujoco"),
    ("imageio", "mujoco"),
    ("ale_py", "atari"),
    ("jax", "jax"),
    ("flax", "jax"),
    ("cv2", "other"),
    ("moviepy", "other"),
];

/// The command that installs one of Gymnasium's extras.
fn install(python: &str, extra: &str) -> String {
    format!("{python} -m pip install \"gymnasium[{extra}]\"")
}

pub(super) fn gym_error(id: &str, message: String) -> Error {
    Error::Gym { id: id.to_owned(), message }
}
