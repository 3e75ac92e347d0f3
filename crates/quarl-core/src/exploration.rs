//! Exploration: how actions are chosen from Q-values during training.

pub(crate) mod config;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::network::{QValues, check_mask};
use crate::rng::{Rng, Stream};

/// The exploration rule at one environment step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exploration {
    /// Epsilon-greedy: with this probability a random action, otherwise the greedy one.
    EpsilonGreedy(f64),
    /// Temporally extended epsilon-greedy exploration (Dabney et al. 2021): with probability `epsilon` a random action,
    /// repeated for n steps with probability proportional to `n^-mu`; otherwise the greedy action.
    EzGreedy {
        /// The probability that a repeated action begins.
        epsilon: f64,
        /// The exponent of the zeta distribution, above 1.
        mu: f64,
    },
    /// Softmax (Boltzmann) exploration: probabilities proportional to `exp(Q / temperature)`, with this temperature.
    Softmax(f64),
}

impl Exploration {
    /// The probability of an action that ignores the Q-values, which is reported as `epsilon`; 0 for softmax.
    pub fn epsilon(self) -> f64 {
        match self {
            Self::EpsilonGreedy(epsilon) | Self::EzGreedy { epsilon, .. } => epsilon,
            Self::Softmax(_) => 0.0,
        }
    }

    /// Writes the probability of each action, given the `q_values` of one item, into `probabilities`. For ez-greedy: while
    /// no action is being repeated.
    pub fn probabilities(self, q_values: QValues, probabilities: &mut [f64]) {
        let greedy = q_values.argmax(0);
        match self {
            Self::EpsilonGreedy(epsilon) | Self::EzGreedy { epsilon, .. } => {
                let allowed = (0..q_values.actions()).filter(|action| q_values.is_allowed(0, *action)).count();
                for (action, probability) in probabilities.iter_mut().enumerate() {
                    // If the mask allows no action, every action is possible: see `random`.
                    let is_drawn = allowed == 0 || q_values.is_allowed(0, action);
                    let share = if allowed == 0 { q_values.actions() } else { allowed } as f64;
                    let random = if is_drawn { epsilon / share } else { 0.0 };
                    *probability = random + if action == greedy { 1.0 - epsilon } else { 0.0 };
                }
            }
            Self::Softmax(temperature) => {
                let power = |action| softmax_power(temperature, q_values, greedy, action);
                let total: f64 = (0..q_values.actions()).map(power).sum();
                for (action, probability) in probabilities.iter_mut().enumerate() {
                    *probability = power(action) / total;
                }
            }
        }
    }
}

/// The exploration state of one training environment: its random stream and the repeated action. It is saved with the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explorer {
    rng: Rng,
    /// A repeated action, and its remaining number of steps.
    repeated: Option<(usize, u64)>,
}

impl Explorer {
    /// The explorer of training environment `environment`, in a run with seed `seed`.
    pub fn new(seed: u64, environment: u64) -> Self {
        let stream = Stream::Exploration;
        let rng = if environment == 0 { stream.rng(seed) } else { stream.part_rng(seed, environment) };
        Self { rng, repeated: None }
    }

    /// Chooses an action. `q_values` is called only if the choice depends on the Q-values.
    ///
    /// # Errors
    /// [`Error::MaskLength`] where the mask does not have one entry for each action; errors of `q_values`.
    pub fn choose<'a>(
        &mut self,
        exploration: Exploration,
        actions: usize,
        mask: Option<&'a [bool]>,
        q_values: impl FnOnce() -> Result<QValues<'a>, Error>,
    ) -> Result<usize, Error> {
        check_mask(mask, actions)?;
        let rng = &mut self.rng;
        match exploration {
            Exploration::EpsilonGreedy(epsilon) => epsilon_greedy(epsilon, actions, mask, rng, q_values),
            Exploration::EzGreedy { epsilon, mu } => {
                if let Some(action) = self.repeat(mask) {
                    return Ok(action);
                }
                if epsilon > 0.0 && self.rng.uniform() < epsilon {
                    let action = random(actions, mask, &mut self.rng);
                    self.repeated = Some((action, zeta(mu, &mut self.rng) - 1));
                    return Ok(action);
                }
                Ok(q_values()?.masked(mask)?.argmax(0))
            }
            Exploration::Softmax(temperature) => Ok(softmax(temperature, actions, rng, q_values()?.masked(mask)?)),
        }
    }

    /// The repeated action, for one more step. The repetition ends if the action mask forbids the action.
    fn repeat(&mut self, mask: Option<&[bool]>) -> Option<usize> {
        let (action, steps) = self.repeated.take()?;
        let is_allowed = mask.is_none_or(|mask| mask.get(action) == Some(&true));
        if steps == 0 || !is_allowed {
            return None;
        }
        self.repeated = Some((action, steps - 1));
        Some(action)
    }

    /// Ends a repetition at the beginning of an episode.
    pub fn begin_episode(&mut self) {
        self.repeated = None;
    }

    /// Whether this explorer, read from a file, is valid for `actions` actions.
    pub(crate) fn fits(&self, actions: usize) -> bool {
        self.repeated.is_none_or(|(action, _)| action < actions)
    }
}

/// Softmax (Boltzmann) exploration: action a with probability `exp(Q(a) / temperature)`, divided by the sum over all
/// allowed actions. The largest Q-value is subtracted first, so that nothing overflows. One random number for each action.
fn softmax(temperature: f64, actions: usize, rng: &mut Rng, q_values: QValues) -> usize {
    let greedy = q_values.argmax(0);
    let power = |action| softmax_power(temperature, q_values, greedy, action);
    // The powers are computed twice, because storing them would need an allocation.
    let total: f64 = (0..actions).map(power).sum();
    let mut mass = rng.uniform() * total;
    for action in 0..actions {
        let power = power(action);
        if mass < power {
            return action;
        }
        mass -= power;
    }
    // Rounding left some probability, or a Q-value is NaN.
    greedy
}

/// `exp((Q(action) - max Q) / temperature)`; 0 for a forbidden action. `greedy` is the action with the largest Q-value.
fn softmax_power(temperature: f64, q_values: QValues, greedy: usize, action: usize) -> f64 {
    let largest = f64::from(q_values.get(0, greedy));
    match q_values.is_allowed(0, action) {
        true => libm::exp((f64::from(q_values.get(0, action)) - largest) / temperature),
        false => 0.0,
    }
}

/// Epsilon-greedy: with probability `epsilon` a uniformly random allowed action (the greedy one included), otherwise the
/// greedy one. Without a mask, every action is allowed. `q_values` is called only if the greedy action is needed.
fn epsilon_greedy<'a>(
    epsilon: f64,
    actions: usize,
    mask: Option<&'a [bool]>,
    rng: &mut Rng,
    q_values: impl FnOnce() -> Result<QValues<'a>, Error>,
) -> Result<usize, Error> {
    if epsilon > 0.0 && rng.uniform() < epsilon {
        Ok(random(actions, mask, rng))
    } else {
        Ok(q_values()?.masked(mask)?.argmax(0))
    }
}

/// A random number from the zeta distribution: n with probability proportional to `n^-mu`, for `mu` above 1 (Devroye 1986,
/// X.6.1: rejection from the floor of a Pareto variate). It is at most 2^32, also for a `mu` that is not above 1.
fn zeta(mu: f64, rng: &mut Rng) -> u64 {
    const LARGEST: f64 = 4_294_967_296.0;
    let power = mu - 1.0;
    let b = libm::exp2(power);
    if b.is_nan() || b <= 1.0 {
        return LARGEST as u64;
    }
    if b.is_infinite() {
        // Anything above 1 has a probability below 2^-1000.
        return 1;
    }
    loop {
        // 1 less a uniform in [0, 1) is never 0.
        let x = libm::floor(libm::pow(1.0 - rng.uniform(), -1.0 / power)).min(LARGEST);
        let t = libm::pow(1.0 + 1.0 / x, power);
        if rng.uniform() * x * (t - 1.0) / (b - 1.0) <= t / b {
            return x as u64;
        }
    }
}

/// A uniformly random allowed action; any action if the mask allows none.
pub(crate) fn random(actions: usize, mask: Option<&[bool]>, rng: &mut Rng) -> usize {
    let allowed = mask.map_or(actions, |mask| mask.iter().filter(|allowed| **allowed).count());
    match mask {
        Some(mask) if allowed > 0 => {
            let nth = rng.below(allowed);
            mask.iter().enumerate().filter(|(_, allowed)| **allowed).nth(nth).map_or(0, |(action, _)| action)
        }
        _ => rng.below(actions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_ties_go_to_the_lowest_action() {
        let mut rng = Rng::from_seed(0);
        let q = [1.0, 3.0, 3.0, f32::NEG_INFINITY];
        assert_eq!(epsilon_greedy(0.0, 4, None, &mut rng, || Ok(QValues::new(&q, 4, 1))).unwrap(), 1);
        assert_eq!(epsilon_greedy(0.0, 4, None, &mut rng, || Ok(QValues::new(&[0.0; 4], 4, 1))).unwrap(), 0);
    }

    #[test]
    fn softmax_chooses_in_proportion_to_the_powers_whatever_their_size() {
        for shift in [0.0, 1000.0, -1000.0] {
            let q = [shift, shift + 1.0, shift + 3.0, f32::NEG_INFINITY];
            let mut rng = Rng::from_seed(0);
            let mut counts = [0_u32; 4];
            for _ in 0..20_000 {
                counts[softmax(2.0, 4, &mut rng, QValues::new(&q, 4, 1))] += 1;
            }
            // e^0, e^0.5, e^1.5 over their sum 7.130410: 0.140244, 0.231223, 0.628533.
            let expected = [0.140_244, 0.231_223, 0.628_533].map(|share| share * 20_000.0);
            let chi_squared: f64 =
                expected.iter().zip(counts).map(|(e, count)| (f64::from(count) - e).powi(2) / e).sum();
            // Two degrees of freedom: exceeded once in 10,000 times.
            assert!(chi_squared < 18.4, "{chi_squared}: {counts:?}");
            assert_eq!(counts[3], 0);
        }
    }

    #[test]
    fn a_cold_softmax_is_greedy_and_a_hot_one_uniform() {
        let mut rng = Rng::from_seed(0);
        let q = [0.0, 1.0];
        assert!((0..1000).all(|_| softmax(1e-9, 2, &mut rng, QValues::new(&q, 2, 1)) == 1));
        let ones: usize = (0..10_000).map(|_| softmax(1e9, 2, &mut rng, QValues::new(&q, 2, 1))).sum();
        // 5 standard deviations are 250.
        assert!(ones.abs_diff(5000) < 250, "{ones}");
    }

    #[test]
    fn zeta_draws_are_proportional_to_their_power() {
        for (mu, zeta_of_mu) in [(2.0, 1.644_934_066_848), (3.0, 1.202_056_903_160)] {
            let mut rng = Rng::from_seed(0);
            let mut counts = [0.0_f64; 5];
            for _ in 0..50_000 {
                counts[(zeta(mu, &mut rng) as usize).min(5) - 1] += 1.0;
            }
            let mut shares = [1.0, 2.0, 3.0, 4.0, 5.0].map(|n: f64| n.powf(-mu) / zeta_of_mu);
            shares[4] = 1.0 - shares[..4].iter().sum::<f64>();
            let chi_squared: f64 =
                shares.iter().zip(counts).map(|(p, n)| (n - 50_000.0 * p).powi(2) / (50_000.0 * p)).sum();
            // Four degrees of freedom: above 23.5 once in 10,000 times.
            assert!(chi_squared < 23.5, "{chi_squared}: {counts:?}");
        }
    }

    #[test]
    fn zeta_draws_end_whatever_the_exponent() {
        let mut rng = Rng::from_seed(0);
        for mu in
            [f64::NAN, f64::NEG_INFINITY, 0.0, 1.0, 1.0 + 1e-16, 1.0 + 1e-12, 1.5, 100.0, 1000.0, 1024.9, 1e6, f64::MAX]
        {
            for _ in 0..1000 {
                let n = zeta(mu, &mut rng);
                assert!((1..=1 << 32).contains(&n), "{mu}: {n}");
                assert!(mu.is_nan() || mu < 100.0 || n == 1, "{mu}: {n}");
            }
        }
    }

    #[test]
    fn a_repeated_action_ends_with_the_episode_or_where_it_is_forbidden() {
        let exploration = Exploration::EzGreedy { epsilon: 1.0, mu: 1.0 + 1e-3 };
        let greedy = Exploration::EzGreedy { epsilon: 0.0, mu: 2.0 };
        let q = [0.0, 9.0, 1.0];
        let q_values = || Ok(QValues::new(&q, 3, 1));
        let mut explorer = Explorer::new(3, 0);
        // With an exponent this small, repetitions are long; one of the first actions is not the greedy one.
        let started = |explorer: &mut Explorer| loop {
            explorer.begin_episode();
            let action = explorer.choose(exploration, 3, None, q_values).unwrap();
            if action != 1 && explorer.repeated.is_some_and(|(_, steps)| steps > 10) {
                return action;
            }
        };
        let action = started(&mut explorer);
        assert!((0..5).all(|_| explorer.choose(greedy, 3, None, q_values).unwrap() == action), "it is repeated");
        let saved: Explorer = postcard::from_bytes(&postcard::to_stdvec(&explorer).unwrap()).unwrap();
        assert_eq!(saved, explorer);
        explorer.begin_episode();
        assert_eq!(explorer.choose(greedy, 3, None, q_values).unwrap(), 1, "the episode has ended");

        let action = started(&mut explorer);
        let mask: Vec<bool> = (0..3).map(|other| other != action).collect();
        assert_eq!(explorer.choose(greedy, 3, Some(&mask), q_values).unwrap(), 1, "it is forbidden");
        assert_eq!(explorer.choose(greedy, 3, None, q_values).unwrap(), 1, "and does not come back");
    }

    #[test]
    fn a_repeat_is_as_long_as_drawn() {
        let mut explorer = Explorer { rng: Rng::from_seed(0), repeated: Some((2, 3)) };
        let greedy = Exploration::EzGreedy { epsilon: 0.0, mu: 2.0 };
        let q = [9.0, 0.0, 0.0];
        let actions: Vec<usize> =
            (0..5).map(|_| explorer.choose(greedy, 3, None, || Ok(QValues::new(&q, 3, 1))).unwrap()).collect();
        assert_eq!(actions, [2, 2, 2, 0, 0]);
    }

    #[test]
    fn random_actions_include_the_greedy_one() {
        let mut rng = Rng::from_seed(0);
        let mut counts = [0.0_f64; 2];
        for _ in 0..10_000 {
            counts[epsilon_greedy(0.5, 2, None, &mut rng, || Ok(QValues::new(&[0.0, 1.0], 2, 1))).unwrap()] += 1.0;
        }
        // Action 0 only when exploring: a quarter of the time; 5 standard deviations are 217.
        assert!((counts[0] - 2500.0).abs() < 217.0, "{counts:?}");
    }

    #[test]
    fn forbidden_actions_are_never_taken_and_allowed_ones_are_equally_likely() {
        let mut rng = Rng::from_seed(0);
        let q = [9.0, 1.0, 8.0, 2.0];
        let mask = [false, true, false, true];
        assert_eq!(epsilon_greedy(0.0, 4, Some(&mask), &mut rng, || Ok(QValues::new(&q, 4, 1))).unwrap(), 3);
        let mut counts = [0.0_f64; 4];
        for _ in 0..10_000 {
            counts[epsilon_greedy(1.0, 4, Some(&mask), &mut rng, || Ok(QValues::new(&q, 4, 1))).unwrap()] += 1.0;
        }
        // 5 standard deviations are 250.
        assert!(counts[0] == 0.0 && counts[2] == 0.0 && (counts[1] - 5000.0).abs() < 250.0, "{counts:?}");
    }

    #[test]
    fn a_mask_of_another_length_is_an_error_whether_or_not_it_would_be_looked_at() {
        let mut explorer = Explorer::new(0, 0);
        for mask in [&[][..], &[true], &[true, true, false]] {
            for exploration in
                [Exploration::EpsilonGreedy(0.0), Exploration::EpsilonGreedy(1.0), Exploration::Softmax(1.0)]
            {
                let q = [1.0, 2.0];
                let chosen = explorer.choose(exploration, 2, Some(mask), || Ok(QValues::new(&q, 2, 1)));
                assert!(matches!(chosen, Err(Error::MaskLength { expected: 2, .. })), "{mask:?}: {chosen:?}");
            }
        }
    }
}
