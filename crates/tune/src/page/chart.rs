//! Axes.

use maud::{Markup, html};

/// The width of every drawing, in its own units.
pub(super) const WIDTH: f64 = 960.0;

/// Numbers along a line of the drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// The numbers at its ends.
    pub(super) values: (f64, f64),
    /// Where these are in the drawing.
    pub(super) places: (f64, f64),
}

impl Axis {
    /// Where a number is. One beyond the ends is at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (from, to) = self.values;
        let share = if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
        round(self.places.0 + share * (self.places.1 - self.places.0))
    }

    /// Numbers to write beside it: some 4 to 9 round ones.
    pub(super) fn marks(&self) -> Vec<f64> {
        let (from, to) = self.values;
        let rough = (to - from) / 8.0;
        if !(rough.is_finite() && rough > 0.0) {
            return vec![from];
        }
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let (first, last) = ((from / step).ceil() as i64, (to / step + 1e-9).floor() as i64);
        (first..=last).map(|mark| mark as f64 * step).collect()
    }
}

/// Vertical lines from `top` to `bottom`, with their numbers below, and what they are.
pub(super) fn below(axis: &Axis, (top, bottom): (f64, f64), title: &str) -> Markup {
    html! {
        @for mark in axis.marks() {
            @let x = axis.place(mark);
            line.grid x1=(x) x2=(x) y1=(top) y2=(bottom) {}
            text.faint x=(x) y=(bottom + 16.0) text-anchor="middle" { (number(mark)) }
        }
        line.axis x1=(axis.places.0) x2=(axis.places.1) y1=(bottom) y2=(bottom) {}
        text.faint x=(axis.places.1) y=(bottom + 34.0) text-anchor="end" { (title) }
    }
}

/// A number without needless digits.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// No finer than anybody sees.
pub(super) fn round(place: f64) -> f64 {
    (place * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_numbers_within_the_ends() {
        let marks = |from, to| Axis { values: (from, to), places: (0.0, 1.0) }.marks();
        assert_eq!(marks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(marks(0.0, 3.0), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);
        assert_eq!(marks(7.0, 7.0), [7.0]);
        assert!((0..2000).all(|to| marks(0.0, f64::from(to) / 7.0).len() < 12));
    }

    #[test]
    fn what_is_beyond_an_end_is_drawn_at_the_end() {
        let axis = Axis { values: (0.0, 10.0), places: (100.0, 0.0) };
        assert_eq!(
            [-1.0, 0.0, 2.5, 11.0].map(|value| axis.place(value)),
            [100.0, 100.0, 75.0, 0.0]
        );
    }
}
