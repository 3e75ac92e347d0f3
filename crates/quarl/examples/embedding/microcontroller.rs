//! An agent for a microcontroller, from the file that `quarl export run --format rust` writes, as a function for a C program:
//!
//!     rustc --edition 2024 -O -C panic=abort --crate-type staticlib --target thumbv7em-none-eabihf microcontroller.rs -o libagent.a
#![no_std]

mod agent;

/// `int act(const float observation[4]);`
#[unsafe(no_mangle)]
pub extern "C" fn act(observation: &[f32; agent::OBSERVATION]) -> i32 {
    agent::act(observation) as i32
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
