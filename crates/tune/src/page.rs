//! The outcome as one HTML page that needs nothing else.

mod chart;
mod intervals;
mod style;
mod timelines;
mod trade_off;

use std::borrow::Borrow;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::rows::{self, Row};
use crate::settings::lines;
use crate::table::{HEADER, facts, figures};
use crate::tuning::Tuning;

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
    let best = rows::best(tuning);
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
            (table(best.iter()))
            p.small {
                "Spread: the standard deviation of the time from beat to beat, and p99 apart what 99 of \
                 100 stay within. Late: behind where the strategy wanted the beat, or behind one \
                 wanted period after the beat before. Backlog: the longest time on end without any \
                 sleep. Times are in ms."
            }
        }
        section { (timelines::draw(tuning, &best)) }
        section { (intervals::draw(tuning, &best)) }
        section { (trade_off::draw(tuning, &best)) }
        section {
            details {
                summary { "All " (tuning.candidates.len()) " candidates" }
                (table(rows::all(tuning)))
            }
        }
    }
}

fn table<'a>(rows: impl Iterator<Item = impl Borrow<Row<'a>>>) -> Markup {
    html! {
        div.wide { table {
            thead { tr {
                th { "strategy" } th { "settings" }
                @for name in HEADER { th.number { (name) } }
            } }
            tbody { @for line in rows { (row(line.borrow())) } }
        } }
    }
}

fn row(row: &Row<'_>) -> Markup {
    html! {
        tr.chosen[row.is_recommended] {
            td { span class={"key " (row.name)} {} (row.name) @if row.is_recommended { " ◀" } }
            td { (row.settings) }
            @match row.same_as {
                Some(other) => td.same colspan=(HEADER.len()) { "as " (other) },
                None => @for figure in figures(row.figures) { td.number { (figure) } },
            }
        }
    }
}
