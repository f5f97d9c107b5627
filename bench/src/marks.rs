//! What the figures should be, and whether they are.

use anyhow::Result;

use self::Measure::{Extra, Figure, Ratio};
use crate::figures::Figures;
use crate::spread::{Spread, short};
use crate::table::Table;

/// How a mark is measured.
#[derive(Debug, Clone, Copy)]
enum Measure {
    /// A figure as it is.
    Figure(&'static str),
    /// A figure as a part of another.
    Ratio(&'static str, &'static str),
    /// By how many percent a figure is above another.
    Extra(&'static str, &'static str),
}

/// An upper limit.
#[derive(Debug, Clone, Copy)]
struct Mark {
    what: &'static str,
    measure: Measure,
    at_most: f64,
    beyond: Option<f64>,
}

const fn mark(what: &'static str, measure: Measure, at_most: f64, beyond: Option<f64>) -> Mark {
    Mark { what, measure, at_most, beyond }
}

const COST: &str = "cost/1000x20/relay-tick";
const MARKS: [Mark; 11] = [
    mark("CPU per frame, to HAProxy's", Ratio(COST, "cost/1000x20/haproxy"), 0.45, Some(0.30)),
    mark("CPU per frame, to the bare echo's", Ratio(COST, "cost/1000x20/echo"), 1.5, Some(1.1)),
    mark(
        "resident bytes per idle client, of 15,000",
        Figure("memory/15000-idle/relay-tick/resident"),
        2_000.0,
        Some(1_000.0),
    ),
    mark("19,500 idle clients: CPU, % of a core", Figure("idle/19500/cpu"), 15.0, None),
    mark("19,500 idle clients: false leaves", Figure("idle/19500/troubles"), 0.0, None),
    mark(
        "beat lateness p99, 60 Hz, idle, µs",
        Figure("punctuality/60/relay/p99"),
        50.0,
        Some(10.0),
    ),
    mark(
        "beat lateness p99, 60 Hz, 5,000 busy clients, µs",
        Figure("punctuality/60/busy-relay/p99"),
        1_000.0,
        Some(200.0),
    ),
    mark("idle relay at 20 Hz: CPU, % of a core", Figure("idle/0/cpu"), 1.0, Some(0.3)),
    mark(
        "recording, each tick synced: extra CPU, %",
        Extra("journal/relay-tick", "journal/relay-off"),
        5.0,
        Some(3.0),
    ),
    mark(
        "beat → last of 1,000 replies written, p99, ms",
        Figure("latency/1000x20/p99"),
        8.0,
        Some(4.0),
    ),
    mark(
        "round trip at 1,000 Hz, 100 clients, p99, ms",
        Figure("latency/round-trip/p99"),
        2.5,
        None,
    ),
];

const NOTES: &str = "\
A mark is judged by the median of all rounds, wherever the least and the most lie.
The journal's packets per second, recovery and seeking: `cargo bench -p pulsegate-journal`.
";

/// The marks beside what was measured, each judged by the median of its rounds; if not all was measured, only those that
/// were.
///
/// # Errors
/// A figure is no number, or missing where all was measured.
pub(crate) fn show(figures: &Figures, all: bool) -> Result<String> {
    let mut table = Table::new(["", "mark", "beyond", "measured", ""]);
    for mark in MARKS.iter().filter(|mark| all || mark.measure.is_in(figures)) {
        let measured = mark.measure.of(figures)?;
        table.row([
            mark.what.to_owned(),
            format!("≤ {}", short(mark.at_most)),
            mark.beyond.map(|beyond| format!("≤ {}", short(beyond))).unwrap_or_default(),
            measured.to_string(),
            mark.verdict(measured.median).to_owned(),
        ]);
    }
    Ok(format!("{table}\n{NOTES}"))
}

impl Measure {
    fn is_in(self, figures: &Figures) -> bool {
        match self {
            Figure(name) => figures.has(name),
            Ratio(name, to) | Extra(name, to) => figures.has(name) && figures.has(to),
        }
    }

    fn of(self, figures: &Figures) -> Result<Spread> {
        match self {
            Figure(name) => figures.spread(name),
            Ratio(name, to) => figures.ratio(name, to),
            Extra(name, to) => figures.extra(name, to),
        }
    }
}

impl Mark {
    fn verdict(&self, measured: f64) -> &'static str {
        if self.beyond.is_some_and(|beyond| measured <= beyond) {
            "beyond"
        } else if measured <= self.at_most {
            "met"
        } else {
            "missed"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_how_far_it_got() {
        let mark = mark("", Figure("x"), 2.0, Some(1.0));
        let verdicts = [0.5, 1.0, 1.5, 2.0, 2.1].map(|measured| mark.verdict(measured));
        assert_eq!(verdicts, ["beyond", "beyond", "met", "met", "missed"]);
    }

    #[test]
    fn the_median_is_judged_where_rounds_lie_on_both_sides_of_a_mark() {
        let mut figures = Figures::default();
        for percent in [0.9, 5.0, 0.2] {
            figures.add("idle/0/cpu", percent);
        }
        let text = show(&figures, false).unwrap();
        assert!(text.contains("0.90 (0.20–5.00)") && text.contains("| met"), "{text}");
    }

    #[test]
    fn only_what_was_measured_is_shown() {
        let mut figures = Figures::default();
        assert_eq!(show(&figures, false).unwrap().lines().count(), 5);
        figures.add("idle/0/cpu", 0.5);
        let text = show(&figures, false).unwrap();
        assert!(text.contains("| met"), "{text}");
        assert!(show(&figures, true).is_err());
        assert_eq!(text.lines().count(), 6);
    }
}
