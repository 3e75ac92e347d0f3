//! CartPole-v0's rules: Barto, Sutton and Anderson's cart and pole, Euler steps of 0.02 s, at most 200 of them.

use crate::random::Random;

const TIME_LIMIT: u32 = 200;

pub struct CartPole {
    pub obs: [f32; 4],
    state: [f64; 4],
    steps: u32,
}

impl CartPole {
    pub fn new(random: &mut Random) -> Self {
        let mut env = CartPole { obs: [0.0; 4], state: [0.0; 4], steps: 0 };
        env.reset(random);
        env
    }

    pub fn reset(&mut self, random: &mut Random) {
        self.state = std::array::from_fn(|_| 0.1 * random.uniform() - 0.05);
        self.obs = self.state.map(|value| value as f32);
        self.steps = 0;
    }

    /// One step; true where the episode has ended, by falling or by the time limit.
    pub fn step(&mut self, action: usize) -> bool {
        let (gravity, pole_mass, total_mass, half_length, dt) = (9.8, 0.1, 1.1, 0.5, 0.02);
        let [x, v, angle, spin] = self.state;
        let force = if action == 1 { 10.0 } else { -10.0 };
        let (sin, cos) = angle.sin_cos();
        let push = (force + pole_mass * half_length * spin * spin * sin) / total_mass;
        let spin_rate = (gravity * sin - cos * push) / (half_length * (4.0 / 3.0 - pole_mass * cos * cos / total_mass));
        let acceleration = push - pole_mass * half_length * spin_rate * cos / total_mass;
        self.state = [x + dt * v, v + dt * acceleration, angle + dt * spin, spin + dt * spin_rate];
        self.obs = self.state.map(|value| value as f32);
        self.steps += 1;
        self.state[0].abs() > 2.4 || self.state[2].abs() > 12_f64.to_radians() || self.steps >= TIME_LIMIT
    }
}
