//! The conformance check accepts the built-in environments, and finds every fault of a faulty one.

use quarl::Error;
use quarl::env::check::{BrokenPromises, Promise, check};
use quarl::env::{End, Environment, EnvironmentSpec, Step, TimeLimit, ids, make, state};
use quarl::render::{Color, Scene, Shape};
use quarl::rng::Rng;
use quarl::space::{BoxSpace, Discrete};
use serde::{Deserialize, Serialize};

/// The faults of a [`Walk`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    NoActions,
    BoundsInTheWrongOrder,
    FailsToReset,
    FailsToStep,
    LeavesANumberUnwritten,
    LeavesTheSpace,
    GivesNanObservations,
    GivesInfiniteReward,
    NeverEnds,
    StepsBeforeReset,
    StepsAfterTheEnd,
    AcceptsAnyAction,
    CallsAnInvalidActionSomethingElse,
    AcceptsAnyLength,
    LosesTheEpisodeOnMisuse,
    IgnoresTheSeed,
    StartsAlikeWithoutASeed,
    ForgetsItsRandomStream,
    ForgetsThatItEnded,
    StepsWhenAStepIsAnnounced,
    DrawsNan,
    DrawsTooFewPixels,
    ChangesItsSpec,
}

#[derive(Clone, Serialize, Deserialize)]
struct Place {
    rng: Rng,
    x: f64,
    running: bool,
    steps: u32,
}

/// A drunkard's walk on [-1, 1] from a random start; it terminates beyond 0.9 and is truncated after 30 steps.
struct Walk {
    fault: Fault,
    spec: EnvironmentSpec,
    place: Place,
    resets_ever: u64,
}

impl Walk {
    fn with(fault: Fault) -> Self {
        let flipped = if fault == Fault::BoundsInTheWrongOrder { -1.0 } else { 1.0 };
        let spec = EnvironmentSpec {
            id: "Walk".to_owned(),
            observation_space: BoxSpace::vector(vec![-flipped, 0.0], vec![flipped, 1.0]),
            action_space: Discrete { n: if fault == Fault::NoActions { 0 } else { 2 } },
            max_episode_steps: Some(30),
            reward_threshold: None,
            render_fps: 10,
            has_action_mask: false,
        };
        let running = fault == Fault::StepsBeforeReset;
        let place = Place { rng: Rng::from_seed(0), x: 0.0, running, steps: 0 };
        Self { fault, spec, place, resets_ever: 0 }
    }

    fn see(&self, observation: &mut [f32]) {
        let x = self.place.x as f32;
        observation[0] = match self.fault {
            Fault::LeavesTheSpace => x + 2.0,
            Fault::GivesNanObservations => f32::NAN,
            _ => x,
        };
        if self.fault != Fault::LeavesANumberUnwritten {
            observation[1] = 0.5;
        }
    }

    fn check_length(&mut self, observation: &[f32]) -> Result<(), Error> {
        if self.fault == Fault::AcceptsAnyLength {
            return Ok(());
        }
        if self.fault == Fault::LosesTheEpisodeOnMisuse && observation.len() != 2 {
            self.place.x = 0.0;
        }
        self.spec.check_observation(observation)
    }

    fn check_action(&self, action: usize) -> Result<(), Error> {
        match self.fault {
            Fault::AcceptsAnyAction => Ok(()),
            Fault::CallsAnInvalidActionSomethingElse if action >= 2 => Err(self.failure()),
            _ => self.spec.check_action(action),
        }
    }

    fn failure(&self) -> Error {
        Error::State { what: "the walk".to_owned(), message: "it is lost".to_owned() }
    }
}

impl Environment for Walk {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn reset(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), Error> {
        self.check_length(observation)?;
        if observation.len() < 2 {
            return Ok(());
        }
        if self.fault == Fault::FailsToReset {
            return Err(self.failure());
        }
        match (self.fault, seed) {
            (Fault::IgnoresTheSeed, _) => {}
            (Fault::StartsAlikeWithoutASeed, _) => self.place.rng = Rng::from_seed(seed.unwrap_or(0)),
            (_, Some(seed)) => self.place.rng = Rng::from_seed(seed),
            (_, None) => {}
        }
        self.resets_ever += 1;
        if self.fault == Fault::ChangesItsSpec {
            self.spec.reward_threshold = Some(self.resets_ever as f64);
        }
        self.place = Place { x: self.place.rng.uniform_in(-0.5, 0.5), running: true, steps: 0, ..self.place.clone() };
        self.see(observation);
        Ok(())
    }

    fn step(&mut self, action: usize, observation: &mut [f32]) -> Result<Step, Error> {
        if !self.place.running {
            return Err(Error::StepBeforeReset { id: self.spec.id.clone() });
        }
        self.check_action(action)?;
        self.check_length(observation)?;
        if self.fault == Fault::FailsToStep && self.resets_ever > 0 {
            return Err(self.failure());
        }
        self.place.steps += 1;
        let stride = self.place.rng.uniform_in(0.0, 0.2);
        self.place.x += if action == 0 { -stride } else { stride };
        let is_out = self.place.x.abs() > 0.8;
        let is_late = self.place.steps >= 30;
        let end = if self.fault == Fault::NeverEnds {
            self.place.x = self.place.x.clamp(-0.8, 0.8);
            None
        } else if is_out {
            Some(End::Terminated)
        } else {
            is_late.then_some(End::Truncated)
        };
        self.place.running = end.is_none() || self.fault == Fault::StepsAfterTheEnd;
        self.place.x = self.place.x.clamp(-1.0, 1.0);
        if observation.len() >= 2 {
            self.see(observation);
        }
        let reward = if self.fault == Fault::GivesInfiniteReward && is_out { f64::INFINITY } else { 1.0 };
        Ok(Step { reward, end })
    }

    fn begin_step(&mut self, _: usize) -> Result<(), Error> {
        if self.fault == Fault::StepsWhenAStepIsAnnounced {
            self.place.x *= 0.5;
        }
        Ok(())
    }

    fn scene(&mut self) -> Result<Option<Scene>, Error> {
        let x = if self.fault == Fault::DrawsNan { f32::NAN } else { self.place.x as f32 };
        Ok(Some(match self.fault {
            Fault::DrawsTooFewPixels => Scene::Pixels { width: 2, height: 2, rgb: vec![0; 11] },
            _ => Scene::Shapes {
                width: 2.0,
                height: 1.0,
                background: Color(0, 0, 0),
                shapes: vec![Shape::Circle { center: (x, 0.0), radius: 0.1, color: Color(255, 0, 0) }],
            },
        }))
    }

    fn save_state(&self) -> Result<Vec<u8>, Error> {
        state::save("Walk", &self.place)
    }

    fn load_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let present = self.place.rng.clone();
        self.place = state::load("Walk", bytes)?;
        match self.fault {
            Fault::ForgetsItsRandomStream => self.place.rng = present,
            Fault::ForgetsThatItEnded => self.place.running = true,
            _ => {}
        }
        Ok(())
    }
}

fn broken_promises_of(mut env: impl Environment) -> Vec<Promise> {
    let broken = check(&mut env).err().map(|broken: BrokenPromises| broken.failures).unwrap_or_default();
    broken.into_iter().map(|failure| failure.promise).collect()
}

#[test]
fn every_built_in_environment_keeps_its_promises() {
    for id in ids() {
        check(&mut make(id).unwrap()).unwrap_or_else(|broken| panic!("{broken}"));
    }
}

#[test]
fn an_environment_without_a_time_limit_keeps_its_promises_too() {
    use quarl::env::classic_control::ClassicControl;
    use quarl::env::{Acrobot, CartPole, MountainCar};
    check(&mut ClassicControl::<CartPole>::new()).unwrap();
    check(&mut ClassicControl::<MountainCar>::new()).unwrap();
    check(&mut ClassicControl::<Acrobot>::new()).unwrap();
}

#[test]
fn a_sound_environment_passes_bare_and_under_a_shorter_clock() {
    assert_eq!(broken_promises_of(Walk::with(Fault::Nothing)), []);
    assert_eq!(broken_promises_of(TimeLimit::new(Walk::with(Fault::Nothing), 4).unwrap()), []);
    assert_eq!(broken_promises_of(TimeLimit::new(Walk::with(Fault::Nothing), 1).unwrap()), []);
}

#[test]
fn every_fault_is_found_and_named() {
    let faults = [
        (Fault::NoActions, Promise::SpecMakesSense),
        (Fault::BoundsInTheWrongOrder, Promise::SpecMakesSense),
        (Fault::ChangesItsSpec, Promise::SpecMakesSense),
        (Fault::FailsToReset, Promise::AllowedCallsSucceed),
        (Fault::FailsToStep, Promise::AllowedCallsSucceed),
        (Fault::LeavesANumberUnwritten, Promise::ObservationsAreWhole),
        (Fault::LeavesTheSpace, Promise::ObservationsLieInTheSpace),
        (Fault::GivesNanObservations, Promise::ObservationsLieInTheSpace),
        (Fault::GivesInfiniteReward, Promise::RewardsAreFinite),
        (Fault::NeverEnds, Promise::EpisodesEndInTime),
        (Fault::StepsBeforeReset, Promise::StepsNeedARunningEpisode),
        (Fault::StepsAfterTheEnd, Promise::StepsNeedARunningEpisode),
        (Fault::AcceptsAnyAction, Promise::InvalidActionsAreRefused),
        (Fault::CallsAnInvalidActionSomethingElse, Promise::InvalidActionsAreRefused),
        (Fault::AcceptsAnyLength, Promise::WrongLengthsAreRefused),
        (Fault::LosesTheEpisodeOnMisuse, Promise::RefusalsChangeNothing),
        (Fault::IgnoresTheSeed, Promise::SeedsReproduce),
        (Fault::StartsAlikeWithoutASeed, Promise::UnseededResetsDiffer),
        (Fault::ForgetsItsRandomStream, Promise::StatesRoundTrip),
        (Fault::ForgetsThatItEnded, Promise::StepsNeedARunningEpisode),
        (Fault::StepsWhenAStepIsAnnounced, Promise::BegunStepsAreTakenOrAbandoned),
        (Fault::DrawsNan, Promise::ScenesCanBeDrawn),
        (Fault::DrawsTooFewPixels, Promise::ScenesCanBeDrawn),
    ];
    for (fault, promise) in faults {
        let broken = broken_promises_of(Walk::with(fault));
        println!("{fault:?}: {broken:?}");
        assert!(broken.contains(&promise), "{fault:?}: {broken:?}");
    }
}

#[test]
fn the_report_names_the_environment_and_each_broken_promise_with_its_details() {
    let broken = check(&mut Walk::with(Fault::LeavesANumberUnwritten)).unwrap_err();
    assert_eq!(
        broken.to_string(),
        "Walk breaks 1 of an environment's promises:\n- ObservationsAreWhole: reset did not write number 1 (step 0)"
    );
}
