//! Acrobot: two links hang from a hinge; torque at the joint between them must swing the tip above a line.
//!
//! Sources: R. S. Sutton, "Generalization in Reinforcement Learning: Successful Examples Using Sparse Coarse Coding"
//! (1996), with the equations of Sutton and Barto's book, integrated as in A. Geramifard et al., "RLPy: A Value-Function-
//! Based Reinforcement Learning Framework for Education and Research" (2015), whose code Gymnasium's comes from.

use std::f64::consts::PI;

use crate::env::classic_control::{ClassicControl, Physics, place_rectangle};
use crate::env::wrappers::TimeLimit;
use crate::rng::Rng;
use crate::scene::{Color, Scene, Shape};
use crate::space::BoxSpace;

/// Seconds per step.
const DT: f64 = 0.2;
const GRAVITY: f64 = 9.8;
/// Metres; kilograms; metres from a link's upper end to its centre of mass; kilogram square metres. Both links are alike.
const LENGTH: f64 = 1.0;
const MASS: f64 = 1.0;
const CENTER: f64 = 0.5;
const INERTIA: f64 = 1.0;
/// Radians per second, for the first and the second joint.
const TOP_SPEEDS: [f64; 2] = [4.0 * PI, 9.0 * PI];
/// The height above the hinge, in metres, that the tip must exceed.
const GOAL: f64 = 1.0;

/// Acrobot. Observation: cosine and sine of the first link's angle (0 hangs down), cosine and sine of the second link's
/// angle relative to the first, and the two angular velocities (rad/s, within 4 pi and 9 pi). Actions: torque of -1, 0 or 1
/// N m at the joint between the links. Reward: -1 for every step, 0 for the step that reaches the goal. It terminates when
/// the tip is more than 1 m (a link's length) above the hinge.
///
/// The first observation of an episode is computed in f64 and rounded once; Gymnasium computes it in f32. About one number
/// in 2000 differs in the last place. States are equal.
#[derive(Clone, Copy, Debug)]
pub struct Acrobot;

impl Acrobot {
    /// `Acrobot-v1`: 500 steps, solved at a mean return of -100.
    pub fn v1() -> TimeLimit<ClassicControl<Self>> {
        TimeLimit::over(ClassicControl::registered("Acrobot-v1", Some(-100.0)), 500)
    }
}

/// The state's rate of change under `torque`.
#[inline]
fn derivative([theta1, theta2, dtheta1, dtheta2]: [f64; 4], torque: f64) -> [f64; 4] {
    let (sin2, cos2) = (libm::sin(theta2), libm::cos(theta2));
    let inertia1 = MASS * (CENTER * CENTER)
        + MASS * (LENGTH * LENGTH + CENTER * CENTER + 2.0 * LENGTH * CENTER * cos2)
        + INERTIA
        + INERTIA;
    let inertia2 = MASS * (CENTER * CENTER + LENGTH * CENTER * cos2) + INERTIA;
    let phi2 = MASS * CENTER * GRAVITY * libm::cos(theta1 + theta2 - PI / 2.0);
    let phi1 = -MASS * LENGTH * CENTER * (dtheta2 * dtheta2) * sin2
        - 2.0 * MASS * LENGTH * CENTER * dtheta2 * dtheta1 * sin2
        + (MASS * CENTER + MASS * LENGTH) * GRAVITY * libm::cos(theta1 - PI / 2.0)
        + phi2;
    let ddtheta2 = (torque + inertia2 / inertia1 * phi1 - MASS * LENGTH * CENTER * (dtheta1 * dtheta1) * sin2 - phi2)
        / (MASS * (CENTER * CENTER) + INERTIA - inertia2 * inertia2 / inertia1);
    let ddtheta1 = -(inertia2 * ddtheta2 + phi1) / inertia1;
    [dtheta1, dtheta2, ddtheta1, ddtheta2]
}

/// One step of the classical Runge-Kutta method (of fourth order).
#[inline]
fn runge_kutta(state: [f64; 4], torque: f64) -> [f64; 4] {
    let ahead = |k: [f64; 4], dt: f64| std::array::from_fn(|i| state[i] + dt * k[i]);
    let k1 = derivative(state, torque);
    let k2 = derivative(ahead(k1, DT / 2.0), torque);
    let k3 = derivative(ahead(k2, DT / 2.0), torque);
    let k4 = derivative(ahead(k3, DT), torque);
    std::array::from_fn(|i| state[i] + DT / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]))
}

/// The same angle between -pi and pi, by subtracting one turn at a time, as Gymnasium does (the rounding depends on it).
fn wrap(mut angle: f64) -> f64 {
    while angle > PI {
        angle -= 2.0 * PI;
    }
    while angle < -PI {
        angle += 2.0 * PI;
    }
    angle
}

impl Physics for Acrobot {
    /// The first link's angle, the second link's angle relative to the first, and their angular velocities.
    type State = [f64; 4];

    const NAME: &'static str = "Acrobot";
    const ACTIONS: usize = 3;
    const RENDER_FPS: u32 = 15;

    fn observation_space() -> BoxSpace {
        let high = vec![1.0, 1.0, 1.0, 1.0, TOP_SPEEDS[0] as f32, TOP_SPEEDS[1] as f32];
        BoxSpace::vector(high.iter().map(|bound| -bound).collect(), high)
    }

    fn limits() -> (Self::State, Self::State) {
        let high = [PI, PI, TOP_SPEEDS[0], TOP_SPEEDS[1]];
        (high.map(|bound| -bound), high)
    }

    fn start(rng: &mut Rng) -> Self::State {
        // Gymnasium stores the initial state, but no later one, in f32.
        std::array::from_fn(|_| f64::from(rng.uniform_in(-0.1, 0.1) as f32))
    }

    #[inline]
    fn advance(state: &mut Self::State, action: usize) -> (f64, bool) {
        let torque = action as f64 - 1.0;
        let [theta1, theta2, dtheta1, dtheta2] = runge_kutta(*state, torque);
        *state = [
            wrap(theta1),
            wrap(theta2),
            dtheta1.clamp(-TOP_SPEEDS[0], TOP_SPEEDS[0]),
            dtheta2.clamp(-TOP_SPEEDS[1], TOP_SPEEDS[1]),
        ];
        let tip = -libm::cos(state[0]) - libm::cos(state[1] + state[0]);
        if tip > GOAL { (0.0, true) } else { (-1.0, false) }
    }

    #[inline]
    fn observe(&[theta1, theta2, dtheta1, dtheta2]: &Self::State, observation: &mut [f32]) {
        let seen = [libm::cos(theta1), libm::sin(theta1), libm::cos(theta2), libm::sin(theta2), dtheta1, dtheta2];
        for (number, x) in observation.iter_mut().zip(seen) {
            *number = x as f32;
        }
    }

    fn draw(&[theta1, theta2, _, _]: &Self::State) -> Scene {
        const SIDE: f64 = 500.0;
        const SCALE: f64 = SIDE / (2.0 * (2.0 * LENGTH + 0.2));
        const HALF_WIDTH: f64 = 0.1 * SCALE;
        let hinge = (SIDE / 2.0, SIDE / 2.0);
        let joint = (hinge.0 + LENGTH * libm::sin(theta1) * SCALE, hinge.1 - LENGTH * libm::cos(theta1) * SCALE);
        let line = (hinge.1 + GOAL * SCALE) as f32;

        let points = vec![(0.0, line), (SIDE as f32, line)];
        let mut shapes = vec![Shape::Polyline { points, width: 1.0, color: Color(0, 0, 0) }];
        for (from, angle) in [(hinge, theta1 - PI / 2.0), (joint, theta1 + theta2 - PI / 2.0)] {
            let points = place_rectangle((0.0, -HALF_WIDTH), (LENGTH * SCALE, HALF_WIDTH), angle, from);
            shapes.push(Shape::Polygon { points, color: Color(0, 204, 204) });
            let center = (from.0 as f32, from.1 as f32);
            shapes.push(Shape::Circle { center, radius: HALF_WIDTH as f32, color: Color(204, 204, 0) });
        }
        Scene::Shapes { width: SIDE as f32, height: SIDE as f32, background: Color(255, 255, 255), shapes }
    }
}
