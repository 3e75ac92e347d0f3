//! A trained network as a safetensors file, whose tensors have PyTorch's names and layout.
//!
//! The tensors are `l1.weight` (`[out][in]`), `l1.bias`, `l2.weight`, .. A dueling network ends with `value_hidden` and
//! `value`, `advantage_hidden` and `advantage` (older files without hidden layers in the streams can be read). Noisy layers
//! also have `weight_sigma` and `bias_sigma`. Layer normalisations are `norm1`, .., `value_norm` and `advantage_norm`. The
//! quantile embedding of an implicit head is `embedding`. If observations are normalised, `observation.mean`,
//! `observation.variance` and `observation.count` hold the statistics (in f64; they are not parameters). The header's
//! metadata has one entry, `quarl`: JSON with the environment's id and the network's architecture.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::engine::{Tensor, parameter_layout};
use crate::env::wrappers::ObservationStatistics;
use crate::error::Error;
use crate::network::Architecture;

/// A network with its parameters, and the environment that it was trained in.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The environment's id.
    pub env: String,
    /// The network's architecture.
    pub architecture: Architecture,
    /// All parameters, in the order of [`parameter_layout`].
    pub parameters: Vec<f32>,
    /// The mean and variance that normalise observations, if they are normalised.
    pub observation_statistics: Option<ObservationStatistics>,
}

/// The header's metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    quarl_version: String,
    env: String,
    architecture: Architecture,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    normalized: bool,
}

/// The only key of the metadata. A single key, because the order of several keys would differ between files.
const METADATA_KEY: &str = "quarl";

/// The tensors of the observation statistics: a single number, and one number for each number of an observation.
const STATISTICS: [&str; 3] = ["observation.count", "observation.mean", "observation.variance"];

/// Reads the observation statistics of a model file.
fn statistics(tensors: &SafeTensors, features: usize) -> Result<ObservationStatistics, String> {
    let numbers = |name: &str, len: usize| -> Result<Vec<f64>, String> {
        let view = tensors.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
        if view.dtype() != Dtype::F64 || view.shape() != [len] {
            return Err(format!("tensor {name} is {:?} {:?}, expected F64 [{len}]", view.dtype(), view.shape()));
        }
        Ok(view.data().as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect())
    };
    let [count, mean, variance] = STATISTICS;
    let (count, mean, variance) = (numbers(count, 1)?, numbers(mean, features)?, numbers(variance, features)?);
    ObservationStatistics::from_parts(count[0], mean, variance)
        .ok_or_else(|| "its observation statistics are damaged".to_owned())
}

impl Model {
    /// The bytes of a model file. The same model gives the same bytes.
    ///
    /// # Errors
    /// [`Error::State`] where the number of parameters is not the architecture's, or the architecture is invalid.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        let header = Header {
            quarl_version: env!("CARGO_PKG_VERSION").to_owned(),
            env: self.env.clone(),
            architecture: self.architecture.clone(),
            normalized: self.observation_statistics.is_some(),
        };
        let parameters: Vec<u8> = self.parameters.iter().flat_map(|x| x.to_le_bytes()).collect();
        let failed = |message: String| Error::State { what: "the model".to_owned(), message };
        let mut tensors = Vec::new();
        for Tensor { name, shape, range } in parameter_layout(&self.architecture) {
            let bytes = &parameters[4 * range.start..4 * range.end];
            let view = TensorView::new(Dtype::F32, shape, bytes).map_err(|error| failed(error.to_string()))?;
            tensors.push((name, view));
        }
        let bytes = |numbers: &[f64]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let statistics = self
            .observation_statistics
            .as_ref()
            .map(|statistics| [bytes(&[statistics.count()]), bytes(statistics.mean()), bytes(statistics.variance())]);
        for (name, bytes) in STATISTICS.iter().zip(statistics.iter().flatten()) {
            let view = TensorView::new(Dtype::F64, vec![bytes.len() / 8], bytes);
            tensors.push(((*name).to_owned(), view.map_err(|error| failed(error.to_string()))?));
        }
        let header = serde_json::to_string(&header).map_err(|error| failed(error.to_string()))?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), header)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|error| failed(error.to_string()))
    }

    /// Reads a model from the bytes of a model file.
    ///
    /// # Errors
    /// A sentence that describes what is wrong with the bytes: truncated, not a quarl model, a tensor missing or of the
    /// wrong shape, a parameter that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let damaged = |error: safetensors::SafeTensorError| format!("not a safetensors file, or damaged ({error})");
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
        let header = header.ok_or("not a quarl model: its header does not describe a network")?;
        let header: Header =
            serde_json::from_str(header).map_err(|error| format!("its header is damaged ({})", of_header(&error)))?;
        let Header { env, mut architecture, normalized, .. } = header;
        if architecture.observation_shape.is_empty() {
            architecture.observation_shape = vec![architecture.inputs];
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;

        // Checked before any memory is allocated, because the header may be damaged or malicious.
        architecture.check().map_err(|reason| format!("its header is damaged ({reason})"))?;
        let stored = tensors.tensors().iter().map(|(_, view)| view.data().len() / size_of::<f32>()).sum::<usize>();
        let Some(count) = architecture.parameter_count().filter(|needed| *needed <= stored) else {
            return Err("its header is damaged (a network with more parameters than the file has)".to_owned());
        };
        let mut views = Vec::new();
        for Tensor { name, shape, range } in parameter_layout(&architecture) {
            let view = tensors.tensor(&name).map_err(|_| format!("tensor {name} is missing"))?;
            if view.dtype() != Dtype::F32 || view.shape() != shape {
                return Err(format!("tensor {name} is {:?} {:?}, expected F32 {shape:?}", view.dtype(), view.shape()));
            }
            views.push((range, view));
        }
        let mut values = vec![0.0; count];
        for (range, view) in views {
            let floats = view.data().as_chunks().0.iter().map(|four| f32::from_le_bytes(*four));
            values[range].iter_mut().zip(floats).for_each(|(value, float)| *value = float);
        }
        if values.iter().any(|x| !x.is_finite()) {
            return Err("a parameter is not finite".to_owned());
        }
        let observation_statistics = if normalized { Some(statistics(&tensors, architecture.inputs)?) } else { None };
        Ok(Self { env, architecture, parameters: values, observation_statistics })
    }

    /// Checks that the architecture is valid and that the number of parameters matches it.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), Error> {
        let refused = |message: String| Err(Error::State { what: "the model".to_owned(), message });
        if let Err(reason) = self.architecture.check() {
            return refused(format!("its network is invalid ({reason})"));
        }
        let (expected, actual) = (self.architecture.parameter_count(), self.parameters.len());
        if expected != Some(actual) {
            return refused(format!("it has {actual} parameters, which does not match its network"));
        }
        Ok(())
    }

    /// Writes the model file atomically.
    ///
    /// # Errors
    /// [`Error::Io`] where writing fails.
    #[cfg(feature = "files")]
    pub fn save(&self, path: &std::path::Path) -> Result<(), Error> {
        crate::atomic_write::atomic_write(path, &self.to_bytes()?)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails, [`Error::File`] where the file is damaged, not a model, or not a regular file.
    #[cfg(feature = "files")]
    pub fn load(path: &std::path::Path) -> Result<Self, Error> {
        let bytes = crate::files::read(path)?;
        Self::from_bytes(&bytes).map_err(|message| Error::File { path: path.to_owned(), message })
    }
}

/// The reason why a header cannot be read, in terms of the file.
fn of_header(error: &serde_json::Error) -> String {
    let column = error.column();
    match error.classify() {
        serde_json::error::Category::Data => {
            format!("up to character {column}, a part of the network's description is missing or has the wrong type")
        }
        _ => format!("it is not JSON from character {column} on"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Head;

    fn model() -> Model {
        let architecture = Architecture::plain(2, &[3], 2);
        let count = architecture.parameter_count().unwrap();
        let parameters: Vec<f32> = (0..count).map(|i| i as f32 - 0.5).collect();
        Model { env: "CartPole-v0".to_owned(), architecture, parameters, observation_statistics: None }
    }

    #[test]
    fn a_model_reads_back_as_it_was_and_is_written_the_same_each_time() {
        let bytes = model().to_bytes().unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
        assert_eq!(model().to_bytes().unwrap(), bytes);
    }

    #[test]
    fn tensors_are_named_and_laid_out_as_pytorchs() {
        let bytes = model().to_bytes().unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("l1.weight").unwrap().shape(), [3, 2]);
        assert_eq!(tensors.tensor("l1.bias").unwrap().shape(), [3]);
        assert_eq!(tensors.tensor("l2.weight").unwrap().shape(), [2, 3]);
        // l1.weight[1][0] is the third parameter.
        assert_eq!(tensors.tensor("l1.weight").unwrap().data()[8..12], 1.5_f32.to_le_bytes());
        assert_eq!(tensors.names().len(), 4);
    }

    #[test]
    fn damaged_files_are_refused_wherever_the_damage_is() {
        let bytes = model().to_bytes().unwrap();
        for end in 0..bytes.len() {
            assert!(Model::from_bytes(&bytes[..end]).is_err(), "cut to {end} bytes");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            let _ = Model::from_bytes(&bytes); // an error, or a model with one different number; never a panic
        }
    }

    #[test]
    fn a_model_that_contradicts_itself_is_neither_written_nor_built() {
        let too_few = Model { parameters: vec![0.0; 3], ..model() };
        let unitless = Model { architecture: Architecture::plain(2, &[0], 2), ..model() };
        for broken in [too_few, unitless] {
            assert!(matches!(broken.to_bytes(), Err(Error::State { .. })));
            assert!(matches!(crate::policy::Policy::new(&broken), Err(Error::State { .. })));
        }
    }

    #[test]
    fn a_model_with_an_infinite_parameter_is_refused() {
        let mut broken = model();
        broken.parameters[4] = f32::INFINITY;
        assert_eq!(Model::from_bytes(&broken.to_bytes().unwrap()).unwrap_err(), "a parameter is not finite");
    }

    /// A model file with this architecture in its header and `bytes` bytes in a tensor of each of the architecture's names.
    fn forged(architecture: &Architecture, tensors: Vec<(String, Vec<usize>)>) -> Vec<u8> {
        let header = Header {
            quarl_version: "0".to_owned(),
            env: "CartPole-v0".to_owned(),
            architecture: architecture.clone(),
            normalized: false,
        };
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), serde_json::to_string(&header).unwrap())]);
        let zeros = vec![0; 1 << 16];
        let views = tensors.into_iter().map(|(name, shape)| {
            let bytes = &zeros[..4 * shape.iter().product::<usize>()];
            (name, TensorView::new(Dtype::F32, shape, bytes).unwrap())
        });
        safetensors::serialize(views.collect::<Vec<_>>(), Some(metadata)).unwrap()
    }

    fn tensors_of(architecture: &Architecture) -> Vec<(String, Vec<usize>)> {
        parameter_layout(architecture).into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
    }

    #[test]
    fn a_header_that_asks_for_more_than_the_file_holds_is_refused() {
        let plain = Architecture::plain(4, &[16], 2);
        let huge = 1 << (usize::BITS * 5 / 8);
        for asking in [
            Architecture { inputs: huge, ..plain.clone() },
            Architecture { inputs: usize::MAX, actions: usize::MAX, ..plain.clone() },
            Architecture { hidden: vec![1 << 20, 1 << 20], ..plain.clone() },
            Architecture { hidden: vec![usize::MAX / 2; 3], ..plain.clone() },
            Architecture { actions: 1 << 20, ..plain.clone() },
            Architecture { dueling: true, dueling_hidden: Some(huge), ..plain.clone() },
            Architecture { head: Head::Quantile { quantiles: huge }, ..plain.clone() },
            Architecture { head: Head::Categorical { atoms: huge, v_min: 0.0, v_max: 1.0 }, ..plain.clone() },
            Architecture { head: Head::Implicit { cosines: huge, acting_quantiles: 1 }, ..plain.clone() },
            Architecture { noisy: true, ..Architecture::plain(4, &[1 << 19], 2) },
        ] {
            let error = Model::from_bytes(&forged(&asking, tensors_of(&plain))).unwrap_err();
            assert!(error.starts_with("its header is damaged"), "{asking:?}: {error}");
        }
    }

    #[test]
    fn a_small_file_cannot_ask_for_gigabytes_to_act_with() {
        // 66 kB of tensors, all present; acting with this many quantile levels would take 17 GB.
        let asking = |acting_quantiles| Architecture {
            head: Head::Implicit { cosines: 1, acting_quantiles },
            ..Architecture::plain(1, &[1 << 12], 1)
        };
        let forge = |architecture: &Architecture| Model::from_bytes(&forged(architecture, tensors_of(&asking(1))));
        let error = forge(&asking(1 << 20)).unwrap_err();
        assert!(error.contains("acting_quantiles"), "{error}");
        assert!(forge(&asking(32)).is_ok());
        let cosines = Architecture {
            head: Head::Implicit { cosines: 1_000_000_000, acting_quantiles: 32 },
            ..Architecture::plain(1, &[1 << 12], 1)
        };
        let error = forge(&cosines).unwrap_err();
        assert!(error.contains("cosines = 1000000000 ") && !error.contains("acting_quantiles"), "{error}");
    }

    #[test]
    fn a_header_that_cannot_be_read_is_described_in_the_files_terms() {
        let with = |header: &str| {
            let metadata = HashMap::from([(METADATA_KEY.to_owned(), header.to_owned())]);
            let none: Vec<(String, TensorView)> = Vec::new();
            Model::from_bytes(&safetensors::serialize(none, Some(metadata)).unwrap()).unwrap_err()
        };
        for header in
            ["{", "[]", r#"{"env": 3}"#, r#"{"quarl_version": "0", "env": "a", "architecture": {"inputs": -1}}"#]
        {
            let error = with(header);
            assert!(error.starts_with("its header is damaged ("), "{error}");
            for word in ["usize", "expected", "struct", "invalid type"] {
                assert!(!error.contains(word), "{error}");
            }
        }
    }

    #[test]
    fn a_header_without_sense_is_refused() {
        let plain = Architecture::plain(4, &[16], 2);
        let categorical =
            |atoms, v_min, v_max| Architecture { head: Head::Categorical { atoms, v_min, v_max }, ..plain.clone() };
        for senseless in [
            Architecture { inputs: 0, ..plain.clone() },
            Architecture { hidden: vec![0], ..plain.clone() },
            Architecture { actions: 0, ..plain.clone() },
            Architecture { dueling: true, dueling_hidden: Some(0), ..plain.clone() },
            Architecture { head: Head::Quantile { quantiles: 0 }, ..plain.clone() },
            Architecture { head: Head::Implicit { cosines: 1, acting_quantiles: 0 }, ..plain.clone() },
            categorical(1, 0.0, 1.0),
            categorical(2, 1.0, 1.0),
            categorical(2, 1.0, 1.0 + 1e-12),
            categorical(2, -1e300, 1e300),
        ] {
            let error = Model::from_bytes(&forged(&senseless, tensors_of(&plain))).unwrap_err();
            assert!(error.starts_with("its header is damaged"), "{senseless:?}: {error}");
        }
    }

    #[test]
    fn a_dueling_model_file_names_both_streams_and_one_from_before_they_had_hidden_layers_is_still_read() {
        let now = Architecture { dueling: true, dueling_hidden: Some(3), ..Architecture::plain(2, &[4], 2) };
        let before = Architecture { dueling_hidden: None, ..now.clone() };
        for (architecture, expected) in [
            (&now, &["advantage", "advantage_hidden", "l1", "value", "value_hidden"][..]),
            (&before, &["advantage", "l1", "value"]),
        ] {
            let bytes = forged(architecture, tensors_of(architecture));
            let model = Model::from_bytes(&bytes).unwrap();
            assert_eq!(model.architecture, *architecture);
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let mut weights: Vec<&str> =
                tensors.names().iter().filter_map(|name| name.strip_suffix(".weight")).collect();
            weights.sort_unstable();
            assert_eq!(weights, expected);
        }
        // The header of such a file does not mention hidden layers of the streams.
        let header = serde_json::to_string(&before).unwrap();
        assert!(!header.contains("dueling_hidden"), "{header}");
    }
}
