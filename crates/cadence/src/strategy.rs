//! The closed set of strategies.

use std::time::Duration;

/// How the next beat is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Always sleeps, so that an overloaded machine still breathes.
    Fixed {
        /// How long, after each tick's work.
        sleep: Duration,
    },
    /// Sleeps less after much work, so that the beat stays as even as it can.
    Adaptive {
        /// How long, after work within the budget.
        sleep: Duration,
        /// How much work leaves the sleep untouched. With none, the period is constant: `sleep`.
        budget: Duration,
    },
    /// Adaptive, until the work has eaten the whole sleep too often; then fixed, until it is easy.
    Combined {
        /// As for the other two.
        sleep: Duration,
        /// As for [`Adaptive`](Self::Adaptive).
        budget: Duration,
        /// After so many ticks in a row that ate the whole sleep: fixed.
        overruns: u32,
        /// After so many easy ticks in a row, which would leave at least half of the sleep:
        /// adaptive again.
        calm: u32,
    },
    /// Beats on a grid.
    Deadline {
        /// From one point of the grid to the next. Less than 100 µs is taken for 100 µs.
        period: Duration,
        /// What becomes of points that work ran past.
        overrun: Overrun,
    },
}

/// What `deadline` does when work ran past the next point of its grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrun {
    /// Beats at the next point that is still ahead.
    Skip,
    /// Beats at once for each missed point.
    CatchUp {
        /// At most so many late beats in a row; then the rest is skipped.
        max: u32,
    },
    /// Beats at once, and moves the grid there.
    Stretch,
}

/// The rule that placed a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InForce {
    /// `fixed`, alone or within `combined`.
    Fixed,
    /// `adaptive`, alone or within `combined`.
    Adaptive,
    /// `deadline`.
    Deadline,
}

impl Strategy {
    /// The word for it in configuration and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fixed { .. } => "fixed",
            Self::Adaptive { .. } => "adaptive",
            Self::Combined { .. } => "combined",
            Self::Deadline { .. } => "deadline",
        }
    }

    /// The time between beats when logic needs no time at all.
    pub const fn shortest_beat(&self) -> Duration {
        match *self {
            Self::Fixed { sleep }
            | Self::Adaptive { sleep, .. }
            | Self::Combined { sleep, .. }
            | Self::Deadline { period: sleep, .. } => sleep,
        }
    }
}

impl Default for Strategy {
    /// 20 beats a second that never pile up.
    fn default() -> Self {
        Self::Adaptive { sleep: Duration::from_millis(50), budget: Duration::ZERO }
    }
}

impl InForce {
    /// The word for it in metrics and the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Adaptive => "adaptive",
            Self::Deadline => "deadline",
        }
    }
}
