//! Conformance check: tests every promise of the [`Environment`] trait on one environment.
//!
//! The library's tests run it on the built-in environments. Run it on your own environment in a test:
//!
//! ```
//! let mut env = quarl::env::make("CartPole-v0")?;
//! quarl::env::check::check(&mut env).unwrap_or_else(|broken| panic!("{broken}"));
//! # Ok::<(), quarl::Error>(())
//! ```

mod record;

use std::fmt;

use thiserror::Error as ThisError;

use crate::env::{Environment, EnvironmentSpec};
use crate::error::Error;
use crate::scene::{Scene, Shape};
use record::{Player, Record};

/// The number of steps after which an episode is abandoned. Errors that occur only later are not found.
pub const MAX_STEPS: u32 = 10_000;

/// A promise of the [`Environment`] trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The specification is valid: lower bounds are not above upper ones, there is at least one action, limits are above
    /// zero.
    SpecMakesSense,
    /// A call with valid arguments succeeds.
    AllowedCallsSucceed,
    /// `reset` and `step` write every number of the observation.
    ObservationsAreWhole,
    /// Every observation lies in the observation space, and consists of whole numbers where bytes are stored.
    ObservationsLieInTheSpace,
    /// There is an action mask exactly where the specification says so, with one entry for each action.
    MasksFitTheActions,
    /// Every reward is a finite number.
    RewardsAreFinite,
    /// An episode ends after at most `max_episode_steps` steps.
    EpisodesEndInTime,
    /// `step` before the first reset, or after the end of an episode, returns [`Error::StepBeforeReset`].
    StepsNeedARunningEpisode,
    /// An action outside the space returns [`Error::InvalidAction`].
    InvalidActionsAreRefused,
    /// A slice of the wrong length returns [`Error::ObservationLength`].
    WrongLengthsAreRefused,
    /// A refused call leaves the episode unchanged.
    RefusalsChangeNothing,
    /// The same seed and actions give the same episodes, bit for bit: the seeded episode and those after it.
    SeedsReproduce,
    /// Resets without a seed differ, if resets with different seeds differ.
    UnseededResetsDiffer,
    /// After `load_state`, the environment continues as it did after `save_state`, without the running episode or the
    /// random state where the environment says that it does not save them.
    StatesRoundTrip,
    /// `begin_step` does not change the result of the step, also with a scene drawn in between; `reset` and `load_state`
    /// abandon an announced step.
    BegunStepsAreTakenOrAbandoned,
    /// A scene has a size, finite coordinates, and all its pixels.
    ScenesCanBeDrawn,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The promise.
    pub promise: Promise,
    /// How it was broken the first time.
    pub details: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.details)
    }
}

/// The promises that an environment broke.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{id} breaks {} of an environment's promises:{}", failures.len(), bullets(failures))]
pub struct BrokenPromises {
    /// The environment.
    pub id: String,
    /// Each broken promise once; at least one.
    pub failures: Vec<Failure>,
}

fn bullets(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("\n- {failure}")).collect()
}

/// The broken promises found so far, each once.
#[derive(Default)]
struct Findings(Vec<Failure>);

impl Findings {
    fn record(&mut self, promise: Promise, details: impl FnOnce() -> String) {
        if self.0.iter().all(|failure| failure.promise != promise) {
            self.0.push(Failure { promise, details: details() });
        }
    }

    fn expect(&mut self, holds: bool, promise: Promise, details: impl FnOnce() -> String) {
        if !holds {
            self.record(promise, details);
        }
    }
}

/// Tests whether `env` keeps the promises of the [`Environment`] trait. `env` must be new: never reset.
///
/// Actions are random, from a fixed seed. A panic of the environment is not caught.
///
/// # Errors
/// [`BrokenPromises`] lists every broken promise once.
pub fn check(env: &mut dyn Environment) -> Result<(), BrokenPromises> {
    let spec = env.spec().clone();
    let mut findings = Findings::default();
    check_spec(&spec, &mut findings);
    // With an invalid specification, nothing else can be tested.
    if findings.0.is_empty() {
        let mut player = Player::new(env, spec.clone(), &mut findings);
        if let Err(error) = play(&mut player) {
            findings.record(Promise::AllowedCallsSucceed, || error.to_string());
        }
        findings.expect(*env.spec() == spec, Promise::SpecMakesSense, || "it changed while running".to_owned());
    }
    if findings.0.is_empty() { Ok(()) } else { Err(BrokenPromises { id: spec.id, failures: findings.0 }) }
}

fn check_spec(spec: &EnvironmentSpec, findings: &mut Findings) {
    let space = &spec.observation_space;
    let in_order = space.low.iter().zip(&space.high).all(|(low, high)| low <= high);
    let complaints = [
        (spec.id.is_empty(), "the id is empty"),
        (spec.action_space.n == 0, "there is no action"),
        (space.is_empty(), "an observation has no numbers"),
        (space.low.len() != space.len() || space.high.len() != space.len(), "bounds and shape differ in length"),
        (!in_order, "a lower bound is above its upper bound, or NaN"),
        (spec.max_episode_steps == Some(0), "max_episode_steps is 0"),
        (spec.render_fps == 0, "render_fps is 0"),
    ];
    for (_, complaint) in complaints.into_iter().filter(|&(applies, _)| applies) {
        findings.record(Promise::SpecMakesSense, || complaint.to_owned());
    }
}

/// Plays episodes and tests everything that needs a running environment.
fn play(player: &mut Player<'_>) -> Result<(), Error> {
    player.step_must_be_refused("before the first reset");
    seeds_reproduce(player)?;
    refusals_change_nothing(player)?;
    resets_differ(player)?;
    states_round_trip(player)?;
    begun_steps(player)
}

/// Plays a seeded episode and the two unseeded ones after it, twice.
fn seeds_reproduce(player: &mut Player<'_>) -> Result<(), Error> {
    let mut three_episodes = || -> Result<Record, Error> {
        let mut record = Record::default();
        player.choose_actions_anew();
        for seed in [Some(17), None, None] {
            player.reset(seed, &mut record)?;
            player.play_on(&mut record)?;
        }
        Ok(record)
    };
    let (once, twice) = (three_episodes()?, three_episodes()?);
    if let Some(difference) = once.difference(&twice) {
        player.findings.record(Promise::SeedsReproduce, || format!("seed 17, played twice: {difference}"));
    }
    Ok(())
}

/// Plays an episode normally, then the same episode with calls in between that must be refused.
fn refusals_change_nothing(player: &mut Player<'_>) -> Result<(), Error> {
    let mut proper = Record::default();
    player.choose_actions_anew();
    player.reset(Some(31), &mut proper)?;
    player.play_on(&mut proper)?;

    let mut disturbed = Record::default();
    player.choose_actions_anew();
    player.reset(Some(31), &mut disturbed)?;
    let mut all_refused = player.misuse();
    if !player.step(&mut disturbed)? {
        all_refused &= player.misuse();
        player.play_on(&mut disturbed)?;
    }
    // A call that was carried out by mistake has its own failure, and it changes the episode.
    if let Some(difference) = proper.difference(&disturbed).filter(|_| all_refused) {
        player.findings.record(Promise::RefusalsChangeNothing, || difference);
    }
    Ok(())
}

/// Resets without a seed must give different starts if different seeds do. (A task may always start in the same state.)
fn resets_differ(player: &mut Player<'_>) -> Result<(), Error> {
    const RESETS: u64 = 16;
    let mut starts_differ = |seed: fn(u64) -> Option<u64>| -> Result<bool, Error> {
        let mut starts = Record::default();
        for i in 0..RESETS {
            player.reset(seed(i), &mut starts)?;
        }
        Ok(starts.has_different_observations())
    };
    let (seeded, unseeded) = (starts_differ(Some)?, starts_differ(|_| None)?);
    player.findings.expect(unseeded || !seeded, Promise::UnseededResetsDiffer, || {
        format!(
            "{RESETS} resets without a seed all gave the same start, although different seeds give different starts"
        )
    });
    Ok(())
}

/// Saves in the middle of an episode, plays on, restores and plays on again; then restores the end of an episode.
fn states_round_trip(player: &mut Player<'_>) -> Result<(), Error> {
    let mut before = Record::default();
    player.choose_actions_anew();
    player.reset(Some(23), &mut before)?;
    if !player.env.saves_within_episodes() {
        return whole_episodes_round_trip(player, before);
    }
    if player.step(&mut before)? || player.step(&mut before)? {
        // An episode this short is saved at its start.
        player.reset(None, &mut before)?;
    }
    let (middle, steps) = (player.env.save_state()?, player.steps());
    let next_seed = next_seed(player);
    let two_episodes = |player: &mut Player<'_>| -> Result<(Record, Vec<u8>), Error> {
        let mut record = Record::default();
        player.choose_actions_anew();
        player.play_on(&mut record)?;
        let end = player.env.save_state()?;
        player.reset(next_seed, &mut record)?;
        player.play_on(&mut record)?;
        Ok((record, end))
    };
    let (once, end) = two_episodes(player)?;
    player.load(&middle, steps)?;
    let (twice, _) = two_episodes(player)?;
    if let Some(difference) = once.difference(&twice) {
        player.findings.record(Promise::StatesRoundTrip, || format!("played twice from one saved state: {difference}"));
    }
    if once.first_episode_ended() {
        player.load(&end, 0)?;
        player.step_must_be_refused("after the end of an episode was loaded");
    }
    Ok(())
}

/// Where states are saved between episodes only: plays the episode after a saved one, twice.
fn whole_episodes_round_trip(player: &mut Player<'_>, mut before: Record) -> Result<(), Error> {
    player.play_on(&mut before)?;
    let end = player.env.save_state()?;
    let next_seed = next_seed(player);
    let next_episode = |player: &mut Player<'_>| -> Result<Record, Error> {
        let mut record = Record::default();
        player.choose_actions_anew();
        player.reset(next_seed, &mut record)?;
        player.play_on(&mut record)?;
        Ok(record)
    };
    let once = next_episode(player)?;
    player.load(&end, 0)?;
    player.step_must_be_refused("after the end of an episode was loaded");
    let twice = next_episode(player)?;
    if let Some(difference) = once.difference(&twice) {
        player.findings.record(Promise::StatesRoundTrip, || format!("played twice from one saved state: {difference}"));
    }
    Ok(())
}

/// The seed of an episode that has to repeat after a state was restored; none where the random state is restored.
fn next_seed(player: &Player<'_>) -> Option<u64> {
    (!player.env.saves_random_state()).then_some(29)
}

/// Plays an episode normally, then the same episode with steps announced, some abandoned or with a scene in between.
fn begun_steps(player: &mut Player<'_>) -> Result<(), Error> {
    let mut proper = Record::default();
    player.choose_actions_anew();
    player.reset(Some(37), &mut proper)?;
    player.play_on(&mut proper)?;
    let end = player.env.save_state()?;

    let mut begun = Record::default();
    player.announce(true);
    player.reset(Some(37), &mut Record::default())?;
    player.begin()?;
    player.load(&end, 0)?;
    if proper.first_episode_ended() {
        player.step_must_be_refused("after the end of an episode was loaded while a step had begun");
    }
    player.reset(Some(37), &mut Record::default())?;
    player.begin()?;
    player.choose_actions_anew();
    player.reset(Some(37), &mut begun)?;
    player.play_on(&mut begun)?;
    player.announce(false);
    if let Some(difference) = proper.difference(&begun) {
        player.findings.record(Promise::BegunStepsAreTakenOrAbandoned, || difference);
    }
    Ok(())
}

/// The reason why a scene cannot be drawn, if there is one.
fn scene_error(scene: &Scene) -> Option<String> {
    match scene {
        Scene::Pixels { width, height, rgb } => {
            let expected = *width as usize * *height as usize * 3;
            (expected == 0 || rgb.len() != expected)
                .then(|| format!("{width} x {height} pixels need {expected} bytes, there are {}", rgb.len()))
        }
        Scene::Shapes { width, height, shapes, .. } => {
            let sized = |x: f32| x.is_finite() && x > 0.0;
            if !sized(*width) || !sized(*height) {
                return Some(format!("it is {width} x {height} in size"));
            }
            let finite = |points: &[(f32, f32)]| points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
            let is_flawed = |shape: &&Shape| match shape {
                Shape::Polygon { points, .. } => points.len() < 3 || !finite(points),
                Shape::Circle { center, radius, .. } => !finite(&[*center]) || !sized(*radius),
                Shape::Polyline { points, width, .. } => points.len() < 2 || !finite(points) || !sized(*width),
                Shape::Text { center, size, .. } => !finite(&[*center]) || !sized(*size),
            };
            shapes.iter().find(is_flawed).map(|shape| format!("{shape:?}"))
        }
    }
}
