//! How the times from beat to beat are spread.

use maud::{Markup, html};

use super::chart::{Axis, WIDTH, below};
use crate::rows::Row;
use crate::show::ms;
use crate::tuning::Tuning;

const BARS: usize = 120;
const LANE: f64 = 84.0;
const BAR: f64 = 56.0;

pub(super) fn draw(tuning: &Tuning, rows: &[Row<'_>]) -> Markup {
    let height = LANE * rows.len() as f64 + 44.0;
    let bottom = height - 40.0;
    let axis = Axis { values: (0.0, longest(rows)), places: (120.0, WIDTH - 20.0) };
    let wanted = axis.place(1e3 / tuning.aim.wanted);
    html! {
        h2 { "From beat to beat" }
        figure {
            figcaption {
                "How many of the beats came so long after the one before. The dashed line is the \
                 wanted period; the highest bar of each is drawn at full height, and the last one, \
                 at the right edge, stands for all that took longer."
            }
            div.wide { svg viewBox={"0 0 " (WIDTH) " " (height)} role="img"
                aria-label="distributions of the time from beat to beat" {
                (below(&axis, (0.0, bottom), "milliseconds from beat to beat"))
                line.wanted x1=(wanted) x2=(wanted) y1="0" y2=(bottom) {}
                @for (lane, row) in rows.iter().enumerate() {
                    (distribution(row, &axis, (lane + 1) as f64 * LANE))
                }
            } }
        }
    }
}

/// In milliseconds: where the last bar ends. The slowest in a hundred do not press the others
/// together; they are in the last bar.
fn longest(rows: &[Row<'_>]) -> f64 {
    let p99 = rows.iter().map(|row| row.figures.interval.p99).max();
    1.15 * p99.unwrap_or_default().as_secs_f64() * 1e3
}

fn distribution(row: &Row<'_>, axis: &Axis, bottom: f64) -> Markup {
    let counts = counts(row, axis.values.1);
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let width = (axis.places.1 - axis.places.0) / BARS as f64;
    let mut bars = String::new();
    for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (x, up) = (axis.places.0 + place as f64 * width, (*count as f64 / most * BAR).max(1.0));
        bars += &format!("M{x:.2} {bottom}v-{up:.2}h{:.2}v{up:.2}z", width - 0.5);
    }
    let interval = &row.figures.interval;
    html! {
        text.strong x="0" y=(bottom - 26.0) { (row.name) }
        text.faint x="0" y=(bottom - 10.0) { (ms(interval.mean)) " ± " (ms(interval.deviation)) }
        line.grid x1="0" x2=(axis.places.1) y1=(bottom) y2=(bottom) {}
        path class=(row.name) d=(bars) {}
    }
}

fn counts(row: &Row<'_>, end: f64) -> [usize; BARS] {
    let mut counts = [0; BARS];
    for beat in row.all_beats() {
        let share = beat.interval().as_secs_f64() * 1e3 / end;
        counts[((share * BARS as f64) as usize).min(BARS - 1)] += 1;
    }
    counts
}
