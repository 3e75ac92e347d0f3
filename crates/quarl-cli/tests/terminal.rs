//! The output in a terminal: the progress line in pseudo-terminals of given widths.
#![cfg(unix)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

/// `quarl` in a pseudo-terminal.
struct Terminal {
    child: Child,
    master: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    fn open(here: &TempDir, columns: u16, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("quarl"));
        command.current_dir(here).args(arguments).env("TERM", "xterm-256color");
        for variable in ["NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "QUARL_CPU"] {
            command.env_remove(variable);
        }
        command.envs(variables.iter().copied()).stdin(slave()).stdout(slave()).stderr(slave());
        set_columns(&master, columns);
        let child = command.spawn().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut input, all) = (File::from(master.try_clone().unwrap()), shown.clone());
        // The command keeps the other end open here as long as it lives.
        drop(command);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails once nobody has the other end open.
            while let Ok(count @ 1..) = input.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, master, shown, reader: Some(reader) }
    }

    fn resize(&self, columns: u16) {
        set_columns(&self.master, columns);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// The progress lines so far, without their colours.
    fn lines(&self) -> Vec<String> {
        // The last line may be incomplete.
        let text = self.text();
        let mut lines: Vec<String> = text.split("\r\x1b[J").skip(1).map(plain).collect();
        lines.pop();
        lines
    }

    fn wait_for(&self, what: &str, found: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !found(self) {
            assert!(started.elapsed() < Duration::from_secs(120), "{what} does not come:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end; returns the exit status and all output.
    fn end(mut self) -> (i32, String) {
        let status = self.child.wait().unwrap().code().unwrap();
        // Nobody else has the other end open: what is left arrives, and then the reader ends.
        self.reader.take().unwrap().join().unwrap();
        (status, self.text())
    }

    fn interrupt(&self) {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
    }
}

fn set_columns(terminal: impl AsFd, columns: u16) {
    tcsetwinsize(terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
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
    let terminal = Terminal::open(&here, 60, &[], &LONG);
    let evaluated = |terminal: &Terminal| terminal.lines().iter().any(|line| line.contains("eval"));
    terminal.wait_for("an evaluation", evaluated);
    for line in terminal.lines() {
        assert!(line.chars().count() < 60 && line.contains("%") && line.contains(" left"), "{line}");
    }
    terminal.resize(120);
    terminal.wait_for("a long line", |terminal| terminal.lines().last().is_some_and(|line| line.len() > 90));
    let wide = terminal.lines();
    assert!(wide.iter().all(|line| line.chars().count() < 120));
    let last = wide.last().unwrap();
    for part in ["/100000", "mean of last 50 ", "evaluation ", " left"] {
        assert!(last.contains(part), "{last}");
    }
    terminal.resize(80);
    terminal.wait_for("a shorter line", |terminal| terminal.lines().last().is_some_and(|line| line.len() < 80));
    let before = terminal.lines().len();
    terminal.wait_for("more lines", |terminal| terminal.lines().len() > before + 3);
    assert!(terminal.lines()[before..].iter().all(|line| line.chars().count() < 80));
    assert!(terminal.text().contains("\x1b[36m"), "colours");
    terminal.interrupt();
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
        let terminal = Terminal::open(&here, 60, &[], &[command, &endless].concat());
        if command[0] == "train" {
            let closing = |terminal: &Terminal| terminal.lines().last().is_some_and(|line| line.contains(" 99%"));
            terminal.wait_for("the closing evaluation", closing);
        } else {
            // The line is redrawn only when a training episode or a run ends.
            terminal.wait_for("a line", |terminal| terminal.text().contains("0/1 runs"));
            std::thread::sleep(Duration::from_secs(3));
        }
        terminal.interrupt();
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
        let (status, text) = Terminal::open(&here, columns, &[], &arguments).end();
        assert_eq!(status, 0, "{text}");
        let lines: Vec<String> = text.split("\r\x1b[J").skip(1).map(plain).collect();
        assert!(lines.iter().all(|line| line.chars().count() < usize::from(columns)), "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.contains("100%") && last.contains("4/4 runs") && last.contains("0:00 left"), "{last}");
        assert!(lines.iter().any(|line| line.contains("last run")), "{lines:?}");
    }
    let arguments =
        ["experiment", "--episodes", "100000", "--runs", "4", "--set", "network.hidden=[16]", "--out", "long"];
    let terminal = Terminal::open(&here, 80, &[], &arguments);
    terminal.wait_for("a line", |terminal| terminal.lines().len() > 2);
    terminal.interrupt();
    let (status, text) = terminal.end();
    assert!(status == 130 && !text.contains("100%"), "{text}");
}

#[test]
fn no_color_and_dumb_terminals_are_respected() {
    let here = tempfile::tempdir().unwrap();
    let arguments =
        |out| ["experiment", "--episodes", "8", "--runs", "2", "--set", "network.hidden=[16]", "--out", out];
    let (_, text) = Terminal::open(&here, 80, &[("NO_COLOR", "1")], &arguments("a")).end();
    assert!(text.contains("\r\x1b[J") && !text.contains("\x1b[3") && !text.contains("\x1b[0m"), "{text:?}");
    let (_, text) = Terminal::open(&here, 80, &[("NO_COLOR", "")], &arguments("b")).end();
    assert!(text.contains("\x1b[36m"), "an empty NO_COLOR says nothing: {text:?}");
    let (_, text) = Terminal::open(&here, 80, &[("TERM", "dumb")], &arguments("c")).end();
    assert!(!text.contains('\x1b') && !text.replace("\r\n", "").contains('\r'), "{text:?}");
    assert!(text.contains("run 2/2"), "{text:?}");
}
