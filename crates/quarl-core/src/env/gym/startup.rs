//! The environments in Python that are being started, so that an interface can tell its user what it is waiting for.
//!
//! Importing a large package from a cold disk can take a minute. This module prints nothing: an interface calls
//! [`startups`] from another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// An environment that is being started.
#[derive(Clone, Debug, PartialEq)]
pub struct Startup {
    /// The environment's id, or `gym:` for a request that concerns all Gymnasium environments.
    pub id: String,
    /// The current activity: `starting python3`, `importing gymnasium`, `making the environment`, `the first reset`.
    pub activity: String,
    /// When the start began.
    pub since: Instant,
    /// Distinguishes this entry from others with the same id.
    number: u64,
}

/// All entries of this process.
static STARTUPS: Mutex<(u64, Vec<Startup>)> = Mutex::new((0, Vec::new()));

/// The environments that are being started now, in all threads.
pub fn startups() -> Vec<Startup> {
    lock().1.clone()
}

/// An entry in [`startups`]; dropping it removes the entry.
pub(super) struct Activity(u64);

impl Activity {
    pub(super) fn begin(id: &str, activity: String) -> Self {
        let (count, startups) = &mut *lock();
        *count += 1;
        startups.push(Startup { id: id.to_owned(), activity, since: Instant::now(), number: *count });
        Self(*count)
    }

    /// Changes the current activity.
    pub(super) fn set(&self, activity: String) {
        if let Some(startup) = lock().1.iter_mut().find(|startup| startup.number == self.0) {
            startup.activity = activity;
        }
    }

    /// The current activity.
    pub(super) fn current(&self) -> String {
        let startups = lock();
        let mine = startups.1.iter().find(|startup| startup.number == self.0);
        mine.map_or(String::new(), |startup| startup.activity.clone())
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        lock().1.retain(|startup| startup.number != self.0);
    }
}

fn lock() -> MutexGuard<'static, (u64, Vec<Startup>)> {
    STARTUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activity_is_listed_until_it_is_over() {
        let mine = || startups().into_iter().filter(|startup| startup.id == "gym:Test").collect::<Vec<_>>();
        let activity = Activity::begin("gym:Test", "starting python3".to_owned());
        activity.set("importing gymnasium".to_owned());
        assert_eq!(
            (mine().len(), &*mine()[0].activity, &*activity.current()),
            (1, "importing gymnasium", "importing gymnasium")
        );
        drop(activity);
        assert_eq!(mine(), []);
    }
}
