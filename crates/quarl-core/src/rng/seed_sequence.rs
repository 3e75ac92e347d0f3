//! NumPy's seeding, so that a seed gives the same random numbers as in Gymnasium.
//!
//! [`SeedSequence`] is `numpy.random.SeedSequence`: it hashes a seed into a pool of four 32-bit words, and expands the pool
//! into a generator's state. [`Rng::from_seed_sequence`](super::Rng::from_seed_sequence) seeds PCG64 from it, as `numpy.random.default_rng` and
//! `gymnasium.utils.seeding.np_random` do.
//!
//! Source: M. E. O'Neill, "Developing a seed_seq Alternative" (2015), with NumPy's constants.

/// The number of 32-bit words in the pool: 128 bits of entropy.
const POOL_WORDS: usize = 4;
const MIX_LEFT: u32 = 0xca01_f9dd;
const MIX_RIGHT: u32 = 0x4973_f715;

/// A running hash whose multiplier changes with every word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    /// The hash that fills the pool.
    fn of_entropy() -> Self {
        Self { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 }
    }

    /// The hash that reads the pool.
    fn of_output() -> Self {
        Self { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded }
    }

    fn next(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        let word = word.wrapping_mul(self.constant);
        word ^ (word >> 16)
    }
}

fn mix(left: u32, right: u32) -> u32 {
    let mixed = MIX_LEFT.wrapping_mul(left).wrapping_sub(MIX_RIGHT.wrapping_mul(right));
    mixed ^ (mixed >> 16)
}

/// NumPy's `SeedSequence(entropy, spawn_key=spawn_key)` with its default pool size.
///
/// ```
/// use quarl::rng::SeedSequence;
///
/// // numpy.random.SeedSequence(42).generate_state(1, numpy.uint64)
/// assert_eq!(SeedSequence::new(42, &[]).generate_state_u64(), [0x9f1e_2e6d_cd54_0ab7]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedSequence {
    pool: [u32; POOL_WORDS],
}

impl SeedSequence {
    /// Creates a sequence from a seed. `spawn_key` separates several sequences of one seed; empty for the seed's own
    /// sequence.
    pub fn new(entropy: u64, spawn_key: &[u32]) -> Self {
        let mut hash = Hash::of_entropy();
        // A seed is hashed from its low word on, and missing words count as zero, so 64 bits always fill the pool's first
        // two words.
        let seed_words = [entropy as u32, (entropy >> 32) as u32, 0, 0];
        let mut pool = seed_words.map(|word| hash.next(word));
        for source in 0..POOL_WORDS {
            for target in (0..POOL_WORDS).filter(|&target| target != source) {
                pool[target] = mix(pool[target], hash.next(pool[source]));
            }
        }
        for &word in spawn_key {
            for slot in &mut pool {
                *slot = mix(*slot, hash.next(word));
            }
        }
        Self { pool }
    }

    /// NumPy's `generate_state(N, numpy.uint32)`.
    pub fn generate_state_u32<const N: usize>(&self) -> [u32; N] {
        let mut hash = Hash::of_output();
        std::array::from_fn(|i| hash.next(self.pool[i % POOL_WORDS]))
    }

    /// NumPy's `generate_state(N, numpy.uint64)`.
    pub fn generate_state_u64<const N: usize>(&self) -> [u64; N] {
        let mut hash = Hash::of_output();
        std::array::from_fn(|i| {
            let low = hash.next(self.pool[2 * i % POOL_WORDS]);
            let high = hash.next(self.pool[(2 * i + 1) % POOL_WORDS]);
            u64::from(low) | u64::from(high) << 32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::SeedSequence;

    // Expected values: tests/oracles/numpy_seeds.py with NumPy 2.4.6.

    #[test]
    fn seeds_of_one_and_two_words_give_numpys_state() {
        let expected: [(u64, [u64; 4]); 7] = [
            (0, [0xdb2cd7e7b0f478be, 0xabf4641a2c71ba49, 0x20c6ed6d9d7b8d41, 0x2c4099de223c39d4]),
            (1, [0x672d8ee56d6791ff, 0x8ae19ca14eb1072c, 0x4915796d1322fc4a, 0xd0cc2bdcaba049bd]),
            (42, [0x9f1e2e6dcd540ab7, 0xd57873dc79fb94b6, 0x7d282a1b64d420b7, 0x336579714692d5ff]),
            ((1 << 32) - 1, [0x2a05c5e276c1fe08, 0x2032e40fc20e8198, 0xed4ac06d787f4396, 0x56896cb4f3db80fd]),
            (1 << 32, [0x50ff846cec53f444, 0x7a4918dbe8278562, 0x3bff9f6c362e2b19, 0xbdb177539a0654e3]),
            ((1 << 63) + 12345, [0x889ec48f7ae53509, 0x26bb4c7be5ab3a49, 0x6dc73b76aa842b98, 0xae5b85cbdd13fec1]),
            (u64::MAX, [0xaebca151928cad0d, 0x119c30448638dc7a, 0x1bbb155659e642a7, 0xa76b11e3e8c4a8f6]),
        ];
        for (seed, state) in expected {
            assert_eq!(SeedSequence::new(seed, &[]).generate_state_u64(), state, "seed {seed}");
        }
    }

    #[test]
    fn spawn_keys_give_numpys_state() {
        let expected: [(u64, &[u32], [u64; 4]); 4] = [
            (0, &[0], [0x784dfb2cdff7b411, 0xca65717f56cf8f57, 0x66ba395b9bb52223, 0x6f9b32110fe1e0a9]),
            (7, &[3], [0x5eb38dc8e5035277, 0xd7ca5baba9dd58ee, 0x2e591da2b43312b7, 0x92546e1591fafee9]),
            ((1 << 40) + 5, &[1, 2], [0x617325326ff65575, 0x48cd04e4aca8ac34, 0x7b08b08936df001c, 0xfc81c6080b4871c4]),
            (123, &[5, 4, 3, 2, 1], [0xe028c36b1ccf29b5, 0x7307c295c788ddbd, 0x41e7530422e60aec, 0xa15e42bc69e41fd1]),
        ];
        for (seed, key, state) in expected {
            assert_eq!(SeedSequence::new(seed, key).generate_state_u64(), state, "seed {seed}, key {key:?}");
        }
    }

    #[test]
    fn half_words_are_the_low_and_high_parts_of_words() {
        assert_eq!(SeedSequence::new(7, &[3]).generate_state_u32(), [0xe5035277, 0x5eb38dc8, 0xa9dd58ee]);
    }
}
