//! Scenes in a window of their own.
//!
//! The window does not run the program: the loop that trains or plays does, and hands the window some time with every
//! scene it shows.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use quarl::render::{Frame, Rasterizer, Scene};
use winit::application::ApplicationHandler;
use winit::dpi::LogicalSize;
use winit::event::{ElementState, WindowEvent};
use winit::event_loop::{ActiveEventLoop, EventLoop, OwnedDisplayHandle};
use winit::keyboard::{Key, NamedKey};
use winit::platform::pump_events::{EventLoopExtPumpEvents, PumpStatus};
use winit::window::WindowId;

use crate::display::{KeepGoing, Pace};
use crate::interrupt;

/// How long a window system may take to open a window.
const PATIENCE: Duration = Duration::from_secs(10);
/// What to do where no window can be opened.
const REMEDY: &str = "show it in the terminal with --render terminal, or record it with --record FILE.gif";

/// An open window.
pub(crate) struct Window {
    // Before the event loop, so that it is dropped first: the window must not outlive its connection.
    view: View,
    events: EventLoop<()>,
    pace: Pace,
}

/// What the window shows, and what happened to it.
struct View {
    title: String,
    surface: Option<Surface>,
    rasterizer: Rasterizer,
    frame: Frame,
    scene: Option<Scene>,
    closed: bool,
    failure: Option<anyhow::Error>,
}

type Surface = softbuffer::Surface<OwnedDisplayHandle, Rc<winit::window::Window>>;

impl Window {
    /// Opens a window; it appears with the first scene.
    pub(crate) fn open(title: &str, pace: Pace) -> Result<Self> {
        if let Some(reason) = missing_screen(|name| std::env::var(name).ok()) {
            bail!("no window can be opened, because {reason}: {REMEDY}");
        }
        // winit panics elsewhere.
        if std::thread::current().name() != Some("main") {
            bail!("a window can be opened on the main thread only");
        }
        let events = EventLoop::new().map_err(|e| no_window(&e))?;
        let view = View {
            title: title.to_owned(),
            surface: None,
            rasterizer: Rasterizer::default(),
            frame: Frame::default(),
            scene: None,
            closed: false,
            failure: None,
        };
        let mut window = Self { view, events, pace };
        let deadline = Instant::now() + PATIENCE;
        while window.view.surface.is_none() {
            window.handle_events(Duration::from_millis(10))?;
            if Instant::now() > deadline {
                bail!("no window can be opened, because the window system does not answer: {REMEDY}");
            }
        }
        Ok(window)
    }

    /// Shows `scene`, with `caption` as the title, until the next one is due; the window stays alive meanwhile.
    pub(crate) fn show(&mut self, scene: &Scene, caption: &str) -> Result<KeepGoing> {
        let due = self.pace.due(Instant::now());
        let Some(surface) = &self.view.surface else { return Ok(KeepGoing::Closed) };
        let window = surface.window().clone();
        if self.view.scene.is_none() {
            let (width, height) = comfortable_size(scene);
            // Where the answer is not immediate, it comes as an event.
            let _ = window.request_inner_size(LogicalSize::new(width, height));
            window.set_visible(true);
        }
        if self.view.title != caption {
            caption.clone_into(&mut self.view.title);
            window.set_title(caption);
        }
        self.view.scene = Some(scene.clone());
        window.request_redraw();
        drop(window);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            self.handle_events(left.min(interrupt::SLICE))?;
            if self.view.closed {
                self.close();
                return Ok(KeepGoing::Closed);
            }
            if left == Duration::ZERO || interrupt::requested() {
                return Ok(KeepGoing::Yes);
            }
        }
    }

    /// Handles what has happened, waiting for at most `patience` until something does.
    fn handle_events(&mut self, patience: Duration) -> Result<()> {
        if let PumpStatus::Exit(_) = self.events.pump_app_events(Some(patience), &mut self.view) {
            self.view.closed = true;
        }
        self.view.failure.take().map_or(Ok(()), Err)
    }

    fn close(&mut self) {
        self.view.surface = None;
        // The window system learns of it with the next exchange; whether that fails does not matter any more.
        let _ = self.handle_events(Duration::ZERO);
    }
}

impl View {
    fn open(&mut self, events: &ActiveEventLoop) -> Result<()> {
        let attributes = winit::window::Window::default_attributes()
            .with_title(&self.title)
            .with_inner_size(LogicalSize::new(600.0, 400.0))
            .with_visible(false);
        let window = Rc::new(events.create_window(attributes).map_err(|e| no_window(&e))?);
        // softbuffer's errors are not `Send`, which anyhow wants.
        let context = softbuffer::Context::new(events.owned_display_handle()).map_err(|e| no_window(&e))?;
        self.surface = Some(softbuffer::Surface::new(&context, window).map_err(|e| no_window(&e))?);
        Ok(())
    }

    fn draw(&mut self) -> Result<()> {
        let (Some(surface), Some(scene)) = (&mut self.surface, &self.scene) else { return Ok(()) };
        let size = surface.window().inner_size();
        // A minimised window has no size.
        let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) else {
            return Ok(());
        };
        (self.frame.width, self.frame.height) = (size.width, size.height);
        self.rasterizer.draw(scene, &mut self.frame)?;
        let failed = |e| anyhow!("cannot draw into the window: {e}");
        surface.resize(width, height).map_err(failed)?;
        let mut buffer = surface.buffer_mut().map_err(failed)?;
        self.frame.write_xrgb(&mut buffer);
        buffer.present().map_err(failed)
    }
}

impl ApplicationHandler for View {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.surface.is_none() && !self.closed {
            self.failure = self.open(events).err();
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested | WindowEvent::Destroyed => self.closed = true,
            WindowEvent::KeyboardInput { event, .. } if event.state == ElementState::Pressed => {
                let ends = matches!(event.logical_key.as_ref(), Key::Named(NamedKey::Escape) | Key::Character("q"));
                self.closed |= ends;
            }
            WindowEvent::Resized(_) => {
                if let Some(surface) = &self.surface {
                    surface.window().request_redraw();
                }
            }
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.draw() {
                    self.failure = Some(error);
                }
            }
            _ => {}
        }
    }
}

/// What a failure of the window system is reported as.
fn no_window(error: &dyn std::fmt::Display) -> anyhow::Error {
    let message = error.to_string();
    // winit opens with its source file and line, "os error at FILE.rs:LINE: ", which tell a user nothing.
    let reason = match message.split_once(".rs:") {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, reason)| reason),
        None => &message,
    };
    anyhow!("no window can be opened ({reason}): {REMEDY}")
}

/// The size to open a window at: the scene's own, unless that would be tiny or huge.
fn comfortable_size(scene: &Scene) -> (f64, f64) {
    let (width, height) = match scene {
        Scene::Shapes { width, height, .. } => (f64::from(*width), f64::from(*height)),
        Scene::Pixels { width, height, .. } => (f64::from(*width), f64::from(*height)),
    };
    let longest = width.max(height);
    if (400.0..=1000.0).contains(&longest) || !(longest > 0.0 && longest.is_finite()) {
        return (width, height);
    }
    let scale = 600.0 / longest;
    ((width * scale).max(60.0), (height * scale).max(60.0))
}

/// Why there cannot be a window here, if that is known without trying. winit panics in some of these cases.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn missing_screen(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let wayland = is_set("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET");
    if !wayland && !is_set("DISPLAY") {
        return Some("neither DISPLAY nor WAYLAND_DISPLAY is set, so there is no screen".into());
    }
    let missing = |library: &str, package: &str| Some(format!("{library} is missing (install {package})"));
    if xkbcommon_dl::xkbcommon_option().is_none() {
        return missing("libxkbcommon.so", "libxkbcommon0 or libxkbcommon");
    }
    if !wayland && xkbcommon_dl::x11::xkbcommon_x11_option().is_none() {
        return missing("libxkbcommon-x11.so", "libxkbcommon-x11-0 or libxkbcommon-x11");
    }
    None
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
    }

    #[test]
    fn windows_open_at_a_size_that_can_be_looked_at() {
        let pixels = |width, height| Scene::Pixels { width, height, rgb: vec![] };
        assert_eq!(comfortable_size(&pixels(600, 400)), (600.0, 400.0));
        assert_eq!(comfortable_size(&pixels(84, 84)), (600.0, 600.0));
        assert_eq!(comfortable_size(&pixels(4000, 2000)), (600.0, 300.0));
    }
}
