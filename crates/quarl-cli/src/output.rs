//! Standard output, standard error and the exit status.
//!
//! A closed pipe (`quarl train | head`) ends the output, but not the work. Any other failure of standard output does not
//! end the work either, but the command then exits with 1.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

use quarl::config::reference::{self, Entry};
use quarl::{Error, stats};

/// The first failed write to standard output, except to a closed pipe.
static FAILURE: OnceLock<std::io::Error> = OnceLock::new();

/// Writes a line to standard output.
pub(crate) fn line(line: impl AsRef<str>) {
    text(format!("{}\n", line.as_ref()));
}

/// Writes text that ends its own lines to standard output.
pub(crate) fn text(text: impl AsRef<str>) {
    write(&plain(text.as_ref()));
}

/// The text with its control characters written out, except line ends and tabs. Names and messages come from files, in which
/// somebody may have put the escape sequences of terminals.
fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| !letter.is_control() || letter == '\n' || letter == '\t';
    if text.chars().all(is_plain) {
        return text.into();
    }
    let written =
        |letter: char| if is_plain(letter) { letter.to_string() } else { letter.escape_default().to_string() };
    text.chars().map(written).collect::<String>().into()
}

fn write(text: &str) {
    // Only then: a program in a pipe, or one whose terminal is stopped for a while, waits.
    if crate::interrupt::requested() {
        return last_words(text.as_bytes());
    }
    let mut stdout = std::io::stdout().lock();
    record_failure(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Writes to standard output when the program is to end, which a terminal that does not read cannot prevent.
pub(crate) fn last_words(bytes: &[u8]) {
    #[cfg(unix)]
    if crate::stalled::write(std::io::stdout(), bytes) {
        return;
    }
    let mut stdout = std::io::stdout().lock();
    record_failure(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Writes a line to standard error, which a terminal that does not read cannot prevent from ending, either.
pub(crate) fn message(line: &str) {
    let line = format!("{}\n", plain(line));
    #[cfg(unix)]
    if crate::interrupt::requested() && crate::stalled::write(std::io::stderr(), line.as_bytes()) {
        return;
    }
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Records a failed write to standard output for [`check`].
pub(crate) fn record_failure(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Only the first failure is reported: later ones follow from it.
        let _ = FAILURE.set(error);
    }
}

/// Fails if a write to standard output failed, except to a closed pipe.
pub(crate) fn check() -> anyhow::Result<()> {
    FAILURE.get().map_or(Ok(()), |error| Err(anyhow::anyhow!("cannot write to standard output: {error}")))
}

/// Writes a value as one line of JSON to standard output.
pub(crate) fn json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        // JSON escapes control characters itself.
        write(&format!("{text}\n"));
    }
}

/// Writes a warning to standard error.
pub(crate) fn warning(message: &str) {
    self::message(&format!("warning: {message}"));
}

/// Writes an error to standard error, with the options that help, or the command that explains the key.
pub(crate) fn error(error: &anyhow::Error) {
    let remedy = match error.downcast_ref::<Error>() {
        Some(Error::Exists { .. }) => ": choose another directory with --out, or replace the run in it with --force",
        _ => "",
    };
    message(&format!("error: {error:#}{remedy}"));
    if let Some(entry) = error.downcast_ref::<Error>().and_then(explained) {
        let (name, help) = match &entry {
            Entry::Key(key) => (&*key.key, "describes the key"),
            Entry::Section(section) => (section.section, "lists the keys of the section"),
        };
        message(&format!("hint: `quarl config explain {name}` {help}"));
    }
}

/// The configuration key that an error is about, or its section where there is no such key.
fn explained(error: &Error) -> Option<Entry> {
    let key = match error {
        Error::Setting { key, .. } => key,
        // In a file: `agent.gamma: 2 is not a number from 0 to 1`.
        Error::Config { message, .. } => message.split(": ").next()?,
        _ => return None,
    };
    let outer = key.rsplit_once('.').map(|(outer, _)| outer);
    reference::find(key).ok().or_else(|| reference::find(outer?).ok())
}

/// Prints the result of `--quiet`: two lines for scripts.
pub(crate) fn quiet_result(greedy_mean: Option<f64>, dir: &std::path::Path) {
    let mean = greedy_mean.map_or_else(|| "none".to_owned(), round_mean);
    line(format!("mean greedy return: {mean}\ndirectory: {}", dir.display()));
}

/// A mean rounded to ten significant digits: 9.35, where the sum of decimal fractions gives 9.350000000000001.
fn round_mean(mean: f64) -> String {
    format!("{mean:.9e}").parse().unwrap_or(mean).to_string()
}

/// A 95% confidence interval in brackets, printed behind its number.
pub(crate) fn interval([low, high]: [f64; 2], decimals: usize) -> String {
    format!(" (95% interval {low:.decimals$} to {high:.decimals$})")
}

/// A caution about intervals of only `n` values (runs or episodes), if `n` is small. `shown` is whether there is an
/// interval.
pub(crate) fn caveat(n: usize, values: &str, shown: bool) -> Option<String> {
    if n < stats::MIN_FOR_INTERVAL {
        Some(format!("no intervals: fewer than {} {values}", stats::MIN_FOR_INTERVAL))
    } else if shown && n < stats::FEW_FOR_INTERVAL {
        Some(format!("caution: intervals of fewer than {} {values} are rough", stats::FEW_FOR_INTERVAL))
    } else {
        None
    }
}

/// Prints how many of the planned runs have not ended, if there are any, as after one shard.
pub(crate) fn missing_runs(missing: u64) {
    if missing > 0 {
        let runs = if missing == 1 { "1 run is" } else { &format!("{missing} runs are") };
        line(format!("{runs} missing: other shards, or the same command without --shard, train them"));
    }
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard output is a terminal that can redraw a line.
pub(crate) fn is_capable_terminal() -> bool {
    // Windows' terminals can redraw lines, but do not set TERM.
    is_terminal() && std::env::var_os("TERM").map_or(cfg!(windows), |term| !term.is_empty() && term != "dumb")
}

/// Whether to use colours: in a terminal that supports them, unless NO_COLOR is set (no-color.org).
pub(crate) fn has_colors() -> bool {
    is_capable_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The exit status of an error: 2 for wrong usage or configuration, 1 for failures.
pub(crate) fn exit_status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        Some(
            Error::Setting { .. }
            | Error::MissingKeys { .. }
            | Error::Config { .. }
            | Error::UnknownEnvironment { .. }
            | Error::UnknownPreset { .. }
            | Error::Exists { .. }
            | Error::Occupied { .. }
            | Error::CpuPath { .. },
        ) => 2,
        None if error.is::<Usage>() => 2,
        _ => 1,
    }
}

/// A usage error that the argument parser cannot detect.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Refuses a figure's path without the extension of a format, before anything is computed.
pub(crate) fn check_figure_path(path: &Path) -> Result<(), Usage> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("svg" | "png") => Ok(()),
        _ => Err(Usage(format!("--figure {}: the name has to end with .svg or .png", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_cautioned_of_only_where_an_interval_is_shown() {
        assert!(
            caveat(5, "runs", true).is_some_and(|text| text.starts_with("caution: intervals of fewer than 10 runs"))
        );
        assert_eq!(caveat(5, "runs", false), None);
        assert!(caveat(2, "runs", false).is_some_and(|text| text.starts_with("no intervals")));
        assert_eq!(caveat(10, "runs", true), None);
    }

    #[test]
    fn means_are_printed_without_the_rounding_of_their_sum() {
        assert_eq!(
            [9.350000000000001, 187.3, -1.0 / 3.0, 1e-12].map(round_mean),
            ["9.35", "187.3", "-0.3333333333", "0.000000000001"]
        );
    }
}
