//! The checks, each a command that a contributor can run by hand, ordered so that errors show early.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::platforms;

const WASM: &str = "wasm32-unknown-unknown";

/// All tests of the workspace: the library's, the command's, the documentation's examples, those that need Gymnasium, which is
/// installed into .venv first, and the Python package's.
pub(crate) fn test() -> Result<()> {
    let python = crate::gymnasium::python()?;
    let python = python.to_str().context("the repository's path is not UTF-8")?;
    let everything = ["test", "--workspace", "--all-features", "--", "--include-ignored"];
    run("cargo", &everything, &[("QUARL_TEST_PYTHON", python)])?;
    crate::python::test(python)
}

/// Everything that a change must pass.
pub(crate) fn ci() -> Result<()> {
    run("cargo", &["fmt", "--all", "--check"], &[])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    run("cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    if succeeds("cargo", &["deny", "--version"]) {
        run("cargo", &["deny", "check", "licenses", "bans", "sources"], &[])?;
        // The database of advisories is a repository of its own, which not every machine reaches.
        if succeeds("cargo", &["deny", "fetch", "db"]) {
            run("cargo", &["deny", "check", "--disable-fetch", "advisories"], &[])?;
        } else {
            skipped("advisories: their database cannot be fetched");
        }
    } else {
        skipped("advisories, licences and sources of dependencies: cargo-deny is not installed");
    }
    // Miri and AddressSanitizer run the tests without default features.
    let packages = ["--package", "quarl-core", "--package", "quarl"];
    run("cargo", &[&["check", "--no-default-features", "--tests"], &packages[..]].concat(), &[])?;
    if succeeds("rustup", &["target", "add", WASM]) {
        run("cargo", &["build", "--package", "quarl", "--no-default-features", "--target", WASM], &[])?;
    } else {
        skipped(&format!("WebAssembly: rustup cannot add {WASM}"));
    }
    platforms::check_foreign()?;
    test()
}

pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    eprintln!("$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{program} {} failed", arguments.join(" "));
    }
    Ok(())
}

pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

pub(crate) fn skipped(what: &str) {
    eprintln!("skipped: {what}");
}
