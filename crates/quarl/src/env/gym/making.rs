//! Which environment in which Python: what is asked for, what a worker offers, and why there is none.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::worker::{Failure, Hello, PROTOCOL, Trouble, Worker, body};
use crate::env::EnvironmentSpec;
use crate::error::Error;
use crate::space::{BoxSpace, Discrete, Dtype};
use crate::stop::StopFlag;

/// What an id of a bridged environment begins with.
pub const PREFIX: &str = "gym:";

/// How long a worker may take to answer, where nobody says.
pub const TIMEOUT_SECONDS: u64 = 60;

/// Which environment, in which interpreter.
#[derive(Clone, Debug, Default)]
pub struct GymOptions {
    /// Gymnasium's name for it, after `gym:`.
    pub id: String,
    /// The interpreter; without one, that of the active virtual environment, of `./.venv`, or `python3`.
    pub python: Option<String>,
    /// Arguments for `gymnasium.make`.
    pub args: toml::Table,
    /// Modules to import first: they register environments.
    pub imports: Vec<String>,
    /// How many seconds an answer may take; [`TIMEOUT_SECONDS`] without one.
    pub timeout_seconds: Option<u64>,
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

/// The interpreter that these options amount to.
pub fn python(options: &GymOptions) -> String {
    if let Some(python) = &options.python {
        return python.clone();
    }
    if let Some(active) = std::env::var_os("VIRTUAL_ENV").filter(|active| !active.is_empty()) {
        return Path::new(&active).join("bin/python").display().to_string();
    }
    let local = Path::new(".venv/bin/python");
    if local.exists() { local.display().to_string() } else { "python3".to_owned() }
}

/// A worker with so many environments made, what each of them offers, and the bounds' bytes.
pub(super) fn open(id: &str, options: &GymOptions, environments: usize) -> Result<(Worker, Offer, Vec<u8>), Error> {
    let python = python(options);
    let patience = Duration::from_secs(options.timeout_seconds.unwrap_or(TIMEOUT_SECONDS).max(1));
    let mut worker = Worker::start(&python, patience, options.stop.clone()).map_err(|error| {
        let remedy = "install Python 3.10 or later, or name another interpreter with --python";
        gym_error(id, format!("cannot start '{python}' ({error}): {remedy}"))
    })?;
    let GymOptions { id: name, args, imports, render, .. } = options;
    let hello = Hello { protocol: PROTOCOL, id: name, args, imports, render: *render, environments };
    let payload = match worker.greet(&hello) {
        Ok(payload) => payload,
        Err(Trouble::Failed(failure)) => return Err(refusal(id, &failure, &python)),
        Err(Trouble::Lost(_) | Trouble::Gone(_)) => {
            let how = worker.end();
            return Err(gym_error(id, format!("'{python}' did not get as far as making it: {how}")));
        }
        Err(Trouble::Stopped) => {
            worker.kill();
            return Err(Error::Stopped { id: id.to_owned() });
        }
        Err(Trouble::Late(patience)) => {
            return Err(gym_error(id, format!("making it took more than {} seconds", patience.as_secs())));
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
            let command = format!("{python} -m pip install \"gymnasium[classic-control]\"");
            gym_error(id, format!("'{python}' has no Gymnasium ({message}): {command}"))
        }
        "unknown" => Error::UnknownEnvironment {
            id: id.to_owned(),
            remedy: format!("{message} (quarl envs gym: lists them; --gym-import MODULE imports what registers more)"),
        },
        "import" => Error::InvalidValue {
            key: "env.imports".to_owned(),
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
                Some((extra, _)) => format!("{reason}: {python} -m pip install \"gymnasium[{extra}]\""),
                None => message.clone(),
            }
        }
        _ => format!("{exception}: {message} ({at})"),
    }
}

pub(super) fn gym_error(id: &str, message: String) -> Error {
    Error::Gym { id: id.to_owned(), message }
}
