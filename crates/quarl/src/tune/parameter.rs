//! One parameter of a search space: its values, and their coordinates for samplers.

use std::fmt;

use toml::{Table, Value};

use crate::config::settings::{invalid, show};
use crate::error::Error;
use crate::suggest;

/// A key that a study varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The key, such as `agent.gamma`, or an entry of a schedule, such as `optimizer.lr.from`.
    pub key: String,
    /// The values to search.
    pub values: Values,
}

/// The values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers from `low` to `high`, uniform or, if `log`, uniform in their logarithm.
    Numbers {
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
        /// Whether the logarithm is searched.
        log: bool,
    },
    /// Whole numbers from `low` to `high`.
    Integers {
        /// The smallest value.
        low: i64,
        /// The largest value.
        high: i64,
        /// Whether the logarithm is searched.
        log: bool,
    },
    /// These values, without an order.
    Choices(Vec<Value>),
}

const EXPECTED: &str =
    "expected { low = .., high = .. }, with log = true for a logarithmic range, or { choices = [..] }";

impl Values {
    /// Reads the values of a key of numbers, of whole numbers, or of neither.
    pub(super) fn read(key: &str, description: &Value, is_number: bool, whole: bool) -> Result<Self, Error> {
        let refused = |message: String| Err(invalid(key, message));
        let Value::Table(table) = description else { return refused(EXPECTED.to_owned()) };
        if let Some(unknown) = table.keys().find(|name| !["low", "high", "log", "choices"].contains(&name.as_str())) {
            let remedy = suggest::remedy(unknown, &["low", "high", "log", "choices"]);
            return refused(format!("unknown entry {unknown}: {remedy}"));
        }
        match (table.get("choices"), table.get("low"), table.get("high")) {
            (Some(Value::Array(choices)), None, None) if !choices.is_empty() && !table.contains_key("log") => {
                let repeated = choices.iter().enumerate().find(|(i, choice)| choices[..*i].contains(choice));
                match repeated {
                    Some((_, choice)) => refused(format!("{} is given twice: remove one", show(choice))),
                    None => Ok(Self::Choices(choices.clone())),
                }
            }
            (None, Some(low), Some(high)) if is_number => Self::range(key, table, [low, high], whole),
            (None, Some(_), Some(_)) => refused("a range is for numbers: give { choices = [..] }".to_owned()),
            _ => refused(EXPECTED.to_owned()),
        }
    }

    fn range(key: &str, table: &Table, [low, high]: [&Value; 2], whole: bool) -> Result<Self, Error> {
        let log = match table.get("log") {
            None => false,
            Some(Value::Boolean(log)) => *log,
            Some(other) => return Err(invalid(key, format!("log is {}: expected true or false", show(other)))),
        };
        let number = |name: &str, value: &Value| {
            let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
            let number = number.filter(|number| number.is_finite() && !(whole && value.as_integer().is_none()));
            let kind = if whole { "whole number" } else { "number" };
            number.ok_or_else(|| invalid(key, format!("{name} is {}: expected a {kind}", show(value))))
        };
        let (least, most) = (number("low", low)?, number("high", high)?);
        if least >= most {
            let message = format!("low is {} and high is {}: low has to be below high", show(low), show(high));
            return Err(invalid(key, message));
        }
        if log && least <= 0.0 {
            return Err(invalid(key, format!("low is {}: a logarithmic range needs low above 0", show(low))));
        }
        Ok(match (low.as_integer(), high.as_integer()) {
            (Some(low), Some(high)) if whole => Self::Integers { low, high, log },
            _ => Self::Numbers { low: least, high: most, log },
        })
    }

    /// The values at the ends of a range, or all choices.
    pub(super) fn extremes(&self) -> Vec<Value> {
        match self {
            Self::Numbers { low, high, .. } => vec![Value::Float(*low), Value::Float(*high)],
            Self::Integers { low, high, .. } => vec![Value::Integer(*low), Value::Integer(*high)],
            Self::Choices(choices) => choices.clone(),
        }
    }

    /// The number of choices; `None` for a range.
    pub(super) fn choices(&self) -> Option<usize> {
        match self {
            Self::Choices(choices) => Some(choices.len()),
            _ => None,
        }
    }

    /// The value at a position from 0 to 1 within a range; for choices, each has an equal share. Numbers have four
    /// significant digits.
    pub fn at(&self, share: f64) -> Value {
        let share = share.clamp(0.0, 1.0);
        match self {
            Self::Choices(choices) => choices[((share * choices.len() as f64) as usize).min(choices.len() - 1)].clone(),
            Self::Numbers { low, high, .. } => {
                let value = self.between(share);
                let rounded = format!("{value:.3e}").parse().unwrap_or(value);
                Value::Float(f64::clamp(rounded, *low, *high))
            }
            Self::Integers { low, high, .. } => Value::Integer((self.between(share).round() as i64).clamp(*low, *high)),
        }
    }

    /// The position of a value from 0 to 1 within a range; for choices the number of the choice. The inverse of
    /// [`Values::at`] up to rounding.
    pub(super) fn coordinate(&self, value: &Value) -> f64 {
        if let Self::Choices(choices) = self {
            return choices.iter().position(|choice| choice == value).unwrap_or(0) as f64;
        }
        let (low, high, log) = self.ends();
        let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64)).unwrap_or(low);
        let scaled = |x: f64| if log { libm::log(x) } else { x };
        ((scaled(number) - scaled(low)) / (scaled(high) - scaled(low))).clamp(0.0, 1.0)
    }

    /// The value of a coordinate: the inverse of [`Values::coordinate`].
    pub(super) fn of_coordinate(&self, coordinate: f64) -> Value {
        match self {
            Self::Choices(choices) => choices[(coordinate as usize).min(choices.len() - 1)].clone(),
            _ => self.at(coordinate),
        }
    }

    fn between(&self, share: f64) -> f64 {
        let (low, high, log) = self.ends();
        if log {
            libm::exp(libm::log(low) + share * (libm::log(high) - libm::log(low)))
        } else {
            low + share * (high - low)
        }
    }

    /// The ends of a range, and whether it is logarithmic. Each whole number has half a unit on either side.
    fn ends(&self) -> (f64, f64, bool) {
        match self {
            Self::Numbers { low, high, log } => (*low, *high, *log),
            Self::Integers { low, high, log } => (*low as f64 - 0.5, *high as f64 + 0.5, *log),
            Self::Choices(choices) => (0.0, choices.len() as f64, false),
        }
    }
}

/// The values as in a space's file.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = |log: &bool| if *log { ", log = true" } else { "" };
        match self {
            Self::Numbers { low, high, log: is_log } => {
                write!(f, "{{ low = {low:?}, high = {high:?}{} }}", log(is_log))
            }
            Self::Integers { low, high, log: is_log } => write!(f, "{{ low = {low}, high = {high}{} }}", log(is_log)),
            Self::Choices(choices) => {
                let choices: Vec<String> = choices.iter().map(show).collect();
                write!(f, "{{ choices = [{}] }}", choices.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_whole_number_and_every_choice_has_the_same_share() {
        let whole = Values::Integers { low: 1, high: 4, log: false };
        let found: Vec<i64> = (0..8).map(|i| whole.at((f64::from(i) + 0.5) / 8.0).as_integer().unwrap()).collect();
        assert_eq!(found, [1, 1, 2, 2, 3, 3, 4, 4]);
        let choices = Values::Choices(vec!["a".into(), "b".into()]);
        assert_eq!(
            [0.0, 0.49, 0.5, 1.0].map(|share| choices.at(share).as_str().unwrap().to_owned()),
            ["a", "a", "b", "b"]
        );
    }

    #[test]
    fn a_coordinate_gives_its_value_back() {
        let log = Values::Numbers { low: 1e-4, high: 1e-2, log: true };
        assert_eq!(log.at(0.5), Value::Float(1e-3));
        assert_eq!([0.0, 1.0].map(|share| log.at(share)), [Value::Float(1e-4), Value::Float(1e-2)]);
        assert!((log.coordinate(&Value::Float(1e-3)) - 0.5).abs() < 1e-12);
        for values in [log, Values::Integers { low: 2, high: 64, log: true }, Values::Choices(vec![1.into(), 2.into()])]
        {
            for i in 0..10 {
                let value = values.at(f64::from(i) / 10.0);
                assert_eq!(values.of_coordinate(values.coordinate(&value)), value, "{values}");
            }
        }
    }
}
