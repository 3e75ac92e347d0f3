//! Tables whose columns can be sorted.

use maud::{Markup, html};

/// A cell of a table.
pub(super) enum Cell {
    Text(String),
    /// A number and its text, such as `412.3 (385.0 to 437.1)`. The column is sorted by the number.
    Number(Option<f64>, String),
}

impl Cell {
    /// A number with this many decimals.
    pub(super) fn number(value: Option<f64>, decimals: usize) -> Self {
        Self::estimate(value, None, decimals)
    }

    /// A number with its interval.
    pub(super) fn estimate(value: Option<f64>, interval: Option<[f64; 2]>, decimals: usize) -> Self {
        let interval =
            interval.map_or(String::new(), |[low, high]| format!(" ({low:.decimals$} to {high:.decimals$})"));
        let text = value.map_or(String::new(), |value| format!("{value:.decimals$}{interval}"));
        Self::Number(value, text.replace('-', "\u{2212}"))
    }

    /// A count.
    pub(super) fn count(value: u64) -> Self {
        Self::Number(Some(value as f64), value.to_string())
    }

    fn is_empty(&self) -> bool {
        let (Self::Text(text) | Self::Number(_, text)) = self;
        text.is_empty()
    }
}

/// A table. Columns without content are left out.
pub(super) fn table(caption: &str, header: &[&str], rows: &[Vec<Cell>]) -> Markup {
    let used: Vec<usize> = (0..header.len()).filter(|&column| rows.iter().any(|row| !row[column].is_empty())).collect();
    let is_number = |column: usize| rows.iter().all(|row| matches!(row[column], Cell::Number(..)));
    html! {
        div .scroll tabindex="0" role="region" aria-label=(caption) {
            table .sortable {
                caption { (caption) }
                thead {
                    tr {
                        @for &column in &used {
                            th scope="col" .number[is_number(column)] aria-sort="none" {
                                button type="button" { (header[column]) span .arrow aria-hidden="true" {} }
                            }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (i, &column) in used.iter().enumerate() { (cell(&row[column], i == 0)) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(cell: &Cell, is_heading: bool) -> Markup {
    html! {
        @match cell {
            Cell::Text(text) if is_heading => { th scope="row" { (text) } },
            Cell::Text(text) => { td { (text) } },
            Cell::Number(Some(value), text) => { td .number data-value=(value) { (text) } },
            Cell::Number(None, text) => { td .number { (text) } },
        }
    }
}

/// A list of names and values.
pub(super) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
