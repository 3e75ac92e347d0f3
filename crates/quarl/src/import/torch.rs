//! The tensors of a `.pth` file: a zip archive of a pickle and of one entry of numbers for each storage.

use std::collections::BTreeMap;

use super::pickle::{self, PickledTensor};
use super::zip::{Archive, shown};

/// A tensor of 32-bit floating-point numbers, in row-major order.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// The tensors of a file by name.
///
/// # Errors
/// A sentence that describes what is wrong with the file.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let archive = Archive::read(bytes)?;
    let mut roots = archive.names().filter_map(|name| name.strip_suffix("/data.pkl"));
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err("it has not one data.pkl, as files of torch.save have since PyTorch 1.6".to_owned());
    };
    if archive.get(&format!("{root}/byteorder")).is_some_and(|order| order != b"little") {
        return Err("it was written on a big-endian machine".to_owned());
    }
    let pickled = pickle::read(archive.get(&format!("{root}/data.pkl")).unwrap_or_default())?;
    // Several tensors can share a storage; without this limit a small file could ask for much memory.
    let len = |tensor: &PickledTensor| tensor.shape.iter().try_fold(1_usize, |len, size| len.checked_mul(*size));
    let total = pickled.iter().try_fold(0_usize, |total, (_, tensor)| total.checked_add(len(tensor)?));
    if total.is_none_or(|total| total > bytes.len() / size_of::<f32>()) {
        return Err("its tensors have more numbers than the file".to_owned());
    }
    let mut tensors = BTreeMap::new();
    for (name, tensor) in &pickled {
        let refused = |what: &str| Err(format!("tensor '{}' {what}", shown(name)));
        let storage = archive.get(&format!("{root}/data/{}", tensor.storage)).unwrap_or_default();
        let (numbers, rest) = storage.as_chunks::<4>();
        if numbers.len() != tensor.storage_len || !rest.is_empty() {
            return refused("has not the numbers that the file announces");
        }
        if !is_contiguous(tensor) {
            return refused("is a view of another tensor");
        }
        let end = len(tensor).and_then(|len| tensor.offset.checked_add(len));
        let Some(numbers) = end.and_then(|end| numbers.get(tensor.offset..end)) else {
            return refused("has more numbers than its storage");
        };
        let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if tensors.insert(name.to_string(), Tensor { shape: tensor.shape.clone(), values }).is_some() {
            return refused("occurs twice");
        }
    }
    Ok(tensors)
}

/// Whether the numbers of a tensor lie in row-major order without gaps.
fn is_contiguous(tensor: &PickledTensor) -> bool {
    let mut step = 1_usize;
    tensor.shape.len() == tensor.strides.len()
        && tensor.shape.iter().zip(&tensor.strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == step;
            step = step.saturating_mul(*size);
            fits
        })
}
