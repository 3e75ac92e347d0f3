//! Estimates the remaining time from the recent speed.

use std::collections::VecDeque;

/// The number of samples, one a second, for the speed: later episodes take longer than the first ones.
const SAMPLES: usize = 30;

/// An estimator of the remaining time.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeLeft {
    /// Seconds since the start, and the fraction of the work that was done by then.
    samples: VecDeque<(f64, f64)>,
    now: (f64, f64),
}

impl TimeLeft {
    /// Records that the fraction `share` of the work, from 0 to 1, was done `seconds` after the start.
    pub(crate) fn update(&mut self, seconds: f64, share: f64) {
        self.now = (seconds, share);
        if self.samples.back().is_none_or(|(last, _)| seconds - last >= 1.0) {
            self.samples.push_back(self.now);
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }

    /// The remaining seconds; `None` without enough samples.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let (seconds, share) = self.now;
        let (since, from) = *self.samples.front()?;
        let rate = (share - from) / (seconds - since);
        (rate > 0.0 && rate.is_finite()).then(|| (1.0 - share).max(0.0) / rate)
    }
}

/// A duration as text: `0:42`, `12:05`, `3:04:05`, `2 days`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round().min(1e9) as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match hours {
        0 => format!("{minutes}:{:02}", seconds % 60),
        1..100 => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_latest_rate() {
        let mut time_left = TimeLeft::default();
        assert_eq!(time_left.seconds(), None);
        time_left.update(0.0, 0.0);
        assert_eq!(time_left.seconds(), None);
        time_left.update(10.0, 0.25);
        assert_eq!(time_left.seconds(), Some(30.0));
        // Half as fast from here on; after a minute, the first speed no longer counts.
        for second in 1..=60 {
            time_left.update(10.0 + f64::from(second), 0.25 + 0.0125 * f64::from(second) * 0.5);
        }
        let left = time_left.seconds().unwrap();
        assert!((left - (1.0 - 0.625) / 0.00625).abs() < 1e-6, "{left}");
    }

    #[test]
    fn durations_are_written_as_on_a_clock() {
        let seconds = [0.4, 42.0, 725.0, 11_045.0, 200_000.0, 1e6, f64::INFINITY];
        let expected = ["0:00", "0:42", "12:05", "3:04:05", "55:33:20", "11 days", "11574 days"];
        assert_eq!(seconds.map(duration), expected);
    }
}
