//! A request to stop, shared between threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop a run. Clones share the request, across threads.
///
/// ```
/// use quarl::StopFlag;
///
/// let command = StopFlag::default();
/// let experiment = command.child();
/// experiment.request();
/// assert!(experiment.is_requested() && !command.is_requested());
/// command.request();
/// assert!(command.child().is_requested());
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    requested: Arc<AtomicBool>,
    parent: Option<Arc<StopFlag>>,
}

impl StopFlag {
    /// A flag that is requested whenever this one is; requesting the child does not request this flag.
    pub fn child(&self) -> Self {
        Self { requested: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Requests a stop. A request cannot be withdrawn.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.is_requested())
    }
}
