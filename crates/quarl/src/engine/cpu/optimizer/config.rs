//! `[optimizer]`.

use crate::config::TrainConfig;
use crate::config::settings::Absent::{Is, Required};
use crate::config::settings::{Condition, Consistent, above, at_least, check, choices, from_to_below, settings};
use crate::error::Error;
use crate::schedule::Schedule;

const ADAM: Condition =
    Condition::new("optimizer.kind = \"adam\"", |config| config.optimizer.kind == OptimizerKind::Adam);

const RMSPROP: Condition =
    Condition::new("optimizer.kind = \"rmsprop\"", |config| config.optimizer.kind == OptimizerKind::Rmsprop);

const SGD: Condition = Condition::new("optimizer.kind = \"sgd\"", |config| config.optimizer.kind == OptimizerKind::Sgd);

const ADAPTIVE: Condition =
    Condition::new("optimizer.kind = \"adam\" or \"rmsprop\"", |config| config.optimizer.kind != OptimizerKind::Sgd);

const WITH_MOMENTUM: Condition =
    Condition::new("optimizer.kind = \"rmsprop\" or \"sgd\"", |config| config.optimizer.kind != OptimizerKind::Adam);

/// The smallest `optimizer.eps`: second moments below 1e-30 count as 0, and a smaller eps would divide by next to nothing.
const SMALLEST_EPS: f64 = 1e-12;

settings! {
    /// `[optimizer]`: gradient descent.
    pub struct OptimizerConfig: "optimizer" {
        /// The optimizer.
        kind: OptimizerKind = Required;
        /// Learning rate.
        lr: Schedule = Required, in at_least(0);
        /// Decay rate of the mean gradient.
        beta1: f64 = Is(0.9), in from_to_below(0, 1), if ADAM;
        /// Decay rate of the mean squared gradient.
        beta2: f64 = Is(0.999), in from_to_below(0, 1), if ADAM;
        /// Decay rate of the mean squared gradient.
        alpha: f64 = Is(0.99), in from_to_below(0, 1), if RMSPROP;
        /// Added to the root of the mean squared gradient.
        eps: f64 = Is(1e-8), in at_least(SMALLEST_EPS), if ADAPTIVE;
        /// Whether eps is added under the root, as in Nature DQN.
        eps_inside_sqrt: bool = Is(false), if RMSPROP;
        /// Whether gradients are divided by their standard deviation instead of their root mean square.
        centered: bool = Is(false), if RMSPROP;
        /// Momentum.
        momentum: f64 = Is(0.0), in from_to_below(0, 1), if WITH_MOMENTUM;
        /// Whether momentum is Nesterov's.
        nesterov: bool = Is(false), if SGD;
        /// Largest global gradient norm; gradients are clipped only where this is given.
        max_grad_norm: Option<f64> = Is(None), in above(0);
    }
}

/// Which rule turns gradients into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptimizerKind {
    /// Adam (Kingma & Ba 2015).
    #[default]
    Adam,
    /// RMSProp (Tieleman & Hinton 2012).
    Rmsprop,
    /// Stochastic gradient descent.
    Sgd,
}

choices!(OptimizerKind { "adam" => Adam, "rmsprop" => Rmsprop, "sgd" => Sgd });

impl Consistent for OptimizerConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        let needless = self.kind == OptimizerKind::Sgd && self.nesterov && self.momentum == 0.0;
        check(!needless, "optimizer.nesterov", || {
            "true needs optimizer.momentum above 0: set that, or remove optimizer.nesterov".to_owned()
        })
    }
}
