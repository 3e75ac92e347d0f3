//! The programs of docs/embedding.md: an agent in WebAssembly and on a microcontroller. Where the target or Node.js is missing, that
//! part is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quarl::export::{Format, export};
use quarl::{Policy, TrainConfig, Trainer};

/// The textbook's agent after an episode, and a directory with its export beside the examples.
fn prepare() -> (tempfile::TempDir, Policy) {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig::preset("textbook").set("training.episodes", 20).build().unwrap();
    let mut trainer = Trainer::new(config).unwrap();
    trainer.try_for_each(|event| event.map(|_| ())).unwrap();
    fs::write(directory.path().join("agent.rs"), export(&trainer.model(), Format::Rust).unwrap()).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embedding");
    for name in ["web.rs", "microcontroller.rs"] {
        fs::copy(examples.join(name), directory.path().join(name)).unwrap();
    }
    (directory, trainer.agent().policy().unwrap())
}

/// Compiles a file for a target; `None` where the target's library is not installed.
fn compile(directory: &Path, target: &str, arguments: &[&str], output: &str) -> Option<PathBuf> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let found = Command::new(&rustc).args(["--print", "target-libdir", "--target", target]).output().unwrap();
    if !Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir() {
        return None;
    }
    let mut command = Command::new(rustc);
    command.current_dir(directory).args(["--edition", "2024", "-O", "-D", "warnings", "-A", "dead_code"]);
    let status = command.args(["--target", target, "-o", output]).args(arguments).status().unwrap();
    assert!(status.success());
    Some(directory.join(output))
}

#[test]
fn an_agent_in_webassembly_chooses_the_actions_of_the_policy() {
    let (directory, mut policy) = prepare();
    let arguments = ["--crate-type", "cdylib", "-C", "strip=symbols", "web.rs"];
    let Some(module) = compile(directory.path(), "wasm32-unknown-unknown", &arguments, "agent.wasm") else { return };
    let size = module.metadata().unwrap().len();
    // 17,282 parameters of four bytes.
    assert!((69_128..75_000).contains(&size), "{size} bytes");
    let angles: Vec<f32> = (-20..=20).map(|i| 0.01 * i as f32).collect();
    let expected: Vec<usize> = angles.iter().map(|angle| policy.act(&[0.0, 0.0, *angle, 0.1], None).unwrap()).collect();
    let program = format!(
        "const {{ instance }} = await WebAssembly.instantiate(require('fs').readFileSync('agent.wasm'));\n\
         const {{ memory, observation, act }} = instance.exports;\n\
         console.log({angles:?}.map(angle => {{\n\
         new Float32Array(memory.buffer, observation(), 4).set([0, 0, angle, 0.1]); return act(); }}).join(' '));"
    );
    let program = format!("(async () => {{ {program} }})()");
    let Ok(output) = Command::new("node").current_dir(&directory).args(["-e", &program]).output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let actions: Vec<usize> = printed.split_whitespace().map(|action| action.parse().unwrap()).collect();
    assert_eq!(actions, expected);
}

#[test]
fn an_agent_for_a_microcontroller_is_little_more_than_its_parameters() {
    let (directory, _) = prepare();
    let arguments = ["-C", "panic=abort", "--crate-type", "lib", "--emit", "obj", "microcontroller.rs"];
    let Some(object) = compile(directory.path(), "thumbv7em-none-eabihf", &arguments, "agent.o") else { return };
    let size = object.metadata().unwrap().len();
    assert!((69_128..80_000).contains(&size), "{size} bytes");
}
