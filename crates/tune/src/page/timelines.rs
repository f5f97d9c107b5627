//! Work, sleep and beats side by side, around the heaviest stretch of work.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Axis, WIDTH, below, round};
use crate::rows::Row;
use crate::show::clock;
use crate::simulate::Beat;
use crate::tuning::Tuning;
use crate::work::Work;

/// How many wanted periods are drawn, and how many of them before the heaviest stretch.
const SHOWN: usize = 48;
const BEFORE: usize = 12;

/// Over how many ticks work is added up to find the heaviest stretch.
const STRETCH: usize = 24;

const LANE: f64 = 64.0;

pub(super) fn draw(tuning: &Tuning, rows: &[Row<'_>]) -> Markup {
    let (run, first) = heaviest(&tuning.work.runs);
    let height = LANE * rows.len() as f64 + 44.0;
    let bottom = height - 40.0;
    let period = 1.0 / tuning.aim.wanted;
    let axis = Axis { values: (0.0, period * SHOWN as f64), places: (6.0, WIDTH - 14.0) };
    html! {
        h2 { "Work, sleep and beats at the worst moment" }
        figure {
            figcaption {
                span { span.key.work {} "work" }
                span { span.key.sleep {} "sleep" }
                span { span.key.beat {} "a beat" }
                "Each line begins with " (moment(&tuning.work, run, first)) ", and has the same work."
            }
            div.wide { svg viewBox={"0 0 " (WIDTH) " " (height)} role="img"
                aria-label="timelines of the best candidates" {
                (below(&axis, (0.0, bottom), "seconds"))
                @for (lane, row) in rows.iter().enumerate() {
                    (timeline(row, run, first, &axis, lane as f64 * LANE))
                }
            } }
        }
    }
}

/// A tick, as a person finds it again.
fn moment(work: &Work, run: usize, first: usize) -> String {
    match &work.recording {
        Some(recording) => {
            let tick = recording.runs[run][first];
            format!("tick {} at {}", tick.number, clock(tick.wall_ns))
        }
        None => format!("tick {} of {}", first + 1, work.ticks()),
    }
}

/// The run, and the tick in it a little before the stretch with the most work.
fn heaviest(runs: &[Vec<Duration>]) -> (usize, usize) {
    let mut heaviest = (Duration::ZERO, 0, 0);
    for (place, run) in runs.iter().enumerate() {
        for (first, stretch) in run.windows(STRETCH.min(run.len())).enumerate() {
            let sum = stretch.iter().sum();
            if sum > heaviest.0 {
                heaviest = (sum, place, first);
            }
        }
    }
    let (_, run, tick) = heaviest;
    (run, tick.saturating_sub(BEFORE))
}

fn timeline(row: &Row<'_>, run: usize, first: usize, axis: &Axis, top: f64) -> Markup {
    let mut shown = row.beats(run).skip(first).peekable();
    let start = shown.peek().map_or(Duration::ZERO, |beat| beat.at);
    let end = axis.values.1;
    let shown: Vec<_> = shown.take_while(|beat| (beat.at - start).as_secs_f64() < end).collect();
    let (work, sleep, ticks) = paths(&shown, start, axis, top + 24.0);
    html! {
        text.strong x="6" y=(top + 16.0) { (row.name) }
        text.faint x="82" y=(top + 16.0) { (row.settings) " — " (shown.len()) " beats here" }
        path.sleep d=(sleep) {}
        path.work d=(work) {}
        path.beat d=(ticks) {}
    }
}

/// One path for all of the work, one for the sleep and one for the beats: thousands of elements
/// would be slow.
fn paths(shown: &[Beat], start: Duration, axis: &Axis, top: f64) -> (String, String, String) {
    let (mut work, mut sleep, mut ticks) = (String::new(), String::new(), String::new());
    let x = |time: Duration| axis.place(time.saturating_sub(start).as_secs_f64());
    for beat in shown {
        let [at, done, next] = [beat.at, beat.done, beat.next].map(x);
        work += &format!("M{at} {top}H{done}v24H{at}z");
        sleep += &format!("M{done} {}H{next}v16H{done}z", round(top + 8.0));
        ticks += &format!("M{at} {}v30", round(top - 3.0));
    }
    (work, sleep, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_moment_is_where_the_work_is() {
        let ms = Duration::from_millis;
        let mut long = vec![ms(5); 200];
        long[120..130].fill(ms(70));
        let (run, first) = heaviest(&[vec![ms(6); 50], long]);
        assert_eq!(run, 1);
        assert!((90..120).contains(&first), "{first}");
        assert_eq!(heaviest(&[vec![ms(6)]]), (0, 0));
    }
}
