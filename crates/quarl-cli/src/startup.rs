//! Reports what a slow start is waiting for: starting Python and importing its packages can take a minute.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use quarl::env::GYM_PREFIX;
use quarl::env::gym::startups;

use crate::output;

/// The delay before the first report.
const SLOW: Duration = Duration::from_secs(2);

/// The interval of checks.
const EVERY: Duration = Duration::from_millis(200);

/// From now on, reports on standard error what environments in Python are doing if starting them takes long. Each activity
/// is reported once.
pub(crate) fn report_slow_starts() {
    std::thread::spawn(|| {
        let (mut waiting_since, mut told) = (None, HashSet::new());
        loop {
            std::thread::sleep(EVERY);
            // The latest one, if several environments are being started.
            let Some(startup) = startups().pop() else {
                waiting_since = None;
                continue;
            };
            let since = *waiting_since.get_or_insert(startup.since);
            let whose = if startup.id == GYM_PREFIX { String::new() } else { format!("{}: ", startup.id) };
            let line = format!("waiting for {whose}{}", startup.activity);
            if Instant::now().duration_since(since) >= SLOW && !told.contains(&line) {
                output::message(&line);
                told.insert(line);
            }
        }
    });
}
