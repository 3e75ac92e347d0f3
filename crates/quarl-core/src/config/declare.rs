//! Macros that declare settings: `settings!` for a section, `choices!` for an enum.

/// Defines a section's struct and its settings:
///
/// ```text
/// settings! {
///     /// `[replay]`: the replay buffer.
///     ///
///     /// More about the section, for the reference.
///     pub struct ReplayConfig: "replay" {
///         /// Priority exponent alpha; 0 samples uniformly (Schaul et al. 2016).
///         ///
///         /// When to raise it, and when to lower it.
///         alpha: f64 = Is(0.6), in from_to(0, 1), guide "prioritized", if PRIORITIZED;
///     }
/// }
/// ```
///
/// The first paragraph of a key's doc comment, one sentence, is its comment in a printed preset. The reference contains the
/// whole doc comment, with a link for each cited paper (`papers.rs`).
///
/// After the type comes the default, then optionally the range (`in`), the unit (`unit`), the alternative key (`or`), the
/// page of the guide (`guide`), and the condition under which the key applies (`if`). Optional blocks follow: `sections`
/// are sections within this one; `fields` are fields that are not keys; `places` are keys whose value is a part of a field,
/// such as the contents of an enum (`at`: a function from the struct to that part, which returns `None` where it does not
/// exist).
macro_rules! settings {
    ($(#[doc = $section_doc:literal])* pub struct $name:ident: $section:literal { $(
        $(#[doc = $doc:literal])* $key:ident: $type:ty = $absent:expr
            $(, in $bounds:expr)? $(, unit $unit:literal)? $(, or $alternative:ident)? $(, guide $guide:literal)?
            $(, if $condition:expr)?;
    )* }
    $( sections { $( $(#[doc = $sub_doc:literal])* $sub:ident: $sub_type:ty; )* } )?
    $( fields { $( $(#[doc = $field_doc:literal])* $field:ident: $field_type:ty = $field_default:expr; )* } )?
    $( places { $(
        $(#[doc = $part_doc:literal])* $part:ident: $part_type:ty = $part_absent:expr
            $(, in $part_bounds:expr)? $(, unit $part_unit:literal)? $(, guide $part_guide:literal)?
            $(, if $part_condition:expr)?, at $place:expr;
    )* } )?
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $key: $type, )*
            $( $( $(#[doc = $sub_doc])* pub $sub: $sub_type, )* )?
            $( $( $(#[doc = $field_doc])* pub $field: $field_type, )* )?
        }

        impl $crate::config::settings::Section for $name {
            fn keys() -> Vec<$crate::config::settings::Key> {
                use $crate::config::settings::{Bounds, Declaration, Key};
                let own: Vec<Key> = vec![
                    $( Declaration {
                        section: $section,
                        name: stringify!($key),
                        doc: &[$($doc),*],
                        bounds: [$($bounds,)? Bounds::ANY][0],
                        unit: [$(Some($unit),)? None][0],
                        alternative: [$(Some(stringify!($alternative)),)? None][0],
                        guide: [$(Some($guide),)? None][0],
                        condition: [$(Some($condition),)? None][0],
                    }.key::<$type>($absent), )*
                    $( $( Declaration {
                        section: $section,
                        name: stringify!($part),
                        doc: &[$($part_doc),*],
                        bounds: [$($part_bounds,)? Bounds::ANY][0],
                        unit: [$(Some($part_unit),)? None][0],
                        alternative: None,
                        guide: [$(Some($part_guide),)? None][0],
                        condition: [$(Some($part_condition),)? None][0],
                    }.key::<$part_type>($part_absent), )* )?
                ];
                [own $( $(, <$sub_type>::keys())* )?].concat()
            }

            fn sections() -> Vec<(&'static str, &'static [&'static str])> {
                let own: Vec<(&str, &[&str])> = vec![($section, &[$($section_doc),*])];
                [own $( $(, <$sub_type>::sections())* )?].concat()
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

/// Makes an enum a setting, each variant by a name, with its meaning in one line:
/// `choices!(Loss { "mse" => Mse: "squared error", "huber" => Huber: "Huber loss with delta 1" })`. What a variant contains is
/// given here as it is before the keys of its contents are read.
macro_rules! choices {
    ($type:ident { $($name:literal => $variant:ident $({ $($contents:tt)* })? : $meaning:literal),* $(,)? }) => {
        impl $crate::config::settings::Setting for $type {
            const NAME: &'static str = "choice";
            const CHOICES: &'static [(&'static str, &'static str)] = &[$(($name, $meaning)),*];

            fn expected(_: &$crate::config::settings::Bounds) -> String {
                format!("one of {}", [$($name),*].join(", "))
            }

            fn schema(_: &$crate::config::settings::Bounds) -> serde_json::Value {
                serde_json::json!({ "enum": [$($name),*] })
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
