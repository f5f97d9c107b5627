//! What `deadline` does about points that work ran past.

use std::time::Duration;

use crate::strategy::Overrun;

/// Beats closer than this are a mistake: they would leave no time for anything else.
const SHORTEST_PERIOD: Duration = Duration::from_micros(100);

/// The grid goes through the last beat, so only the late beats in a row must be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    late_in_a_row: u32,
}

impl Grid {
    pub(crate) const fn new() -> Self {
        Self { late_in_a_row: 0 }
    }

    /// From this beat to the next one.
    pub(crate) fn step(&mut self, work: Duration, period: Duration, overrun: Overrun) -> Duration {
        let period = period.max(SHORTEST_PERIOD);
        let late_before = std::mem::take(&mut self.late_in_a_row);
        if work <= period {
            return period;
        }
        match overrun {
            Overrun::Skip => point_after(work, period),
            Overrun::Stretch => work,
            Overrun::CatchUp { max } if late_before < max => {
                self.late_in_a_row = late_before + 1;
                period
            }
            Overrun::CatchUp { .. } => point_after(work, period),
        }
    }
}

/// The first point of the grid that is not before the end of the work.
fn point_after(work: Duration, period: Duration) -> Duration {
    match work.as_nanos() % period.as_nanos() {
        0 => work,
        over => work.saturating_add(period - Duration::from_nanos_u128(over)),
    }
}
