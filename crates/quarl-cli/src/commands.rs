//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod bisect;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod envs;
pub(crate) mod eval;
pub(crate) mod experiment;
pub(crate) mod export;
pub(crate) mod fork;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod manual;
pub(crate) mod play;
pub(crate) mod plot;
pub(crate) mod presets;
pub(crate) mod report;
pub(crate) mod train;
pub(crate) mod tune;
pub(crate) mod watch;
