//! Observations brought to mean 0 and variance 1, by what has been seen so far.

use serde::{Deserialize, Serialize};

use super::forward_to_inner;
use crate::env::{Environment, EnvironmentSpec, Step, state};
use crate::error::Error;
use crate::space::{BoxSpace, Dtype};

/// What the first mean and variance (0 and 1) count for, in observations; Gymnasium's number.
const PRIOR_COUNT: f64 = 1e-4;
/// Added to the variance, so that a number that never changes can be divided by; Gymnasium's.
const EPSILON: f64 = 1e-8;

/// The running mean and variance of every number of an observation (Chan, Golub & LeVeque 1983, one observation at a time).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservationStatistics {
    count: f64,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl ObservationStatistics {
    /// Nothing seen yet, of observations of `features` numbers.
    pub fn new(features: usize) -> Self {
        Self { count: PRIOR_COUNT, mean: vec![0.0; features], variance: vec![1.0; features] }
    }

    /// What was saved, unless it cannot be: lengths that differ, a negative variance, a number that is not finite.
    pub fn from_parts(count: f64, mean: Vec<f64>, variance: Vec<f64>) -> Option<Self> {
        let statistics = Self { count, mean, variance };
        statistics.fits(statistics.mean.len()).then_some(statistics)
    }

    /// How many observations were seen, with the little that the prior counts for.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Each number's mean.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Each number's variance.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// Takes one observation in.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where it has another length.
    pub fn update(&mut self, observation: &[f32]) -> Result<(), Error> {
        self.check_length(observation.len(), 1)?;
        let total = self.count + 1.0;
        for ((mean, variance), x) in self.mean.iter_mut().zip(&mut self.variance).zip(observation) {
            let delta = f64::from(*x) - *mean;
            *mean += delta / total;
            *variance = (*variance * self.count + delta * delta * self.count / total) / total;
        }
        self.count = total;
        Ok(())
    }

    /// Normalises one observation, or several in a row: `(x - mean) / sqrt(variance + 1e-8)`.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where they are no whole number of observations.
    pub fn normalize(&self, observations: &mut [f32]) -> Result<(), Error> {
        self.check_length(observations.len(), observations.len() / self.mean.len().max(1))?;
        for observation in observations.chunks_exact_mut(self.mean.len()) {
            for ((x, mean), variance) in observation.iter_mut().zip(&self.mean).zip(&self.variance) {
                *x = ((f64::from(*x) - mean) / (variance + EPSILON).sqrt()) as f32;
            }
        }
        Ok(())
    }

    /// Whether so many numbers are `observations` observations.
    fn check_length(&self, actual: usize, observations: usize) -> Result<(), Error> {
        let expected = self.mean.len();
        if actual > 0 && actual == observations * expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: "observation statistics".to_owned(), expected, actual })
    }

    /// Whether this, read back from somewhere, is for observations of `features` numbers.
    pub(crate) fn fits(&self, features: usize) -> bool {
        (self.mean.len(), self.variance.len()) == (features, features)
            && self.count.is_finite()
            && self.count >= PRIOR_COUNT
            && self.mean.iter().all(|x| x.is_finite())
            && self.variance.iter().all(|x| x.is_finite() && *x >= 0.0)
    }
}

/// An environment whose observations are normalised by all that it has shown.
///
/// In a run, `env.normalize_observation = true` does the same inside the agent, with raw observations in replay.
#[derive(Clone, Debug)]
pub struct NormalizeObservation<E> {
    inner: E,
    spec: EnvironmentSpec,
    statistics: ObservationStatistics,
    learns: bool,
}

impl<E: Environment> NormalizeObservation<E> {
    /// Normalises what `inner` shows, learning the statistics on the way.
    pub fn new(inner: E) -> Self {
        let statistics = ObservationStatistics::new(inner.spec().observation_space.len());
        Self::over(inner, statistics, true)
    }

    /// Normalises by statistics that stay as they are.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where they are of other observations.
    pub fn frozen(inner: E, statistics: ObservationStatistics) -> Result<Self, Error> {
        let (expected, actual) = (inner.spec().observation_space.len(), statistics.mean.len());
        if actual != expected {
            return Err(Error::ObservationLength { id: inner.spec().id.clone(), expected, actual });
        }
        Ok(Self::over(inner, statistics, false))
    }

    fn over(inner: E, statistics: ObservationStatistics, learns: bool) -> Self {
        let mut spec = inner.spec().clone();
        let len = spec.observation_space.len();
        spec.observation_space = BoxSpace {
            low: vec![f32::NEG_INFINITY; len],
            high: vec![f32::INFINITY; len],
            dtype: Dtype::F32,
            ..spec.observation_space
        };
        Self { inner, spec, statistics, learns }
    }

    /// What it has learnt.
    pub fn statistics(&self) -> &ObservationStatistics {
        &self.statistics
    }

    fn see(&mut self, observation: &mut [f32]) -> Result<(), Error> {
        if self.learns {
            self.statistics.update(observation)?;
        }
        self.statistics.normalize(observation)
    }
}

impl<E: Environment> Environment for NormalizeObservation<E> {
    forward_to_inner!(begin_step, action_mask, episode_statistics, scene, saves_within_episodes, saves_random_state);

    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.inner.reset(seed, observation)?;
        self.see(observation)
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        let step = self.inner.step(action, observation)?;
        self.see(observation)?;
        Ok(step)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &(&self.statistics, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (statistics, inner): (ObservationStatistics, Vec<u8>) = state::load(&self.spec.id, bytes)?;
        if !statistics.fits(self.statistics.mean.len()) {
            return Err(state::refused(&self.spec.id, "its statistics are of other observations".to_owned()));
        }
        self.inner.load_state(&inner)?;
        self.statistics = statistics;
        Ok(())
    }
}
