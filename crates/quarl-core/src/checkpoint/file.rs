//! Safetensors files with a header in JSON and a checksum of everything.

use std::borrow::Cow;
use std::collections::HashMap;

use crc32fast::Hasher;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The version of the format that is written. Others are refused.
pub(super) const FORMAT: u32 = 1;

/// The metadata key of the header.
const HEADER: &str = "quarl";
/// The name of the tensor that holds the checksum.
const CHECKSUM: &str = "checksum";

/// A tensor to write.
pub(super) struct Tensor<'a> {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) data: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    pub(super) fn f32(name: impl Into<String>, shape: Vec<usize>, values: &'a [f32]) -> Self {
        Self { name: name.into(), dtype: Dtype::F32, shape, data: bytes(values, |x| x.to_le_bytes()) }
    }

    pub(super) fn f64(name: impl Into<String>, values: &'a [f64]) -> Self {
        let shape = vec![values.len()];
        Self { name: name.into(), dtype: Dtype::F64, shape, data: bytes(values, |x| x.to_le_bytes()) }
    }

    pub(super) fn u32(name: &str, values: &'a [u32]) -> Self {
        let shape = vec![values.len()];
        Self { name: name.to_owned(), dtype: Dtype::U32, shape, data: bytes(values, |x| x.to_le_bytes()) }
    }

    pub(super) fn u8(name: &str, shape: Vec<usize>, values: &'a [u8]) -> Self {
        Self { name: name.to_owned(), dtype: Dtype::U8, shape, data: Cow::Borrowed(values) }
    }
}

/// The little-endian bytes of numbers.
fn bytes<T: bytemuck::Pod, const N: usize>(values: &[T], to_bytes: fn(T) -> [u8; N]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        Cow::Owned(values.iter().flat_map(|value| to_bytes(*value)).collect())
    }
}

/// Reads the tensor `name` of numbers of `N` bytes.
pub(super) fn numbers<T, const N: usize>(
    tensors: &SafeTensors,
    name: &str,
    dtype: Dtype,
    from_bytes: fn([u8; N]) -> T,
) -> Result<Vec<T>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    if view.dtype() != dtype {
        return Err(format!("tensor {name} is {:?}, expected {dtype:?}", view.dtype()));
    }
    Ok(view.data().as_chunks::<N>().0.iter().map(|bytes| from_bytes(*bytes)).collect())
}

pub(super) fn f32s(tensors: &SafeTensors, name: &str) -> Result<Vec<f32>, String> {
    numbers(tensors, name, Dtype::F32, f32::from_le_bytes)
}

pub(super) fn f64s(tensors: &SafeTensors, name: &str) -> Result<Vec<f64>, String> {
    numbers(tensors, name, Dtype::F64, f64::from_le_bytes)
}

pub(super) fn u32s(tensors: &SafeTensors, name: &str) -> Result<Vec<u32>, String> {
    numbers(tensors, name, Dtype::U32, u32::from_le_bytes)
}

pub(super) fn u8s(tensors: &SafeTensors, name: &str) -> Result<Vec<u8>, String> {
    numbers(tensors, name, Dtype::U8, |[byte]: [u8; 1]| byte)
}

/// The bytes of a file, and its checksum.
pub(super) fn encode(header: &impl Serialize, tensors: &[Tensor]) -> Result<(Vec<u8>, u32), Error> {
    let failed = |message: String| Error::State { what: "the checkpoint".to_owned(), message };
    let header = serde_json::to_string(header).map_err(|error| failed(error.to_string()))?;
    let mut views = Vec::with_capacity(tensors.len() + 1);
    for Tensor { name, dtype, shape, data } in tensors {
        let view = TensorView::new(*dtype, shape.clone(), data);
        views.push((name.as_str(), view.map_err(|error| failed(error.to_string()))?));
    }
    let checksum = checksum(&header, &mut views);
    let bytes = checksum.to_le_bytes();
    views.push((CHECKSUM, TensorView::new(Dtype::U32, vec![1], &bytes).map_err(|error| failed(error.to_string()))?));
    let metadata = HashMap::from([(HEADER.to_owned(), header)]);
    let encoded = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))?;
    Ok((encoded, checksum))
}

/// Reads a file's header, its tensors and its checksum, which is verified.
pub(super) fn decode<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, SafeTensors<'_>, u32), String> {
    let damaged = |error: safetensors::SafeTensorError| format!("not a checkpoint of quarl, or damaged ({error})");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let header = header.ok_or("not a checkpoint of quarl: its header is missing")?;
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(header).map_err(|_| "not a checkpoint of quarl".to_owned())?;
    if format != FORMAT {
        return Err(format!(
            "its format is {format}, and this version of quarl reads format {FORMAT}: resume with the version that wrote it, or \
             train again"
        ));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let expected = u32s(&tensors, CHECKSUM)?;
    let mut views = tensors.iter().filter(|(name, _)| *name != CHECKSUM).collect::<Vec<_>>();
    let actual = checksum(header, &mut views);
    if expected != [actual] {
        return Err("damaged: its checksum does not match its contents".to_owned());
    }
    let header = serde_json::from_str(header).map_err(|error| format!("its header is damaged ({error})"))?;
    Ok((header, tensors, actual))
}

/// The CRC-32 (as in PNG and zip) of the header and of every tensor's name, type, shape and data, in the order of names.
fn checksum(header: &str, views: &mut [(&str, TensorView)]) -> u32 {
    views.sort_by_key(|(name, _)| *name);
    let mut hasher = Hasher::new();
    hasher.update(header.as_bytes());
    for (name, view) in views {
        hasher.update(format!("\n{name} {:?} {:?}\n", view.dtype(), view.shape()).as_bytes());
        hasher.update(view.data());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Header {
        format: u32,
        steps: u64,
    }

    fn file(format: u32) -> Vec<u8> {
        let floats = Tensor::f32("a", vec![2, 1], &[1.0, -0.5]);
        encode(&Header { format, steps: 7 }, &[floats, Tensor::u8("b", vec![3], b"xyz")]).unwrap().0
    }

    #[test]
    fn a_file_reads_back_and_other_programs_can_read_it() {
        let bytes = file(FORMAT);
        let (header, tensors, _) = decode::<Header>(&bytes).unwrap();
        assert_eq!(header, Header { format: FORMAT, steps: 7 });
        assert_eq!(f32s(&tensors, "a").unwrap(), [1.0, -0.5]);
        assert_eq!(u8s(&tensors, "b").unwrap(), b"xyz");
        assert!(f32s(&tensors, "b").unwrap_err().contains("tensor b is U8"));
        assert_eq!(SafeTensors::deserialize(&bytes).unwrap().tensor("a").unwrap().shape(), [2, 1]);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let bytes = file(FORMAT);
        for at in 0..bytes.len() {
            assert!(decode::<Header>(&bytes[..at]).is_err(), "cut to {at} bytes");
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert!(decode::<Header>(&bytes).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn another_format_is_named() {
        assert!(decode::<Header>(&file(FORMAT + 1)).unwrap_err().contains("its format is 2"));
    }
}
