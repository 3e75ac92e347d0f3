//! The command in a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

/// Held from the moment a terminal is opened until it is marked as not inherited and its process has started: a process
/// started in between would keep the terminal open.
static OPENING: Mutex<()> = Mutex::new(());

/// `quarl` in a pseudo-terminal.
pub(crate) struct Terminal {
    child: Running,
    master: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    is_closing: Arc<AtomicBool>,
    /// Whether the terminal has stopped reading.
    is_held: Arc<AtomicBool>,
}

/// A process that does not outlive a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Terminal {
    pub(crate) fn open(here: &TempDir, size: (u16, u16), variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("quarl"));
        command.current_dir(here).args(arguments).env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", here.path().join("state"));
        for variable in ["NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "QUARL_CPU"] {
            command.env_remove(variable);
        }
        command.envs(variables.iter().copied()).stdin(slave()).stdout(slave()).stderr(slave());
        set_size(&master, size);
        let child = Running(command.spawn().unwrap());
        drop(opening);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut input, all) = (File::from(master.try_clone().unwrap()), shown.clone());
        // The command keeps the other end open here as long as it lives.
        drop(command);
        let is_closing = Arc::new(AtomicBool::new(false));
        let is_held = Arc::new(AtomicBool::new(false));
        let (closing, held) = (is_closing.clone(), is_held.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails once nobody has the other end open.
            while let Ok(count @ 1..) = input.read(&mut bytes)
                && !closing.load(Ordering::SeqCst)
            {
                all.lock().unwrap().extend_from_slice(&bytes[..count]);
                while held.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Self { child, master, shown, reader: Some(reader), is_closing, is_held }
    }

    pub(crate) fn resize(&self, size: (u16, u16)) {
        set_size(&self.master, size);
    }

    /// Stops reading, and waits until the command cannot write any more. Its view has to be a large one.
    pub(crate) fn stop_reading(&self) {
        self.is_held.store(true, Ordering::SeqCst);
        let name = ptsname(&self.master, Vec::new()).unwrap();
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        self.wait_for("a full buffer", |terminal| {
            // Redraws everything.
            terminal.press("\x0c");
            std::thread::sleep(Duration::from_millis(100));
            let mut fds = [PollFd::new(&slave, PollFlags::OUT)];
            poll(&mut fds, Some(&Timespec::default())).unwrap() == 0
        });
    }

    /// The exit status, after at most `time` and without reading.
    pub(crate) fn ends_within(&mut self, time: Duration) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(started.elapsed() < time, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types keys.
    pub(crate) fn press(&self, keys: &str) {
        File::from(self.master.try_clone().unwrap()).write_all(keys.as_bytes()).unwrap();
    }

    /// The rows on the screen, as the cursor movements and the text so far leave them.
    pub(crate) fn screen(&self) -> Vec<String> {
        let mut rows: Vec<Vec<char>> = vec![vec![' '; 200]; 60];
        let (mut x, mut y) = (0_usize, 0_usize);
        let text = self.text();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\x1b' if rest.peek() == Some(&'[') => {
                    rest.next();
                    let mut parameters = String::new();
                    let end = loop {
                        match rest.next() {
                            Some(end @ '@'..='~') => break end,
                            Some(other) => parameters.push(other),
                            None => break ' ',
                        }
                    };
                    match end {
                        'H' => {
                            let numbers: Vec<usize> = parameters.split(';').filter_map(|n| n.parse().ok()).collect();
                            (y, x) = (numbers.first().map_or(0, |n| n - 1), numbers.get(1).map_or(0, |n| n - 1));
                        }
                        'J' => rows.iter_mut().for_each(|row| row.fill(' ')),
                        // The alternate screen is empty when it is entered.
                        'h' if parameters == "?1049" => rows.iter_mut().for_each(|row| row.fill(' ')),
                        _ => {}
                    }
                }
                '\r' => x = 0,
                '\n' => y += 1,
                _ => {
                    if let Some(cell) = rows.get_mut(y).and_then(|row| row.get_mut(x)) {
                        *cell = character;
                    }
                    x += 1;
                }
            }
        }
        rows.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned()).collect()
    }

    /// Whether a row of the screen contains `text`.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.screen().iter().any(|row| row.contains(text))
    }

    /// Waits until a row of the screen contains `text`.
    pub(crate) fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |terminal| terminal.shows(text));
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    pub(crate) fn wait_for(&self, what: &str, mut found: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !found(self) {
            assert!(started.elapsed() < Duration::from_secs(120), "{what} does not come:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end; returns the exit status and all output.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = self.child.0.wait().unwrap().code().unwrap();
        // Nobody else has the other end open: what is left arrives, and then the reader ends.
        self.reader.take().unwrap().join().unwrap();
        (status, self.text())
    }

    /// [`Terminal::end`], and whether the terminal is as before: cooked, with the main screen and a cursor.
    pub(crate) fn end_restored(mut self) -> (i32, String) {
        let status = self.child.0.wait().unwrap().code().unwrap();
        self.is_held.store(false, Ordering::SeqCst);
        let modes = tcgetattr(&self.master).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
        self.reader.take().unwrap().join().unwrap();
        let text = self.text();
        let (_, closing) = text.rsplit_once("\x1b[?1049l").expect("the alternate screen is left");
        assert!(text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l"), "the cursor is shown: {text:?}");
        (status, closing.replace("\x1b[?25h", ""))
    }

    pub(crate) fn signal(&self, name: &str) {
        Command::new("kill").args([&format!("-{name}"), &self.child.0.id().to_string()]).status().unwrap();
    }

    /// Closes the terminal while the command runs and draws; returns the command's exit status.
    pub(crate) fn close(self) -> i32 {
        let Self { mut child, master, reader, is_closing, .. } = self;
        is_closing.store(true, Ordering::SeqCst);
        reader.unwrap().join().unwrap();
        drop(master);
        child.0.wait().unwrap().code().unwrap()
    }
}

fn set_size(terminal: impl AsFd, (columns, rows): (u16, u16)) {
    tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}
