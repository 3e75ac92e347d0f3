//! The types of settings, except choices and schedules.

use serde_json::json;
use toml::{Table, Value};

use super::settings::{Bounds, Context, Setting, invalid, not_expected};
use crate::error::Error;

/// Whole numbers, within the range that TOML can represent.
macro_rules! whole_numbers {
    ($($type:ty),*) => { $(
        impl Setting for $type {
            const NAME: &'static str = "whole number";

            fn expected(bounds: &Bounds) -> String {
                format!("a whole number{}", bounds.words())
            }

            fn schema(bounds: &Bounds) -> serde_json::Value {
                bounds.schema("integer")
            }

            fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
                let number = value.as_integer().filter(|number| bounds.contains_integer(*number));
                let Some(number) = number else { return Err(not_expected(key, value, &Self::expected(bounds))) };
                let largest = <$type>::MAX;
                number.try_into().map_err(|_| invalid(key, format!("{number} is not a whole number from 0 to {largest}")))
            }

            fn write(&self) -> Option<Value> {
                Some(Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX)))
            }
        }
    )* };
}
whole_numbers!(u32, u64, usize);

impl Setting for f64 {
    const NAME: &'static str = "number";

    fn expected(bounds: &Bounds) -> String {
        format!("a number{}", bounds.words())
    }

    fn schema(bounds: &Bounds) -> serde_json::Value {
        bounds.schema("number")
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
        match number(value) {
            // As it was written: 2 instead of 2.0.
            Some(x) => bounds.check(key, x).map_err(|error| match (value, x.is_finite()) {
                (Value::Integer(_), true) => not_expected(key, value, &Self::expected(bounds)),
                _ => error,
            }),
            None => Err(not_expected(key, value, &Self::expected(bounds))),
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Float(*self))
    }
}

/// A number with or without a decimal point.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

impl Setting for bool {
    const NAME: &'static str = "true or false";

    fn expected(_: &Bounds) -> String {
        "true or false".to_owned()
    }

    fn schema(_: &Bounds) -> serde_json::Value {
        json!({ "type": "boolean" })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
        value.as_bool().ok_or_else(|| not_expected(key, value, &Self::expected(bounds)))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Boolean(*self))
    }
}

impl Setting for String {
    const NAME: &'static str = "text";

    fn expected(_: &Bounds) -> String {
        "a text".to_owned()
    }

    fn schema(_: &Bounds) -> serde_json::Value {
        json!({ "type": "string" })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
        value.as_str().map(str::to_owned).ok_or_else(|| not_expected(key, value, &Self::expected(bounds)))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }
}

/// An optional key: if it is absent, the feature is off.
impl<T: Setting> Setting for Option<T> {
    const NAME: &'static str = T::NAME;
    const CHOICES: &'static [(&'static str, &'static str)] = T::CHOICES;

    fn expected(bounds: &Bounds) -> String {
        T::expected(bounds)
    }

    fn schema(bounds: &Bounds) -> serde_json::Value {
        T::schema(bounds)
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, context: &Context) -> Result<Self, Error> {
        T::read(key, value, bounds, context).map(Some)
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(T::write)
    }
}

/// The numbers of units of the hidden layers.
impl Setting for Vec<usize> {
    const NAME: &'static str = "list of whole numbers";

    fn expected(bounds: &Bounds) -> String {
        format!("a list of whole numbers{}, such as [128, 128]", bounds.words())
    }

    fn schema(bounds: &Bounds) -> serde_json::Value {
        json!({ "type": "array", "items": usize::schema(bounds) })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, context: &Context) -> Result<Self, Error> {
        let wrong = || not_expected(key, value, &Self::expected(bounds));
        let items = value.as_array().ok_or_else(wrong)?;
        items.iter().map(|item| usize::read(key, item, bounds, context).map_err(|_| wrong())).collect()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Array(self.iter().filter_map(usize::write).collect()))
    }
}

/// A list of names.
impl Setting for Vec<String> {
    const NAME: &'static str = "list of texts";

    fn expected(_: &Bounds) -> String {
        "a list of texts, such as [\"ale_py\"]".to_owned()
    }

    fn schema(_: &Bounds) -> serde_json::Value {
        json!({ "type": "array", "items": { "type": "string" } })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
        let texts = value.as_array().map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)));
        texts.and_then(Iterator::collect).ok_or_else(|| not_expected(key, value, &Self::expected(bounds)))
    }

    fn write(&self) -> Option<Value> {
        Some(self.clone().into())
    }
}

/// An interval.
impl Setting for [f64; 2] {
    const NAME: &'static str = "list of two numbers, the smaller one first";

    fn expected(bounds: &Bounds) -> String {
        format!("two numbers{}, the smaller one first, such as [-1.0, 1.0]", bounds.words())
    }

    fn schema(bounds: &Bounds) -> serde_json::Value {
        json!({ "type": "array", "items": f64::schema(bounds), "minItems": 2, "maxItems": 2 })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
        let wrong = || not_expected(key, value, &Self::expected(bounds));
        let Some([low, high]) = value.as_array().map(Vec::as_slice) else { return Err(wrong()) };
        let (Some(low), Some(high)) = (number(low), number(high)) else { return Err(wrong()) };
        for x in [low, high] {
            bounds.check(key, x)?;
        }
        if low < high && low as f32 >= high as f32 {
            return Err(invalid(
                key,
                format!("{low:?} and {high:?} are equal in single precision: choose them further apart"),
            ));
        }
        if low < high { Ok([low, high]) } else { Err(wrong()) }
    }

    fn write(&self) -> Option<Value> {
        Some(self.to_vec().into())
    }
}

/// Keyword arguments.
impl Setting for Table {
    const NAME: &'static str = "table";

    fn expected(_: &Bounds) -> String {
        "a table, such as { continuous = false }".to_owned()
    }

    fn schema(_: &Bounds) -> serde_json::Value {
        json!({ "type": "object" })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, _: &Context) -> Result<Self, Error> {
        value.as_table().cloned().ok_or_else(|| not_expected(key, value, &Self::expected(bounds)))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Table(self.clone()))
    }
}
