//! Trained agents as files for other programs: ONNX, Rust without the standard library, and C.
//!
//! Each export is one file with everything that acting greedily needs: the normalisation of observations, the network with its
//! effective parameters (noisy layers without noise, normalised weights computed), the head's Q-values, and the action with the
//! largest Q-value (the lowest index among equals). An implicit head acts with its fixed quantile levels, so their embedding is a
//! constant. Results equal those of [`Policy`](crate::Policy) up to rounding.
//!
//! ```
//! # let mut config = quarl::config::TrainConfig::preset("textbook").build()?;
//! # config.training.episodes = Some(1);
//! # let mut trainer = quarl::train::Trainer::new(config)?;
//! # (&mut trainer).try_for_each(|event| event.map(|_| ()))?;
//! use quarl::export::{Format, export};
//!
//! let header = export(&trainer.model(), Format::C)?;
//! assert!(String::from_utf8(header).unwrap().contains("quarl_act"));
//! # Ok::<(), quarl::Error>(())
//! ```

mod c;
mod network;
mod onnx;
mod rust;

use crate::error::Error;
use crate::model::Model;
use network::Network;

/// The format of an exported agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An ONNX model (opset 17). Input `observation`, `float32 [batch, numbers]`; outputs `q_values`, `float32 [batch, actions]`,
    /// and `action`, `int64 [batch]`.
    Onnx,
    /// A Rust module that uses `core` only: `act(&[f32; OBSERVATION]) -> usize` and `q_values(&[f32; OBSERVATION])`.
    Rust,
    /// A C header (C99, with `math.h`): `quarl_act` and `quarl_q_values`.
    C,
}

impl Format {
    /// The usual extension of a file of this format.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Rust => "rs",
            Format::C => "h",
        }
    }
}

/// The bytes of the file for an agent. The same model gives the same bytes.
///
/// # Errors
/// [`Error::State`] where the model is inconsistent.
pub fn export(model: &Model, format: Format) -> Result<Vec<u8>, Error> {
    let network = Network::new(model)?;
    Ok(match format {
        Format::Onnx => onnx::write(&network),
        Format::Rust => rust::write(&network).into_bytes(),
        Format::C => c::write(&network).into_bytes(),
    })
}
