//! Memory-safety checks of the only module with `unsafe` code: Miri interprets the scalar path, AddressSanitizer checks the
//! vector paths.

use anyhow::Result;

use crate::checks::{run, skipped, succeeds};

/// The rustup arguments that install Miri.
const MIRI: [&str; 6] = ["component", "add", "miri", "rust-src", "--toolchain", "nightly"];
const SANITIZED: &str = "x86_64-unknown-linux-gnu";

/// Runs the tests at odd sizes (kernels, replay, saved state) under Miri, and the length checks with 32-bit addresses as
/// well. (Miri needs no linker for a foreign target.)
pub(crate) fn miri() -> Result<()> {
    if !succeeds("cargo", &["+nightly", "miri", "--version"]) && !succeeds("rustup", &MIRI) {
        skipped(&format!("Miri: rustup {} failed", MIRI.join(" ")));
        return Ok(());
    }
    let cargo = ["+nightly", "miri", "test", "--package", "quarl-core", "--target"];
    let length_checks = ["--lib", "kernels::tests::shapes"];
    run("cargo", &[&cargo[..], &["i686-unknown-linux-gnu"], &length_checks].concat(), &[])?;
    let odd_sizes = ["--lib", "--", "odd_sizes", "kernels::tests::shapes", "replay::tests"];
    run("cargo", &[&cargo[..], &["x86_64-unknown-linux-gnu"], &odd_sizes].concat(), &[])
}

/// Runs the kernels' tests and whole runs on every instruction set of this processor under AddressSanitizer.
pub(crate) fn sanitize() -> Result<()> {
    // The sanitizer is an unstable option of the stable compiler. With an explicit target, build scripts are compiled
    // without it.
    let environment = [("RUSTC_BOOTSTRAP", "1"), ("RUSTFLAGS", "-Zsanitizer=address")];
    let is_supported =
        cfg!(all(target_arch = "x86_64", target_os = "linux")) && succeeds("rustup", &["target", "add", SANITIZED]);
    if !is_supported {
        skipped(&format!("AddressSanitizer: needs a processor and a system of {SANITIZED}"));
        return Ok(());
    }
    let parts = ["test", "--package", "quarl-core", "--target", SANITIZED, "--lib", "--", "engine::", "replay::"];
    run("cargo", &parts, &environment)?;
    let cargo = ["test", "--package", "quarl", "--no-default-features", "--target", SANITIZED];
    let whole_runs = ["--test", "odd_sizes", "--test", "determinism", "--test", "replay_memory"];
    run("cargo", &[&cargo[..], &whole_runs].concat(), &environment)
}
