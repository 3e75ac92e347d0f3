//! Every `quarl` command of the documentation and of `--help` is run as it is written, with a shorter budget.

mod common;
mod markdown;

use std::path::Path;

use tempfile::TempDir;

use common::quarl;
use markdown::{Document, documents};

/// A command of a document.
struct Example {
    place: String,
    words: Vec<String>,
    /// The beginning of the error that the document shows.
    error: Option<String>,
}

#[test]
fn the_commands_of_readme_and_documentation_run() {
    let documents: Vec<Document> = documents().into_iter().filter(|document| is_for_readers(&document.path)).collect();
    assert!(documents.len() > 20);
    // Documents are independent of each other; the commands of one build on those before.
    let errors: Vec<String> = std::thread::scope(|scope| {
        let handles: Vec<_> = documents
            .chunks(documents.len().div_ceil(4))
            .map(|part| scope.spawn(move || part.iter().flat_map(run_all).collect::<Vec<_>>()))
            .collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    assert!(errors.is_empty(), "commands of the documentation fail:\n{}", errors.join("\n"));
}

fn is_for_readers(path: &Path) -> bool {
    // The reference of the commands is written from --help, whose examples are run below.
    let is_documentation = path.starts_with("docs") && !path.ends_with("command-reference.md");
    is_documentation || ["README.md", "README.ko.md", "RESULTS.md"].iter().any(|page| path == Path::new(page))
}

fn run_all(document: &Document) -> Vec<String> {
    let here = common::directory();
    common::add_archive(&here);
    for table in ["pytorch_curves.csv", "c_curves.csv", "monitor.csv"] {
        std::fs::write(here.path().join(table), "run,episode,return\n0,0,20\n0,1,30\n1,0,25\n").unwrap();
    }
    let studies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/studies");
    std::fs::copy(studies.join("mountaincar-v0-30000-steps/space.toml"), here.path().join("space.toml")).unwrap();
    examples(document).into_iter().filter_map(|example| run(&here, &example).err()).collect()
}

#[test]
fn the_commands_in_help_run() {
    let here = common::directory();
    let overview = common::succeed(&here, &["--help"]);
    let listed = overview.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands = listed.filter_map(|line| line.split_whitespace().next()).filter(|command| *command != "help");
    let commands: Vec<&str> = commands.collect();
    assert!(commands.contains(&"train"), "{overview}");
    // What the examples of `play`, `eval` and `plot` assume to be there.
    for prepared in
        ["train", "experiment --runs 20 --out textbook-20", "experiment --set agent.target=double --out double-20"]
    {
        let example = Example { place: "here".to_owned(), words: split(prepared), error: None };
        run(&here, &example).unwrap();
    }
    common::add_archive(&here);
    std::fs::write(here.path().join("my.toml"), "[agent]\ngamma = 0.9\n").unwrap();
    let mut errors = Vec::new();
    for command in commands {
        let help = common::succeed(&here, &[command, "--help"]);
        let lines = help.lines().map(str::trim).filter(|line| line.starts_with("quarl "));
        for line in lines {
            // The explanation beside a command begins after several spaces.
            let line = line.split("   ").next().unwrap_or_default();
            let example = Example { place: format!("{command} --help"), words: split(line), error: None };
            errors.extend(run(&here, &example).err());
        }
    }
    assert!(errors.is_empty(), "commands of --help fail:\n{}", errors.join("\n"));
}

/// The lines of code blocks that start with `quarl`, with those that a backslash continues.
fn examples(document: &Document) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in &document.blocks {
        let is_shell = ["", "sh", "console"].contains(&block.language.as_str());
        let mut lines = block.lines.iter().enumerate().peekable();
        while let (true, Some((at, line))) = (is_shell, lines.next()) {
            let Some(command) = line.strip_prefix("$ ").unwrap_or(line).strip_prefix("quarl ") else { continue };
            let mut command = command.to_owned();
            while let Some(begun) = command.strip_suffix('\\') {
                command = format!("{begun} {}", lines.next().expect("a line follows a backslash").1);
            }
            let error = lines.peek().map(|(_, next)| next.as_str()).filter(|next| next.starts_with("error: "));
            let error = error.map(|error| error.trim_end_matches("..").to_owned());
            let place = format!("{}:{}", document.path.display(), block.line + at);
            examples.push(Example { place, words: split(&command), error });
        }
    }
    examples
}

/// The words of a command line, up to a comment.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '#') if word.is_none() => break,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Runs a command in a directory, with fewer runs, steps and episodes, and nothing shown.
fn run(here: &TempDir, example: &Example) -> Result<(), String> {
    let Example { place, words, error } = example;
    let mut words: Vec<&str> = words.iter().map(String::as_str).skip_while(|word| *word == "quarl").collect();
    // The output goes to a file in this directory, which a later command may read; to none elsewhere.
    let redirected = words.iter().position(|word| *word == ">").map(|at| words.split_off(at));
    let file = redirected.and_then(|rest| Some(*rest.get(1)?)).filter(|file| !file.contains(['/', '~']));
    let command = words[0];
    // There is no terminal.
    words.retain(|word| *word != "--tui");
    if command == "watch" && !words.contains(&"--once") {
        words.push("--once");
    }
    // Enough for some updates: the textbook learns from the first batch on, the other presets after 500 steps.
    let steps = if words.contains(&"textbook") { "200" } else { "520" };
    let shortened: &[(&str, &str)] = match command {
        "train" => &[("--steps", steps), ("--episodes", "")],
        "experiment" | "compare" => &[("--steps", steps), ("--episodes", ""), ("--runs", "2")],
        "tune" if words.contains(&"--print-space") => &[],
        "tune" => &[
            ("--steps", steps),
            ("--episodes", ""),
            ("--trials", "2"),
            ("--seeds-per-trial", "2"),
            ("--confirm", "1"),
            ("--score-episodes", "1"),
            // A run this short is not evaluated often enough for a pruner.
            ("--pruner", "none"),
        ],
        // A step that the shortened run has.
        "inspect" | "fork" => &[("--at", "400")],
        "eval" => &[("--episodes", "2")],
        "play" => &[("--episodes", "1"), ("--render", "none")],
        // Measures for minutes: only its options are checked.
        "bench" => &[("--help", "")],
        _ => &[],
    };
    for (option, value) in shortened {
        if let Some(at) = words.iter().position(|word| word == option) {
            words.drain(at..at + 2);
        }
        if !value.is_empty() {
            words.extend([option, value]);
        } else if *option == "--help" {
            words.push(option);
        }
    }
    let python = std::env::var("QUARL_TEST_PYTHON").ok();
    let needs_gymnasium = words.iter().any(|word| word.contains("gym:") || word.contains("gym-"));
    if needs_gymnasium {
        let Some(python) = &python else { return Ok(()) };
        // A run that continues keeps its interpreter.
        if command != "plot" && !words.contains(&"--resume") {
            words.extend(["--python", python]);
        }
    }
    let output = quarl(here, &words).output().unwrap();
    if let Some(file) = file {
        std::fs::write(here.path().join(file), &output.stdout).unwrap();
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A run this short may have no fall.
    let has_no_fall = command == "bisect" && stderr.contains("no evaluation is below the one before it");
    let is_as_shown = match error {
        None if has_no_fall => true,
        None => output.status.success(),
        // A slow machine says before what it is waiting for.
        Some(error) => !output.status.success() && stderr.lines().any(|line| line.starts_with(error)),
    };
    if is_as_shown { Ok(()) } else { Err(format!("{place}: quarl {}\n    {}", words.join(" "), stderr.trim())) }
}
