//! The complete configuration of a run.

use pyo3::prelude::*;
use quarl::TrainConfig;
use quarl::config::ConfigBuilder;
use serde::{Deserialize, Serialize};

use crate::error::OrRaise;
use crate::values;

/// The complete, checked configuration of a run.
#[pyclass(frozen, module = "quarl._quarl")]
pub(crate) struct Config {
    pub(crate) inner: TrainConfig,
    pub(crate) source: Source,
}

/// What a configuration was made from. It is kept with a run, so that a longer budget gives the same configuration in a loaded
/// run as in one that goes on: schedules may be shares of the budget.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) preset: Option<String>,
    /// The name and the text of a TOML file.
    pub(crate) file: Option<(String, String)>,
    pub(crate) settings: Vec<(String, toml::Value)>,
}

impl Source {
    fn build(&self) -> Result<TrainConfig, quarl::Error> {
        let mut builder = match &self.preset {
            Some(preset) => TrainConfig::preset(preset),
            None => ConfigBuilder::default(),
        };
        if let Some((name, text)) = &self.file {
            builder = builder.file(name, text);
        }
        self.settings.iter().fold(builder, |builder, (key, value)| builder.set(key, value.clone())).build()
    }
}

#[pymethods]
impl Config {
    /// Merges a preset, a TOML file (its name and text) and single settings, and checks the result.
    #[new]
    #[pyo3(signature = (settings, *, preset=None, file=None))]
    fn new(
        py: Python<'_>,
        settings: Vec<(String, Bound<'_, PyAny>)>,
        preset: Option<String>,
        file: Option<(String, String)>,
    ) -> PyResult<Self> {
        let settings = settings.into_iter().map(|(key, value)| Ok((key, values::setting(&value)?)));
        let source = Source { preset, file, settings: settings.collect::<PyResult<_>>()? };
        Ok(Self { inner: source.build().or_raise(py)?, source })
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

/// The text of a file.
#[pyfunction]
pub(crate) fn read_text_file(py: Python<'_>, path: std::path::PathBuf) -> PyResult<String> {
    quarl::read_text_file(&path).or_raise(py)
}
