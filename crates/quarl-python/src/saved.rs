//! A run that is read from a directory or a checkpoint.

use std::path::PathBuf;

use pyo3::prelude::*;
use quarl::train::Evaluation;
use serde::{Deserialize, Serialize};

use crate::config::Source;
use crate::error::OrRaise;
use crate::values;

/// A run at its latest checkpoint.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct SavedRun {
    pub(crate) inner: quarl::run::SavedRun,
}

/// What this package keeps in a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) source: Source,
    /// The evaluations with the return of each episode, which the table does not have.
    pub(crate) evaluations: Vec<Evaluation>,
    /// The number of first ones whose single returns are unknown.
    pub(crate) summarised: usize,
}

impl SavedRun {
    /// What this package has kept; `None` for a run that the command has written.
    pub(crate) fn kept(&self) -> Option<Kept> {
        serde_json::from_value(self.inner.program()?.clone()).ok()
    }
}

#[pymethods]
impl SavedRun {
    /// The run in a directory, or of a checkpoint's file; `None` where there is no checkpoint.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Option<Self>> {
        Ok(quarl::run::SavedRun::load(&path).or_raise(py)?.map(|inner| Self { inner }))
    }

    /// The number of environment steps.
    #[getter]
    fn env_steps(&self) -> u64 {
        self.inner.env_steps()
    }

    /// The preset, the file and the settings that the run was configured with: for a run of the command, its configuration as
    /// a file.
    fn source(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.kept() {
            Some(kept) => values::serialised(py, &kept.source),
            None => {
                let file = ("config.toml".to_owned(), self.inner.config().or_raise(py)?.to_commented_toml());
                values::serialised(py, &Source { preset: None, file: Some(file), settings: Vec::new() })
            }
        }
    }
}
