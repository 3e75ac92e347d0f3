//! The speed of a run, from how far it was at several times.

use std::collections::VecDeque;

use super::curve::Curve;
use crate::progress::TimeLeft;

/// The time over which the speed is averaged, in seconds.
const WINDOW: f64 = 3.0;

/// The speed of a run and the time that it will still take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    /// Seconds of training and environment steps.
    samples: VecDeque<(f64, u64)>,
    curve: Curve,
    /// The second of the last point of the curve.
    drawn: f64,
    time_left: TimeLeft,
}

impl Rate {
    /// Records the environment steps and the share of the work after `seconds` of training.
    pub(crate) fn update(&mut self, seconds: f64, env_steps: u64, share: f64) {
        self.time_left.update(seconds, share);
        if self.samples.back().is_some_and(|(last, _)| seconds <= *last) {
            return;
        }
        self.samples.push_back((seconds, env_steps));
        while self.samples.len() > 2 && self.samples[0].0 < seconds - WINDOW {
            self.samples.pop_front();
        }
        if seconds - self.drawn >= 1.0
            && let Some(rate) = self.per_second()
        {
            self.drawn = seconds;
            self.curve.push(seconds, rate);
        }
    }

    /// Environment steps per second over the last seconds; `None` at the start.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let ((since, from), (until, to)) = (self.samples.front()?, self.samples.back()?);
        (until > since).then(|| to.saturating_sub(*from) as f64 / (until - since))
    }

    /// The speed over time.
    pub(crate) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// The remaining seconds.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        self.time_left.seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), None);
        for i in 0..=200_u64 {
            // 1000 steps per second for ten seconds, then 100.
            let steps = if i <= 100 { i * 100 } else { 10_000 + (i - 100) * 10 };
            rate.update(i as f64 / 10.0, steps, steps as f64 / 20_000.0);
            if i == 100 {
                assert_eq!(rate.per_second().unwrap().round(), 1000.0);
            }
        }
        assert_eq!(rate.per_second().unwrap().round(), 100.0);
        assert_eq!(rate.curve().points().len(), 20);
        assert!((rate.seconds_left().unwrap() - 30.0).abs() < 60.0);
        let before = rate.per_second();
        rate.update(20.0, 11_000, 0.55);
        assert_eq!(rate.per_second(), before, "while training is paused, the time stands still");
    }
}
