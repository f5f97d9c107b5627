//! When `combined` is fixed, and when adaptive.

use std::time::Duration;

use crate::rest;
use crate::strategy::InForce;

/// Counts ticks in a row, and changes sides when there were enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switch {
    side: InForce,
    in_a_row: u32,
}

impl Switch {
    pub(crate) const fn new() -> Self {
        Self { side: InForce::Adaptive, in_a_row: 0 }
    }

    /// Sleeps as the side in force does; the tick counts towards the next side.
    pub(crate) fn rest(
        &mut self,
        work: Duration,
        (sleep, budget): (Duration, Duration),
        (overruns, calm): (u32, u32),
    ) -> (Duration, InForce) {
        let left = rest::adaptive(work, sleep, budget);
        let now = self.side;
        match now {
            InForce::Fixed => self.count(left >= sleep / 2, calm, InForce::Adaptive),
            _ => self.count(left.is_zero(), overruns, InForce::Fixed),
        }
        match now {
            InForce::Fixed => (rest::fixed(sleep), now),
            _ => (left, now),
        }
    }

    fn count(&mut self, counts: bool, enough: u32, other: InForce) {
        self.in_a_row = if counts { self.in_a_row + 1 } else { 0 };
        if counts && self.in_a_row >= enough {
            *self = Self { side: other, in_a_row: 0 };
        }
    }
}
