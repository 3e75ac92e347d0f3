//! Which environment in which Python: what is asked for, what a worker offers, and why there is none.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::startup::Activity;
use super::worker::{Failure, Hello, PROTOCOL, Worker, WorkerError, body};
use crate::env::EnvironmentSpec;
use crate::env::config::{AUTO, GymConfig};
use crate::error::Error;
use crate::space::{BoxSpace, Discrete, Dtype};
use crate::stop::StopFlag;

/// What an id of a bridged environment begins with.
pub const PREFIX: &str = "gym:";

/// Which environment, in which interpreter.
#[derive(Clone, Debug, Default)]
pub struct GymOptions {
    /// Gymnasium's name for it, after `gym:`.
    pub id: String,
    /// How it is made: `[env.gym]`.
    pub settings: GymConfig,
    /// Whether pictures are wanted.
    pub render: bool,
    /// Ends the wait for an answer: the call fails with [`Error::Stopped`].
    pub stop: StopFlag,
}

/// What a worker says of its environment.
#[derive(Deserialize)]
pub(super) struct Offer {
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
    /// Whether its random state can be saved.
    #[serde(default)]
    pub(super) saves_random_state: bool,
    #[serde(default)]
    pub(super) observation_space: String,
    #[serde(default)]
    pub(super) action_space: String,
    #[serde(default)]
    pub(super) gymnasium: String,
}

/// All ids that Gymnasium knows in this interpreter, after the imports.
///
/// # Errors
/// As [`GymEnv::new`](super::GymEnv::new).
pub fn ids(options: &GymOptions) -> Result<Vec<String>, Error> {
    let (_, offer, _) = open(PREFIX, &GymOptions { id: String::new(), ..options.clone() }, 1)?;
    Ok(offer.ids.iter().map(|id| format!("{PREFIX}{id}")).collect())
}

/// The interpreter that a value of `env.gym.python` amounts to.
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

/// A worker with so many environments made, what each of them offers, and the bounds' bytes.
pub(super) fn open(id: &str, options: &GymOptions, environments: usize) -> Result<(Worker, Offer, Vec<u8>), Error> {
    let GymOptions { id: name, settings, render, .. } = options;
    let python = python(&settings.python);
    let patience = Duration::from_secs(settings.timeout_seconds.max(1));
    let activity = Activity::begin(id, format!("starting {python}"));
    let mut worker = Worker::start(&python, patience, options.stop.clone()).map_err(|error| {
        let remedy = "install Python 3.10 or later, or name another interpreter as env.gym.python";
        gym_error(id, format!("cannot start '{python}' ({error}): {remedy}"))
    })?;
    let GymConfig { kwargs, imports, .. } = settings;
    let hello = Hello { protocol: PROTOCOL, id: name, args: kwargs, imports, render: *render, environments };
    let payload = match worker.greet(&hello, &activity) {
        Ok(payload) => payload,
        Err(WorkerError::Failed(failure)) => return Err(refusal(id, &failure, &python)),
        Err(WorkerError::Lost(_) | WorkerError::Gone(_)) => {
            let how = worker.end();
            return Err(gym_error(id, format!("'{python}' did not get as far as making it: {how}")));
        }
        Err(WorkerError::Stopped) => {
            worker.kill();
            return Err(Error::Stopped { id: id.to_owned() });
        }
        Err(WorkerError::Late(patience)) => {
            let (seconds, activity) = (patience.as_secs(), activity.now());
            let remedy = "if it is only slow, raise env.gym.timeout_seconds";
            return Err(gym_error(
                id,
                format!("'{python}' has not started it within {seconds} seconds ({activity}): {remedy}"),
            ));
        }
    };
    let parse = || {
        let (length, rest) = body(&payload).split_at_checked(4)?;
        let length = u32::from_le_bytes(std::array::from_fn(|i| length[i])) as usize;
        let (text, bounds) = rest.split_at_checked(length)?;
        let offer: Offer = serde_json::from_slice(text).ok()?;
        (offer.protocol == PROTOCOL).then(|| (offer, bounds.to_vec()))
    };
    let (offer, bounds) = parse().ok_or_else(|| gym_error(id, "its worker speaks another protocol".to_owned()))?;
    Ok((worker, offer, bounds))
}

/// The spec that an offer amounts to, and the spaces and Gymnasium's version in words.
pub(super) fn describe(id: String, offer: Offer, bounds: &[u8]) -> Result<(EnvironmentSpec, [String; 3]), Error> {
    let numbers: usize = offer.shape.iter().product();
    let floats = bounds.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let mut low: Vec<f32> = floats.collect();
    if low.len() != 2 * numbers || numbers == 0 || offer.actions == 0 {
        return Err(gym_error(&id, "its worker describes spaces that contradict themselves".to_owned()));
    }
    let high = low.split_off(numbers);
    let spec = EnvironmentSpec {
        id,
        observation_space: BoxSpace {
            shape: offer.shape,
            low,
            high,
            dtype: if offer.bytes { Dtype::U8 } else { Dtype::F32 },
        },
        action_space: Discrete { n: offer.actions },
        max_episode_steps: offer.max_episode_steps,
        reward_threshold: offer.reward_threshold,
        render_fps: offer.render_fps.max(1),
        has_action_mask: offer.has_action_mask,
    };
    Ok((spec, [offer.observation_space, offer.action_space, offer.gymnasium]))
}

/// Why an environment could not be made, and what to do.
fn refusal(id: &str, failure: &Failure, python: &str) -> Error {
    let Failure { kind, message, .. } = failure;
    match kind.as_str() {
        "gymnasium" => {
            gym_error(id, format!("'{python}' has no Gymnasium ({message}): {}", install(python, "classic-control")))
        }
        "unknown" => {
            let remedy = match id.strip_prefix(PREFIX).is_some_and(|name| name.starts_with("ALE/")) {
                true => format!("{} and env.gym.imports = [\"ale_py\"]", install(python, "atari")),
                false => "env.gym.imports names the modules that register further environments".to_owned(),
            };
            Error::UnknownEnvironment { id: id.to_owned(), remedy: format!("{message} {remedy}") }
        }
        "import" => Error::InvalidValue {
            key: "env.gym.imports".to_owned(),
            value: message.clone(),
            remedy: format!("install it for '{python}', or leave it out"),
        },
        _ => gym_error(id, explain(failure, python)),
    }
}

/// An exception in one line: type, message, place, and what installs what is missing.
pub(super) fn explain(failure: &Failure, python: &str) -> String {
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
        // The message is the module's name.
        "module" => match EXTRAS.iter().find(|(module, _)| module == message) {
            Some((_, extra)) => format!("{message} is not installed: {}", install(python, extra)),
            None => format!("'{python}' has no module '{message}', which the environment imports: install it there"),
        },
        _ => format!("{exception}: {message} ({at})"),
    }
}

/// The modules that Gymnasium's environments import without saying which of its extras they belong to.
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
