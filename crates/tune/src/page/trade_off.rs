//! What more sleep costs in evenness: a dot for each candidate.

use maud::{Markup, html};

use super::chart::{Axis, WIDTH, below, number};
use crate::figures::Figures;
use crate::rows::{self, Row};
use crate::show::{ms, percent, rate};
use crate::tuning::Tuning;

const HEIGHT: f64 = 420.0;
const BOTTOM: f64 = HEIGHT - 44.0;

pub(super) fn draw(tuning: &Tuning, best: &[Row<'_>]) -> Markup {
    let all: Vec<_> = rows::all(tuning).collect();
    let x = Axis { values: (0.0, widest(&all)), places: (52.0, WIDTH - 16.0) };
    let y = Axis { values: (0.0, 100.0), places: (BOTTOM, 14.0) };
    let place = |row: &Row<'_>| (x.place(spread(row.figures)), y.place(rest(row.figures)));
    let recorded = best.iter().find(|row| row.is_recorded());
    html! {
        h2 { "The trade-off" }
        figure {
            figcaption {
                @for row in best {
                    span { span class={"key " (row.name)} {} (row.name) }
                }
                "A dot for each candidate; point at one to see its settings. The ring is the \
                 recommended one. Large dots are good enough for the goal; left is even, up is \
                 rested."
                @if recorded.is_some() { " The cross is what was recorded." }
            }
            div.wide { svg viewBox={"0 0 " (WIDTH) " " (HEIGHT)} role="img"
                aria-label="share of time asleep against spread, for all candidates" {
                (below(&x, (14.0, BOTTOM), "spread: standard deviation from beat to beat, ms"))
                @for mark in y.marks() {
                    line.grid x1=(x.places.0) x2=(x.places.1) y1=(y.place(mark)) y2=(y.place(mark)) {}
                    text.faint x="44" y=(y.place(mark) + 4.0) text-anchor="end" {
                        (number(mark)) " %"
                    }
                }
                text.faint x="60" y="10" { "share of time asleep" }
                @for row in &all { (dot(row, place(row))) }
                @if let Some(row) = recorded { (cross(place(row))) }
                @for row in all.iter().filter(|row| row.is_recommended) { (ring(row, place(row))) }
            } }
        }
    }
}

fn dot(row: &Row<'_>, (x, y): (f64, f64)) -> Markup {
    let figures = row.figures;
    let radius = if row.is_admitted { 6 } else { 3 };
    html! {
        circle class={"dot " (row.name)} cx=(x) cy=(y) r=(radius) {
            title {
                (row.name) ", " (row.settings) ": " (rate(figures.rate)) " beats/s, ± "
                (ms(figures.interval.deviation)) " ms, asleep " (percent(figures.asleep)) " %"
            }
        }
    }
}

fn cross((x, y): (f64, f64)) -> Markup {
    html! { path.cross d={"M" (x - 7.0) " " (y - 7.0) "l14 14m0-14l-14 14"} {} }
}

/// With the settings, on the side that has room.
fn ring(row: &Row<'_>, (x, y): (f64, f64)) -> Markup {
    let (anchor, beside) = if x > WIDTH / 2.0 { ("end", -16.0) } else { ("start", 16.0) };
    html! {
        circle.ring cx=(x) cy=(y) r="10" {}
        text.strong.label x=(x + beside) y=(y - 8.0) text-anchor=(anchor) {
            (row.name) ", " (row.settings)
        }
    }
}

/// A few that are far out do not press the others together; they are drawn at the edge.
fn widest(all: &[Row<'_>]) -> f64 {
    let mut spreads: Vec<_> = all.iter().map(|row| spread(row.figures)).collect();
    spreads.sort_unstable_by(f64::total_cmp);
    let most = spreads.get(spreads.len() * 19 / 20).copied().unwrap_or_default();
    (1.1 * most).max(1.0)
}

fn spread(figures: &Figures) -> f64 {
    figures.interval.deviation.as_secs_f64() * 1e3
}

fn rest(figures: &Figures) -> f64 {
    100.0 * figures.asleep
}
