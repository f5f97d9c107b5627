//! The strategy that is in force, and what it must remember.

use std::time::Duration;

use crate::grid::Grid;
use crate::rest;
use crate::strategy::{InForce, Strategy};
use crate::switch::Switch;

/// Places one beat after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacer {
    strategy: Strategy,
    switch: Switch,
    grid: Grid,
}

/// Where the next beat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// When it is due. In the past only if `deadline` catches up.
    pub due: Duration,
    /// The time between the end of the work and `due`; 0 if there is none.
    pub sleep: Duration,
    /// The rule that placed it.
    pub in_force: InForce,
}

impl Pacer {
    /// A pacer with nothing to remember yet.
    pub const fn new(strategy: Strategy) -> Self {
        Self { strategy, switch: Switch::new(), grid: Grid::new() }
    }

    /// What it follows.
    pub const fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Follows another strategy from the next placement on. A grid starts at the beat that is
    /// placed first. Setting what is set already changes nothing.
    pub fn set(&mut self, strategy: Strategy) {
        if strategy != self.strategy {
            *self = Self::new(strategy);
        }
    }

    /// Places the beat after the one that was due at `due`, and whose work took `work` from then.
    ///
    /// `due` must be what the placement before said, whenever the beat really was: that is what
    /// keeps the beat from drifting.
    pub fn next(&mut self, due: Duration, work: Duration) -> Placement {
        let (step, in_force) = match self.strategy {
            Strategy::Fixed { sleep } => (work.saturating_add(rest::fixed(sleep)), InForce::Fixed),
            Strategy::Adaptive { sleep, budget } => {
                (work.saturating_add(rest::adaptive(work, sleep, budget)), InForce::Adaptive)
            }
            Strategy::Combined { sleep, budget, overruns, calm } => {
                let (rest, side) = self.switch.rest(work, (sleep, budget), (overruns, calm));
                (work.saturating_add(rest), side)
            }
            Strategy::Deadline { period, overrun } => {
                (self.grid.step(work, period, overrun), InForce::Deadline)
            }
        };
        Placement { due: due.saturating_add(step), sleep: step.saturating_sub(work), in_force }
    }
}
