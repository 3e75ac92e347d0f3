//! The shared implementation of CartPole, MountainCar and Acrobot.
//!
//! A task implements [`Physics`] (its equations), and [`ClassicControl`] makes an [`Environment`] of it. The arithmetic is
//! Gymnasium's: states in f64, observations in f32, every expression evaluated in the order of Gymnasium's source, and
//! resets that draw the same random numbers. Only sine and cosine may differ in the last place: they come from `libm`, so
//! that they are the same on every machine.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::env::{End, Environment, EnvironmentSpec, Step, state};
use crate::error::Error;
use crate::rng::Rng;
use crate::scene::Scene;
use crate::space::BoxSpace;

/// The equations of a task whose state is a few numbers.
pub trait Physics: Send + 'static {
    /// The state, an array of f64.
    type State: AsRef<[f64]> + AsMut<[f64]> + Clone + Copy + Debug + Default + Send + Serialize + DeserializeOwned;

    /// The task's name without its version.
    const NAME: &'static str;
    /// The number of actions.
    const ACTIONS: usize;
    /// Frames per second for rendering; one step is one frame.
    const RENDER_FPS: u32;

    /// The observation space.
    fn observation_space() -> BoxSpace;

    /// The lower and upper limit of each number of the state while an episode runs.
    fn limits() -> (Self::State, Self::State);

    /// Draws the initial state of an episode.
    fn start(rng: &mut Rng) -> Self::State;

    /// Advances the state by one step of `action`. Returns the reward, and whether the task terminated.
    fn advance(state: &mut Self::State, action: usize) -> (f64, bool);

    /// Writes the observation of `state`.
    fn observe(state: &Self::State, observation: &mut [f32]);

    /// Draws a picture of the state.
    fn draw(state: &Self::State) -> Scene;
}

/// Whether an episode is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    New,
    Running,
    Ended,
}

/// Everything that changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Episode<S> {
    rng: Rng,
    state: S,
    phase: Phase,
}

/// The environment of the task `P`, without a time limit.
///
/// The first reset uses seed 0 if no seed is given, so that every run can be repeated.
#[derive(Clone, Debug)]
pub struct ClassicControl<P: Physics> {
    spec: EnvironmentSpec,
    episode: Episode<P::State>,
}

impl<P: Physics> ClassicControl<P> {
    /// The task under its name without a version: no time limit, no reward threshold.
    pub fn new() -> Self {
        Self::registered(P::NAME, None)
    }

    /// The task as registered under `id`.
    pub(crate) fn registered(id: &str, reward_threshold: Option<f64>) -> Self {
        let spec = EnvironmentSpec {
            id: id.to_owned(),
            observation_space: P::observation_space(),
            action_space: crate::space::Discrete { n: P::ACTIONS },
            max_episode_steps: None,
            reward_threshold,
            render_fps: P::RENDER_FPS,
            has_action_mask: false,
        };
        Self { spec, episode: Episode { rng: Rng::from_seed(0), state: P::State::default(), phase: Phase::New } }
    }

    /// The state of the running episode, or the final state of the last one; `None` before the first episode.
    pub fn state(&self) -> Option<P::State> {
        (self.episode.phase != Phase::New).then_some(self.episode.state)
    }

    /// Starts an episode in the given state instead of a random one. The random generator is not used.
    ///
    /// # Errors
    /// [`Error::State`] where a number of the state is not finite or outside the task's limits,
    /// [`Error::ObservationLength`] for a slice of the wrong length.
    #[doc(hidden)] // For the tests that compare trajectories with Gymnasium's.
    pub fn start_from(&mut self, state: P::State, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        self.check_state(&state)?;
        self.begin(state, observation);
        Ok(())
    }

    fn begin(&mut self, state: P::State, observation: &mut [f32]) {
        self.episode.state = state;
        self.episode.phase = Phase::Running;
        P::observe(&state, observation);
    }

    fn check_state(&self, state: &P::State) -> Result<(), Error> {
        let (low, high) = P::limits();
        let within = |(x, (low, high)): (&f64, (&f64, &f64))| x.is_finite() && low <= x && x <= high;
        if state.as_ref().iter().zip(low.as_ref().iter().zip(high.as_ref())).all(within) {
            return Ok(());
        }
        Err(state::refused(&self.spec.id, format!("{state:?} is not within {low:?} and {high:?}")))
    }
}

impl<P: Physics> Default for ClassicControl<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Physics> Environment for ClassicControl<P> {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.spec.check_observation(observation)?;
        if let Some(seed) = seed {
            self.episode.rng = Rng::from_seed(seed);
        }
        let state = P::start(&mut self.episode.rng);
        self.begin(state, observation);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if self.episode.phase != Phase::Running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.spec.check_action(action)?;
        self.spec.check_observation(observation)?;
        let (reward, terminated) = P::advance(&mut self.episode.state, action);
        P::observe(&self.episode.state, observation);
        if terminated {
            self.episode.phase = Phase::Ended;
        }
        Ok(Step { reward, end: terminated.then_some(End::Terminated) })
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        Ok(self.state().map(|state| P::draw(&state)))
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save(&self.spec.id, &self.episode)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let episode: Episode<P::State> = state::load(&self.spec.id, bytes)?;
        // Only the state of a running episode has to lie within the limits; a final state may lie outside.
        if episode.phase == Phase::Running {
            self.check_state(&episode.state)?;
        }
        self.episode = episode;
        Ok(())
    }
}

/// Rotates `point` by `angle` (radians, anticlockwise) about the origin, then translates it by `to`.
pub(crate) fn place(point: (f64, f64), angle: f64, to: (f64, f64)) -> (f32, f32) {
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    ((point.0 * cos - point.1 * sin + to.0) as f32, (point.0 * sin + point.1 * cos + to.1) as f32)
}

/// A rectangle between two corners, rotated and translated as [`place`] does.
pub(crate) fn place_rectangle(low: (f64, f64), high: (f64, f64), angle: f64, to: (f64, f64)) -> Vec<(f32, f32)> {
    [(low.0, low.1), (low.0, high.1), (high.0, high.1), (high.0, low.1)].map(|point| place(point, angle, to)).to_vec()
}
