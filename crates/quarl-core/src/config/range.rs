//! Ranges of numbers: membership, description, and checks in single precision.

use toml::Value;

use super::errors::{invalid, not_expected, show};
use super::settings::Setting;
use crate::error::Error;

/// The range of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    low: f64,
    high: f64,
    /// Whether the lower and the upper end are excluded.
    open: (bool, bool),
    /// Whether 0 is excluded.
    nonzero: bool,
}

impl Bounds {
    pub(crate) const ANY: Self =
        Self { low: f64::NEG_INFINITY, high: f64::INFINITY, open: (false, false), nonzero: false };

    fn contains(&self, x: f64, low: f64, high: f64) -> bool {
        (if self.open.0 { x > low } else { x >= low })
            && (if self.open.1 { x < high } else { x <= high })
            && !(self.nonzero && x == 0.0)
    }

    /// Whether a whole number is in the range.
    pub(crate) fn contains_integer(&self, x: i64) -> bool {
        self.contains(x as f64, self.low, self.high)
    }

    /// Checks a value of `key`. Training computes in single precision, so a number is also refused if rounding to single
    /// precision makes it infinite, 0, or equal to an end of the range.
    pub(crate) fn check(&self, key: &str, x: f64) -> Result<f64, Error> {
        if !x.is_finite() || !self.contains(x, self.low, self.high) {
            return Err(not_expected(key, &Value::Float(x), &f64::expected(self)));
        }
        let (single, low, high) = (x as f32, self.low as f32, self.high as f32);
        let shown = show(&Value::Float(x));
        if single.is_infinite() {
            return Err(invalid(
                key,
                format!("{shown} is too large for single precision: choose at most 3.4e38 in size"),
            ));
        }
        if x != 0.0 && !single.is_normal() {
            return Err(invalid(
                key,
                format!("{shown} is too close to 0 for single precision: choose at least 1.2e-38 in size"),
            ));
        }
        let inside = self.contains(single.into(), low.into(), high.into());
        if !inside || (single == high && x != self.high) {
            let rounded = show(&Value::Float(single.into()));
            let remedy = format!("choose {}, at a distance that single precision can show", f64::expected(self));
            return Err(invalid(key, format!("{shown} becomes {rounded} in single precision: {remedy}")));
        }
        Ok(x)
    }

    /// The JSON Schema of a number in the range: of type `number` or `integer`.
    pub(crate) fn schema(&self, number_type: &str) -> serde_json::Value {
        let mut schema = serde_json::json!({ "type": number_type });
        let ends = [
            (self.low, if self.open.0 { "exclusiveMinimum" } else { "minimum" }),
            (self.high, if self.open.1 { "exclusiveMaximum" } else { "maximum" }),
        ];
        for (end, keyword) in ends.into_iter().filter(|(end, _)| end.is_finite()) {
            let is_whole = end.fract() == 0.0 && end.abs() < 1e15;
            schema[keyword] = if is_whole { (end as i64).into() } else { end.into() };
        }
        if self.nonzero {
            schema["not"] = serde_json::json!({ "const": 0 });
        }
        schema
    }

    /// The range as text after `a number`; empty for an unlimited range.
    pub(crate) fn words(&self) -> String {
        // Without an exponent for up to ten digits.
        let plain = |x: f64| x == 0.0 || (1e-3..1e10).contains(&x.abs());
        let [low, high] = [self.low, self.high].map(|x| if plain(x) { x.to_string() } else { format!("{x:?}") });
        match (self.low.is_finite(), self.high.is_finite(), self.open) {
            (false, false, _) if self.nonzero => " other than 0".to_owned(),
            (false, false, _) => String::new(),
            (true, false, (false, _)) => format!(" of at least {low}"),
            (true, false, (true, _)) => format!(" above {low}"),
            (false, true, (_, false)) => format!(" of at most {high}"),
            (false, true, (_, true)) => format!(" below {high}"),
            (true, true, (false, false)) => format!(" from {low} to {high}"),
            (true, true, (false, true)) => format!(" from {low} to below {high}"),
            (true, true, (true, false)) => format!(" above {low} and at most {high}"),
            (true, true, (true, true)) => format!(" above {low} and below {high}"),
        }
    }
}

/// Any number except 0.
pub(crate) fn not_zero() -> Bounds {
    Bounds { nonzero: true, ..Bounds::ANY }
}

/// At least `low`.
pub(crate) fn at_least(low: impl Into<f64>) -> Bounds {
    Bounds { low: low.into(), ..Bounds::ANY }
}

/// At most `high`.
pub(crate) fn at_most(high: impl Into<f64>) -> Bounds {
    Bounds { high: high.into(), ..Bounds::ANY }
}

/// Above `low`.
pub(crate) fn above(low: impl Into<f64>) -> Bounds {
    Bounds { low: low.into(), open: (true, false), ..Bounds::ANY }
}

/// From `low` to `high`, both included.
pub(crate) fn from_to(low: impl Into<f64>, high: impl Into<f64>) -> Bounds {
    Bounds { low: low.into(), high: high.into(), ..Bounds::ANY }
}

/// From `low` to below `high`.
pub(crate) fn from_to_below(low: impl Into<f64>, high: impl Into<f64>) -> Bounds {
    Bounds { open: (false, true), ..from_to(low, high) }
}

/// Above `low`, at most `high`.
pub(crate) fn above_to(low: impl Into<f64>, high: impl Into<f64>) -> Bounds {
    Bounds { open: (true, false), ..from_to(low, high) }
}
