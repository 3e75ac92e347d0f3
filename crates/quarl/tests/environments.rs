//! The built-in environments and the time limit, beyond the promises of every environment (see env_check.rs).

use quarl::Error;
use quarl::env::classic_control::{ClassicControl, Physics};
use quarl::env::{Acrobot, CartPole, End, Environment, MountainCar, Step, TimeLimit, ids, make};
use quarl::render::{Scene, Shape};

/// Plays `action` until the episode ends; returns the number of steps and the last step.
fn play(env: &mut impl Environment, seed: Option<u64>, action: usize) -> (u32, Step) {
    let mut observation = vec![0.0; env.spec().observation_space.len()];
    env.reset(seed, &mut observation).unwrap();
    for t in 1.. {
        let step = env.step(action, &mut observation).unwrap();
        if step.end.is_some() {
            return (t, step);
        }
    }
    unreachable!()
}

#[test]
fn every_known_name_makes_the_environment_of_that_name_with_a_limit_and_a_threshold() {
    let facts: Vec<_> = ids()
        .iter()
        .map(|id| {
            let env = make(id).unwrap();
            let spec = env.spec();
            assert_eq!(spec.id, *id);
            (*id, spec.max_episode_steps.unwrap(), spec.reward_threshold.unwrap(), spec.render_fps)
        })
        .collect();
    let expected = [
        ("Acrobot-v1", 500, -100.0, 15),
        ("CartPole-v0", 200, 195.0, 50),
        ("CartPole-v1", 500, 475.0, 50),
        ("MountainCar-v0", 200, -110.0, 30),
    ];
    assert_eq!(facts, expected);
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_known_ones() {
    let message = |id: &str| make(id).err().unwrap().to_string();
    assert_eq!(
        message("cartpole-V1"),
        "unknown environment 'cartpole-V1': did you mean CartPole-v1? \
         built-in environments: Acrobot-v1, CartPole-v0, CartPole-v1, MountainCar-v0; use gym:ID for a Gymnasium environment"
    );
    assert!(message("CartPole").contains("did you mean CartPole-v0 or CartPole-v1?"));
    assert!(message("MoutainCar-v0").contains("did you mean MountainCar-v0?"));
    assert!(message("Zaxxon").contains("'Zaxxon': built-in environments: Acrobot-v1,"));
}

#[test]
fn a_forgotten_seed_is_seed_zero() {
    let (mut unseeded, mut seeded) = ([0.0; 4], [0.0; 4]);
    make("CartPole-v1").unwrap().reset(None, &mut unseeded).unwrap();
    make("CartPole-v1").unwrap().reset(Some(0), &mut seeded).unwrap();
    assert_eq!(unseeded, seeded);
}

#[test]
fn the_time_limit_truncates_at_its_last_step() {
    let (steps, last) = play(&mut MountainCar::v0(), Some(0), 1);
    assert_eq!((steps, last.end), (200, Some(End::Truncated)));
}

#[test]
fn the_shorter_of_two_time_limits_counts() {
    for (outer, inner) in [(7, 20), (20, 7)] {
        let bare = ClassicControl::<MountainCar>::new();
        let mut env = TimeLimit::new(TimeLimit::new(bare, inner).unwrap(), outer).unwrap();
        assert_eq!(env.spec().max_episode_steps, Some(7));
        assert_eq!(play(&mut env, Some(0), 1).0, 7);
        assert_eq!(play(&mut env, None, 1).0, 7, "the clocks start anew");
    }
}

#[test]
fn termination_wins_over_a_time_limit_in_the_same_step() {
    let (steps, last) = play(&mut CartPole::v0(), Some(0), 1);
    assert_eq!(last.end, Some(End::Terminated));
    let mut limited = TimeLimit::new(CartPole::v0(), steps).unwrap();
    assert_eq!(play(&mut limited, Some(0), 1), (steps, last));
    let mut cut_short = TimeLimit::new(CartPole::v0(), steps - 1).unwrap();
    assert_eq!(play(&mut cut_short, Some(0), 1).1.end, Some(End::Truncated));
}

#[test]
fn a_boxed_environment_can_be_put_under_a_clock() {
    let mut env = TimeLimit::new(make("CartPole-v1").unwrap(), 3).unwrap();
    assert_eq!(env.spec().id, "CartPole-v1");
    assert_eq!(play(&mut env, Some(0), 0).0, 3);
}

#[test]
fn a_time_limit_of_zero_is_refused() {
    let error = TimeLimit::new(CartPole::v0(), 0).err().unwrap();
    assert!(matches!(error, Error::Setting { .. }), "{error}");
}

#[test]
fn a_saved_episode_goes_on_with_the_steps_it_has_left() {
    let mut env = MountainCar::v0();
    let mut observation = [0.0; 2];
    env.reset(Some(5), &mut observation).unwrap();
    for _ in 0..150 {
        env.step(1, &mut observation).unwrap();
    }
    let state = env.save_state().unwrap();
    let mut other = MountainCar::v0();
    other.load_state(&state).unwrap();
    for t in 151..=200 {
        let step = other.step(1, &mut observation).unwrap();
        assert_eq!(step.end, (t == 200).then_some(End::Truncated), "step {t}");
    }
}

#[test]
fn states_of_other_environments_and_damaged_ones_are_refused() {
    let mut env = CartPole::v1();
    env.reset(Some(0), &mut [0.0; 4]).unwrap();
    let state = env.save_state().unwrap();
    assert!(matches!(CartPole::v0().load_state(&state), Err(Error::State { .. })));
    assert!(matches!(Acrobot::v1().load_state(&state), Err(Error::State { .. })));
    for end in 0..state.len() {
        assert!(matches!(env.load_state(&state[..end]), Err(Error::State { .. })), "{end} bytes");
    }
    env.step(0, &mut [0.0; 4]).expect("the episode goes on after a state was refused");
}

#[test]
fn an_episode_can_start_in_a_chosen_state_within_the_limits() {
    let mut env = ClassicControl::<MountainCar>::new();
    let mut observation = [0.0; 2];
    env.start_from([0.49, 0.05], &mut observation).unwrap();
    assert_eq!(observation, [0.49, 0.05]);
    assert_eq!(env.step(2, &mut observation).unwrap().end, Some(End::Terminated));
    for outside in [[0.7, 0.0], [0.0, f64::NAN], [f64::NEG_INFINITY, 0.0]] {
        assert!(matches!(env.start_from(outside, &mut observation), Err(Error::State { .. })), "{outside:?}");
    }
}

#[test]
fn the_car_stops_at_the_left_wall() {
    let mut env = ClassicControl::<MountainCar>::new();
    env.start_from([-1.19, -0.07], &mut [0.0; 2]).unwrap();
    env.step(0, &mut [0.0; 2]).unwrap();
    assert_eq!(env.state(), Some([-1.2, 0.0]));
}

#[test]
fn nothing_is_to_be_seen_before_the_first_reset_and_shapes_after_it() {
    for id in ids() {
        let mut env = make(id).unwrap();
        assert_eq!(env.scene().unwrap(), None, "{id}");
        env.reset(Some(0), &mut vec![0.0; env.spec().observation_space.len()]).unwrap();
        assert!(matches!(env.scene().unwrap(), Some(Scene::Shapes { .. })), "{id}");
    }
}

/// The corners of the `nth` polygon in a state's scene.
fn polygon<P: Physics>(state: P::State, nth: usize) -> Vec<(f32, f32)> {
    let Scene::Shapes { shapes, .. } = P::draw(&state) else { panic!("not shapes") };
    let mut polygons = shapes.into_iter().filter_map(|shape| match shape {
        Shape::Polygon { points, .. } => Some(points),
        _ => None,
    });
    polygons.nth(nth).expect("as many polygons")
}

#[test]
fn the_pole_leans_to_the_side_it_falls_to() {
    let mean_x = |points: &[(f32, f32)]| points.iter().map(|point| point.0).sum::<f32>() / points.len() as f32;
    let cart = mean_x(&polygon::<CartPole>([1.2, 0.0, 0.2, 0.0], 0));
    assert!((cart - 450.0).abs() < 1e-3, "{cart}");
    assert!(mean_x(&polygon::<CartPole>([1.2, 0.0, 0.2, 0.0], 1)) > cart);
    assert!(mean_x(&polygon::<CartPole>([1.2, 0.0, -0.2, 0.0], 1)) < cart);
}

#[test]
fn an_acrobot_at_rest_hangs_straight_down() {
    for nth in 0..2 {
        let points = polygon::<Acrobot>([0.0; 4], nth);
        let lowest = points.iter().map(|point| point.1).fold(f32::INFINITY, f32::min);
        let expected = 250.0 - 500.0 / 4.4 * (nth + 1) as f32;
        assert!((lowest - expected).abs() < 1e-3, "link {nth}: {lowest}");
    }
}
