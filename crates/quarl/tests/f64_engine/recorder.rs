//! An engine that records the observations that it is given.

use std::sync::{Arc, Mutex};

use quarl::engine::{Engine, EngineFactory, EngineState, TargetUpdate, Update, UpdateReport};
use quarl::error::Error;
use quarl::network::Architecture;
use quarl::observations::{Observations, ObservationsView};
use quarl::rng::Rng;

use super::engine::F64Engine;

/// The observations that an engine was given.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) acting: Vec<Observations>,
    /// Observations and next observations of each batch.
    pub(crate) batches: Vec<[Observations; 2]>,
    /// The shape of one observation, as the environment and as the architecture say it.
    pub(crate) shapes: [Vec<usize>; 2],
}

pub(crate) struct Recorder {
    inner: F64Engine,
    seen: Arc<Mutex<Seen>>,
}

impl Recorder {
    /// The f64 engine, which writes down what it sees.
    pub(crate) fn engine(seen: &Arc<Mutex<Seen>>) -> EngineFactory {
        let seen = Arc::clone(seen);
        Box::new(move |config, spec| {
            let inner = F64Engine::new(config, spec);
            seen.lock().unwrap().shapes =
                [spec.observation_space.shape.clone(), inner.architecture().observation_shape.clone()];
            Ok(Box::new(Self { inner, seen }))
        })
    }
}

impl Engine for Recorder {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn architecture(&self) -> &Architecture {
        self.inner.architecture()
    }

    fn parameters(&self) -> &[f32] {
        self.inner.parameters()
    }

    fn q_values(&mut self, observations: ObservationsView, noise: &mut Rng, q_values: &mut [f32]) -> Result<(), Error> {
        self.seen.lock().unwrap().acting.push(match observations {
            ObservationsView::F32(floats) => Observations::F32(floats.to_vec()),
            ObservationsView::U8(bytes) => Observations::U8(bytes.to_vec()),
        });
        self.inner.q_values(observations, noise, q_values)
    }

    fn update(&mut self, mut update: Update) -> Result<UpdateReport, Error> {
        let batch = update.batch.with_next_observations()?;
        self.seen.lock().unwrap().batches.push([batch.obs.clone(), batch.next_obs.clone()]);
        self.inner.update(update)
    }

    fn update_target(&mut self, rule: TargetUpdate) {
        self.inner.update_target(rule);
    }

    fn set_parameters(&mut self, online: &[f32], target: &[f32]) {
        self.inner.set_parameters(online, target);
    }

    fn state(&self) -> EngineState {
        self.inner.state()
    }

    fn set_state(&mut self, state: &EngineState) -> Result<(), Error> {
        self.inner.set_state(state)
    }
}
