//! The replay buffer of a checkpoint, in files of its own.
//!
//! The places of the buffer are divided into segments, each with a file. A file never changes: its name contains the version of
//! its transitions, so a checkpoint writes only the segments that have changed since the one before, and shares the others.

use std::ops::Range;
use std::path::Path;

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};

use super::file::{self, FORMAT, Tensor};
use crate::atomic_write::atomic_write;
use crate::error::Error;
use crate::files;
use crate::observations::{Observations, ObservationsView};
use crate::replay::{Replay, ReplayHeader, TransitionArrays, TransitionArraysView};

/// The size of a segment in bytes, about.
const BYTES: usize = 1 << 19;

/// The header of a segment.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The first place of its transitions.
    first_place: usize,
    /// Their number.
    transitions: usize,
}

/// The number of transitions in a segment: a power of two, so that checkpoints of one run always agree.
pub(super) fn transitions(replay: &ReplayHeader) -> usize {
    (BYTES / replay.bytes_per_transition().max(1)).next_power_of_two().max(2) / 2
}

/// The segments of a buffer, each with the name of its file.
pub(super) fn segments(replay: &ReplayHeader, transitions: usize) -> impl Iterator<Item = (Range<usize>, String)> + '_ {
    let starts = (0..replay.len()).step_by(transitions.max(1));
    starts.enumerate().map(move |(index, start)| {
        let places = start..replay.len().min(start.saturating_add(transitions));
        let name = format!("replay-{index:05}-{:012}.safetensors", replay.version(&places));
        (places, name)
    })
}

/// Whether this is the name of a segment's file.
pub(super) fn is_segment(name: &str) -> bool {
    let numbers = name.strip_prefix("replay-").and_then(|rest| rest.strip_suffix(".safetensors"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.and_then(|rest| rest.split_once('-')).is_some_and(|(index, version)| is_number(index) && is_number(version))
}

/// Writes a segment and returns its checksum.
pub(super) fn write(replay: &Replay, places: Range<usize>, path: &Path) -> Result<u32, Error> {
    let header = Header { format: FORMAT, first_place: places.start, transitions: places.len() };
    let features = replay.features();
    let TransitionArraysView { obs, actions, rewards, discounts, next_obs, next_masks } = replay.arrays(places);
    let n = actions.len();
    let masks: Vec<u8> = next_masks.iter().map(|allowed| u8::from(*allowed)).collect();
    let mut tensors = vec![
        observations("obs", n, features, obs),
        Tensor::u32("action", actions),
        Tensor::f32("reward", vec![n], rewards),
        Tensor::f32("discount", vec![n], discounts),
        observations("next_obs", n, features, next_obs),
    ];
    if !masks.is_empty() {
        tensors.push(Tensor::u8("next_mask", vec![n, masks.len() / n], &masks));
    }
    let (bytes, checksum) = file::encode(&header, &tensors)?;
    atomic_write(path, &bytes)?;
    Ok(checksum)
}

fn observations<'a>(name: &str, n: usize, features: usize, values: ObservationsView<'a>) -> Tensor<'a> {
    match values {
        ObservationsView::F32(values) => Tensor::f32(name, vec![n, features], values),
        ObservationsView::U8(values) => Tensor::u8(name, vec![n, features], values),
    }
}

/// Reads a segment with this checksum.
pub(super) fn read(
    replay: &ReplayHeader,
    places: Range<usize>,
    path: &Path,
    checksum: u32,
) -> Result<TransitionArrays, Error> {
    let bytes = files::read(path)?;
    let refused = |message: String| Error::File { path: path.to_owned(), message };
    let (header, tensors, actual): (Header, _, _) = file::decode(&bytes).map_err(refused)?;
    let expected = Header { format: FORMAT, first_place: places.start, transitions: places.len() };
    if actual != checksum || header != expected {
        return Err(refused("it belongs to another checkpoint".to_owned()));
    }
    arrays(replay, &tensors).map_err(refused)
}

fn arrays(replay: &ReplayHeader, tensors: &SafeTensors) -> Result<TransitionArrays, String> {
    let observations = |name: &str| match replay.bytes {
        true => file::u8s(tensors, name).map(Observations::U8),
        false => file::f32s(tensors, name).map(Observations::F32),
    };
    let masks = if replay.masked_actions > 0 { file::u8s(tensors, "next_mask")? } else { Vec::new() };
    Ok(TransitionArrays {
        obs: observations("obs")?,
        actions: file::u32s(tensors, "action")?,
        rewards: file::f32s(tensors, "reward")?,
        discounts: file::f32s(tensors, "discount")?,
        next_obs: observations("next_obs")?,
        next_masks: masks.into_iter().map(|allowed| allowed != 0).collect(),
    })
}
