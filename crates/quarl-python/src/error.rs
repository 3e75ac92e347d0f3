//! Errors of the library as Python exceptions, which `quarl/_errors.py` declares.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use pyo3::types::PyType;
use quarl::Error;

/// The exception for an error, with the same text.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::Setting { .. }
        | Error::MissingKeys { .. }
        | Error::Config { .. }
        | Error::UnknownEnvironment { .. }
        | Error::UnknownPreset { .. }
        | Error::CpuPath { .. } => "ConfigError",
        Error::InvalidAction { .. }
        | Error::ObservationLength { .. }
        | Error::MaskLength { .. }
        | Error::UnexpectedMask => "InputError",
        Error::TooFewTransitions { .. } => "ReplayError",
        Error::NotFinite { .. } => "DivergenceError",
        Error::State { .. } => "StateError",
        Error::File { .. }
        | Error::Io { .. }
        | Error::Exists { .. }
        | Error::Occupied { .. }
        | Error::Locked { .. }
        | Error::Draw { .. } => "FileError",
        Error::Internal { .. } => "InternalError",
        // Everything else comes from an environment.
        _ => "EnvError",
    };
    named(py, class, error.to_string())
}

/// The exception `quarl.CLASS` with this text.
pub(crate) fn named(py: Python<'_>, class: &str, message: String) -> PyErr {
    let find = || py.import("quarl._errors")?.getattr(class)?.cast_into::<PyType>().map_err(PyErr::from);
    find().map_or_else(|error| error, |class| PyErr::from_type(class, message))
}

/// `map_err` for results of the library.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception for the error.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error))
    }
}

/// The result of `work`. A panic, which is a defect of quarl, becomes [`Error::Internal`], because PyO3's exception for it is none
/// that a program expects: it is no `Exception`.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::Internal { message })
    })
}
