//! Schedules in a configuration: a number, or a table.

use std::cell::RefCell;

use serde_json::json;
use toml::{Table, Value};

use super::{Changing, Schedule};
use crate::config::settings::{
    Bounds, Context, Setting, above, at_least, from_to, invalid, not_expected, unknown_choice,
};
use crate::config::values::number;
use crate::error::Error;
use crate::suggest;

impl Setting for Schedule {
    const NAME: &'static str = "number or schedule";

    fn expected(bounds: &Bounds) -> String {
        let range = bounds.words();
        format!("a number{range}, or a schedule such as {{ kind = \"linear\", from = 1.0, to = 0.05, steps = 10000 }}")
    }

    fn schema(bounds: &Bounds) -> serde_json::Value {
        let number = bounds.schema("number");
        let table = |kind: &str, lengths: &[(&str, serde_json::Value)]| {
            let mut properties = json!({ "kind": { "const": kind }, "from": number, "to": number });
            for (name, schema) in lengths {
                properties[*name] = schema.clone();
            }
            let one_length: Vec<_> = lengths.iter().map(|(name, _)| json!({ "required": [name] })).collect();
            json!({
                "type": "object", "properties": properties, "required": ["kind", "from", "to"],
                "oneOf": one_length, "additionalProperties": false,
            })
        };
        let linear = [("steps", u64::schema(&at_least(0))), ("fraction", f64::schema(&from_to(0, 1)))];
        let exponential = [("half_life", f64::schema(&above(0)))];
        json!({ "anyOf": [number, table("linear", &linear), table("exponential", &exponential)] })
    }

    fn read(key: &str, value: &Value, bounds: &Bounds, context: &Context) -> Result<Self, Error> {
        match value {
            Value::Table(table) => {
                Entries { key, table, known: RefCell::default() }.schedule(bounds, context).map(Self::Changing)
            }
            _ if number(value).is_some() => f64::read(key, value, bounds, context).map(Self::Constant),
            _ => Err(not_expected(key, value, &Self::expected(bounds))),
        }
    }

    fn write(&self) -> Option<Value> {
        let (kind, from, to, (name, length)) = match *self {
            Self::Constant(value) => return Some(Value::Float(value)),
            Self::Changing(Changing::Linear { from, to, steps }) => ("linear", from, to, ("steps", steps.write()?)),
            Self::Changing(Changing::Exponential { from, to, half_life }) => {
                ("exponential", from, to, ("half_life", Value::Float(half_life)))
            }
        };
        let entries = [("kind", kind.into()), ("from", from.into()), ("to", to.into()), (name, length)];
        Some(Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    }
}

/// The entries of a schedule's table; `key` is the setting's name.
struct Entries<'a> {
    key: &'a str,
    table: &'a Table,
    /// The entries that have been read so far, which are the entries that this kind of schedule has.
    known: RefCell<Vec<&'static str>>,
}

impl Entries<'_> {
    fn schedule(&self, bounds: &Bounds, context: &Context) -> Result<Changing, Error> {
        // All entries are read before any error returns, so that an unknown entry is reported before a missing one.
        let kind = self.read::<String>("kind", &Bounds::ANY, context);
        let linear = || {
            let (from, to) = (self.read("from", bounds, context), self.read("to", bounds, context));
            let steps = self.steps(context);
            self.check_keys()?;
            Ok(Changing::Linear { from: from?, to: to?, steps: steps? })
        };
        let exponential = || {
            let (from, to) = (self.read("from", bounds, context), self.read("to", bounds, context));
            let half_life = self.read("half_life", &above(0), context);
            self.check_keys()?;
            Ok(Changing::Exponential { from: from?, to: to?, half_life: half_life? })
        };
        match kind {
            Ok(kind) if kind == "linear" => linear(),
            Ok(kind) if kind == "exponential" => exponential(),
            Ok(other) => Err(unknown_choice(&self.path("kind"), &other, &["linear", "exponential"])),
            Err(error) => {
                let _ = (linear(), exponential());
                self.check_keys().and(Err(error))
            }
        }
    }

    /// The duration of a linear schedule: given in steps, or as a fraction of the run's budget in steps.
    fn steps(&self, context: &Context) -> Result<u64, Error> {
        let (steps, share) =
            (self.read("steps", &at_least(0), context), self.read("fraction", &from_to(0, 1), context));
        if !self.table.contains_key("fraction") {
            return steps;
        }
        let path = self.path("fraction");
        if self.table.contains_key("steps") {
            return Err(invalid(&path, "steps and fraction are both given: remove one of them".to_owned()));
        }
        let share: f64 = share?;
        let Some(budget) = context.budget() else {
            let why = format!(
                "{share} is a fraction of the run's length in environment steps, but training.steps is not set: set it \
                 instead of training.episodes, or give the schedule steps instead of a fraction"
            );
            return Err(invalid(&path, why));
        };
        Ok((share * budget as f64).round() as u64)
    }

    fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    fn read<T: Setting>(&self, name: &'static str, bounds: &Bounds, context: &Context) -> Result<T, Error> {
        if !self.known.borrow().contains(&name) {
            self.known.borrow_mut().push(name);
        }
        let path = self.path(name);
        match self.table.get(name) {
            Some(value) => T::read(&path, value, bounds, context),
            None => Err(invalid(&path, format!("not given; expected {}", T::expected(bounds)))),
        }
    }

    fn check_keys(&self) -> Result<(), Error> {
        let known = self.known.borrow();
        match self.table.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(invalid(&self.path(name), format!("unknown key: {}", suggest::remedy(name, &known)))),
            None => Ok(()),
        }
    }
}
