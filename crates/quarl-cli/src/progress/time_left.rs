//! How long it will still take, from how fast it went lately.

use std::collections::VecDeque;

/// The rate is that of the last so many samples, one a second: later episodes are longer than the first ones.
const SAMPLES: usize = 30;

/// How much was done when.
#[derive(Debug, Default)]
pub(super) struct TimeLeft {
    /// Seconds since the start, and the share that was done by then.
    samples: VecDeque<(f64, f64)>,
    now: (f64, f64),
}

impl TimeLeft {
    /// `share` of the whole is done, from 0 to 1, `seconds` after the start.
    pub(super) fn update(&mut self, seconds: f64, share: f64) {
        self.now = (seconds, share);
        if self.samples.back().is_none_or(|(last, _)| seconds - last >= 1.0) {
            self.samples.push_back(self.now);
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }

    /// None where nothing has been done yet that tells.
    pub(super) fn seconds(&self) -> Option<f64> {
        let (seconds, share) = self.now;
        let (since, from) = *self.samples.front()?;
        let rate = (share - from) / (seconds - since);
        (rate > 0.0 && rate.is_finite()).then(|| (1.0 - share).max(0.0) / rate)
    }
}

/// A duration as a reader writes it: `0:42`, `12:05`, `3:04:05`, `2 days`.
pub(super) fn duration(seconds: f64) -> String {
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
        // Half as fast from here on; after a minute nothing of the first rate is left.
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
