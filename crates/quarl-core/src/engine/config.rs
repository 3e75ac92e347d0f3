//! `[optimizer]`: the settings of gradient descent, which every engine implements.

use crate::config::TrainConfig;
use crate::config::settings::KeyDefault::{Is, Required};
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

/// The minimum of `optimizer.eps`: second moments below 1e-30 are set to 0, and a smaller eps would make steps too large.
const SMALLEST_EPS: f64 = 1e-12;

settings! {
    /// `[optimizer]`: gradient descent. Each optimizer follows PyTorch's definition.
    pub struct OptimizerConfig: "optimizer" {
        /// The optimizer.
        kind: OptimizerKind = Required, guide "optimizers";
        /// Learning rate.
        ///
        /// Adam works with 1e-4 to 1e-3 on small tasks. Lower it where the loss or the Q-values diverge. A linear schedule to 0 keeps
        /// the final policy from changing at the end of the run.
        lr: Schedule = Required, in at_least(0), guide "optimizers";
        /// Decay rate beta1 of Adam's running mean of the gradient.
        ///
        /// It is Adam's momentum (Kingma & Ba 2015).
        beta1: f64 = Is(0.9), in from_to_below(0, 1), guide "optimizers", if ADAM;
        /// Decay rate beta2 of Adam's running mean of the squared gradient.
        ///
        /// Larger values average over more updates (Kingma & Ba 2015).
        beta2: f64 = Is(0.999), in from_to_below(0, 1), guide "optimizers", if ADAM;
        /// Decay rate alpha of RMSProp's running mean of the squared gradient.
        ///
        /// Larger values average over more updates (Tieleman & Hinton 2012). Mnih et al. 2015 use 0.95.
        alpha: f64 = Is(0.99), in from_to_below(0, 1), guide "optimizers", if RMSPROP;
        /// Constant that is added to the denominator of the update for numerical stability.
        ///
        /// The denominator is the root of the running mean of the squared gradient. Larger values, such as 1e-4, make updates
        /// smaller where gradients are small.
        eps: f64 = Is(1e-8), in at_least(SMALLEST_EPS), guide "optimizers", if ADAPTIVE;
        /// Whether RMSProp adds eps inside the square root, as Nature DQN does.
        ///
        /// Mnih et al. 2015 use this with `optimizer.centered = true` and eps 0.01.
        eps_inside_sqrt: bool = Is(false), guide "optimizers", if RMSPROP;
        /// Whether RMSProp divides by the standard deviation of the gradient instead of its root mean square.
        ///
        /// This is centred RMSProp (Graves 2013).
        centered: bool = Is(false), guide "optimizers", if RMSPROP;
        /// Momentum coefficient; 0 for none.
        momentum: f64 = Is(0.0), in from_to_below(0, 1), guide "optimizers", if WITH_MOMENTUM;
        /// Whether momentum is Nesterov momentum.
        ///
        /// It needs `optimizer.momentum` above 0 (Sutskever et al. 2013).
        nesterov: bool = Is(false), guide "optimizers", if SGD;
        /// Gradient-norm clipping: the largest global norm of the gradient.
        ///
        /// A larger gradient is scaled down to this norm (Pascanu et al. 2013). 10 is usual. Not set: gradients are not clipped.
        max_grad_norm: Option<f64> = Is(None), in above(0), guide "optimizers";
    }
}

/// The optimizer.
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

choices!(OptimizerKind {
    "adam" => Adam: "Adam (Kingma & Ba 2015)",
    "rmsprop" => Rmsprop: "RMSProp (Tieleman & Hinton 2012)",
    "sgd" => Sgd: "stochastic gradient descent, with momentum if wanted",
});

impl Consistent for OptimizerConfig {
    fn check(&self, _: &TrainConfig) -> Result<(), Error> {
        let needless = self.kind == OptimizerKind::Sgd && self.nesterov && self.momentum == 0.0;
        check(!needless, "optimizer.nesterov", || {
            "true needs optimizer.momentum above 0: set that, or remove optimizer.nesterov".to_owned()
        })
    }
}
