//! What more sleep costs in evenness: a dot for each candidate.

use maud::{Markup, html};

use super::chart::{Axis, WIDTH, below, number};
use crate::settings::in_short;
use crate::show::{ms, percent, rate};
use crate::tuning::{Candidate, Tuning};

const HEIGHT: f64 = 420.0;
const BOTTOM: f64 = HEIGHT - 44.0;

pub(super) fn draw(tuning: &Tuning) -> Markup {
    let all = &tuning.candidates;
    let x = Axis { values: (0.0, widest(all)), places: (52.0, WIDTH - 16.0) };
    let y = Axis { values: (0.0, 100.0), places: (BOTTOM, 14.0) };
    let chosen = tuning.recommended();
    html! {
        h2 { "The trade-off" }
        figure {
            figcaption {
                @for place in &tuning.best {
                    @let name = tuning.candidates[*place].strategy.name();
                    span { span class={"key " (name)} {} (name) }
                }
                "A dot for each candidate; point at one to see its settings. The ring is the \
                 recommended one. Large dots are good enough for the goal; left is even, up is \
                 rested."
            }
            svg viewBox={"0 0 " (WIDTH) " " (HEIGHT)} role="img"
                aria-label="share of time asleep against spread, for all candidates" {
                (below(&x, (14.0, BOTTOM), "spread: standard deviation from beat to beat, ms"))
                @for mark in y.marks() {
                    line.grid x1=(x.places.0) x2=(x.places.1) y1=(y.place(mark)) y2=(y.place(mark)) {}
                    text.faint x="44" y=(y.place(mark) + 4.0) text-anchor="end" {
                        (number(mark)) " %"
                    }
                }
                text.faint x="60" y="10" { "share of time asleep" }
                @for candidate in all { (dot(candidate, tuning, &x, &y)) }
                circle.ring cx=(x.place(spread(chosen))) cy=(y.place(rest(chosen))) r="10" {}
                (label(chosen, &x, &y))
            }
        }
    }
}

fn dot(candidate: &Candidate, tuning: &Tuning, x: &Axis, y: &Axis) -> Markup {
    let figures = &candidate.figures;
    let name = candidate.strategy.name();
    let radius = if tuning.goal.admits(figures, &tuning.aim) { 6 } else { 3 };
    html! {
        circle class={"dot " (name)} cx=(x.place(spread(candidate))) cy=(y.place(rest(candidate)))
            r=(radius) {
            title {
                (name) ", " (in_short(candidate.strategy)) ": " (rate(figures.rate)) " beats/s, ± "
                (ms(figures.interval.deviation)) " ms, asleep " (percent(figures.asleep)) " %"
            }
        }
    }
}

/// On the side that has room.
fn label(chosen: &Candidate, x: &Axis, y: &Axis) -> Markup {
    let (at, height) = (x.place(spread(chosen)), y.place(rest(chosen)));
    let (anchor, beside) = if at > WIDTH / 2.0 { ("end", -16.0) } else { ("start", 16.0) };
    html! {
        text.strong.label x=(at + beside) y=(height - 8.0) text-anchor=(anchor) {
            (chosen.strategy.name()) ", " (in_short(chosen.strategy))
        }
    }
}

/// A few that are far out do not press the others together; they are drawn at the edge.
fn widest(all: &[Candidate]) -> f64 {
    let mut spreads: Vec<_> = all.iter().map(spread).collect();
    spreads.sort_unstable_by(f64::total_cmp);
    let most = spreads.get(spreads.len() * 19 / 20).copied().unwrap_or_default();
    (1.1 * most).max(1.0)
}

fn spread(candidate: &Candidate) -> f64 {
    candidate.figures.interval.deviation.as_secs_f64() * 1e3
}

fn rest(candidate: &Candidate) -> f64 {
    100.0 * candidate.figures.asleep
}
