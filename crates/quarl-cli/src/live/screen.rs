//! The terminal of the live view: drawings, keys and colours.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write, stdin};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, enable_raw_mode};
use quarl::render::TextStyle;
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::keyboard::{self, Key};
use crate::output::{self, Usage};
use crate::terminal;

/// The shortest time between two drawings.
const INTERVAL: Duration = Duration::from_millis(66);

/// Drawing takes at most one part in this many of a core's time: slow drawings are made less often.
const SHARE: u32 = 30;

#[cfg(unix)]
use crate::stalled::Drawing;
/// Standard output, where no other thread is kept from ending the program by a terminal that does not read.
#[cfg(not(unix))]
type Drawing = std::io::Stdout;

/// The processor time of this thread so far: while other processes keep it waiting, drawing takes no longer.
pub(super) fn work() -> Duration {
    #[cfg(unix)]
    return rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().unwrap_or_default();
    #[cfg(not(unix))]
    {
        use std::sync::LazyLock;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// Lowers the priority of this thread, so that training keeps its speed where no core is idle.
pub(crate) fn give_way() {
    // On other systems, the priority is that of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

/// The terminal; dropping it restores the terminal.
pub(crate) struct Screen {
    terminal: ratatui::Terminal<CrosstermBackend<BufWriter<Drawing>>>,
    pub(crate) theme: Theme,
    /// When the next drawing is due.
    due: Instant,
}

impl Screen {
    /// Refuses to start without a terminal that can be drawn on. `remedy` is what to do then.
    pub(crate) fn check(remedy: &str) -> Result<()> {
        let reason = if !stdin().is_terminal() || !output::is_terminal() {
            "standard input and standard output have to be a terminal"
        } else if !output::is_capable_terminal() {
            "this terminal has no cursor movements (TERM is dumb or empty)"
        } else {
            return Ok(());
        };
        Err(Usage(format!("the live view cannot be shown: {reason}; {remedy}")).into())
    }

    /// Switches to the alternate screen and to single keys.
    pub(crate) fn open() -> Result<Self> {
        terminal::take()?;
        let opened = || -> Result<_> {
            enable_raw_mode().context("cannot listen to the keyboard")?;
            new_terminal()
        };
        let terminal = opened().inspect_err(|_| terminal::restore())?;
        Ok(Self { terminal, theme: Theme::detect(), due: Instant::now() })
    }

    /// Draws. Returns false if the terminal was restored by another thread, or does not read while the program is to end.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>, &Theme)) -> Result<bool> {
        let Some(_drawing) = terminal::drawing() else { return Ok(false) };
        let (started, worked) = (Instant::now(), work());
        let theme = self.theme;
        let drawn = (|| {
            queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
            self.terminal.draw(|frame| {
                draw(frame, &theme);
                theme.finish(frame.buffer_mut());
            })?;
            queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
            self.terminal.backend_mut().flush()
        })();
        if drawn.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
            return Ok(false);
        }
        drawn.context("cannot write to the terminal")?;
        self.due = started + INTERVAL.max(work().saturating_sub(worked) * SHARE);
        Ok(true)
    }

    /// Draws everything anew the next time: another program may have written to the terminal.
    pub(crate) fn redraw(&mut self) -> Result<()> {
        self.terminal = new_terminal()?;
        queue!(self.terminal.backend_mut(), Clear(ClearType::All)).context("cannot write to the terminal")
    }

    /// The keys pressed until the next drawing is due; a key is answered at once.
    pub(crate) fn keys(&self) -> Result<Vec<Key>> {
        let mut keys = Vec::new();
        let mut left = self.due.saturating_duration_since(Instant::now());
        while let Some(key) = keyboard::next(left).context("cannot listen to the keyboard")? {
            keys.push(key);
            left = Duration::ZERO;
        }
        Ok(keys)
    }
}

fn new_terminal() -> Result<ratatui::Terminal<CrosstermBackend<BufWriter<Drawing>>>> {
    #[cfg(unix)]
    let out = Drawing::new();
    #[cfg(not(unix))]
    let out = std::io::stdout();
    let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, out));
    ratatui::Terminal::new(backend).context("cannot ask the terminal for its size")
}

impl Drop for Screen {
    fn drop(&mut self) {
        terminal::restore();
    }
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub(crate) has_colors: bool,
    /// The style of scenes.
    pub(crate) scenes: TextStyle,
}

impl Theme {
    pub(crate) fn detect() -> Self {
        let scenes = TextStyle::detect(|name| std::env::var(name).ok());
        Self { has_colors: output::has_colors(), scenes }
    }

    /// Text in a colour, if the terminal has colours.
    pub(crate) fn color(&self, color: Color) -> Style {
        if self.has_colors { Style::new().fg(color) } else { Style::new() }
    }

    /// Emphasised text.
    pub(crate) fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Text of little importance.
    pub(crate) fn dim(&self) -> Style {
        if self.has_colors { Style::new().fg(Color::DarkGray) } else { Style::new() }
    }

    /// Replaces all characters that a terminal without Unicode cannot show.
    pub(crate) fn finish(&self, buffer: &mut Buffer) {
        if self.scenes != TextStyle::Ascii {
            return;
        }
        for cell in &mut buffer.content {
            let symbol = cell.symbol();
            if !symbol.is_ascii() {
                let ascii = symbol.chars().next().map_or(' ', ascii);
                cell.set_char(ascii);
            }
        }
    }
}

/// The ASCII character that is most like one of the live view.
pub(crate) fn ascii(character: char) -> char {
    match character {
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' => '*',
        '▁' => '_',
        '▂' | '▃' => '.',
        '▄' | '▅' => '-',
        '▆' | '▇' => '=',
        '█' => '#',
        '│' => '|',
        '─' => '-',
        '•' => 'o',
        '\u{2500}'..='\u{257f}' => '+',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn a_terminal_without_unicode_gets_ascii() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "┌─│⣿•▁█x", Style::new());
        let theme = |scenes| Theme { has_colors: false, scenes };
        let before = buffer.clone();
        theme(TextStyle::Braille).finish(&mut buffer);
        assert_eq!(buffer, before);
        theme(TextStyle::Ascii).finish(&mut buffer);
        assert_eq!(buffer, Buffer::with_lines(["+-|*o_#x"]));
    }

    #[test]
    fn without_colours_no_style_has_one() {
        let theme = Theme { has_colors: false, scenes: TextStyle::Braille };
        assert_eq!([theme.color(Color::Red), theme.dim()].map(|style| style.fg), [None, None]);
    }
}
