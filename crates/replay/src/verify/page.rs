//! A verdict as one page for a browser, which needs nothing but itself.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::difference::{Difference, Row};
use super::verdict::{Finding, Verdict};

const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn page(verdict: &Verdict) -> String {
    let word = if verdict.found.is_some() { "different" } else { "same" };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "pulsegate verify: " (word) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                p .word .(word) { (word) }
                @match &verdict.found {
                    Some(found) => (finding(found)),
                    None => h1 { "No difference in " (verdict.tally.compared) " answers" },
                }
                (details(verdict))
            } }
        }
    };
    page.into_string()
}

fn finding(found: &Finding) -> Markup {
    html! {
        h1 { "Tick " (found.tick) ": " (place(&found.difference)) }
        p .lead { "sealed at " (seconds(found.time)) ", the first tick whose answers differ" }
        (sides(&found.difference))
        (hex(&found.difference))
        h2 { "The ticks around it" }
        div .table { table {
            thead { tr {
                th .n { "tick" } th { "time" } th .n { "inputs" }
                th .n { "replies recorded" } th .n { "replies now" }
            } }
            @for near in &found.around {
                tr .here[near.tick == found.tick] {
                    td .n { (near.tick) } td .time { (seconds(near.time)) } td .n { (near.inputs) }
                    td .n { (count(near.recorded)) } td .n { (count(near.now)) }
                }
            }
        } }
        h2 { "What went into tick " (found.tick) }
        (inputs(found))
    }
}

/// Where it is, with the path in a JSON body.
fn place(difference: &Difference) -> Markup {
    html! {
        (difference.place())
        @if let Difference::Value { path, .. } = difference && !path.is_empty() {
            ", " code { (path) }
        }
    }
}

fn sides(difference: &Difference) -> Markup {
    let value = |value: &Option<Value>| match value {
        Some(value) => format!("{value:#}"),
        None => "nothing".into(),
    };
    let ids = |ids: &[u64]| if ids.is_empty() { "none".into() } else { format!("{ids:?}") };
    let (recorded, now) = match difference {
        Difference::Value { recorded, now, .. } => (value(recorded), value(now)),
        Difference::Bytes { recorded, now, .. } => (recorded.to_string(), now.to_string()),
        Difference::Addressee { recorded, now, recorded_body, now_body, .. } => {
            (format!("to {recorded}: {recorded_body}"), format!("to {now}: {now_body}"))
        }
        Difference::Missing { body, .. } => (body.to_string(), "no such reply".into()),
        Difference::Additional { body, .. } => ("no such reply".into(), body.to_string()),
        Difference::Close { recorded, now } => (ids(recorded), ids(now)),
        Difference::StateHash { recorded, now } => (recorded.clone(), now.clone()),
    };
    html! {
        div .sides {
            div .side .recorded { h3 { "recorded" } code { (recorded) } }
            div .side .now { h3 { "now" } code { (now) } }
        }
    }
}

fn hex(difference: &Difference) -> Markup {
    let rows = difference.rows();
    html! {
        @if let Difference::Bytes { offset, .. } = difference {
            h2 { "The bytes around byte " (offset) }
            div .table { table .hex {
                thead { tr { th .n { "byte" } th { "recorded" } th { "now" } } }
                @for Row { offset, recorded, now } in &rows {
                    tr {
                        td .n { (offset) }
                        td .mono { (marked(recorded, now)) }
                        td .mono { (marked(now, recorded)) }
                    }
                }
            } }
        }
    }
}

/// A row of bytes, with those marked that are not the other row's.
fn marked(row: &str, other: &str) -> Markup {
    let mut others = other.split_whitespace();
    html! {
        @for byte in row.split_whitespace() {
            @if others.next() == Some(byte) { (byte) } @else { mark { (byte) } }
            " "
        }
    }
}

fn inputs(found: &Finding) -> Markup {
    html! {
        @if found.inputs.is_empty() {
            p .quiet { "Nothing." }
        } @else {
            div .table { table {
                thead { tr { th .n { "session" } th { "kind" } th { "body" } } }
                @for input in &found.inputs {
                    tr .here[input.session.is_some() && input.session == found.session] {
                        td .n { (input.session.map_or("–".into(), |id| id.to_string())) }
                        td { (input.kind) }
                        td .mono .body { (input.body) }
                    }
                }
            } }
        }
        @if found.inputs_left_out > 0 {
            p .quiet { "And " (found.inputs_left_out) " more." }
        }
    }
}

fn details(verdict: &Verdict) -> Markup {
    let tally = &verdict.tally;
    html! {
        h2 { "What was compared" }
        dl {
            dt { "recording" } dd { code { (verdict.journal.display()) } }
            dt { "logic server" } dd { code { (verdict.logic) } }
            dt { "ticks" } dd { (tally.first_tick) " to " (tally.last_tick) }
            dt { "answers" } dd { (tally.compared) ", with " (tally.replies) " replies" }
            dt { "state hashes" } dd { (tally.hashes) }
            dt { "not compared" } dd {
                (tally.unanswered) " ticks without a recorded answer, "
                (tally.pushes) " pushes, sent between ticks"
            }
            @if !verdict.ignored.is_empty() {
                dt { "ignored" } dd { @for ignored in &verdict.ignored { code { (ignored) } " " } }
            }
            @for note in &verdict.notes { dt { "note" } dd { (note) } }
            dt { "took" } dd { (format!("{:.2} s", verdict.seconds)) }
        }
    }
}

fn seconds(time: Timestamp) -> String {
    format!("{time:.6}")
}

fn count(count: Option<usize>) -> String {
    count.map_or("–".into(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Tally;
    use super::*;
    use crate::shown::{Addressee, Body, Input};

    fn verdict(difference: Difference) -> Verdict {
        let body = Body("<script>alert(1)</script>".into());
        let found = Finding {
            tick: 7,
            time: Timestamp::default(),
            session: Some(1),
            difference,
            around: Vec::new(),
            inputs: vec![Input { session: Some(1), kind: "packet", body }],
            inputs_left_out: 0,
        };
        Verdict {
            journal: "data".into(),
            logic: "127.0.0.1:14001".into(),
            notes: Vec::new(),
            ignored: Vec::new(),
            tally: Tally::default(),
            seconds: 0.0,
            found: Some(found),
        }
    }

    #[test]
    fn what_clients_sent_is_text_and_nothing_is_fetched() {
        let (recorded, now) = (Body("<b>1".into()), Body("<b>2".into()));
        let difference =
            Difference::Bytes { index: 0, to: Addressee::All, offset: 3, recorded, now };
        let page = page(&verdict(difference));
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("http") && !page.contains("url("), "{page}");
        assert!(page.contains("<mark>31</mark>") && page.contains("<mark>32</mark>"), "{page}");
    }
}
