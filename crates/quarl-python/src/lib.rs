//! The native module `quarl._quarl` of the Python package. The package's Python files are in `python/quarl`.

mod agent;
mod builtin;
mod config;
mod environment;
mod error;
mod policy;
mod replay;
mod saved;
mod training;
mod values;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command `quarl` and returns its exit status.
#[pyfunction]
fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| quarl_cli::run(arguments))
}

/// The seeds of the first resets of the environments of a run.
#[pyfunction]
fn reset_seeds(seed: u64, environments: u64) -> Vec<u64> {
    (0..environments).map(|i| quarl::rng::reset_seed(seed, i)).collect()
}

/// The native part of the package quarl.
#[pymodule]
fn _quarl(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SPACES", include_str!("../../quarl-core/src/env/gym/spaces.py"))?;
    module.add("BUILT_IN", quarl::env::ids().to_vec())?;
    module.add_function(wrap_pyfunction!(run_command, module)?)?;
    module.add_function(wrap_pyfunction!(reset_seeds, module)?)?;
    module.add_function(wrap_pyfunction!(config::read_text_file, module)?)?;
    module.add_function(wrap_pyfunction!(builtin::built_in_spec, module)?)?;
    module.add_class::<agent::Agent>()?;
    module.add_class::<builtin::BuiltIn>()?;
    module.add_class::<builtin::BuiltInVector>()?;
    module.add_class::<replay::Replay>()?;
    module.add_class::<config::Config>()?;
    module.add_class::<policy::Policy>()?;
    module.add_class::<saved::SavedRun>()?;
    module.add_class::<training::Training>()?;
    Ok(())
}
