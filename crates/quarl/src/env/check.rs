//! The conformance check: what every environment promises, tried out on one.
//!
//! For the built-in environments it is a test of this library. For an environment of your own, run it in a test:
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
use crate::render::{Scene, Shape};
use record::{Player, Record};

/// How many steps of one episode are tried out. What only happens later is not seen.
pub const MOST_STEPS: u32 = 10_000;

/// What an environment promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The spec makes sense: bounds in order, at least one action, limits above zero.
    SpecMakesSense,
    /// A call that is allowed succeeds.
    AllowedCallsSucceed,
    /// Every number of an observation is written.
    ObservationsAreWhole,
    /// Every observation lies in the observation space (and is a whole number where pixels are stored).
    ObservationsLieInTheSpace,
    /// There is an action mask exactly where the spec says so, with one entry an action.
    MasksFitTheActions,
    /// Every reward is a finite number.
    RewardsAreFinite,
    /// An episode is over after `max_episode_steps` steps.
    EpisodesEndInTime,
    /// Stepping before the first reset, or after the end of an episode, is [`Error::StepBeforeReset`].
    StepsNeedARunningEpisode,
    /// An action outside the space is [`Error::InvalidAction`].
    InvalidActionsAreRefused,
    /// A slice of the wrong length is [`Error::ObservationLength`].
    WrongLengthsAreRefused,
    /// A call that is refused leaves the episode as it was.
    RefusalsChangeNothing,
    /// The same seed and actions give the same episodes, bit for bit: the seeded one and those after it.
    SeedsReproduce,
    /// Where seeds give different episodes, so do resets without a seed.
    UnseededResetsDiffer,
    /// After `load_state`, everything goes on as it did after `save_state`; without the running episode or the random state
    /// where the environment says that it does not save them.
    StatesRoundTrip,
    /// A step announced by `begin_step` is the step that it would have been, also after a scene in between; `reset` and
    /// `load_state` abandon it.
    BegunStepsAreTakenOrAbandoned,
    /// A scene has a size, finite coordinates and all its pixels.
    ScenesCanBeDrawn,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub promise: Promise,
    /// How, the first time it was.
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

/// What is found out, each promise once.
#[derive(Default)]
struct Findings(Vec<Failure>);

impl Findings {
    fn note(&mut self, promise: Promise, details: impl FnOnce() -> String) {
        if self.0.iter().all(|failure| failure.promise != promise) {
            self.0.push(Failure { promise, details: details() });
        }
    }

    fn expect(&mut self, holds: bool, promise: Promise, details: impl FnOnce() -> String) {
        if !holds {
            self.note(promise, details);
        }
    }
}

/// Tries out whether `env` keeps an environment's promises. It must be fresh: never reset before.
///
/// Actions are random, from a fixed seed. A panic of the environment is let through.
///
/// # Errors
/// [`BrokenPromises`], with every broken promise once.
pub fn check(env: &mut dyn Environment) -> Result<(), BrokenPromises> {
    let spec = env.spec().clone();
    let mut findings = Findings::default();
    check_spec(&spec, &mut findings);
    // With a senseless spec, nothing else can be tried.
    if findings.0.is_empty() {
        let mut player = Player::new(env, spec.clone(), &mut findings);
        if let Err(error) = play(&mut player) {
            findings.note(Promise::AllowedCallsSucceed, || error.to_string());
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
        findings.note(Promise::SpecMakesSense, || complaint.to_owned());
    }
}

/// Everything that needs a running environment, from its first step on.
fn play(player: &mut Player<'_>) -> Result<(), Error> {
    player.step_must_be_refused("before the first reset");
    seeds_reproduce(player)?;
    refusals_change_nothing(player)?;
    resets_differ(player)?;
    states_round_trip(player)?;
    begun_steps(player)
}

/// A seeded episode and the two unseeded ones after it, twice.
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
        player.findings.note(Promise::SeedsReproduce, || format!("seed 17, played twice: {difference}"));
    }
    Ok(())
}

/// An episode as it should be played, then the same with calls in between that must be refused.
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
    // A call that was carried out has its own failure, and of course changes the episode.
    if let Some(difference) = proper.difference(&disturbed).filter(|_| all_refused) {
        player.findings.note(Promise::RefusalsChangeNothing, || difference);
    }
    Ok(())
}

/// Starts without a seed must differ where starts with different seeds do. (A task may start in one place always.)
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
        format!("{RESETS} resets without a seed all started alike, though seeds start differently")
    });
    Ok(())
}

/// Saves in the middle of an episode, plays on, goes back and plays on again; then goes back to the end.
fn states_round_trip(player: &mut Player<'_>) -> Result<(), Error> {
    let mut before = Record::default();
    player.choose_actions_anew();
    player.reset(Some(23), &mut before)?;
    if !player.env.saves_within_episodes() {
        return whole_episodes_round_trip(player, before);
    }
    if player.step(&mut before)? || player.step(&mut before)? {
        // Episodes as short as this are saved at their start.
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
        player.findings.note(Promise::StatesRoundTrip, || format!("played twice from one saved state: {difference}"));
    }
    if once.first_episode_ended() {
        player.load(&end, 0)?;
        player.step_must_be_refused("after the end of an episode was loaded");
    }
    Ok(())
}

/// Where states are saved between episodes only: the episode after one, twice.
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
        player.findings.note(Promise::StatesRoundTrip, || format!("played twice from one saved state: {difference}"));
    }
    Ok(())
}

/// The seed of an episode that has to be the same after a state was restored: none where the random state is restored, too.
fn next_seed(player: &Player<'_>) -> Option<u64> {
    (!player.env.saves_random_state()).then_some(29)
}

/// An episode as it should be played, then the same with steps announced, some of them abandoned or with a scene in between.
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
        player.findings.note(Promise::BegunStepsAreTakenOrAbandoned, || difference);
    }
    Ok(())
}

/// What makes a scene impossible to draw.
fn flaw(scene: &Scene) -> Option<String> {
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
            };
            shapes.iter().find(is_flawed).map(|shape| format!("{shape:?}"))
        }
    }
}
