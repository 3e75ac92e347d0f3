//! Ctrl-C: the first asks the work to stop and keep what there is, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Starts to listen.
pub(crate) fn listen() {
    // Where no handler can be installed, Ctrl-C just ends the program, as it does everywhere.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            crate::terminal::restore();
            std::process::exit(130);
        }
    });
}

/// Whether somebody pressed Ctrl-C.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
