//! The live view in a pseudo-terminal: `quarl train --tui` and `quarl watch`.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::terminal::Terminal;
use common::{directory, fail, read, succeed};
use tempfile::TempDir;

const SMALL: [&str; 4] = ["--set", "network.hidden=[16]", "--set", "training.diagnostics=true"];

/// A run that does not end by itself.
fn endless<'a>(others: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--episodes", "10000000", "--out", "run"], &SMALL[..], others].concat()
}

/// The contents of a run's files, without the durations in its summary.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut files: BTreeMap<String, Vec<u8>> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    let summary = String::from_utf8(files["summary.json"].clone()).unwrap();
    let is_duration = |line: &&str| line.contains("wall_seconds") || line.contains("steps_per_second");
    let lines: Vec<&str> = summary.lines().filter(|line| !is_duration(line)).collect();
    assert_eq!(lines.len(), summary.lines().count() - 2);
    files.insert("summary.json".to_owned(), lines.join("\n").into_bytes());
    files
}

fn rows(here: &TempDir) -> usize {
    fs::read_to_string(here.path().join("run/episodes.csv")).map_or(0, |text| text.lines().count())
}

#[test]
fn a_run_is_shown_and_its_files_are_those_without_the_live_view() {
    let here = directory();
    let arguments = |out| {
        let length =
            ["train", "--preset", "dqn", "--steps", "3000", "--set", "evaluation.every_steps=1000", "--out", out];
        [&length[..], &SMALL[..]].concat()
    };
    succeed(&here, &arguments("plain"));
    let terminal = Terminal::open(&here, (120, 40), &[], &[&arguments("shown")[..], &["--tui"]].concat());
    terminal.wait_for_text("CartPole-v1  seed 0  shown");
    for panel in ["Return: ", "Loss", "Mean Q-value", "Greedy play", "Statistics", "gradient norm", "target drift"] {
        terminal.wait_for_text(panel);
    }
    // Pausing and single steps change nothing either.
    terminal.press(" ");
    terminal.press("s");
    terminal.press("s");
    terminal.press("f");
    if terminal.shows("paused") {
        terminal.press(" ");
    }
    let mut pressed = Instant::now();
    terminal.wait_for("the end", |terminal| {
        // What the last key has changed takes some time to be shown.
        if terminal.shows(" paused") && pressed.elapsed() > Duration::from_secs(2) {
            terminal.press(" ");
            pressed = Instant::now();
        }
        terminal.shows("Training is complete.")
    });
    terminal.wait_for_text("3000/3000 steps");
    assert!(here.path().join("shown/curve.png").exists(), "all files are written before the view is closed");
    terminal.wait_for("the trained agent", |terminal| terminal.shows("return ") && terminal.shows("▀"));
    terminal.press("q");
    let (status, closing) = terminal.end_restored();
    assert_eq!(status, 0, "{closing}");
    for line in ["return of the first greedy episode: ", "trained for ", "run directory: shown"] {
        assert!(closing.contains(line), "{closing}");
    }
    assert_eq!(files(&here.path().join("plain")), files(&here.path().join("shown")));
}

#[test]
fn training_is_paused_limited_and_stopped_by_keys() {
    let here = directory();
    let terminal = Terminal::open(&here, (80, 24), &[], &endless(&["--tui"]));
    terminal.wait_for_text("full speed");
    terminal.wait_for("episodes", |_| rows(&here) > 3);
    terminal.press(" ");
    terminal.wait_for_text("paused");
    terminal.wait_for_text("Training episode");
    let paused = rows(&here);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rows(&here), paused);
    // The length of the running episode; none between two episodes.
    let step = |screen: &[String]| {
        let row = screen.iter().find(|row| row.contains("return, step"))?;
        row.split("return, step ").nth(1)?.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The frame that shows the training episode may arrive in two parts.
    std::thread::sleep(Duration::from_secs(1));
    let mut shown = step(&terminal.screen());
    for _ in 0..3 {
        terminal.press("s");
        terminal.wait_for("one more step", |terminal| {
            let next = step(&terminal.screen());
            let is_one_more = match (shown, next) {
                (Some(before), Some(after)) => after == before + 1 || (after == 1 && before > 1),
                (Some(_), None) => true,
                (None, after) => after == Some(1),
            };
            if is_one_more {
                shown = next;
            }
            is_one_more
        });
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(step(&terminal.screen()), shown, "no further step");
    terminal.press("1");
    terminal.press(" ");
    terminal.wait_for_text("real time");
    terminal.press("-");
    terminal.wait_for_text("1/2 of real time");
    let slow = rows(&here);
    std::thread::sleep(Duration::from_millis(500));
    // A pole falls after eight steps at the earliest: 0.3 s. At full speed there would be hundreds of episodes.
    assert!(rows(&here) <= slow + 3, "{slow} episodes, then {}", rows(&here));
    terminal.press("f");
    terminal.wait_for("episodes", |_| rows(&here) > slow + 20);
    terminal.press("?");
    terminal.wait_for_text("pause or continue");
    terminal.press("x");
    terminal.press("r");
    terminal.wait_for("no picture", |terminal| !terminal.shows("Greedy play"));
    terminal.press("q");
    terminal.wait_for_text("Stop training?");
    terminal.press("n");
    terminal.wait_for("no question", |terminal| !terminal.shows("Stop training?"));
    terminal.press("q");
    terminal.wait_for_text("Stop training?");
    terminal.press("y");
    let (status, closing) = terminal.end_restored();
    assert!(status == 130 && closing.contains("interrupted: the agent and the results so far are in run"), "{closing}");
    assert!(read(&here, "run/summary.json").contains("\"interrupted\": true"));
    for file in ["model.safetensors", "curve.png", "episodes.csv"] {
        assert!(here.path().join("run").join(file).exists(), "{file}");
    }
}

#[test]
fn signals_and_the_key_ctrl_c_end_a_paused_training_and_restore_the_terminal() {
    for (signal, expected) in [("TERM", 143), ("INT", 130), ("key", 130)] {
        let here = directory();
        let terminal = Terminal::open(&here, (80, 24), &[], &endless(&["--tui"]));
        terminal.wait_for("episodes", |_| rows(&here) > 3);
        terminal.press(" ");
        terminal.wait_for_text("paused");
        if signal == "key" {
            terminal.press("\x03")
        } else {
            terminal.signal(signal)
        }
        let (status, closing) = terminal.end_restored();
        assert_eq!(status, expected, "{signal}: {closing}");
        assert!(closing.contains("interrupted: "), "{closing}");
        assert!(here.path().join("run/summary.json").exists());
    }
}

#[test]
fn a_terminal_that_does_not_read_keeps_no_training_from_ending_with_its_results() {
    for (signal, expected) in [("TERM", 143), ("INT", 130), ("key", 130)] {
        let here = directory();
        let mut terminal = Terminal::open(&here, (200, 60), &[], &endless(&["--tui"]));
        terminal.wait_for("episodes", |_| rows(&here) > 3);
        terminal.stop_reading();
        let before = rows(&here);
        terminal.wait_for("further episodes", |_| rows(&here) > before + 3);
        if signal == "key" {
            terminal.press("\x03")
        } else {
            terminal.signal(signal)
        }
        // A second on a machine that does nothing else; the tests of other files run at the same time.
        assert_eq!(terminal.ends_within(Duration::from_secs(15)), expected, "{signal}");
        let (_, closing) = terminal.end_restored();
        assert!(closing.contains("interrupted: the agent and the results so far are in run"), "{signal}: {closing}");
        for file in ["summary.json", "model.safetensors", "curve.png"] {
            assert!(here.path().join("run").join(file).exists(), "{signal}: {file}");
        }
        assert!(read(&here, "run/summary.json").contains("\"interrupted\": true"));
    }
}

#[test]
fn an_error_restores_the_terminal_and_is_printed_there() {
    let here = directory();
    let diverging = ["--set", "optimizer.kind=sgd", "--set", "optimizer.lr=1e30", "--tui"];
    let (status, closing) = Terminal::open(&here, (80, 24), &[], &endless(&diverging)).end_restored();
    assert!(status == 1 && closing.contains("error: training stopped"), "{status}: {closing}");
}

#[test]
fn the_view_follows_the_size_of_the_terminal_and_says_where_it_is_too_small() {
    let here = directory();
    let terminal = Terminal::open(&here, (80, 24), &[], &endless(&["--tui"]));
    terminal.wait_for_text("Statistics");
    terminal.resize((20, 5));
    terminal.wait_for_text("The terminal is too");
    terminal.resize((1, 1));
    terminal.resize((120, 40));
    terminal.wait_for("all of a wide terminal", |terminal| {
        let screen = terminal.screen();
        screen[39].contains("space pause") && screen.iter().any(|row| row.chars().count() == 120)
    });
    terminal.resize((50, 12));
    terminal.wait_for("a smaller one", |terminal| terminal.screen()[11].contains("space pause"));
    terminal.press("\x03");
    assert_eq!(terminal.end_restored().0, 130);
}

#[test]
fn a_closed_terminal_does_not_end_the_training() {
    let here = directory();
    let arguments = ["train", "--episodes", "300", "--out", "run", "--tui"];
    let terminal = Terminal::open(&here, (80, 24), &[], &arguments);
    terminal.wait_for("episodes", |_| rows(&here) > 3);
    // It has no controlling terminal, and therefore gets no SIGHUP.
    let status = terminal.close();
    assert_eq!(status, 1, "its last lines cannot be printed");
    assert!(read(&here, "run/summary.json").contains("\"interrupted\": false"));
    assert_eq!(rows(&here), 301);
}

#[test]
fn colours_are_left_out_and_dumb_terminals_refused() {
    let here = directory();
    for (variables, has_colors) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
        let terminal = Terminal::open(&here, (80, 24), variables, &endless(&["--force", "--tui"]));
        terminal.wait_for("the agent", |terminal| terminal.shows("Greedy play") && terminal.shows("  return "));
        terminal.press("\x03");
        let (status, text) = terminal.end();
        let colors = text.contains("38;") && text.contains("48;");
        assert_eq!((status, colors), (130, has_colors), "{variables:?}");
        assert!(has_colors || !(text.contains("38;") || text.contains("48;")), "{text:?}");
    }
    for (command, remedy) in [(&["train", "--tui"][..], "leave out --tui"), (&["watch", "run"], "--once prints")] {
        let (status, text) = Terminal::open(&here, (80, 24), &[("TERM", "dumb")], command).end();
        assert!(status == 2 && text.contains("cannot be shown") && text.contains(remedy), "{text}");
        assert!(fail(&here, command, 2).contains("have to be a terminal"), "not a terminal");
    }
    assert!(!here.path().join("runs").exists(), "nothing is written");
}

#[test]
fn watch_prints_the_state_of_runs_experiments_and_comparisons_without_writing() {
    let here = directory();
    assert!(fail(&here, &["watch", "absent", "--once"], 1).contains("absent: there is no such file or directory"));
    fs::create_dir(here.path().join("empty")).unwrap();
    assert!(succeed(&here, &["watch", "empty", "--once"]).contains("not started"));
    fs::create_dir(here.path().join("foreign")).unwrap();
    fs::write(here.path().join("foreign/notes.txt"), "").unwrap();
    assert!(fail(&here, &["watch", "foreign", "--once"], 1).contains("holds no run"));

    succeed(&here, &[&["train", "--episodes", "12", "--out", "run"], &SMALL[..]].concat());
    let before = files(&here.path().join("run"));
    let text = succeed(&here, &["watch", "run", "--once"]);
    for part in ["status            complete", "12/12 episodes (100%)", "gradient norm", "best evaluation", "loss"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(files(&here.path().join("run")), before, "no file is added or changed");

    // A run that was killed while it wrote a row.
    let run = here.path().join("run");
    fs::remove_file(run.join("summary.json")).unwrap();
    let table = read(&here, "run/episodes.csv");
    let cut: String = table.lines().take(6).map(|line| format!("{line}\n")).collect();
    fs::write(run.join("episodes.csv"), format!("{cut}5,1")).unwrap();
    let text = succeed(&here, &["watch", "run", "--once"]);
    assert!(text.contains("unfinished") && text.contains("5/12 episodes (41%)"), "{text}");
    fs::write(run.join("episodes.csv"), format!("{cut}5,x,1,1,1,,\n")).unwrap();
    assert!(fail(&here, &["watch", "run", "--once"], 1).contains("line 7 cannot be read"));

    let compare =
        ["compare", "textbook", "double", "--envs", "CartPole-v0", "--steps", "200", "--runs", "3", "--out", "two"];
    succeed(&here, &[&compare[..], &["--set", "network.hidden=[16]", "--quiet"]].concat());
    let text = succeed(&here, &["watch", "two", "--once"]);
    assert!(text.starts_with("two: 6 complete, 100% done\n"), "{text}");
    assert!(text.contains("a CartPole-v0-double") && text.contains("b CartPole-v0-textbook"), "{text}");
    fs::remove_dir_all(here.path().join("two/CartPole-v0-double/runs/seed-1")).unwrap();
    fs::remove_file(here.path().join("two/CartPole-v0-double/runs/seed-2/summary.json")).unwrap();
    let text = succeed(&here, &["watch", "two", "--once"]);
    assert!(text.starts_with("two: 4 complete, 1 unfinished, 1 missing"), "{text}");
    let text = succeed(&here, &["watch", "two/CartPole-v0-double", "--once"]);
    assert!(text.contains("seed 0    complete") && text.contains("seed 2    unfinished"), "{text}");
    fs::write(here.path().join("two/CartPole-v0-double/runs/seed-2/episodes.csv"), "a,b\n").unwrap();
    let output = common::quarl(&here, &["watch", "two", "--once"]).assert().success().get_output().clone();
    let [text, warning] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(text.starts_with("two: 4 complete, 1 unreadable, 1 missing"), "{text}");
    assert!(warning.contains("CartPole-v0-double, seed 2: ") && warning.contains("line 1 is not"), "{warning}");
    assert!(!here.path().join("two/.lock").exists());
}

#[test]
fn watch_waits_for_a_run_follows_it_and_notices_that_it_is_replaced_or_removed() {
    let here = directory();
    fs::create_dir(here.path().join("run")).unwrap();
    let terminal = Terminal::open(&here, (100, 30), &[], &["watch", "run"]);
    terminal.wait_for_text("The run has not started.");
    let train = |seed| {
        let arguments = ["train", "--episodes", "12", "--force", "--seed", seed, "--out", "run"];
        succeed(&here, &[&arguments[..], &SMALL[..]].concat());
    };
    train("0");
    terminal.wait_for_text("CartPole-v0  seed 0  run");
    terminal.wait_for_text("12/12 episodes");
    terminal.wait_for("the state", |terminal| terminal.screen()[0].ends_with("complete"));
    terminal.wait_for("the agent", |terminal| terminal.shows("▀"));
    train("1");
    terminal.wait_for_text("Another run has replaced the one shown before.");
    terminal.wait_for_text("CartPole-v0  seed 1  run");
    fs::remove_dir_all(here.path().join("run")).unwrap();
    terminal.wait_for_text("The run's files were removed.");
    terminal.press("q");
    assert_eq!(terminal.end_restored().0, 0);
}

/// A study of eight trials with two seeds each.
fn study<'a>(others: &[&'a str]) -> Vec<&'a str> {
    let words = "tune CartPole-v0 --preset textbook --trials 8 --seeds-per-trial 2 --pruner none --sampler random --jobs 1 --confirm \
                 2 --score-episodes 2 --set network.hidden=[16] --space space.toml --out study";
    words.split(' ').chain(others.iter().copied()).collect()
}

fn prepare_study() -> TempDir {
    let here = directory();
    let space = "[space]\n\"agent.batch_size\" = { choices = [16, 20000] }\n";
    fs::write(here.path().join("space.toml"), space).unwrap();
    here
}

#[test]
fn watch_prints_the_state_of_a_study_without_writing() {
    let here = prepare_study();
    succeed(&here, &study(&["--episodes", "4", "--quiet"]));
    let journal = read(&here, "study/journal.jsonl");
    let all = || fs::read_dir(here.path().join("study")).unwrap().count();
    let before = all();
    let shown = succeed(&here, &["watch", "study", "--once"]);
    let failed = journal.matches("\"event\":\"failed\"").count();
    assert!(failed > 0 && failed < 8, "{journal}");
    let expected =
        format!("study: {} of 8 trials complete, {failed} failed, 2 of 2 fresh seeds, 100% done\n", 8 - failed);
    assert!(shown.starts_with(&expected), "{shown}");
    let summary: serde_json::Value = serde_json::from_str(&read(&here, "study/summary.json")).unwrap();
    let best = format!(
        "best: trial {}, score {:.3}: agent",
        summary["best"]["trial"],
        summary["best"]["score"].as_f64().unwrap()
    );
    assert!(shown.contains(&best), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("trial ")).count(), 8);
    assert_eq!((read(&here, "study/journal.jsonl"), all()), (journal.clone(), before));

    // A study that was killed within its second trial.
    let lines: Vec<&str> = journal.lines().collect();
    let at = lines.iter().rposition(|line| line.contains("\"event\":\"trial\"")).unwrap();
    fs::write(here.path().join("study/journal.jsonl"), lines[..=at].join("\n") + "\n{\"event\":\"sco").unwrap();
    let shown = succeed(&here, &["watch", "study", "--once"]);
    let last = lines[at].split("\"trial\":").nth(1).unwrap().split(',').next().unwrap();
    assert!(shown.contains("1 unfinished") && shown.contains(&format!("trial {last:<4} unfinished")), "{shown}");
    fs::write(here.path().join("study/journal.jsonl"), lines[..=at].join("\n") + "\n{}\n").unwrap();
    assert!(fail(&here, &["watch", "study", "--once"], 1).contains("is damaged"));
}

#[test]
fn watch_follows_a_study_from_before_its_start() {
    let here = prepare_study();
    fs::create_dir(here.path().join("study")).unwrap();
    let terminal = Terminal::open(&here, (110, 30), &[("NO_COLOR", "1")], &["watch", "study"]);
    terminal.wait_for_text("The run has not started.");
    let mut running = Command::new(assert_cmd::cargo::cargo_bin("quarl"));
    // Its runs do not end.
    let endless = study(&["--steps", "100000000", "--quiet"]);
    let mut running =
        running.current_dir(&here).args(endless).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    terminal.wait_for_text("0 of 8 trials complete");
    terminal.wait_for_text("1 running");
    terminal.wait_for_text("0 of 2 runs");
    running.kill().unwrap();
    running.wait().unwrap();
    terminal.wait_for_text("no run is being trained");
    fs::remove_dir_all(here.path().join("study")).unwrap();
    succeed(&here, &study(&["--episodes", "4", "--quiet"]));
    terminal.wait_for_text("2 of 2 fresh seeds");
    terminal.wait_for_text("best: trial ");
    terminal.press("q");
    assert_eq!(terminal.end_restored().0, 0);
}

#[test]
fn watch_follows_a_comparison() {
    let here = directory();
    let compare =
        ["compare", "textbook", "double", "--envs", "CartPole-v0", "--steps", "200", "--runs", "3", "--out", "two"];
    succeed(&here, &[&compare[..], &["--set", "network.hidden=[16]", "--quiet"]].concat());
    let terminal = Terminal::open(&here, (100, 30), &[("NO_COLOR", "1")], &["watch", "two"]);
    terminal.wait_for_text("6 complete");
    terminal.wait_for_text("CartPole-v0: mean return over the runs so far");
    terminal.wait_for_text("b CartPole-v0-textbook");
    terminal.press("\x1b[B");
    fs::remove_dir_all(here.path().join("two")).unwrap();
    terminal.wait_for_text("The directory was removed.");
    terminal.signal("TERM");
    assert_eq!(terminal.end_restored().0, 143);
}
