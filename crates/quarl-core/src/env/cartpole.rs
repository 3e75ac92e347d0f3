//! CartPole: keep a pole upright on a cart by pushing the cart left or right.
//!
//! Source: A. G. Barto, R. S. Sutton and C. W. Anderson, "Neuronlike adaptive elements that can solve difficult learning
//! control problems" (1983), without friction, as Gymnasium has it; the equations are those of R. V. Florian, "Correct
//! equations for the dynamics of the cart-pole system" (2005).

use crate::env::classic_control::{ClassicControl, Physics, place_rectangle};
use crate::env::wrappers::TimeLimit;
use crate::rng::Rng;
use crate::scene::{Color, Scene, Shape};
use crate::space::BoxSpace;

const GRAVITY: f64 = 9.8;
const CART_MASS: f64 = 1.0;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = POLE_MASS + CART_MASS;
/// Metres from the joint to the pole's centre of mass: half the pole's length.
const HALF_LENGTH: f64 = 0.5;
const POLE_MASS_LENGTH: f64 = POLE_MASS * HALF_LENGTH;
/// Newtons.
const FORCE: f64 = 10.0;
/// Seconds per step.
const TAU: f64 = 0.02;
/// 12 degrees, in radians.
const ANGLE_LIMIT: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;
/// Metres from the middle of the track.
const POSITION_LIMIT: f64 = 2.4;

/// CartPole. Observation: cart position (m, within 4.8), cart velocity (m/s), pole angle (rad from upright, within 0.418),
/// angular velocity (rad/s). Actions: 0 pushes left, 1 pushes right. Reward: 1 for every step, the terminating step
/// included. It terminates when the cart is more than 2.4 m from the centre or the pole more than 12 degrees from upright.
#[derive(Clone, Copy, Debug)]
pub struct CartPole;

impl CartPole {
    /// `CartPole-v0`: 200 steps, solved at a mean return of 195.
    pub fn v0() -> TimeLimit<ClassicControl<Self>> {
        TimeLimit::over(ClassicControl::registered("CartPole-v0", Some(195.0)), 200)
    }

    /// `CartPole-v1`: 500 steps, solved at a mean return of 475.
    pub fn v1() -> TimeLimit<ClassicControl<Self>> {
        TimeLimit::over(ClassicControl::registered("CartPole-v1", Some(475.0)), 500)
    }
}

impl Physics for CartPole {
    /// Cart position, cart velocity, pole angle, angular velocity.
    type State = [f64; 4];

    const NAME: &'static str = "CartPole";
    const ACTIONS: usize = 2;
    const RENDER_FPS: u32 = 50;

    fn observation_space() -> BoxSpace {
        // Twice the limits, so that the final observation of an episode lies within the space.
        let (low, high) = Self::limits();
        BoxSpace::vector(low.map(|x| x as f32).to_vec(), high.map(|x| x as f32).to_vec())
    }

    fn limits() -> (Self::State, Self::State) {
        let high = [2.0 * POSITION_LIMIT, f64::INFINITY, 2.0 * ANGLE_LIMIT, f64::INFINITY];
        (high.map(|bound| -bound), high)
    }

    fn start(rng: &mut Rng) -> Self::State {
        std::array::from_fn(|_| rng.uniform_in(-0.05, 0.05))
    }

    #[inline]
    fn advance(state: &mut Self::State, action: usize) -> (f64, bool) {
        let [x, x_dot, theta, theta_dot] = *state;
        let force = if action == 1 { FORCE } else { -FORCE };
        let (sin, cos) = (libm::sin(theta), libm::cos(theta));

        let push = (force + POLE_MASS_LENGTH * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
        let theta_acceleration =
            (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let x_acceleration = push - POLE_MASS_LENGTH * theta_acceleration * cos / TOTAL_MASS;

        let (x, theta) = (x + TAU * x_dot, theta + TAU * theta_dot);
        *state = [x, x_dot + TAU * x_acceleration, theta, theta_dot + TAU * theta_acceleration];
        (1.0, x.abs() > POSITION_LIMIT || theta.abs() > ANGLE_LIMIT)
    }

    #[inline]
    fn observe(state: &Self::State, observation: &mut [f32]) {
        for (seen, x) in observation.iter_mut().zip(state) {
            *seen = *x as f32;
        }
    }

    fn draw(&[x, _, theta, _]: &Self::State) -> Scene {
        const WIDTH: f64 = 600.0;
        const SCALE: f64 = WIDTH / (2.0 * POSITION_LIMIT);
        const TRACK: f64 = 100.0;
        const POLE_WIDTH: f64 = 10.0;
        let cart = (x * SCALE + WIDTH / 2.0, TRACK);
        let axle = (cart.0, cart.1 + 7.5);
        let pole_top = SCALE * (2.0 * HALF_LENGTH) - POLE_WIDTH / 2.0;
        let shapes = vec![
            Shape::Polygon { points: place_rectangle((-25.0, -15.0), (25.0, 15.0), 0.0, cart), color: Color(0, 0, 0) },
            Shape::Polygon {
                points: place_rectangle(
                    (-POLE_WIDTH / 2.0, -POLE_WIDTH / 2.0),
                    (POLE_WIDTH / 2.0, pole_top),
                    -theta,
                    axle,
                ),
                color: Color(202, 152, 101),
            },
            Shape::Circle {
                center: (axle.0 as f32, axle.1 as f32),
                radius: (POLE_WIDTH / 2.0) as f32,
                color: Color(129, 132, 203),
            },
            Shape::Polyline {
                points: vec![(0.0, TRACK as f32), (WIDTH as f32, TRACK as f32)],
                width: 1.0,
                color: Color(0, 0, 0),
            },
        ];
        Scene::Shapes { width: WIDTH as f32, height: 400.0, background: Color(255, 255, 255), shapes }
    }
}
