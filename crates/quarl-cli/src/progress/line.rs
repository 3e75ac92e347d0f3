//! The layout of the progress line: as many parts as fit into the terminal's width, the most important ones first.

/// The minimum and maximum length of the bar, without its brackets.
const BAR: [usize; 2] = [8, 30];

/// Colours that every terminal with colours supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    Red,
    Green,
    Cyan,
}

/// A part of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The text if there is enough space.
    pub(crate) long: String,
    /// The text if there is less space; empty to leave the part out.
    short: String,
    /// Parts with a lower number are shortened and left out first.
    importance: u8,
    color: Option<Color>,
}

impl Part {
    pub(crate) fn new(importance: u8, long: String, short: String) -> Self {
        Self { long, short, importance, color: None }
    }

    pub(super) fn colored(self, color: Color) -> Self {
        Self { color: Some(color), ..self }
    }
}

/// The line with the escape codes of its colours, and its width, at most `columns`.
pub(crate) fn layout(share: f64, parts: &[Part], columns: usize, colored: bool) -> (String, usize) {
    // Rounded down, so that 100% is displayed only when everything is done.
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let percent = format!("{:>3}%", (share * 100.0 + 1e-9).floor());
    let fixed = BAR[0] + 2 + 1 + percent.len();
    let said = |shown: &[(&Part, bool)]| -> Vec<(String, Option<Color>)> {
        let texts = shown.iter().map(|(part, long)| (if *long { &part.long } else { &part.short }, part.color));
        texts.filter(|(text, _)| !text.is_empty()).map(|(text, color)| (text.clone(), color)).collect()
    };
    let width = |shown: &[(&Part, bool)]| -> usize {
        fixed + said(shown).iter().map(|(text, _)| 2 + text.chars().count()).sum::<usize>()
    };
    let mut shown: Vec<(&Part, bool)> = parts.iter().map(|part| (part, true)).collect();
    // Parts are shortened in order of importance, then left out in the same order.
    while width(&shown) > columns {
        let least = |long: bool| {
            let candidates = shown.iter().enumerate().filter(|(_, (_, is_long))| *is_long == long);
            candidates.min_by_key(|(_, (part, _))| part.importance).map(|(i, _)| i)
        };
        if let Some(i) = least(true) {
            shown[i].1 = false;
        } else if let Some(i) = least(false) {
            shown.remove(i);
        } else {
            let text: String = percent.chars().take(columns).collect();
            let columns = text.len();
            return (text, columns);
        }
    }
    let inside = (BAR[0] + columns - width(&shown)).min(BAR[1]);
    let filled = (share * inside as f64).floor() as usize;
    let head = if filled < inside { ">" } else { "" };
    let rest = " ".repeat((inside - filled).saturating_sub(head.len()));
    let bar = format!("[{}{head}{rest}]", "=".repeat(filled));
    let mut columns = bar.len() + 1 + percent.len();
    let mut text = format!("{} {percent}", paint(&bar, Some(Color::Cyan), colored));
    for (part, color) in said(&shown) {
        columns += 2 + part.chars().count();
        text += &format!("  {}", paint(&part, color, colored));
    }
    (text, columns)
}

fn paint(text: &str, color: Option<Color>, colored: bool) -> String {
    let code = match color {
        Some(Color::Red) => 31,
        Some(Color::Green) => 32,
        Some(Color::Cyan) => 36,
        None => 0,
    };
    if colored && code > 0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A return in few digits: whole numbers without decimals, others with about three digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 && value.abs() < 1e7 => format!("{value:.0}"),
        size if size >= 1e7 => format!("{value:.2e}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Part> {
        vec![
            Part::new(4, "12000/50000 steps".to_owned(), "12000/50000".to_owned()),
            Part::new(3, "return 200".to_owned(), String::new()),
            Part::new(8, "mean of last 50 187.3".to_owned(), "mean 187.3".to_owned()),
            Part::new(7, "evaluation 195".to_owned(), "eval 195".to_owned()).colored(Color::Green),
            Part::new(1, "epsilon 0.05".to_owned(), String::new()),
            Part::new(2, "20431 steps/s".to_owned(), String::new()),
            Part::new(9, "1:05 left".to_owned(), "1:05 left".to_owned()),
        ]
    }

    #[test]
    fn a_line_never_takes_more_than_the_terminals_columns() {
        for columns in 0..200 {
            let (text, width) = layout(0.24, &parts(), columns, false);
            assert_eq!(text.chars().count(), width);
            assert!(width <= columns, "{columns}: {text}");
            assert_eq!(layout(0.24, &parts(), columns, true).1, width, "colours take no columns");
        }
    }

    #[test]
    fn what_matters_most_stays_the_longest() {
        let line = |columns| layout(0.24, &parts(), columns, false).0;
        assert_eq!(line(59), "[====>              ]  24%  mean 187.3  eval 195  1:05 left");
        assert_eq!(line(79), "[==>      ]  24%  12000/50000  mean of last 50 187.3  evaluation 195  1:05 left");
        let wide = line(140);
        for part in parts() {
            assert!(wide.contains(&part.long), "{wide}");
        }
        assert_eq!(line(26), "[=>      ]  24%  1:05 left");
        assert_eq!(line(5), " 24%");
    }

    #[test]
    fn a_hundred_percent_is_said_when_all_is_done() {
        let percent = |share| layout(share, &[], 40, false).0;
        assert!(percent(0.9999).contains(" 99%") && percent(0.9999).contains(">]"));
        assert!(percent(1.0).ends_with("=] 100%"));
        assert!(percent(f64::NAN).contains("0%"));
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be_read() {
        let values = [200.0, 187.333, -0.5, 0.0123, 3.0e9, -123.4, 0.0];
        assert_eq!(values.map(number), ["200", "187.3", "-0.50", "0.01", "3.00e9", "-123.4", "0"]);
    }
}
