//! Detects a categorical head's support that is too narrow for the returns.

use serde::{Deserialize, Serialize};

/// The number of updates over which the clipped share is averaged: an arithmetic mean at first, then an exponential one.
const UPDATES: u64 = 1_000;
/// The largest average share that is not reported.
const LARGEST_SHARE: f64 = 0.01;

/// Monitors the share of the targets' probability mass that projections clip to the support.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ClippingMonitor {
    updates: u64,
    average: f64,
    has_warned: bool,
}

impl ClippingMonitor {
    /// Adds the share of one update to the average.
    pub(super) fn add(&mut self, share: f32) {
        self.updates = (self.updates + 1).min(UPDATES);
        self.average += (f64::from(share) - self.average) / self.updates as f64;
    }

    /// The average share, once, when it exceeds 1% after at least 1,000 updates.
    pub(super) fn take_excess(&mut self) -> Option<f64> {
        let is_too_large = self.updates == UPDATES && self.average > LARGEST_SHARE;
        if !is_too_large || self.has_warned {
            return None;
        }
        self.has_warned = true;
        Some(self.average)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The updates after which an excess is reported, for the given share of each update.
    fn warnings(updates: usize, share: impl Fn(usize) -> f32) -> Vec<usize> {
        let mut monitor = ClippingMonitor::default();
        let mut after = |update: usize| {
            monitor.add(share(update));
            monitor.take_excess().is_some()
        };
        (1..=updates).filter(|update| after(*update)).collect()
    }

    #[test]
    fn a_share_that_stays_above_one_percent_is_reported_once() {
        assert_eq!(warnings(5000, |_| 0.02), [1000]);
        assert_eq!(warnings(999, |_| 1.0), [0; 0]);
        assert_eq!(warnings(5000, |_| 0.01), [0; 0]);
    }

    #[test]
    fn a_share_that_was_large_for_a_moment_is_not_reported() {
        assert_eq!(warnings(5000, |update| if update <= 9 { 1.0 } else { 0.0 }), [0; 0]);
        assert_eq!(warnings(5000, |update| if (2000..2009).contains(&update) { 1.0 } else { 0.0 }), [0; 0]);
    }

    #[test]
    fn a_share_that_grows_late_is_reported_then() {
        let late = warnings(5000, |update| if update > 3000 { 0.05 } else { 0.0 });
        assert!(late.len() == 1 && (3001..3500).contains(&late[0]), "{late:?}");
    }
}
