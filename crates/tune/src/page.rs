//! The outcome as one HTML page that needs nothing else.

mod chart;
mod intervals;
mod style;
mod timelines;
mod trade_off;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::settings::{in_short, lines};
use crate::table::{facts, figures};
use crate::tuning::{Candidate, Tuning};

/// What stands above the figures of a candidate.
const HEADER: [&str; 9] = [
    "beats/s",
    "spread, ms",
    "p99, ms",
    "late p50, ms",
    "p99, ms",
    "max, ms",
    "asleep",
    "backlog, ms",
    "switches",
];

/// The whole page.
pub(crate) fn render(tuning: &Tuning) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "A beat for " (tuning.work.origin) }
                style { (PreEscaped(style::SHEET)) }
            }
            body { (body(tuning)) }
        }
    };
    page.into_string()
}

fn body(tuning: &Tuning) -> Markup {
    html! {
        h1 { "A beat for " (tuning.work.origin) }
        dl {
            @for (name, value) in facts(tuning) { dt { (name) } dd { (value) } }
        }
        section.recommended {
            div {
                h2 { "Recommended: " (tuning.recommended().strategy.name()) }
                p { (tuning.goal.name()) ": " (tuning.reason()) }
                @for doubt in tuning.doubts() { p.doubt { (doubt) } }
            }
            pre { (lines(tuning.recommended().strategy)) }
        }
        section {
            h2 { "The best of each strategy" }
            (table(tuning, &tuning.best))
            p.small {
                "Spread: the standard deviation of the time from beat to beat, and p99 what 99 of 100 \
                 stay within. Late: behind where the strategy wanted the beat, or behind one wanted \
                 period after the beat before. Backlog: the longest time on end without any sleep."
            }
        }
        section { (timelines::draw(tuning)) }
        section { (intervals::draw(tuning)) }
        section { (trade_off::draw(tuning)) }
        section {
            details {
                summary { "All " (tuning.candidates.len()) " candidates" }
                (table(tuning, &(0..tuning.candidates.len()).collect::<Vec<_>>()))
            }
        }
    }
}

fn table(tuning: &Tuning, places: &[usize]) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "strategy" } th { "settings" }
                @for name in HEADER { th.number { (name) } }
            } }
            tbody {
                @for place in places { (row(&tuning.candidates[*place], *place == tuning.chosen)) }
            }
        } }
    }
}

fn row(candidate: &Candidate, is_chosen: bool) -> Markup {
    let name = candidate.strategy.name();
    html! {
        tr.chosen[is_chosen] {
            td { span class={"key " (name)} {} (name) @if is_chosen { " ◀" } }
            td { (in_short(candidate.strategy)) }
            @for figure in figures(candidate) { td.number { (figure) } }
        }
    }
}
