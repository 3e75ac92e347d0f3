//! Exported agents: compiled Rust and C compute the policy's Q-values; ONNX files are those that ONNX Runtime has checked.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use quarl::env::wrappers::ObservationStatistics;
use quarl::env::{CartPole, Environment};
use quarl::export::{Format, export};
use quarl::network::{Activation, Architecture, Head};
use quarl::{Model, Policy};

/// Numbers in (-1, 1) from a fixed sequence.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

/// A network of every head, layer and activation, with the normalisation of observations in some of them.
fn models() -> Vec<(&'static str, Model)> {
    let plain = Architecture::plain(4, &[24, 16], 2);
    let categorical = Head::Categorical { atoms: 51, v_min: -10.0, v_max: 100.0 };
    let implicit = Head::Implicit { cosines: 64, acting_quantiles: 32 };
    let dueling = Architecture { dueling: true, dueling_hidden: Some(12), ..plain.clone() };
    let architectures = [
        ("plain", plain.clone()),
        ("linear", Architecture::plain(4, &[], 2)),
        ("tanh", Architecture { activation: Activation::Tanh, ..plain.clone() }),
        ("elu", Architecture { activation: Activation::Elu, ..plain.clone() }),
        ("layer_norm", Architecture { layer_norm: true, ..plain.clone() }),
        ("weight_norm", Architecture { weight_norm: true, ..plain.clone() }),
        ("noisy", Architecture { noisy: true, ..plain.clone() }),
        ("dueling", dueling.clone()),
        ("linear_streams", Architecture { dueling_hidden: None, ..dueling.clone() }),
        ("c51", Architecture { head: categorical, ..plain.clone() }),
        ("qrdqn", Architecture { head: Head::Quantile { quantiles: 50 }, ..plain.clone() }),
        ("iqn", Architecture { head: implicit, ..plain.clone() }),
        ("rainbow", Architecture { head: categorical, noisy: true, layer_norm: true, ..dueling.clone() }),
        ("dueling_qrdqn", Architecture { head: Head::Quantile { quantiles: 7 }, ..dueling.clone() }),
        (
            "dueling_iqn",
            Architecture {
                head: implicit,
                layer_norm: true,
                weight_norm: true,
                noisy: true,
                activation: Activation::Elu,
                ..dueling
            },
        ),
    ];
    let model = |(i, (name, architecture)): (usize, (&'static str, Architecture))| {
        let mut numbers = Numbers(i as u64);
        let parameters = (0..architecture.parameter_count().unwrap()).map(|_| numbers.next()).collect();
        let statistics =
            ObservationStatistics::from_parts(9.0, vec![0.1, -0.2, 0.01, 0.3], vec![0.5, 0.0, 2.0, 0.01]).unwrap();
        // The second number never changes.
        let observation_statistics = (i % 3 == 2).then_some(statistics);
        (name, Model { env: "CartPole-v1".to_owned(), architecture, parameters, observation_statistics })
    };
    architectures.into_iter().enumerate().map(model).collect()
}

/// Random observations, then those of greedy episodes.
fn observations(model: &Model, episodes: u64) -> Vec<[f32; 4]> {
    let mut numbers = Numbers(4711);
    let mut all: Vec<[f32; 4]> = (0..100).map(|_| std::array::from_fn(|_| numbers.next())).collect();
    if model.observation_statistics.is_some() {
        all.iter_mut().for_each(|observation| observation[1] = -0.2);
    }
    let mut policy = Policy::new(model).unwrap();
    let mut env = CartPole::v1();
    for seed in 0..episodes {
        let mut observation = [0.0; 4];
        env.reset(Some(seed), &mut observation).unwrap();
        loop {
            all.push(observation);
            let action = policy.act(&observation, None).unwrap();
            let step = env.step(action, &mut observation).unwrap();
            if step.end.is_some() {
                break;
            }
        }
    }
    all
}

fn q_values(model: &Model, observation: &[f32]) -> [f32; 2] {
    let mut policy = Policy::new(model).unwrap();
    let values = policy.q_values(observation).unwrap();
    [values.get(0, 0), values.get(1, 0)]
}

/// Compares lines `Q-value Q-value action`: Q-values within 1e-5 of their size, the same action unless the Q-values are equal to
/// 1e-5.
fn compare(what: &str, printed: &str, model: &Model, observations: &[[f32; 4]]) {
    assert_eq!(printed.lines().count(), observations.len(), "{what}");
    for (line, observation) in printed.lines().zip(observations) {
        let expected = q_values(model, observation);
        let numbers: Vec<f32> = line.split(' ').map(|x| x.parse().unwrap()).collect();
        let tolerance = 1e-5 * expected[0].abs().max(expected[1].abs()).max(1.0);
        let is_close = (0..2).all(|a| (numbers[a] - expected[a]).abs() <= tolerance);
        assert!(is_close, "{what} at {observation:?}: {line}, expected {expected:?}");
        let greedy = f32::from(u8::from(expected[1] > expected[0]));
        let is_tie = (expected[0] - expected[1]).abs() <= tolerance;
        assert!(is_tie || numbers[2] == greedy, "{what} at {observation:?}: {line}, expected {expected:?}");
    }
}

fn compile(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn printed(program: &Path) -> String {
    String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap()
}

fn rustc() -> Command {
    let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()));
    rustc.args(["--edition", "2021", "-D", "warnings"]);
    rustc
}

#[test]
fn exported_rust_needs_only_core_and_gives_the_q_values_of_the_policy() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (mut library, mut program) = ("#![no_std]\n".to_owned(), String::new());
    let mut body = String::new();
    let models = models();
    for (name, model) in &models {
        fs::write(here.join(format!("{name}.rs")), export(model, Format::Rust).unwrap()).unwrap();
        let _ = writeln!(library, "pub mod {name};");
        let _ = writeln!(program, "mod {name};");
        let observations = observations(model, 2);
        let _ = writeln!(
            body,
            "for o in {observations:?} as [[f32; 4]; {}] {{ let q = {name}::q_values(&o); \
             println!(\"{{:?}} {{:?}} {{}}\", q[0], q[1], {name}::act(&o)); }}",
            observations.len()
        );
        let _ = writeln!(body, "println!(\"--\");");
    }
    let _ = writeln!(program, "fn main() {{\n{body}}}");
    fs::write(here.join("lib.rs"), library).unwrap();
    fs::write(here.join("main.rs"), program).unwrap();
    compile(rustc().current_dir(here).args(["main.rs", "-o", "main"]));
    let output = printed(&here.join("main"));
    let parts: Vec<&str> = output.split("--\n").collect();
    for ((name, model), part) in models.iter().zip(parts) {
        compare(&format!("Rust, {name}"), part, model, &observations(model, 2));
    }
    // A microcontroller, where its standard library is installed; otherwise this machine without the standard library.
    let target = "thumbv7em-none-eabihf";
    let found = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output().unwrap();
    let installed = Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir();
    let mut library = rustc();
    library.current_dir(here).args(["--crate-type", "lib", "lib.rs"]);
    if installed {
        library.args(["--target", target]);
    }
    compile(&mut library);
}

/// Where actions are forbidden, a program needs the Q-values alone.
#[test]
fn a_program_that_uses_only_the_q_values_compiles_without_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (_, model) = &models()[1];
    fs::write(here.join("agent.rs"), export(model, Format::Rust).unwrap()).unwrap();
    let program = "mod agent;\nfn main() { println!(\"{:?}\", agent::q_values(&[0.0; agent::OBSERVATION])); }\n";
    fs::write(here.join("main.rs"), program).unwrap();
    compile(rustc().current_dir(here).args(["--emit", "metadata", "main.rs"]));
}

#[cfg(unix)]
#[test]
fn exported_c_gives_the_q_values_of_the_policy() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for (name, model) in models() {
        fs::write(here.join("agent.h"), export(&model, Format::C).unwrap()).unwrap();
        let observations = observations(&model, 2);
        let rows: String = observations.iter().flatten().map(|x| format!("{:?}f,", x)).collect::<Vec<_>>().join("\n");
        let program = format!(
            "#include \"agent.h\"\n#include <stdio.h>\nstatic const float all[] = {{{rows}}};\nint main(void) {{\n\
             for (int i = 0; i < {}; i++) {{ float q[2]; quarl_q_values(&all[4 * i], q);\n\
             printf(\"%.9g %.9g %d\\n\", q[0], q[1], quarl_act(&all[4 * i])); }}\nreturn 0; }}\n",
            observations.len()
        );
        fs::write(here.join("main.c"), program).unwrap();
        let warnings = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O1"];
        compile(Command::new("cc").current_dir(here).args(warnings).args(["main.c", "-o", name, "-lm"]));
        compare(&format!("C, {name}"), &printed(&here.join(name)), &model, &observations);
    }
}

/// A digest of bytes (FNV-1a).
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// `cargo xtask external` compares these files with ONNX Runtime. Where a digest changes, run it, and then record the new one.
#[test]
fn onnx_files_are_those_that_onnx_runtime_has_checked() {
    let recorded = include_str!("fixtures/onnx_digests.txt");
    let computed: String = models()
        .iter()
        .map(|(name, model)| format!("{name} {:016x}\n", digest(&export(model, Format::Onnx).unwrap())))
        .collect();
    assert_eq!(computed, recorded);
}

/// Writes ONNX files with observations and expected Q-values to `QUARL_EXPORTS`, for `oracles/onnx_runtime.py`.
#[test]
#[ignore = "writes the files of `cargo xtask external`"]
fn write_files_for_onnx_runtime() {
    // Where all ignored tests run, no directory is given: the files are written and removed.
    let temporary = tempfile::tempdir().unwrap();
    let directory = std::env::var_os("QUARL_EXPORTS").unwrap_or_else(|| temporary.path().into());
    let here = Path::new(&directory);
    fs::create_dir_all(here).unwrap();
    for (name, model) in models() {
        fs::write(here.join(format!("{name}.onnx")), export(&model, Format::Onnx).unwrap()).unwrap();
        let rows: String = observations(&model, 20)
            .iter()
            .map(|observation| {
                let [a, b, c, d] = observation;
                let [left, right] = q_values(&model, observation);
                format!("{a:?} {b:?} {c:?} {d:?} {left:?} {right:?}\n")
            })
            .collect();
        fs::write(here.join(format!("{name}.txt")), rows).unwrap();
    }
}

#[test]
fn an_environment_with_a_hostile_name_stays_in_a_comment() {
    let (_, mut model) = models().swap_remove(1);
    model.env = "x */\nfn main() {} // \\".to_owned();
    for format in [Format::Rust, Format::C] {
        let text = String::from_utf8(export(&model, format).unwrap()).unwrap();
        assert!(text.lines().all(|line| !line.starts_with("fn main")), "{}", &text[..200]);
        assert!(!text.lines().next().unwrap().ends_with('\\'));
    }
}
