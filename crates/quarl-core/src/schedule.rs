//! Schedules: values that may change with the environment step, such as epsilon or the learning rate.

mod config;

/// A value for every environment step. In a configuration: a number, or a table such as `{ kind = "linear", from = 1.0, to
/// = 0.05, steps = 10000 }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same value at every step.
    Constant(f64),
    /// A value that changes.
    Changing(Changing),
}

/// A schedule from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Changing {
    /// Linear interpolation over the first `steps` steps, then `to`.
    Linear {
        /// The value at step 0.
        from: f64,
        /// The value from step `steps` on.
        to: f64,
        /// The duration in environment steps.
        steps: u64,
    },
    /// Exponential decay: `to + (from - to) * 2^(-step / half_life)`.
    Exponential {
        /// The value at step 0.
        from: f64,
        /// The limit.
        to: f64,
        /// The number of environment steps in which the distance to `to` halves.
        half_life: f64,
    },
}

impl Schedule {
    /// The value at an environment step (the first is 0).
    pub fn value(&self, step: u64) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Changing(Changing::Linear { from, to, steps }) => {
                if step >= steps {
                    to
                } else {
                    from + (to - from) * (step as f64 / steps as f64)
                }
            }
            Self::Changing(Changing::Exponential { from, to, half_life }) => {
                to + (from - to) * libm::exp2(-(step as f64) / half_life)
            }
        }
    }

    /// The smallest and the largest value over all steps.
    pub fn range(&self) -> (f64, f64) {
        match *self {
            Self::Constant(value) => (value, value),
            Self::Changing(Changing::Linear { from, to, .. } | Changing::Exponential { from, to, .. }) => {
                (from.min(to), from.max(to))
            }
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_goes_straight_and_stays() {
        let schedule = Schedule::Changing(Changing::Linear { from: 1.0, to: 0.5, steps: 10 });
        assert_eq!([0, 5, 10, 1000].map(|step| schedule.value(step)), [1.0, 0.75, 0.5, 0.5]);
        let at_once = Schedule::Changing(Changing::Linear { from: 1.0, to: 0.5, steps: 0 });
        assert_eq!(at_once.value(0), 0.5);
    }

    #[test]
    fn exponential_halves_what_is_left() {
        let schedule = Schedule::Changing(Changing::Exponential { from: 1.0, to: 0.0, half_life: 10.0 });
        assert_eq!([0, 10, 20].map(|step| schedule.value(step)), [1.0, 0.5, 0.25]);
    }
}
