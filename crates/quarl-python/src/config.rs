//! The complete configuration of a run.

use std::path::PathBuf;

use pyo3::prelude::*;
use quarl::TrainConfig;
use quarl::config::ConfigBuilder;

use crate::error::OrRaise;
use crate::values;

/// The complete, checked configuration of a run.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct Config {
    pub(crate) inner: TrainConfig,
}

#[pymethods]
impl Config {
    /// Merges a preset, a TOML file and single settings, and checks the result.
    #[new]
    #[pyo3(signature = (settings, *, preset=None, file=None))]
    fn new(
        py: Python<'_>,
        settings: Vec<(String, Bound<'_, PyAny>)>,
        preset: Option<&str>,
        file: Option<PathBuf>,
    ) -> PyResult<Self> {
        let mut builder = match preset {
            Some(preset) => TrainConfig::preset(preset),
            None => ConfigBuilder::default(),
        };
        if let Some(path) = file {
            let text = quarl::read_text_file(&path).or_raise(py)?;
            builder = builder.file(&path.display().to_string(), &text);
        }
        for (key, value) in settings {
            builder = builder.set(&key, values::setting(&value)?);
        }
        Ok(Self { inner: builder.build().or_raise(py)? })
    }

    /// The settings as nested dictionaries.
    fn settings(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        values::serialised(py, &self.inner)
    }

    /// The text of `config.toml`.
    fn to_toml(&self) -> String {
        self.inner.to_commented_toml()
    }
}
