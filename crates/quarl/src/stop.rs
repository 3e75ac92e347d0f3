//! A request to stop, shared by whoever asks and whoever works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop a run. Clones share one request, across threads.
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
    /// A flag that is also requested once this one is, but not the other way round.
    pub fn child(&self) -> Self {
        Self { requested: Arc::default(), parent: Some(Arc::new(self.clone())) }
    }

    /// Asks everything that holds this flag to stop. A request is not taken back.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked to stop.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.is_requested())
    }
}
