//! An agent in a browser, from the file that `quarl export run --format rust` writes:
//!
//!     rustc --edition 2024 -O --crate-type cdylib --target wasm32-unknown-unknown -C strip=symbols web.rs -o agent.wasm
#![no_std]

mod agent;

static mut OBSERVATION: [f32; agent::OBSERVATION] = [0.0; agent::OBSERVATION];

/// Where the page writes the observation.
#[unsafe(no_mangle)]
pub extern "C" fn observation() -> *mut f32 {
    (&raw mut OBSERVATION).cast()
}

/// The greedy action.
#[unsafe(no_mangle)]
pub extern "C" fn act() -> usize {
    // SAFETY: a module has one thread, and the page writes between two calls only.
    agent::act(unsafe { &*(&raw const OBSERVATION) })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
