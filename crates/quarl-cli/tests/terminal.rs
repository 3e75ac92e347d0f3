//! The output in a terminal: the progress line in pseudo-terminals of given widths.
#![cfg(unix)]

mod common;

use std::time::Duration;

use common::terminal::Terminal;

/// The progress lines so far, without their colours.
fn lines(terminal: &Terminal) -> Vec<String> {
    // The last line may be incomplete.
    let text = terminal.text();
    let mut lines: Vec<String> = text.split("\r\x1b[J").skip(1).map(plain).collect();
    lines.pop();
    lines
}

/// Text without the codes of colours, up to the end of its line.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    let all = parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest));
    all.split(['\r', '\n']).next().unwrap_or_default().to_owned()
}

const LONG: [&str; 7] =
    ["train", "--episodes", "100000", "--set", "network.hidden=[16]", "--set", "evaluation.every_episodes=5"];

#[test]
fn the_line_of_a_training_fits_terminals_of_all_widths_while_they_are_resized() {
    let here = tempfile::tempdir().unwrap();
    let terminal = Terminal::open(&here, (60, 24), &[], &LONG);
    let evaluated = |terminal: &Terminal| lines(terminal).iter().any(|line| line.contains("eval"));
    terminal.wait_for("an evaluation", evaluated);
    for line in lines(&terminal) {
        assert!(line.chars().count() < 60 && line.contains("%") && line.contains(" left"), "{line}");
    }
    terminal.resize((120, 24));
    terminal.wait_for("a long line", |terminal| lines(terminal).last().is_some_and(|line| line.len() > 90));
    let wide = lines(&terminal);
    assert!(wide.iter().all(|line| line.chars().count() < 120));
    let last = wide.last().unwrap();
    for part in ["/100000", "mean of last 50 ", "evaluation ", " left"] {
        assert!(last.contains(part), "{last}");
    }
    terminal.resize((80, 24));
    terminal.wait_for("a shorter line", |terminal| lines(terminal).last().is_some_and(|line| line.len() < 80));
    let before = lines(&terminal).len();
    terminal.wait_for("more lines", |terminal| lines(terminal).len() > before + 3);
    assert!(lines(&terminal)[before..].iter().all(|line| line.chars().count() < 80));
    assert!(terminal.text().contains("\x1b[36m"), "colours");
    terminal.signal("INT");
    let (status, text) = terminal.end();
    assert_eq!(status, 130);
    assert!(!text.contains("100%"), "an interrupted run is not complete: {text}");
    let (_, rest) = text.rsplit_once("\x1b[J").unwrap();
    assert!(
        rest.contains("left\r\n") && rest.contains("interrupted"),
        "later output starts on a line of its own: {rest:?}"
    );
}

#[test]
fn a_run_that_is_interrupted_in_its_closing_evaluation_is_not_complete() {
    let here = tempfile::tempdir().unwrap();
    let only_one = ["--set", "evaluation.every_episodes=1000000", "--set", "evaluation.episodes=1000000000"];
    let endless = [&["--steps", "500", "--set", "network.hidden=[16]"], &only_one[..]].concat();
    for command in [&["train"][..], &["experiment", "--runs", "1", "--out", "out"]] {
        let terminal = Terminal::open(&here, (60, 24), &[], &[command, &endless].concat());
        if command[0] == "train" {
            let closing = |terminal: &Terminal| lines(terminal).last().is_some_and(|line| line.contains(" 99%"));
            terminal.wait_for("the closing evaluation", closing);
        } else {
            // The line is redrawn only when a training episode or a run ends.
            terminal.wait_for("a line", |terminal| terminal.text().contains("0/1 runs"));
            std::thread::sleep(Duration::from_secs(3));
        }
        terminal.signal("INT");
        let (status, text) = terminal.end();
        assert!(status == 130 && !text.contains("100%"), "{text}");
    }
}

#[test]
fn the_line_of_an_experiment_fits_and_ends_with_all_runs() {
    let here = tempfile::tempdir().unwrap();
    for columns in [60, 80, 120] {
        let out = format!("out-{columns}");
        let arguments =
            ["experiment", "--episodes", "15", "--runs", "4", "--set", "network.hidden=[16]", "--out", &out];
        let (status, text) = Terminal::open(&here, (columns, 24), &[], &arguments).end();
        assert_eq!(status, 0, "{text}");
        let lines: Vec<String> = text.split("\r\x1b[J").skip(1).map(plain).collect();
        assert!(lines.iter().all(|line| line.chars().count() < usize::from(columns)), "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.contains("100%") && last.contains("4/4 runs") && last.contains("0:00 left"), "{last}");
        assert!(lines.iter().any(|line| line.contains("last run")), "{lines:?}");
    }
    let arguments =
        ["experiment", "--episodes", "100000", "--runs", "4", "--set", "network.hidden=[16]", "--out", "long"];
    let terminal = Terminal::open(&here, (80, 24), &[], &arguments);
    terminal.wait_for("a line", |terminal| lines(terminal).len() > 2);
    terminal.signal("INT");
    let (status, text) = terminal.end();
    assert!(status == 130 && !text.contains("100%"), "{text}");
}

#[test]
fn no_color_and_dumb_terminals_are_respected() {
    let here = tempfile::tempdir().unwrap();
    let arguments =
        |out| ["experiment", "--episodes", "8", "--runs", "2", "--set", "network.hidden=[16]", "--out", out];
    let (_, text) = Terminal::open(&here, (80, 24), &[("NO_COLOR", "1")], &arguments("a")).end();
    assert!(text.contains("\r\x1b[J") && !text.contains("\x1b[3") && !text.contains("\x1b[0m"), "{text:?}");
    let (_, text) = Terminal::open(&here, (80, 24), &[("NO_COLOR", "")], &arguments("b")).end();
    assert!(text.contains("\x1b[36m"), "an empty NO_COLOR says nothing: {text:?}");
    let (_, text) = Terminal::open(&here, (80, 24), &[("TERM", "dumb")], &arguments("c")).end();
    assert!(!text.contains('\x1b') && !text.replace("\r\n", "").contains('\r'), "{text:?}");
    assert!(text.contains("run 2/2"), "{text:?}");
}
