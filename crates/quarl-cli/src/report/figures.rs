//! Figures with values under the pointer.

use anyhow::Result;
use maud::{Markup, PreEscaped, html};
use quarl::plot::{self, Figure};

/// Figures under one heading, side by side where the page is wide enough. The id has to be unique on the page.
pub(super) fn figures(id: &str, heading: &str, panels: &[Figure]) -> Result<Markup> {
    let charts = panels.iter().enumerate().map(|(i, panel)| chart(&format!("{id}-{}", i + 1), heading, panel));
    let charts = charts.collect::<Result<Vec<Markup>>>()?;
    Ok(html! {
        h3 { (heading) }
        div .charts { @for chart in charts { (chart) } }
    })
}

/// A drawing without values under the pointer.
pub(super) fn drawing(id: &str, heading: &str, svg: &str) -> Markup {
    html! {
        h3 { (heading) }
        div .charts {
            figure .chart.drawing id=(id) role="img" aria-label=(heading) { (PreEscaped(with_own_ids(svg, id))) }
        }
    }
}

/// The ids within the drawings of a page have to differ.
fn with_own_ids(svg: &str, id: &str) -> String {
    svg.replace("id=\"plot", &format!("id=\"{id}-plot")).replace("url(#plot", &format!("url(#{id}-plot"))
}

fn chart(id: &str, heading: &str, figure: &Figure) -> Result<Markup> {
    let drawn = plot::interactive(std::slice::from_ref(figure))?;
    // In a script element, only an end tag of the script could end the data.
    let data = serde_json::to_string(&drawn)?.replace("</", "<\\/");
    let svg = with_own_ids(&drawn.svg, id);
    let label = format!("{heading}: {}. The arrow keys read the values.", figure.title);
    Ok(html! {
        figure .chart id=(id) tabindex="0" aria-label=(label) {
            (PreEscaped(svg))
            script type="application/json" { (PreEscaped(data)) }
        }
    })
}
