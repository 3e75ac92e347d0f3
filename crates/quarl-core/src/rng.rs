//! Random numbers: every random number of a run comes from a named stream of the run's seed.
//!
//! The generator is PCG64 (O'Neill 2014), NumPy's default, seeded as in NumPy: [`Rng::from_seed`] gives the numbers of
//! `numpy.random.default_rng(seed)`. It is plain data, so a run can be saved and resumed at any point of a stream.

mod seed_sequence;

use std::sync::OnceLock;

use rand_core::Rng as _;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

pub use seed_sequence::SeedSequence;

/// A random number generator.
///
/// ```
/// use quarl::rng::Rng;
///
/// // numpy.random.default_rng(42).random()
/// assert_eq!(Rng::from_seed(42).uniform(), 0.7739560485559633);
/// ```
///
/// A saved generator with an even increment, such as a zeroed state, is refused: its period is short, and rejection
/// sampling from it might never end. With an odd increment every output occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct Rng {
    pcg: Pcg64,
}

/// The serialised form of [`Rng`].
#[derive(Deserialize)]
struct Saved {
    pcg: SavedPcg,
}

/// The private fields of [`Pcg64`].
#[derive(Serialize, Deserialize)]
struct SavedPcg {
    state: u128,
    increment: u128,
}

impl TryFrom<Saved> for Rng {
    type Error = String;

    fn try_from(Saved { pcg }: Saved) -> Result<Self, String> {
        if pcg.increment % 2 == 0 {
            return Err(format!("the increment of a random generator is {}, but has to be odd", pcg.increment));
        }
        let bytes = postcard::to_stdvec(&pcg).map_err(|error| error.to_string())?;
        let pcg = postcard::from_bytes(&bytes).map_err(|error| error.to_string())?;
        Ok(Self { pcg })
    }
}

impl Rng {
    /// NumPy's `default_rng(seed)`.
    pub fn from_seed(seed: u64) -> Self {
        Self::from_seed_sequence(&SeedSequence::new(seed, &[]))
    }

    /// NumPy's `Generator(PCG64(sequence))`.
    pub fn from_seed_sequence(sequence: &SeedSequence) -> Self {
        let [state_high, state_low, stream_high, stream_low] = sequence.generate_state_u64().map(u128::from);
        Self { pcg: Pcg64::new(state_high << 64 | state_low, stream_high << 64 | stream_low) }
    }

    /// The next 64 random bits; NumPy's `bit_generator.random_raw()`.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.pcg.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2^-53; NumPy's `random()`.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in [low, high); NumPy's `uniform(low, high)`.
    #[inline]
    pub fn uniform_in(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in `0..n`, without bias (Lemire 2019). NumPy's `integers` gives other numbers: it draws from a buffer of
    /// half words.
    ///
    /// # Panics
    /// When `n` is 0.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below(0): nothing to draw from");
        let n = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let low = product as u64;
            // `low < n` is rare; only then is a division needed to decide whether to reject this number.
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// Standard normal, by the ziggurat method (Marsaglia & Tsang 2000; Doornik 2005) with 256 layers: nearly always one
    /// random number, one comparison and one multiplication. NumPy's `normal` gives other numbers.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        let ziggurat = Ziggurat::get();
        loop {
            let bits = self.next_u64();
            let layer = (bits & 0xff) as usize;
            // The upper 53 bits, as a number in [-1, 1).
            let u = (bits >> 11) as f64 * (2.0 / (1_u64 << 53) as f64) - 1.0;
            let x = u * ziggurat.edges[layer];
            if x.abs() < ziggurat.edges[layer + 1] {
                return x;
            }
            if layer == 0 {
                return self.normal_tail(ziggurat.edges[1]).copysign(u);
            }
            let (below, above) = (ziggurat.heights[layer], ziggurat.heights[layer + 1]);
            if below + (above - below) * self.uniform() < libm::exp(-0.5 * x * x) {
                return x;
            }
        }
    }

    /// A standard normal beyond `start` (Marsaglia 1964).
    #[cold]
    fn normal_tail(&mut self, start: f64) -> f64 {
        loop {
            // 1 - u lies in (0, 1], where the logarithm is finite.
            let beyond = -libm::log(1.0 - self.uniform()) / start;
            if -2.0 * libm::log(1.0 - self.uniform()) >= beyond * beyond {
                return start + beyond;
            }
        }
    }
}

/// Layers of equal area under exp(-x^2 / 2): layer i extends from x = 0 to `edges[i]` and from `heights[i]` to `heights[i +
/// 1]`. The lowest layer, 0, includes the tail; its edge is that of a rectangle of the same area.
struct Ziggurat {
    edges: [f64; 257],
    heights: [f64; 257],
}

impl Ziggurat {
    fn get() -> &'static Self {
        static TABLES: OnceLock<Ziggurat> = OnceLock::new();
        TABLES.get_or_init(|| {
            // The start of the tail and the area of each layer, for which the 256th layer ends at the top.
            const TAIL: f64 = 3.654_152_885_361_009;
            const AREA: f64 = 0.004_928_673_233_974_658;
            let density = |x: f64| libm::exp(-0.5 * x * x);
            let (mut edges, mut heights) = ([0.0; 257], [0.0; 257]);
            edges[0] = AREA / density(TAIL);
            edges[1] = TAIL;
            heights[1] = density(TAIL);
            for layer in 1..256 {
                heights[layer + 1] = (heights[layer] + AREA / edges[layer]).min(1.0);
                edges[layer + 1] = (-2.0 * libm::log(heights[layer + 1])).sqrt();
            }
            edges[256] = 0.0;
            Ziggurat { edges, heights }
        })
    }
}

/// The purposes of random numbers. Each purpose has its own stream, so that drawing more numbers for one purpose does not
/// change the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Reset seeds of the environments after environment 0 (see [`reset_seed`]).
    Environment,
    /// Exploration. Environment 0 uses the stream itself ([`Stream::rng`]), every other environment a stream of its own
    /// ([`Stream::part_rng`] with the environment's index).
    Exploration,
    /// Sampling from the replay buffer.
    Replay,
    /// The initial parameters of the network.
    Initialisation,
    /// Noise and quantile levels of the network.
    Noise,
    /// Episodes of the closing evaluation.
    Evaluation,
    /// Reset seeds after a lost worker process ([`Stream::part_seed`] with the number of losses so far).
    Restart,
    /// Reset seeds of single episodes, for an environment whose random state cannot be saved
    /// ([`Stream::part_seed`] with the episode's index).
    Episode,
    /// Episodes for reported scores, which differ from those of training and its evaluations ([`Stream::part_seed`] with
    /// the run's seed).
    Report,
    /// Episodes of the evaluations at an interval, which select the best model and may stop the run.
    PeriodicEvaluation,
    /// The samples of a study ([`Stream::part_rng`] with the number of the trial).
    Search,
}

impl Stream {
    /// This stream of a run's seed; NumPy's `Generator(PCG64(SeedSequence(seed, spawn_key=(index,))))`.
    pub fn rng(self, seed: u64) -> Rng {
        Rng::from_seed_sequence(&SeedSequence::new(seed, &[self as u32]))
    }

    /// The stream of one part of a run, independent of [`Stream::rng`], of the other parts, and of other seeds:
    /// `spawn_key=(index, part % 2**32, part // 2**32)`.
    pub fn part_rng(self, seed: u64, part: u64) -> Rng {
        Rng::from_seed_sequence(&self.part_sequence(seed, part))
    }

    /// A seed derived from a run's seed: the first word of the stream's sequence. It is below 2^32, because some
    /// environments accept no larger seed (`numpy.random.seed`).
    pub fn seed(self, seed: u64) -> u64 {
        first_word(&SeedSequence::new(seed, &[self as u32]))
    }

    /// [`Stream::seed`] for one part of a run. Two different pairs of seed and part give the same number with probability
    /// 2^-32.
    pub fn part_seed(self, seed: u64, part: u64) -> u64 {
        first_word(&self.part_sequence(seed, part))
    }

    // The index determines results: the order of the variants must not change.
    fn part_sequence(self, seed: u64, part: u64) -> SeedSequence {
        SeedSequence::new(seed, &[self as u32, part as u32, (part >> 32) as u32])
    }
}

/// The seed of the first reset of environment `i` in a run with seed `seed`: `seed` itself for environment 0, derived from
/// both for the others.
pub fn reset_seed(seed: u64, i: u64) -> u64 {
    if i == 0 { seed } else { Stream::Environment.part_seed(seed, i) }
}

fn first_word(sequence: &SeedSequence) -> u64 {
    let [word] = sequence.generate_state_u32();
    u64::from(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: tests/oracles/numpy_seeds.py with NumPy 2.4.6.

    #[test]
    fn raw_draws_are_numpys() {
        let mut rng = Rng::from_seed(0);
        for expected in [0xa30febcfd9c2825f, 0x4510bdf882d9d721, 0x0a7d3da94ecde8b8, 0x043b27b61342f01d] {
            assert_eq!(rng.next_u64(), expected);
        }
        let mut rng = Rng::from_seed((1 << 63) + 12345);
        for expected in [0x7e82ff06e5a17e1c, 0x9375de147f211adb, 0x0aee1bf0359cb9d2, 0xdd2d13442c0ec89f] {
            assert_eq!(rng.next_u64(), expected);
        }
    }

    #[test]
    fn uniform_draws_are_numpys_bit_for_bit() {
        let mut rng = Rng::from_seed(0);
        for expected in [0.6369616873214543, 0.2697867137638703, 0.04097352393619469, 0.016527635528529094] {
            assert_eq!(rng.uniform(), expected);
        }
        let mut rng = Rng::from_seed(42);
        for expected in [0.027395604855596334, -0.006112156024794771, 0.03585979199113824, 0.019736802905936393] {
            assert_eq!(rng.uniform_in(-0.05, 0.05), expected);
        }
    }

    #[test]
    fn a_stream_is_the_seeds_sequence_spawned_with_its_index() {
        let mut replay = Stream::Replay.rng(0);
        assert_eq!(replay, Rng::from_seed_sequence(&SeedSequence::new(0, &[2])));
        assert_ne!(replay.next_u64(), Stream::Noise.rng(0).next_u64());
        assert_eq!(Stream::Initialisation.seed(7), 0xe503_5277);
    }

    #[test]
    fn no_two_environments_of_any_runs_share_a_seed_or_a_stream() {
        use std::collections::HashSet;
        let run_seeds = (0..500).chain((0..8).map(|bit| 1 << (8 * bit))).chain((0..20).map(|i| u64::MAX - i));
        let pairs = run_seeds.collect::<HashSet<u64>>().into_iter().flat_map(|seed| (0..24).map(move |i| (seed, i)));
        let (mut seeds, mut streams, mut count) = (HashSet::new(), HashSet::new(), 0);
        for (seed, i) in pairs {
            count += 1;
            let exploration = match i {
                0 => Stream::Exploration.rng(seed),
                i => Stream::Exploration.part_rng(seed, i),
            };
            seeds.insert(reset_seed(seed, i));
            streams.insert({ exploration }.next_u64());
        }
        assert_eq!((seeds.len(), streams.len()), (count, count));
    }

    #[test]
    fn parts_of_a_stream_differ_from_it_from_each_other_and_from_other_streams() {
        let part = Stream::Exploration.part_rng(7, 1);
        assert_eq!(part, Rng::from_seed_sequence(&SeedSequence::new(7, &[1, 1, 0])));
        for other in [Stream::Exploration.rng(7), Stream::Exploration.part_rng(7, 2), Stream::Restart.part_rng(7, 1)] {
            assert_ne!(part, other);
        }
        assert_ne!(Stream::Episode.part_seed(7, 1), Stream::Episode.part_seed(7, 1 + (1 << 32)));
    }

    #[test]
    fn a_stream_read_back_goes_on_where_it_was() {
        let mut rng = Rng::from_seed(3);
        rng.next_u64();
        let json = serde_json::to_string(&rng).unwrap();
        let mut from_json: Rng = serde_json::from_str(&json).unwrap();
        let mut from_bytes: Rng = postcard::from_bytes(&postcard::to_stdvec(&rng).unwrap()).unwrap();
        let next = rng.next_u64();
        assert_eq!((from_json.next_u64(), from_bytes.next_u64()), (next, next));
    }

    #[test]
    fn a_generator_that_would_repeat_itself_is_refused() {
        for (state, increment) in [(0_u128, 0_u128), (1, 0), (0, 2), (u128::MAX, u128::MAX - 1)] {
            let bytes = postcard::to_stdvec(&(state, increment)).unwrap();
            assert!(postcard::from_bytes::<Rng>(&bytes).is_err(), "{state}, {increment}");
        }
        // A state of zero is valid if the increment is odd.
        let bytes = postcard::to_stdvec(&(0_u128, 1_u128)).unwrap();
        assert!(postcard::from_bytes::<Rng>(&bytes).unwrap().below(5) < 5);
    }

    #[test]
    fn below_reaches_every_number_equally_often() {
        let mut rng = Rng::from_seed(1);
        let mut counts = [0_i32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        // 5 standard deviations: sqrt(70000 * 1/7 * 6/7) = 93.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 465), "{counts:?}");
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    #[should_panic(expected = "nothing to draw from")]
    fn below_zero_is_refused() {
        Rng::from_seed(0).below(0);
    }

    #[test]
    fn normal_draws_fill_every_part_of_the_curve_as_they_should() {
        let mut rng = Rng::from_seed(2);
        const DRAWS: usize = 400_000;
        // Intervals of width 0.25 from -4 to 4. The tail beyond 3.65 is sampled by another method than the rest.
        let mut counts = [0.0_f64; 34];
        for _ in 0..DRAWS {
            counts[((rng.normal() + 4.0) / 0.25 + 1.0).clamp(0.0, 33.0) as usize] += 1.0;
        }
        let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
        let mut chi_squared = 0.0;
        for (bin, count) in counts.iter().enumerate() {
            let low = if bin == 0 { 0.0 } else { below((bin as f64 - 1.0) * 0.25 - 4.0) };
            let high = if bin == 33 { 1.0 } else { below(bin as f64 * 0.25 - 4.0) };
            let expected = (high - low) * DRAWS as f64;
            chi_squared += (count - expected).powi(2) / expected;
        }
        // 33 degrees of freedom: above 74 once in 20,000 times.
        assert!(chi_squared < 74.0, "{chi_squared}: {counts:?}");
    }
}
