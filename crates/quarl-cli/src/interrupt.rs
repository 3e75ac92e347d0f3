//! Ctrl-C, SIGTERM and SIGHUP. The first signal requests a stop that keeps the results; a second Ctrl-C ends the program
//! immediately.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use quarl::StopFlag;

/// The interval in which a wait checks for signals.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

const SIGINT: i32 = 2;

/// The first signal received; 0 before.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Whether the first signal ends the program immediately, because nothing would be lost.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// Sets whether the next signal ends the program immediately: when all results are in files and the rest can be repeated.
pub(crate) fn end_at_once(at_once: bool) {
    AT_ONCE.store(at_once, Ordering::SeqCst);
}

/// The flag that a signal requests. All long work is given it.
pub(crate) fn stop_flag() -> StopFlag {
    static STOP: OnceLock<StopFlag> = OnceLock::new();
    STOP.get_or_init(StopFlag::default).clone()
}

/// Starts to handle signals. Before, and where no handler can be installed, a signal ends the program.
pub(crate) fn listen() {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGTERM};
        // Under nohup, a closed terminal has to be ignored.
        let signals = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
        if let Ok(mut signals) = signal_hook::iterator::Signals::new(signals) {
            std::thread::spawn(move || signals.forever().for_each(receive));
        }
    }
    #[cfg(not(unix))]
    let _ = ctrlc::set_handler(|| receive(SIGINT));
}

/// Whether the program was started with this signal ignored; false where that is unknown.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let ignored = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    ignored().is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// Requests the stop. Only a repeated Ctrl-C ends the program immediately: a closing terminal sends SIGHUP twice.
fn receive(signal: i32) {
    let is_first = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    if AT_ONCE.load(Ordering::SeqCst) || (!is_first && signal == SIGINT) {
        crate::terminal::restore();
        std::process::exit(128 + signal);
    }
    stop_flag().request();
}

/// Whether a signal was received.
pub(crate) fn requested() -> bool {
    stop_flag().is_requested()
}

/// Acts as Ctrl-C does: a terminal in raw mode delivers Ctrl-C as a key.
pub(crate) fn request() {
    receive(SIGINT);
}

/// The exit status after a signal, as a shell reports it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.
pub(crate) fn exit_status() -> u8 {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => 128 + SIGINT as u8,
        signal => 128_u8.saturating_add(signal as u8),
    }
}

/// Sleeps until `due`, or until a signal comes.
pub(crate) fn sleep_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || requested() {
            return;
        }
        std::thread::sleep(left.min(SLICE));
    }
}
