//! The DQN agent: network, replay buffer and the update, with the study note's settings.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::random::Random;

pub const BATCH: usize = 32;
const BUFFER: usize = 10_000;
const GAMMA: f32 = 0.98;
const EPSILON: f64 = 0.1;
const LEARNING_RATE: f64 = 5e-4;

#[derive(Module, Debug)]
struct QNet {
    l1: Linear,
    l2: Linear,
    l3: Linear,
}

impl QNet {
    fn new(device: &Device) -> Self {
        // burn's default initialisation is PyTorch's.
        QNet {
            l1: LinearConfig::new(4, 128).init(device),
            l2: LinearConfig::new(128, 128).init(device),
            l3: LinearConfig::new(128, 2).init(device),
        }
    }

    fn forward(&self, obs: Tensor<2>) -> Tensor<2> {
        self.l3.forward(relu(self.l2.forward(relu(self.l1.forward(obs)))))
    }
}

#[derive(Clone, Copy)]
pub struct Transition {
    pub obs: [f32; 4],
    pub action: usize,
    pub reward: f32,
    pub next_obs: [f32; 4],
    pub done: bool,
}

pub struct Agent {
    device: Device,
    online: QNet,
    /// The online network without autodiff, renewed after each update: what acts.
    acting: QNet,
    target: QNet,
    optimizer: ModuleOptimizer,
    replay: Vec<Transition>,
    oldest: usize,
}

impl Agent {
    pub fn new(device: Device) -> Self {
        let online = QNet::new(&device.clone().autodiff());
        let acting = online.valid();
        let target = QNet::new(&device);
        let optimizer = AdamConfig::new().with_epsilon(1e-8).init();
        Agent { device, online, acting, target, optimizer, replay: Vec::with_capacity(BUFFER), oldest: 0 }
    }

    pub fn act(&self, obs: [f32; 4], random: &mut Random) -> usize {
        if random.uniform() < EPSILON { random.below(2) } else { self.greedy(obs) }
    }

    pub fn greedy(&self, obs: [f32; 4]) -> usize {
        let obs = Tensor::<2>::from_data(TensorData::new(obs.to_vec(), [1, 4]), &self.device);
        let q = self.acting.forward(obs).into_data();
        let q = q.as_slice::<f32>().expect("the network computes in f32");
        usize::from(q[1] > q[0])
    }

    pub fn store(&mut self, transition: Transition) {
        if self.replay.len() < BUFFER {
            self.replay.push(transition);
        } else {
            self.replay[self.oldest] = transition;
            self.oldest = (self.oldest + 1) % BUFFER;
        }
    }

    /// One update on a uniformly drawn batch: mean squared TD error, Adam.
    pub fn learn(&mut self, random: &mut Random) {
        if self.replay.len() < BATCH {
            return;
        }
        let (mut obs, mut next_obs) = (Vec::with_capacity(4 * BATCH), Vec::with_capacity(4 * BATCH));
        let (mut actions, mut rewards) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let mut discounts = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            let item = &self.replay[random.below(self.replay.len())];
            obs.extend_from_slice(&item.obs);
            next_obs.extend_from_slice(&item.next_obs);
            actions.push(item.action as i64);
            rewards.push(item.reward);
            discounts.push(if item.done { 0.0 } else { GAMMA });
        }
        let column = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [BATCH, 1]), &self.device);
        let next_obs = Tensor::<2>::from_data(TensorData::new(next_obs, [BATCH, 4]), &self.device);
        let td_target = column(rewards) + column(discounts) * self.target.forward(next_obs).max_dim(1);

        let device = self.device.clone().autodiff();
        let obs = Tensor::<2>::from_data(TensorData::new(obs, [BATCH, 4]), &device);
        let actions = Tensor::<2, Int>::from_data(TensorData::new(actions, [BATCH, 1]), &device);
        let td_error = self.online.forward(obs).gather(1, actions) - td_target.autodiff();
        let gradients = GradientsParams::from_grads((td_error.clone() * td_error).mean().backward(), &self.online);
        self.online = self.optimizer.step(LEARNING_RATE, self.online.clone(), gradients);
        self.acting = self.online.valid();
    }

    pub fn sync_target(&mut self) {
        self.target = self.online.valid();
    }
}
