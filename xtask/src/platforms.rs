//! Other processors and systems: compiles for them, emulates them, and compares the results byte for byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::checks::{run, skipped, succeeds};

const ARM: &str = "aarch64-unknown-linux-gnu";
const MACOS: &str = "aarch64-apple-darwin";
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// Checks that everything, tests included, compiles for Windows and macOS without a warning.
pub(crate) fn check_foreign() -> Result<()> {
    for target in [WINDOWS, MACOS] {
        if !succeeds("rustup", &["target", "add", target]) {
            skipped(&format!("{target}: rustup cannot add it"));
            continue;
        }
        let mut environment = vec![("RUSTFLAGS", "-D warnings")];
        if cfg!(not(target_os = "macos")) && target == MACOS {
            // minifb compiles Objective-C on macOS. A check links nothing, so no compiler for it is needed.
            environment.extend([("CC_aarch64_apple_darwin", "true"), ("AR_aarch64_apple_darwin", "true")]);
            environment.push(("SDKROOT", "/"));
        }
        run("cargo", &["check", "--workspace", "--all-targets", "--target", target], &environment)?;
    }
    Ok(())
}

/// Runs the library's tests on an emulated AArch64 processor. They use the digests recorded on x86-64.
pub(crate) fn arm() -> Result<()> {
    if !succeeds("rustup", &["target", "add", ARM]) {
        bail!("rustup cannot add {ARM}");
    }
    for tool in ["qemu-aarch64", "aarch64-linux-gnu-gcc"] {
        if !succeeds(tool, &["--version"]) {
            bail!("{tool} is missing: on Debian, apt-get install qemu-user gcc-aarch64-linux-gnu");
        }
    }
    let environment = [
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64 -L /usr/aarch64-linux-gnu"),
    ];
    let packages = ["--package", "quarl-core", "--package", "quarl-render", "--package", "quarl"];
    let tests = ["--target", ARM, "--lib", "--test", "determinism", "--test", "digests"];
    let tests = [&["test"], &packages[..], &tests[..]].concat();
    run("cargo", &tests, &environment)
}

/// Runs the determinism tests and short runs of the command, built with mingw-w64, under Wine: the runs have to write the
/// same bytes as on this system.
pub(crate) fn windows() -> Result<()> {
    for tool in ["x86_64-w64-mingw32-gcc", "wine"] {
        if !succeeds(tool, &["--version"]) {
            skipped(&format!(
                "Windows: {tool} is missing: on Debian, apt-get install gcc-mingw-w64-x86-64 wine wine64"
            ));
            return Ok(());
        }
    }
    if !succeeds("rustup", &["target", "add", WINDOWS]) {
        skipped(&format!("Windows: rustup cannot add {WINDOWS}"));
        return Ok(());
    }
    let target = target_directory()?;
    let prefix = wine_prefix(&target)?;
    let environment = [
        ("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", "x86_64-w64-mingw32-gcc"),
        ("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine"),
        ("WINEPREFIX", prefix.as_str()),
        ("WINEDEBUG", "-all"),
    ];
    run("cargo", &["test", "--package", "quarl", "--target", WINDOWS, "--test", "determinism"], &environment)?;
    run("cargo", &["build", "--package", "quarl-cli", "--target", WINDOWS], &environment)?;
    run("cargo", &["build", "--package", "quarl-cli"], &[])?;
    let native = target.join("debug/quarl");
    let foreign = target.join(WINDOWS).join("debug/quarl.exe");
    for (preset, budget) in
        [("textbook", ["--episodes", "20"]), ("c51", ["--steps", "3000"]), ("rainbow", ["--steps", "3000"])]
    {
        let directory = |system: &str| target.join("same-bytes").join(format!("{preset}-{system}"));
        let here = directory("here");
        let there = directory("windows");
        let train = |program: &Path, leading: &[&Path], out: &Path| {
            let mut command = Command::new(program);
            command.args(leading).args(["train", "--quiet", "--force", "--preset", preset]);
            command.args(budget).arg("--out").arg(out);
            eprintln!("$ {command:?}");
            let status =
                command.envs(environment).status().with_context(|| format!("cannot start {}", program.display()))?;
            ensure!(status.success(), "training with {preset} failed: {status}");
            anyhow::Ok(())
        };
        train(&native, &[], &here)?;
        train(Path::new("wine"), &[&foreign], &there)?;
        for file in ["episodes.csv", "model.safetensors"] {
            ensure!(
                fs::read(here.join(file))? == fs::read(there.join(file))?,
                "{preset}: {file} of {} and of {} differ",
                here.display(),
                there.display()
            );
        }
        eprintln!("{preset}: the same episodes.csv and model.safetensors on Windows and here");
    }
    Ok(())
}

/// A Wine prefix with the library that Rust's programs need and that Wine before version 9 lacks.
fn wine_prefix(target: &Path) -> Result<String> {
    let prefix = target.join("wine");
    fs::create_dir_all(&prefix)?;
    let prefix = prefix.to_str().context("the repository's path is not UTF-8")?.to_owned();
    let environment = [("WINEPREFIX", prefix.as_str()), ("WINEDEBUG", "-all")];
    run("wine", &["cmd", "/c", "ver"], &environment)?;
    let library = format!("{prefix}/drive_c/windows/system32/bcryptprimitives.dll");
    if !Path::new(&library).exists() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bcryptprimitives.c");
        run("x86_64-w64-mingw32-gcc", &["-shared", "-o", &library, source, "-ladvapi32"], &[])?;
    }
    Ok(prefix)
}

/// Cargo's target directory.
fn target_directory() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |directory| root.join(directory)))
}
