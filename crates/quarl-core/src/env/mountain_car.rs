//! MountainCar: a car whose engine is too weak for the hill must swing back and forth to reach the flag.
//!
//! Source: A. W. Moore, "Efficient Memory-based Learning for Robot Control" (1990), in Gymnasium's version.

use crate::env::classic_control::{ClassicControl, Physics, place, place_rectangle};
use crate::env::wrappers::TimeLimit;
use crate::rng::Rng;
use crate::scene::{Color, Scene, Shape};
use crate::space::BoxSpace;

const LEFTMOST: f64 = -1.2;
const RIGHTMOST: f64 = 0.6;
const TOP_SPEED: f64 = 0.07;
const GOAL: f64 = 0.5;
/// The change of velocity by the engine in one step.
const FORCE: f64 = 0.001;
const GRAVITY: f64 = 0.0025;

/// MountainCar. Observation: position (-1.2 to 0.6; the valley's floor is near -0.52) and velocity (within 0.07), in the
/// task's own units with one step as the unit of time. Actions: 0 accelerates to the left, 1 does not accelerate, 2
/// accelerates to the right. Reward: -1 for every step. It terminates when the position is at least 0.5 and the velocity is
/// not negative.
#[derive(Clone, Copy, Debug)]
pub struct MountainCar;

impl MountainCar {
    /// `MountainCar-v0`: 200 steps, solved at a mean return of -110.
    pub fn v0() -> TimeLimit<ClassicControl<Self>> {
        TimeLimit::over(ClassicControl::registered("MountainCar-v0", Some(-110.0)), 200)
    }
}

/// The height of the hill at `x`, in the same units.
fn height(x: f64) -> f64 {
    libm::sin(3.0 * x) * 0.45 + 0.55
}

impl Physics for MountainCar {
    /// Position, velocity.
    type State = [f64; 2];

    const NAME: &'static str = "MountainCar";
    const ACTIONS: usize = 3;
    const RENDER_FPS: u32 = 30;

    fn observation_space() -> BoxSpace {
        let (low, high) = Self::limits();
        BoxSpace::vector(low.map(|x| x as f32).to_vec(), high.map(|x| x as f32).to_vec())
    }

    fn limits() -> (Self::State, Self::State) {
        ([LEFTMOST, -TOP_SPEED], [RIGHTMOST, TOP_SPEED])
    }

    fn start(rng: &mut Rng) -> Self::State {
        [rng.uniform_in(-0.6, -0.4), 0.0]
    }

    #[inline]
    fn advance(state: &mut Self::State, action: usize) -> (f64, bool) {
        let [position, velocity] = *state;
        let throttle = action as f64 - 1.0;
        let velocity = velocity + (throttle * FORCE + libm::cos(3.0 * position) * -GRAVITY);
        let velocity = velocity.clamp(-TOP_SPEED, TOP_SPEED);
        let position = (position + velocity).clamp(LEFTMOST, RIGHTMOST);
        let hits_the_wall = position == LEFTMOST && velocity < 0.0;
        let velocity = if hits_the_wall { 0.0 } else { velocity };
        *state = [position, velocity];
        (-1.0, position >= GOAL && velocity >= 0.0)
    }

    #[inline]
    fn observe(state: &Self::State, observation: &mut [f32]) {
        for (seen, x) in observation.iter_mut().zip(state) {
            *seen = *x as f32;
        }
    }

    fn draw(&[position, _]: &Self::State) -> Scene {
        const WIDTH: f64 = 600.0;
        const SCALE: f64 = WIDTH / (RIGHTMOST - LEFTMOST);
        const CAR: (f64, f64) = (40.0, 20.0);
        const CLEARANCE: f64 = 10.0;
        const BLACK: Color = Color(0, 0, 0);
        let on_hill = |x: f64, above: f64| ((x - LEFTMOST) * SCALE, height(x) * SCALE + above);
        let to_f32 = |(x, y): (f64, f64)| (x as f32, y as f32);

        let hill = (0..100).map(|i| to_f32(on_hill(LEFTMOST + (RIGHTMOST - LEFTMOST) * f64::from(i) / 99.0, 0.0)));
        // Gymnasium draws the car at this angle, which is close to the slope's.
        let tilt = libm::cos(3.0 * position);
        let car = on_hill(position, CLEARANCE);
        let body = place_rectangle((-CAR.0 / 2.0, 0.0), (CAR.0 / 2.0, CAR.1), tilt, car);
        let wheel = |x: f64| Shape::Circle {
            center: place((x, 0.0), tilt, car),
            radius: (CAR.1 / 2.5) as f32,
            color: Color(128, 128, 128),
        };
        let (flag_foot, flag_top) = (to_f32(on_hill(GOAL, 0.0)), to_f32(on_hill(GOAL, 50.0)));
        let shapes = vec![
            Shape::Polyline { points: hill.collect(), width: 1.0, color: BLACK },
            Shape::Polygon { points: body, color: BLACK },
            wheel(CAR.0 / 4.0),
            wheel(-CAR.0 / 4.0),
            Shape::Polyline { points: vec![flag_foot, flag_top], width: 1.0, color: BLACK },
            Shape::Polygon {
                points: vec![flag_top, (flag_top.0, flag_top.1 - 10.0), (flag_top.0 + 25.0, flag_top.1 - 5.0)],
                color: Color(204, 204, 0),
            },
        ];
        Scene::Shapes { width: WIDTH as f32, height: 400.0, background: Color(255, 255, 255), shapes }
    }
}
