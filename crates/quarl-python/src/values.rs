//! Conversions between Python's values and those of the library: settings, events, arrays.

use pyo3::IntoPyObjectExt;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use toml::{Table, Value};

/// A setting's value from Python. `None` is the text "None", which stands for it in keyword arguments of environments.
pub(crate) fn setting(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if value.is_none() {
        return Ok("None".into());
    }
    if value.is_instance_of::<PyBool>() {
        return Ok(value.extract::<bool>()?.into());
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(value.extract::<i64>().map_err(|_| PyValueError::new_err(format!("{value} is too large")))?.into());
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(value.extract::<f64>()?.into());
    }
    if value.is_instance_of::<PyString>() {
        return Ok(value.extract::<String>()?.into());
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        let entry = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok((key.extract()?, setting(&value)?));
        return Ok(dict.iter().map(entry).collect::<PyResult<Table>>()?.into());
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return Ok(Value::Array(value.try_iter()?.map(|item| setting(&item?)).collect::<PyResult<_>>()?));
    }
    // NumPy's scalars.
    if let Ok(item) = value.call_method0("item")
        && !item.is(value)
        && item.get_type().name()? != "ndarray"
    {
        return setting(&item);
    }
    let kind = value.get_type().name()?.to_string();
    Err(PyTypeError::new_err(format!("a setting cannot be a {kind}: expected a number, text, bool, list or dict")))
}

/// Plain data as Python's values.
pub(crate) fn data(py: Python<'_>, value: &serde_json::Value) -> PyResult<Py<PyAny>> {
    match value {
        serde_json::Value::Null => Ok(py.None()),
        serde_json::Value::Bool(value) => value.into_py_any(py),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => whole.into_py_any(py),
            (None, Some(whole)) => whole.into_py_any(py),
            (None, None) => number.as_f64().into_py_any(py),
        },
        serde_json::Value::String(text) => text.into_py_any(py),
        serde_json::Value::Array(values) => {
            values.iter().map(|value| data(py, value)).collect::<PyResult<Vec<_>>>()?.into_py_any(py)
        }
        serde_json::Value::Object(entries) => {
            let dict = PyDict::new(py);
            for (key, value) in entries {
                dict.set_item(key, data(py, value)?)?;
            }
            dict.into_py_any(py)
        }
    }
}

/// Plain data as Python's values. Numbers that JSON cannot represent become `None`.
pub(crate) fn serialised(py: Python<'_>, value: &impl serde::Serialize) -> PyResult<Py<PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    data(py, &value)
}

/// The numbers of a C-contiguous array of 32-bit floats.
pub(crate) fn floats(array: &Bound<'_, PyAny>) -> PyResult<Vec<f32>> {
    PyBuffer::<f32>::get(array)?.to_vec(array.py())
}

/// The truth values of a C-contiguous array of unsigned bytes.
pub(crate) fn flags(array: &Bound<'_, PyAny>) -> PyResult<Vec<bool>> {
    Ok(PyBuffer::<u8>::get(array)?.to_vec(array.py())?.into_iter().map(|flag| flag != 0).collect())
}
