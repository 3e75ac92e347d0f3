//! A seed for every episode of an environment whose random state cannot be saved.

use super::forward_to_inner;
use crate::env::{Environment, state};
use crate::error::Error;
use crate::rng::Stream;

/// An environment that seeds every reset, for environments whose random state cannot be saved
/// ([`Environment::saves_random_state`]).
///
/// A reset with a seed uses that seed. The k-th reset without a seed after it uses a seed derived from that seed and k
/// ([`Stream::Episode`]). Seed and k are saved, so a run interrupted between episodes continues as if it had not been
/// interrupted.
#[derive(Clone, Debug)]
pub struct SeedEpisodes<E> {
    inner: E,
    /// The last seed given.
    seed: Option<u64>,
    /// The number of episodes since then.
    episode: u64,
}

impl<E: Environment> SeedEpisodes<E> {
    /// Seeds every episode of `inner`.
    pub fn new(inner: E) -> Self {
        Self { inner, seed: None, episode: 0 }
    }
}

impl<E: Environment> Environment for SeedEpisodes<E> {
    forward_to_inner!(spec, step, begin_step, action_mask, episode_statistics, scene, saves_within_episodes);

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        // The first reset uses seed 0 if no seed is given, as in the built-in environments.
        let (base, episode) = match (seed, self.seed) {
            (Some(seed), _) => (seed, 0),
            (None, None) => (0, 0),
            (None, Some(base)) => (base, self.episode.wrapping_add(1)),
        };
        let seed = if episode == 0 { base } else { Stream::Episode.part_seed(base, episode) };
        self.inner.reset(Some(seed), observation)?;
        (self.seed, self.episode) = (Some(base), episode);
        Ok(())
    }

    fn saves_random_state(&self) -> bool {
        true
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec().id, &(self.seed, self.episode, self.inner.save_state()?))
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (seed, episode, inner): (Option<u64>, u64, Vec<u8>) = state::load(&self.spec().id, bytes)?;
        self.inner.load_state(&inner)?;
        (self.seed, self.episode) = (seed, episode);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::check::check;
    use crate::env::{EnvironmentSpec, Step, make};
    use crate::scene::Scene;

    /// CartPole whose saved state leaves out the random state.
    struct Forgetful(Box<dyn Environment>, Vec<Option<u64>>);

    impl Environment for Forgetful {
        fn spec(&self) -> &EnvironmentSpec {
            self.0.spec()
        }

        fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
            self.0.reset(seed, observation)?;
            self.1.push(seed);
            Ok(())
        }

        fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
            self.0.step(action, observation)
        }

        fn scene(&mut self) -> Result<Option<Scene>, Error> {
            self.0.scene()
        }

        fn saves_within_episodes(&self) -> bool {
            false
        }

        fn saves_random_state(&self) -> bool {
            false
        }

        fn save_state(&self) -> Result<Vec<u8>, Error> {
            Ok(Vec::new())
        }

        fn load_state(&mut self, _: &[u8]) -> Result<(), Error> {
            self.0 = make("CartPole-v1")?;
            Ok(())
        }
    }

    fn forgetful() -> Forgetful {
        Forgetful(make("CartPole-v1").unwrap(), Vec::new())
    }

    #[test]
    fn every_episode_is_seeded_and_a_restored_environment_goes_on_with_the_next_one() {
        let (mut env, mut observation) = (SeedEpisodes::new(forgetful()), [0.0; 4]);
        for seed in [None, None, Some(5), None, None] {
            env.reset(seed, &mut observation).unwrap();
        }
        let of = |seed, episode| Some(Stream::Episode.part_seed(seed, episode));
        assert_eq!(env.inner.1, [Some(0), of(0, 1), Some(5), of(5, 1), of(5, 2)]);
        let mut restored = SeedEpisodes::new(forgetful());
        restored.load_state(&env.save_state().unwrap()).unwrap();
        let mut expected = [0.0; 4];
        env.reset(None, &mut expected).unwrap();
        restored.reset(None, &mut observation).unwrap();
        assert_eq!((observation, &restored.inner.1[..]), (expected, &[of(5, 3)][..]));
    }

    #[test]
    fn with_and_without_it_an_environments_promises_are_kept() {
        check(&mut forgetful()).unwrap();
        check(&mut SeedEpisodes::new(forgetful())).unwrap();
    }
}
