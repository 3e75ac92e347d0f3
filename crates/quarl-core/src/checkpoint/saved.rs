//! One checkpoint: writing, reading and restoring it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::file::{self, FORMAT, Tensor};
use super::segments;
use crate::config::TrainConfig;
use crate::engine::{self, Array, EngineState, parameter_layout};
use crate::error::Error;
use crate::files;
use crate::network::Architecture;
use crate::replay::{Replay, ReplayHeader};
use crate::train::{RunState, StateParts, Trainer};

/// The header of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    format: u32,
    quarl_version: String,
    pub(super) env_steps: u64,
    episodes: u64,
    /// The run's configuration as TOML.
    config: String,
    architecture: Architecture,
    replay: ReplayHeader,
    /// The number of transitions in a segment of the replay buffer.
    segment_transitions: usize,
    /// The checksums of the segments.
    segment_checksums: Vec<u32>,
    /// Whether it was written at the best evaluation so far.
    pub(super) best: bool,
    /// What the writer of the run's files needs to continue them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<serde_json::Value>,
}

impl Header {
    /// The file names of the segments.
    pub(super) fn segments(&self) -> Vec<String> {
        segments::segments(&self.replay, self.segment_transitions).map(|(_, name)| name).collect()
    }

    /// The checksum of each segment by its file name.
    pub(super) fn checksums(&self) -> BTreeMap<String, u32> {
        self.segments().into_iter().zip(self.segment_checksums.iter().copied()).collect()
    }
}

/// A checkpoint that was read from a file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    pub(super) header: Header,
    bytes: Vec<u8>,
}

impl Checkpoint {
    /// Writes a checkpoint of a run into a directory for checkpoints, which is created if it does not exist, and returns its
    /// path. Every segment of the replay buffer is written; [`Checkpoints`](super::Checkpoints) writes only those that have changed.
    ///
    /// # Errors
    /// [`Error::State`] where an environment cannot be saved now ([`Trainer::can_be_saved`]); [`Error::Io`] where writing fails.
    pub fn save(trainer: &Trainer, dir: &Path) -> Result<PathBuf, Error> {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let (name, _) = write(trainer, &trainer.state()?, dir, &mut BTreeMap::new(), false, None)?;
        Ok(dir.join(name))
    }

    /// Reads a checkpoint and verifies its checksum. The segments of the replay buffer are read and verified when a run is
    /// restored from it.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it is damaged, not a checkpoint, or of another format.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let refused = |message: String| Error::File { path: path.to_owned(), message };
        let (header, ..): (Header, _, _) = file::decode(&bytes).map_err(refused)?;
        let segments = header.replay.len().div_ceil(header.segment_transitions.max(1));
        if header.segment_transitions == 0 || segments != header.segment_checksums.len() {
            return Err(refused("its list of replay segments is damaged".to_owned()));
        }
        Ok(Self { path: path.to_owned(), header, bytes })
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of environment steps.
    pub fn env_steps(&self) -> u64 {
        self.header.env_steps
    }

    /// The number of finished episodes.
    pub fn episodes(&self) -> u64 {
        self.header.episodes
    }

    /// The configuration of the run.
    ///
    /// # Errors
    /// [`Error::Config`] where this version of quarl cannot read it.
    pub fn config(&self) -> Result<TrainConfig, Error> {
        TrainConfig::from_toml(&self.path.display().to_string(), &self.header.config)
    }

    /// What the writer of the run's files needs to continue them; `None` where another writer has written it.
    #[doc(hidden)]
    pub fn log<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.header.log.as_ref()?).ok()
    }

    /// Reads the state, for a run whose replay buffer is like `fresh`.
    fn state(&self, fresh: &Replay) -> Result<RunState<'static>, Error> {
        let refused = |message: String| Error::File { path: self.path.clone(), message };
        let header = &self.header;
        let is_like = |fresh: &ReplayHeader| {
            let ReplayHeader { capacity, features, masked_actions, bytes, .. } = *fresh;
            let of = &header.replay;
            (of.capacity, of.features, of.masked_actions, of.bytes) == (capacity, features, masked_actions, bytes)
        };
        // Compared before any memory is allocated for it.
        if !is_like(&fresh.header()) {
            return Err(refused("its replay buffer has another size, or belongs to another environment".to_owned()));
        }
        let (_, tensors, _): (Header, _, _) = file::decode(&self.bytes).map_err(refused)?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let segments = segments::segments(&header.replay, header.segment_transitions);
        let arrays = segments
            .zip(&header.segment_checksums)
            .map(|((places, name), checksum)| segments::read(&header.replay, places, &dir.join(name), *checksum));
        let arrays = arrays.collect::<Result<Vec<_>, Error>>()?;
        let priorities = tensors.tensor(PRIORITIES).is_ok().then(|| file::f64s(&tensors, PRIORITIES));
        let priorities = priorities.transpose().map_err(refused)?;
        let replay = Replay::from_arrays(&header.replay, arrays, priorities);
        let replay = replay.ok_or_else(|| refused("its replay buffer is damaged".to_owned()))?;
        RunState::from_parts(parts(&header.architecture, &tensors).map_err(refused)?, replay)
    }
}

impl Trainer {
    /// Continues the run of a checkpoint in the environment that its configuration names. For environments of your own, build
    /// the run with [`Checkpoint::config`] and use [`Trainer::restore`].
    ///
    /// # Errors
    /// Those of [`Trainer::new`] and [`Trainer::restore`].
    pub fn resume(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let mut trainer = Self::new(checkpoint.config()?)?;
        trainer.restore(checkpoint)?;
        Ok(trainer)
    }

    /// Restores the state of a checkpoint of the same run, which then continues. As in [`Trainer::extend`], the budget, the
    /// schedules and the settings of checkpoints may differ.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] where the segments of the replay buffer are missing or damaged, [`Error::State`] where
    /// the checkpoint belongs to another configuration; nothing is changed then.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let differences = checkpoint.config()?.fixed_differences(self.config());
        if !differences.is_empty() {
            let message = format!("it belongs to a run with other settings: {}", differences.join(", "));
            return Err(Error::File { path: checkpoint.path.clone(), message });
        }
        self.branch_off(checkpoint.state(self.agent().replay())?)
    }
}

const REST: &str = "rest";
const PRIORITIES: &str = "priorities";
const OPTIMIZER: &str = "optimizer.";
const OPTIMIZER_SETTINGS: &str = "optimizer_settings.";

/// The name of a checkpoint's file. Names sort by time.
pub(super) fn file_name(env_steps: u64) -> String {
    format!("step-{env_steps:09}.safetensors")
}

/// Writes a checkpoint of this state of `trainer`, and the segments that are not in `written`, which is extended by them.
/// Returns the file's name and its header.
pub(super) fn write(
    trainer: &Trainer,
    state: &RunState<'_>,
    dir: &Path,
    written: &mut BTreeMap<String, u32>,
    best: bool,
    log: Option<serde_json::Value>,
) -> Result<(String, Header), Error> {
    let (replay, parts) = (state.replay(), state.parts()?);
    let replay_header = replay.header();
    let segment_transitions = segments::transitions(&replay_header);
    let mut segment_checksums = Vec::new();
    for (places, name) in segments::segments(&replay_header, segment_transitions) {
        let checksum = match written.get(&name) {
            // Somebody may have removed the file.
            Some(checksum) if dir.join(&name).exists() => *checksum,
            _ => segments::write(replay, places, &dir.join(&name))?,
        };
        written.insert(name, checksum);
        segment_checksums.push(checksum);
    }
    let header = Header {
        format: FORMAT,
        quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
        env_steps: state.env_steps(),
        episodes: state.episodes(),
        config: state.config().to_owned(),
        architecture: trainer.agent().architecture().clone(),
        replay: replay_header,
        segment_transitions,
        segment_checksums,
        best,
        log,
    };
    let priorities = replay.priorities();
    let (bytes, _) = file::encode(&header, &tensors(&header.architecture, &parts, priorities.as_deref()))?;
    let name = file_name(header.env_steps);
    crate::atomic_write::atomic_write(&dir.join(&name), &bytes)?;
    Ok((name, header))
}

fn tensors<'a>(architecture: &Architecture, parts: &'a StateParts, priorities: Option<&'a [f64]>) -> Vec<Tensor<'a>> {
    let EngineState { online, target, optimizer } = &parts.engine;
    let mut tensors = vec![Tensor::u8(REST, vec![parts.rest.len()], &parts.rest)];
    let networks = [("online", Some(online)), ("target", Some(target)), ("best", parts.best.as_ref())];
    for (prefix, parameters) in networks.into_iter().filter_map(|(prefix, parameters)| Some((prefix, parameters?))) {
        for engine::Tensor { name, shape, range } in layout(prefix, architecture, parameters.len()) {
            tensors.push(Tensor::f32(name, shape, &parameters[range]));
        }
    }
    tensors.extend(optimizer.iter().map(|(name, array)| match array {
        Array::F32(values) => Tensor::f32(format!("{OPTIMIZER}{name}"), vec![values.len()], values),
        Array::F64(values) => Tensor::f64(format!("{OPTIMIZER}{name}"), values),
        Array::Settings(values) => Tensor::f64(format!("{OPTIMIZER_SETTINGS}{name}"), values),
    }));
    tensors.extend(priorities.map(|priorities| Tensor::f64(PRIORITIES, priorities)));
    tensors
}

/// The tensors of a network in the file. The parameters of an engine with another layout are one tensor.
fn layout(prefix: &str, architecture: &Architecture, len: usize) -> Vec<engine::Tensor> {
    if architecture.parameter_count() != Some(len) {
        return vec![engine::Tensor { name: prefix.to_owned(), shape: vec![len], range: 0..len }];
    }
    let mut tensors = parameter_layout(architecture);
    tensors.iter_mut().for_each(|tensor| tensor.name.insert_str(0, &format!("{prefix}.")));
    tensors
}

/// The parts of a state, from a checkpoint's tensors.
fn parts(architecture: &Architecture, tensors: &SafeTensors) -> Result<StateParts, String> {
    architecture.check().map_err(|reason| format!("its header is damaged ({reason})"))?;
    let numbers = |prefix: &str| -> usize {
        let of = |name: &str| name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        tensors.iter().filter(|(name, _)| of(name)).map(|(_, view)| view.data().len() / 4).sum()
    };
    let network = |prefix: &str| -> Result<Vec<f32>, String> {
        // The number of parameters is that of the tensors, so no more memory is used than the file has bytes.
        let mut parameters = Vec::with_capacity(numbers(prefix));
        for engine::Tensor { name, range, .. } in layout(prefix, architecture, numbers(prefix)) {
            let values = file::f32s(tensors, &name)?;
            if values.len() != range.len() {
                return Err(format!("tensor {name} has {} numbers, expected {}", values.len(), range.len()));
            }
            parameters.extend(values);
        }
        Ok(parameters)
    };
    let mut optimizer = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let array = if let Some(name) = name.strip_prefix(OPTIMIZER_SETTINGS) {
            (name, Array::Settings(file::f64s(tensors, &format!("{OPTIMIZER_SETTINGS}{name}"))?))
        } else if let Some(short) = name.strip_prefix(OPTIMIZER) {
            let values = match view.dtype() {
                Dtype::F64 => Array::F64(file::f64s(tensors, name)?),
                _ => Array::F32(file::f32s(tensors, name)?),
            };
            (short, values)
        } else {
            continue;
        };
        optimizer.insert(array.0.to_owned(), array.1);
    }
    let engine = EngineState { online: network("online")?, target: network("target")?, optimizer };
    let best = if numbers("best") > 0 { Some(network("best")?) } else { None };
    Ok(StateParts { engine, best, rest: file::u8s(tensors, REST)? })
}
