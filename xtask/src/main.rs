//! What a contributor runs: `cargo xtask test`, `cargo xtask ci`, `cargo xtask peers`.
fn main() {}
