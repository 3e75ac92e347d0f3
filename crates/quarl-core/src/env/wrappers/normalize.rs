//! Observation normalisation with a running mean and variance.

use serde::{Deserialize, Serialize};

use super::forward_to_inner;
use crate::env::{Environment, EnvironmentSpec, Step, state};
use crate::error::Error;
use crate::space::{BoxSpace, Dtype};

/// The weight of the initial mean 0 and variance 1, in observations; Gymnasium's value.
const PRIOR_COUNT: f64 = 1e-4;
/// Added to the variance, so that a constant number does not divide by zero; Gymnasium's value.
const EPSILON: f64 = 1e-8;

/// The running mean and variance of every number of an observation (Chan, Golub & LeVeque 1983, one observation at a time).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservationStatistics {
    count: f64,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl ObservationStatistics {
    /// Statistics of no observations yet, for observations of `features` numbers.
    pub fn new(features: usize) -> Self {
        Self { count: PRIOR_COUNT, mean: vec![0.0; features], variance: vec![1.0; features] }
    }

    /// Restores saved statistics; `None` for lengths that differ, a negative variance, or a number that is not finite.
    pub fn from_parts(count: f64, mean: Vec<f64>, variance: Vec<f64>) -> Option<Self> {
        let statistics = Self { count, mean, variance };
        statistics.fits(statistics.mean.len()).then_some(statistics)
    }

    /// The number of observations, plus the weight of the initial mean and variance (1e-4).
    pub fn count(&self) -> f64 {
        self.count
    }

    /// The mean of each number.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance of each number.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// What a number is divided by when it is normalised, for each number: `sqrt(variance + 1e-8)`.
    pub fn deviations(&self) -> impl Iterator<Item = f64> {
        self.variance.iter().map(|variance| (variance + EPSILON).sqrt())
    }

    /// Updates the statistics with one observation.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] for an observation of another length.
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

    /// Normalises one observation, or several in a row, in place: `(x - mean) / sqrt(variance + 1e-8)`.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the slice does not hold a whole number of observations.
    pub fn normalize(&self, observations: &mut [f32]) -> Result<(), Error> {
        self.check_length(observations.len(), observations.len() / self.mean.len().max(1))?;
        for observation in observations.chunks_exact_mut(self.mean.len()) {
            for ((x, mean), deviation) in observation.iter_mut().zip(&self.mean).zip(self.deviations()) {
                *x = ((f64::from(*x) - mean) / deviation) as f32;
            }
        }
        Ok(())
    }

    /// Refuses a slice that does not hold `observations` observations.
    fn check_length(&self, actual: usize, observations: usize) -> Result<(), Error> {
        let expected = self.mean.len();
        if actual > 0 && actual == observations * expected {
            return Ok(());
        }
        Err(Error::ObservationLength { id: "observation statistics".to_owned(), expected, actual })
    }

    /// Whether these statistics are valid for observations of `features` numbers.
    pub(crate) fn fits(&self, features: usize) -> bool {
        (self.mean.len(), self.variance.len()) == (features, features)
            && self.count.is_finite()
            && self.count >= PRIOR_COUNT
            && self.mean.iter().all(|x| x.is_finite())
            && self.variance.iter().all(|x| x.is_finite() && *x >= 0.0)
    }
}

/// An environment whose observations are normalised with the statistics of all observations so far.
///
/// In a run, `env.normalize_observation = true` does the same in the agent, and replay stores raw observations.
#[derive(Clone, Debug)]
pub struct NormalizeObservation<E> {
    inner: E,
    spec: EnvironmentSpec,
    statistics: ObservationStatistics,
    learns: bool,
}

impl<E: Environment> NormalizeObservation<E> {
    /// Normalises the observations of `inner` and updates the statistics with each of them.
    pub fn new(inner: E) -> Self {
        let statistics = ObservationStatistics::new(inner.spec().observation_space.len());
        Self::over(inner, statistics, true)
    }

    /// Normalises with fixed statistics.
    ///
    /// # Errors
    /// [`Error::ObservationLength`] where the statistics belong to observations of another length.
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

    /// The statistics.
    pub fn statistics(&self) -> &ObservationStatistics {
        &self.statistics
    }

    fn update_and_normalize(&mut self, observation: &mut [f32]) -> Result<(), Error> {
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
        self.update_and_normalize(observation)
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        let step = self.inner.step(action, observation)?;
        self.update_and_normalize(observation)?;
        Ok(step)
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &(&self.statistics, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (statistics, inner): (ObservationStatistics, Vec<u8>) = state::load(&self.spec.id, bytes)?;
        if !statistics.fits(self.statistics.mean.len()) {
            return Err(state::refused(
                &self.spec.id,
                "its statistics belong to observations of another length".to_owned(),
            ));
        }
        self.inner.load_state(&inner)?;
        self.statistics = statistics;
        Ok(())
    }
}
