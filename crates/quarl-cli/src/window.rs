//! A window that shows scenes.
//!
//! The window has no event loop of its own: the training or playing loop calls it with every scene, and the window handles
//! its events then.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use minifb::{InputCallback, Key, ScaleMode, UseGPU, WindowOptions};
use quarl::render::{Frame, Rasterizer, Scene};

use crate::display::{KeepGoing, Pace};
use crate::interrupt;

/// The maximum time until the window system's events are handled.
const POLL: Duration = Duration::from_millis(10);
/// The maximum time until the scene is redrawn: X11 does not keep the contents of covered windows.
const REPAINT: Duration = Duration::from_millis(250);
/// The size in pixels before the first scene.
const DEFAULT_SIZE: (usize, usize) = (600, 400);
/// The advice if no window can be opened.
const REMEDY: &str = "show it in the terminal with --render terminal, or record it with --record FILE.gif";

/// An open window.
pub(crate) struct Window {
    window: minifb::Window,
    opened_size: (usize, usize),
    title: String,
    pace: Pace,
    quit: Rc<Cell<bool>>,
    rasterizer: Rasterizer,
    frame: Frame,
    pixels: Vec<u32>,
}

impl Window {
    /// Opens a window.
    pub(crate) fn open(title: &str, pace: Pace) -> Result<Self> {
        if let Some(reason) = missing_screen(|name| std::env::var(name).ok()) {
            bail!("no window can be opened, because {reason}: {REMEDY}");
        }
        let quit = Rc::new(Cell::new(false));
        Ok(Self {
            window: open(title, DEFAULT_SIZE, &quit)?,
            opened_size: DEFAULT_SIZE,
            title: title.to_owned(),
            pace,
            quit,
            rasterizer: Rasterizer::default(),
            frame: Frame::default(),
            pixels: Vec::new(),
        })
    }

    /// Shows `scene`, with `caption` as the title, until the next one is due; the window stays alive meanwhile.
    pub(crate) fn show(&mut self, scene: &Scene, caption: &str) -> Result<KeepGoing> {
        let due = self.pace.due(Instant::now());
        let size = comfortable_size(scene);
        if self.opened_size != size {
            // minifb cannot resize a window, so another one is opened.
            self.window = open(caption, size, &self.quit)?;
            self.opened_size = size;
        }
        if self.title != caption {
            caption.clone_into(&mut self.title);
            self.window.set_title(caption);
        }
        let mut drawn: Option<((usize, usize), Instant)> = None;
        loop {
            let size = self.window.get_size();
            match drawn {
                Some((drawn_size, at)) if drawn_size == size && at.elapsed() < REPAINT => self.window.update(),
                _ => {
                    self.draw(scene, size)?;
                    drawn = Some((size, Instant::now()));
                }
            }
            if self.quit.get() || !self.window.is_open() {
                return Ok(KeepGoing::Closed);
            }
            let left = due.saturating_duration_since(Instant::now());
            if left == Duration::ZERO || interrupt::requested() {
                return Ok(KeepGoing::Yes);
            }
            std::thread::sleep(left.min(POLL));
        }
    }

    /// Draws `scene` over the whole window, and handles the window system's events.
    fn draw(&mut self, scene: &Scene, (width, height): (usize, usize)) -> Result<()> {
        if width == 0 || height == 0 {
            // A minimised window has size 0.
            self.window.update();
            return Ok(());
        }
        (self.frame.width, self.frame.height) = (u32::try_from(width)?, u32::try_from(height)?);
        self.rasterizer.draw(scene, &mut self.frame)?;
        self.pixels.resize(width * height, 0);
        self.frame.write_xrgb(&mut self.pixels);
        self.window
            .update_with_buffer(&self.pixels, width, height)
            .map_err(|e| anyhow!("cannot draw into the window: {e}"))
    }
}

/// Opens a window in which Esc and `q` set `quit`.
fn open(title: &str, (width, height): (usize, usize), quit: &Rc<Cell<bool>>) -> Result<minifb::Window> {
    let options = WindowOptions {
        resize: true,
        scale_mode: ScaleMode::UpperLeft,
        use_gpu: UseGPU::Disabled,
        ..WindowOptions::default()
    };
    let mut window = with_stdout_discarded(|| minifb::Window::new(title, width, height, options))
        .map_err(|e| anyhow!("no window can be opened ({e}): {REMEDY}"))?;
    // [`Pace`] determines the frame rate.
    window.set_target_fps(0);
    window.set_input_callback(Box::new(QuitKeys(quit.clone())));
    Ok(window)
}

/// Runs `open` with standard output discarded. minifb prints a line there if a Wayland compositor draws no title bars,
/// which would break the output of `--json`.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn with_stdout_discarded<T>(open: impl FnOnce() -> T) -> T {
    use rustix::{io, stdio};
    let sink = std::fs::OpenOptions::new().write(true).open("/dev/null");
    let (Ok(sink), Ok(stdout)) = (sink, io::fcntl_dupfd_cloexec(stdio::stdout(), 3)) else { return open() };
    // If the redirection fails, the line is printed.
    let _ = stdio::dup2_stdout(sink);
    let result = open();
    let _ = stdio::dup2_stdout(stdout);
    result
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn with_stdout_discarded<T>(open: impl FnOnce() -> T) -> T {
    open()
}

/// Detects the keys that close the window, also those pressed and released between two polls.
struct QuitKeys(Rc<Cell<bool>>);

impl InputCallback for QuitKeys {
    fn add_char(&mut self, character: u32) {
        if character == u32::from('q') {
            self.0.set(true);
        }
    }

    fn set_key_state(&mut self, key: Key, is_down: bool) {
        if is_down && key == Key::Escape {
            self.0.set(true);
        }
    }
}

/// The initial size of the window: that of the scene, unless it is tiny or huge.
fn comfortable_size(scene: &Scene) -> (usize, usize) {
    let (width, height) = match scene {
        Scene::Shapes { width, height, .. } => (f64::from(*width), f64::from(*height)),
        Scene::Pixels { width, height, .. } => (f64::from(*width), f64::from(*height)),
    };
    let longest = width.max(height);
    if !(longest > 0.0 && longest.is_finite()) {
        return DEFAULT_SIZE;
    }
    let scale = if (400.0..=1000.0).contains(&longest) { 1.0 } else { 600.0 / longest };
    ((width * scale).round().max(60.0) as usize, (height * scale).round().max(60.0) as usize)
}

/// The reason why no window can be opened, if it is known without trying.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn missing_screen(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let has_screen = ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"].into_iter().any(is_set);
    (!has_screen).then(|| "neither DISPLAY nor WAYLAND_DISPLAY is set, so there is no screen".into())
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn missing_screen(_: impl Fn(&str) -> Option<String>) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(unix, not(target_vendor = "apple")))]
    #[test]
    fn without_a_screen_the_reason_is_told() {
        let reason = missing_screen(|_| None).unwrap();
        assert!(reason.contains("DISPLAY"), "{reason}");
        assert_eq!(missing_screen(|_| Some(String::new())), Some(reason), "an empty variable is as good as none");
        assert_eq!(missing_screen(|name| (name == "DISPLAY").then(|| ":0".to_owned())), None);
    }

    #[test]
    fn windows_open_at_a_size_that_can_be_looked_at() {
        let pixels = |width, height| Scene::Pixels { width, height, rgb: vec![] };
        assert_eq!(comfortable_size(&pixels(600, 400)), (600, 400));
        assert_eq!(comfortable_size(&pixels(84, 84)), (600, 600));
        assert_eq!(comfortable_size(&pixels(4000, 2000)), (600, 300));
        assert_eq!(comfortable_size(&pixels(0, 0)), DEFAULT_SIZE);
    }
}
