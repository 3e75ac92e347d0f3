//! What a setting is. Each part of the library lists its settings once, with [`settings!`]: key, type, default, range, when
//! it applies, and a doc comment. Reading, checking, writing and the comments of a printed preset all follow from that list.

use toml::{Table, Value};

use super::TrainConfig;
use crate::error::Error;

/// One key of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its section; `env.gym` is a section within `env`.
    pub(crate) section: &'static str,
    /// Its name in the section.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) meaning: String,
    /// What a value must be, such as `a number from 0 to 1`.
    pub(crate) expected: String,
    /// The value where the key is absent, as TOML; none where it must be given, follows from other keys, or means "off".
    pub(crate) default: Option<String>,
    /// When it applies; always if absent.
    pub(crate) condition: Option<Condition>,
    /// The key of the same section that can stand in its place, but not beside it.
    pub(crate) alternative: Option<&'static str>,
    /// The error where it applies, has no default, and is not given; none if it has a default.
    pub(crate) missing: Option<Missing>,
}

/// Says that a key is missing, and how to choose its value: from the key's path and the configuration without it. None where
/// the value follows from that configuration.
pub(crate) type Missing = fn(&str, &TrainConfig) -> Option<Error>;

/// When a key applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    /// The condition as a user would write it: `replay.kind = "prioritized"`.
    pub(crate) text: &'static str,
    /// Whether a configuration satisfies it.
    pub(crate) holds: fn(&TrainConfig) -> bool,
    /// The key that chooses the kind, where a value is meant for one kind only: an upper layer that chooses another kind
    /// does not inherit it, even though that kind has the key, too.
    pub(crate) only_for: Option<&'static str>,
}

impl Condition {
    pub(crate) const fn new(text: &'static str, holds: fn(&TrainConfig) -> bool) -> Self {
        Self { text, holds, only_for: None }
    }

    /// For values that are meant for the kind that `key` chooses.
    pub(crate) const fn only_for(self, key: &'static str) -> Self {
        Self { only_for: Some(key), ..self }
    }
}

impl Key {
    /// `section.name`
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Whether it has an effect in this configuration.
    pub(crate) fn applies(&self, config: &TrainConfig) -> bool {
        self.condition.is_none_or(|condition| (condition.holds)(config))
    }
}

/// The value of a key that a table does not have.
pub(crate) enum Absent<T> {
    /// There is none: the key must be given.
    Required,
    /// It follows from other keys, or else the key must be given, and the error advises on its value.
    Advised(fn(&Context) -> Option<T>, Missing),
    /// This one.
    Is(T),
    /// It follows from other keys.
    Follows(fn(&Context) -> T),
}

/// The merged tables that a configuration is read from, one for each section; a section within another one stands beside it.
pub(crate) struct Context<'a>(pub(crate) &'a Table);

impl Context<'_> {
    /// The value of a key.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.0.get(section)?.get(key)
    }

    /// The run's length in environment steps, where that is its budget.
    pub(crate) fn budget(&self) -> Option<u64> {
        u64::try_from(self.get("training", "steps")?.as_integer()?).ok()
    }
}

/// A type that a setting can have.
pub(crate) trait Setting: Default {
    /// What a value must be, such as `a whole number of at least 1`.
    fn expected(bounds: &Bounds) -> String;

    /// Reads and checks the value of `key`.
    fn read(key: &str, value: &Value, bounds: &Bounds, context: &Context) -> Result<Self, Error>;

    /// The value as [`Setting::read`] takes it; none where the key is left out.
    fn write(&self) -> Option<Value>;
}

/// A section of the configuration; [`settings!`] implements it.
pub(crate) trait Section: Sized {
    /// All keys.
    fn keys() -> Vec<Key>;

    /// The values of a table, each checked by itself; keys that are absent get their defaults.
    fn read(context: &Context) -> Result<Self, Error>;

    /// The keys' values, in the order of [`Section::keys`].
    fn values(&self) -> Vec<Option<Value>>;
}

/// What has to be true of a section's values together, and beside those of other sections.
pub(crate) trait Consistent {
    /// The first contradiction, naming the key and what to do.
    fn check(&self, config: &TrainConfig) -> Result<(), Error>;
}

/// The range of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    low: f64,
    high: f64,
    /// Whether the ends themselves are excluded.
    open: (bool, bool),
}

impl Bounds {
    pub(crate) const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, open: (false, false) };

    fn contains(&self, x: f64, low: f64, high: f64) -> bool {
        (if self.open.0 { x > low } else { x >= low }) && (if self.open.1 { x < high } else { x <= high })
    }

    /// Whether a whole number is in the range.
    pub(crate) fn contains_integer(&self, x: i64) -> bool {
        self.contains(x as f64, self.low, self.high)
    }

    /// Checks a number of `key`. Training computes in single precision: a number is refused where it becomes infinite, 0,
    /// or an end of the range in that precision without being so in what was written.
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

    /// The range in words, to stand behind `a number`; empty if there is none.
    pub(crate) fn words(&self) -> String {
        // Plain digits up to ten of them.
        let plain = |x: f64| x == 0.0 || (1e-3..1e10).contains(&x.abs());
        let [low, high] = [self.low, self.high].map(|x| if plain(x) { x.to_string() } else { format!("{x:?}") });
        match (self.low.is_finite(), self.high.is_finite(), self.open) {
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

/// `low` and above.
pub(crate) fn at_least(low: impl Into<f64>) -> Bounds {
    Bounds { low: low.into(), ..Bounds::ANY }
}

/// `high` and below.
pub(crate) fn at_most(high: impl Into<f64>) -> Bounds {
    Bounds { high: high.into(), ..Bounds::ANY }
}

/// Above `low`.
pub(crate) fn above(low: impl Into<f64>) -> Bounds {
    Bounds { low: low.into(), open: (true, false), ..Bounds::ANY }
}

/// From `low` to `high`, both included.
pub(crate) fn from_to(low: impl Into<f64>, high: impl Into<f64>) -> Bounds {
    Bounds { low: low.into(), high: high.into(), open: (false, false) }
}

/// From `low` to below `high`.
pub(crate) fn from_to_below(low: impl Into<f64>, high: impl Into<f64>) -> Bounds {
    Bounds { open: (false, true), ..from_to(low, high) }
}

/// Above `low`, at most `high`.
pub(crate) fn above_to(low: impl Into<f64>, high: impl Into<f64>) -> Bounds {
    Bounds { open: (true, false), ..from_to(low, high) }
}

/// An error of one key.
pub(crate) fn invalid(key: &str, message: String) -> Error {
    Error::Setting { key: key.to_owned(), message }
}

/// [`invalid`], where something is not true.
pub(crate) fn check(right: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), Error> {
    if right { Ok(()) } else { Err(invalid(key, message())) }
}

/// The error of a value that is not what was expected.
pub(crate) fn not_expected(key: &str, value: &Value, expected: &str) -> Error {
    let shown = show(value);
    // What is no TOML value is taken for text: a number with too many digits, say.
    let digits = value.as_str().map(|text| text.trim_start_matches(['-', '+']));
    if digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        let number = value.as_str().unwrap_or_default();
        return invalid(
            key,
            format!("{number} is beyond the largest whole number, {}: {expected} is expected", i64::MAX),
        );
    }
    invalid(key, format!("{shown} is not {expected}"))
}

/// The error of a key that is not given.
pub(crate) fn not_given(key: &str, _: &TrainConfig) -> Option<Error> {
    Some(Error::MissingKeys { keys: key.to_owned() })
}

/// A value as a user would write it.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Float(x) if x.is_finite() => format!("{x:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let entries: Vec<String> =
                table.iter().map(|(key, value)| format!("{} = {}", bare(key), show(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key as TOML writes it: quoted where it has to be.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if plain { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

/// The description of a key.
pub(crate) fn key<T: Setting>(
    (section, name): (&'static str, &'static str),
    doc: &[&str],
    absent: Absent<T>,
    bounds: Bounds,
    alternative: Option<&'static str>,
    condition: Option<Condition>,
) -> Key {
    let default = if let Absent::Is(value) = &absent { value.write().map(|value| show(&value)) } else { None };
    let missing: Option<Missing> = match absent {
        Absent::Required => Some(not_given),
        Absent::Advised(_, missing) => Some(missing),
        Absent::Is(_) | Absent::Follows(_) => None,
    };
    let meaning = doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    Key { section, name, meaning, expected: T::expected(&bounds), default, condition, alternative, missing }
}

/// The value of a key: what the tables say, checked, or else its default.
pub(crate) fn read<T: Setting>(
    context: &Context,
    (section, name): (&str, &str),
    absent: Absent<T>,
    bounds: Bounds,
) -> Result<T, Error> {
    match (context.get(section, name), absent) {
        (Some(value), _) => T::read(&format!("{section}.{name}"), value, &bounds, context),
        (None, Absent::Required) => Ok(T::default()),
        (None, Absent::Advised(value, _)) => Ok(value(context).unwrap_or_default()),
        (None, Absent::Is(value)) => Ok(value),
        (None, Absent::Follows(value)) => Ok(value(context)),
    }
}

/// Defines a section's struct and its settings:
///
/// ```text
/// settings! {
///     /// `[replay]`: the replay buffer.
///     pub struct ReplayConfig: "replay" {
///         /// Priority exponent alpha; 0 samples uniformly.
///         alpha: f64 = Is(0.6), in from_to(0, 1), if PRIORITIZED;
///     }
/// }
/// ```
///
/// After the type comes the value of an absent key, then optionally the range (`in`), the key that can stand in its place
/// (`or`), and the condition under which it applies (`if`). Optional blocks follow: `sections` are sections within this one;
/// `fields` are fields that are no keys of their own; `places` are keys whose value is a part of a field, such as the
/// contents of an enum, and say where (`at`: a function from the struct to the place, which is none where it does not exist).
macro_rules! settings {
    ($(#[$attribute:meta])* pub struct $name:ident: $section:literal { $(
        $(#[doc = $doc:literal])* $key:ident: $type:ty = $absent:expr
            $(, in $bounds:expr)? $(, or $alternative:ident)? $(, if $condition:expr)?;
    )* }
    $( sections { $( $(#[doc = $sub_doc:literal])* $sub:ident: $sub_type:ty; )* } )?
    $( fields { $( $(#[doc = $field_doc:literal])* $field:ident: $field_type:ty = $field_default:expr; )* } )?
    $( places { $(
        $(#[doc = $part_doc:literal])* $part:ident: $part_type:ty = $part_absent:expr
            $(, in $part_bounds:expr)? $(, if $part_condition:expr)?, at $place:expr;
    )* } )?
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $key: $type, )*
            $( $( $(#[doc = $sub_doc])* pub $sub: $sub_type, )* )?
            $( $( $(#[doc = $field_doc])* pub $field: $field_type, )* )?
        }

        impl $crate::config::settings::Section for $name {
            fn keys() -> Vec<$crate::config::settings::Key> {
                use $crate::config::settings::{Bounds, Key, key};
                let own: Vec<Key> = vec![
                    $( key::<$type>(
                        ($section, stringify!($key)), &[$($doc),*], $absent, [$($bounds,)? Bounds::ANY][0],
                        [$(Some(stringify!($alternative)),)? None][0], [$(Some($condition),)? None][0],
                    ), )*
                    $( $( key::<$part_type>(
                        ($section, stringify!($part)), &[$($part_doc),*], $part_absent,
                        [$($part_bounds,)? Bounds::ANY][0], None, [$(Some($part_condition),)? None][0],
                    ), )* )?
                ];
                [own $( $(, <$sub_type>::keys())* )?].concat()
            }

            fn read(context: &$crate::config::settings::Context) -> Result<Self, $crate::Error> {
                use $crate::config::settings::{Bounds, read};
                #[allow(unused_mut, reason = "only places are written to")]
                let mut section = Self {
                    $( $key: read::<$type>(
                        context, ($section, stringify!($key)), $absent, [$($bounds,)? Bounds::ANY][0],
                    )?, )*
                    $( $( $sub: <$sub_type>::read(context)?, )* )?
                    $( $( $field: $field_default, )* )?
                };
                $( $(
                    let value = read::<$part_type>(
                        context, ($section, stringify!($part)), $part_absent, [$($part_bounds,)? Bounds::ANY][0],
                    )?;
                    let place: fn(&mut Self) -> Option<&mut $part_type> = $place;
                    if let Some(place) = place(&mut section) {
                        *place = value;
                    }
                )* )?
                Ok(section)
            }

            fn values(&self) -> Vec<Option<toml::Value>> {
                use $crate::config::settings::Setting;
                let own: Vec<Option<toml::Value>> = vec![
                    $( Setting::write(&self.$key), )*
                    $( $( {
                        let place: fn(&mut Self) -> Option<&mut $part_type> = $place;
                        place(&mut self.clone()).and_then(|value| Setting::write(value))
                    }, )* )?
                ];
                [own $( $(, $crate::config::settings::Section::values(&self.$sub))* )?].concat()
            }
        }
    };
}
pub(crate) use settings;

/// Makes an enum a setting, each variant by a name: `choices!(Loss { "mse" => Mse, "huber" => Huber })`. What a variant
/// contains is given here as it is before the keys of its contents are read.
macro_rules! choices {
    ($type:ident { $($name:literal => $variant:ident $({ $($contents:tt)* })?),* $(,)? }) => {
        impl $crate::config::settings::Setting for $type {
            fn expected(_: &$crate::config::settings::Bounds) -> String {
                format!("one of {}", [$($name),*].join(", "))
            }

            fn read(
                key: &str,
                value: &toml::Value,
                bounds: &$crate::config::settings::Bounds,
                _: &$crate::config::settings::Context,
            ) -> Result<Self, $crate::Error> {
                match value.as_str() {
                    $( Some($name) => Ok(Self::$variant $({ $($contents)* })?), )*
                    Some(text) => Err($crate::config::settings::unknown_choice(key, text, &[$($name),*])),
                    None => Err($crate::config::settings::not_expected(key, value, &Self::expected(bounds))),
                }
            }

            fn write(&self) -> Option<toml::Value> {
                Some(match self { $( Self::$variant { .. } => $name, )* }.into())
            }
        }
    };
}
pub(crate) use choices;

/// The error of a text that is none of the choices.
pub(crate) fn unknown_choice(key: &str, given: &str, choices: &[&str]) -> Error {
    let suggestion = match crate::suggest::nearest(given, choices)[..] {
        [] => String::new(),
        ref nearest => format!(": did you mean {}?", nearest.join(" or ")),
    };
    invalid(key, format!("{given:?} is not one of {}{suggestion}", choices.join(", ")))
}
