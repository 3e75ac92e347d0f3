//! What the person watching asks of the training: pause, single steps, and a limit of its speed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::interrupt;

/// The largest delay that a limited speed catches up with.
const CATCH_UP: Duration = Duration::from_millis(100);

/// The factors of real time between which the speed is limited: 2^-4 to 2^10.
const EXPONENTS: [i32; 2] = [-4, 10];

/// The requests, shared by the display and the training.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    state: Mutex<Requests>,
    changed: Condvar,
    /// Whether training has to ask before every step. At full speed, this is all that a step costs.
    engaged: AtomicBool,
}

/// The requests at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Requests {
    pub(crate) is_paused: bool,
    /// The number of steps to take while paused.
    steps: u32,
    /// The speed limit as the exponent of a power of two, relative to real time; `None` for full speed.
    pub(crate) limit: Option<i32>,
    /// When the next step is due at the limited speed.
    due: Option<Instant>,
}

impl Requests {
    /// The speed as text.
    pub(crate) fn speed(&self) -> String {
        match self.limit {
            None => "full speed".to_owned(),
            Some(0) => "real time".to_owned(),
            Some(exponent @ 1..) => format!("{}x real time", 1_u64 << exponent),
            Some(exponent) => format!("1/{} of real time", 1_u64 << -exponent),
        }
    }
}

impl Controls {
    /// The present requests.
    pub(crate) fn requests(&self) -> Requests {
        *self.lock()
    }

    /// Whether training is paused or its speed limited.
    pub(crate) fn is_engaged(&self) -> bool {
        self.engaged.load(Ordering::Relaxed)
    }

    /// Pauses, or continues.
    pub(crate) fn toggle_pause(&self) {
        self.change(|requests| requests.is_paused = !requests.is_paused);
    }

    /// Takes one step, then pauses.
    pub(crate) fn step(&self) {
        self.change(|requests| {
            requests.steps = if requests.is_paused { requests.steps + 1 } else { 0 };
            requests.is_paused = true;
        });
    }

    /// Limits the speed to real time.
    pub(crate) fn real_time(&self) {
        self.change(|requests| requests.limit = Some(0));
    }

    /// Removes the speed limit.
    pub(crate) fn full_speed(&self) {
        self.change(|requests| requests.limit = None);
    }

    /// Doubles the speed limit, or removes it.
    pub(crate) fn faster(&self) {
        self.change(|requests| {
            requests.limit = requests.limit.map(|exponent| exponent + 1).filter(|exponent| *exponent <= EXPONENTS[1]);
        });
    }

    /// Halves the speed limit. At full speed, sets the largest limit below the present speed, `factor` times real time.
    pub(crate) fn slower(&self, factor: f64) {
        let below = factor.log2().ceil() - 1.0;
        let below = if below.is_finite() { below as i32 } else { 0 };
        self.change(|requests| {
            let exponent = requests.limit.map_or(below, |exponent| exponent - 1);
            requests.limit = Some(exponent.clamp(EXPONENTS[0], EXPONENTS[1]));
        });
    }

    /// Waits before a step as long as is requested, or until a signal arrives. `real_time` is the environment's own speed in
    /// steps per second; `None` for a step whose speed is not limited. Returns the time that training was paused.
    pub(crate) fn hold(&self, real_time: Option<f64>) -> Duration {
        let mut paused = Duration::ZERO;
        if !self.is_engaged() {
            return paused;
        }
        let mut requests = self.lock();
        while !interrupt::requested() {
            let now = Instant::now();
            if requests.is_paused {
                if requests.steps > 0 {
                    requests.steps -= 1;
                    break;
                }
                requests = self.wait(requests, interrupt::SLICE);
                paused += now.elapsed();
                continue;
            }
            let Some((exponent, real_time)) = requests.limit.zip(real_time) else { break };
            let interval = Duration::from_secs_f64(1.0 / (real_time * f64::from(exponent).exp2()));
            let due = requests.due.filter(|due| now < *due + CATCH_UP).unwrap_or(now);
            if now >= due {
                requests.due = Some(due + interval);
                break;
            }
            requests = self.wait(requests, (due - now).min(interrupt::SLICE));
        }
        paused
    }

    fn wait<'a>(&self, requests: MutexGuard<'a, Requests>, at_most: Duration) -> MutexGuard<'a, Requests> {
        self.changed.wait_timeout(requests, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    fn change(&self, change: impl FnOnce(&mut Requests)) {
        let mut requests = self.lock();
        change(&mut requests);
        requests.due = None;
        if !requests.is_paused {
            requests.steps = 0;
        }
        self.engaged.store(requests.is_paused || requests.limit.is_some(), Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_paused_training_takes_the_steps_that_are_asked_for() {
        let (controls, taken) = (Controls::default(), AtomicU64::new(0));
        let after = |wait: u64| {
            std::thread::sleep(Duration::from_millis(wait));
            taken.load(Ordering::SeqCst)
        };
        std::thread::scope(|scope| {
            controls.step();
            let training = scope.spawn(|| {
                let mut paused = Duration::ZERO;
                for _ in 0..1000 {
                    paused += controls.hold(Some(50.0));
                    taken.fetch_add(1, Ordering::SeqCst);
                }
                paused
            });
            assert_eq!(after(100), 0, "the first request only pauses");
            controls.step();
            controls.step();
            assert_eq!(after(300), 2);
            controls.toggle_pause();
            assert!(training.join().unwrap() >= Duration::from_millis(300));
        });
        assert_eq!(after(0), 1000);
    }

    #[test]
    fn the_speed_limit_is_kept_on_average() {
        let controls = Controls::default();
        controls.real_time();
        let steps = |real_time| {
            let started = Instant::now();
            (0..50).for_each(|_| assert_eq!(controls.hold(real_time), Duration::ZERO));
            started.elapsed().as_secs_f64()
        };
        let limited = steps(Some(250.0));
        assert!((0.19..1.0).contains(&limited), "50 steps at 250 per second take 0.2 s, not {limited}");
        assert!(steps(None) < 0.1, "an evaluation is not limited");
        controls.full_speed();
        assert!(!controls.is_engaged() && steps(Some(250.0)) < 0.1);
    }

    #[test]
    fn speeds_are_powers_of_two_of_real_time() {
        let controls = Controls::default();
        let speed = || controls.requests().speed();
        assert_eq!(speed(), "full speed");
        controls.faster();
        assert_eq!(speed(), "full speed");
        controls.slower(300.0);
        assert_eq!(speed(), "256x real time");
        controls.real_time();
        controls.slower(1.0);
        assert_eq!(speed(), "1/2 of real time");
        (0..20).for_each(|_| controls.slower(1.0));
        assert_eq!(speed(), "1/16 of real time");
        (0..4).for_each(|_| controls.faster());
        assert_eq!(speed(), "real time");
        (0..11).for_each(|_| controls.faster());
        assert_eq!(speed(), "full speed");
        controls.slower(f64::NAN);
        assert_eq!(speed(), "real time");
        controls.full_speed();
        controls.slower(1e9);
        assert_eq!(speed(), "1024x real time");
    }
}
