//! The score policy: quiet intervals add up, steady ones forgive.

use std::time::Duration;

use super::Policy;

/// An interval of no length would never end.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// What the policy says of intervals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marking {
    interval: Duration,
    threshold: u32,
    strikes: u32,
    recover: u32,
}

impl Marking {
    pub(super) fn of(policy: &Policy) -> Option<Self> {
        match *policy {
            Policy::Score { interval, threshold, strikes, recover, .. } => {
                let interval = interval.max(SHORTEST_INTERVAL);
                Some(Self { interval, threshold, strikes, recover })
            }
            Policy::Off | Policy::Timeout { .. } => None,
        }
    }
}

/// What the intervals so far added up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Score {
    judged_to: Duration,
    score: u32,
    strikes: u32,
    steady_in_a_row: u32,
    struck: bool,
}

impl Score {
    pub(super) const fn new(opened: Duration) -> Self {
        Self { judged_to: opened, score: 0, strikes: 0, steady_in_a_row: 0, struck: false }
    }

    /// Judges each interval that ended by `now`. What arrived in the moment of its end belongs to it.
    ///
    /// If several did since the last time, those before the last frame count as steady: nobody
    /// looked, so nobody can say that they were not. Silence raises no score of a session that is
    /// not `alive`: it said so, or has its strikes already.
    pub(super) fn judge(&mut self, now: Duration, frame: Duration, alive: bool, marking: Marking) {
        while self.interval_end(marking) <= now {
            let steady = frame > self.judged_to;
            self.judged_to = self.interval_end(marking);
            match (steady, alive && !self.struck) {
                (true, _) => self.forgive(marking),
                (false, true) => self.blame(marking),
                (false, false) => self.steady_in_a_row = 0,
            }
        }
    }

    /// When the interval that runs now ends.
    pub(super) fn interval_end(&self, marking: Marking) -> Duration {
        self.judged_to.saturating_add(marking.interval)
    }

    pub(super) const fn score(&self) -> u32 {
        self.score
    }

    pub(super) const fn strikes(&self) -> u32 {
        self.strikes
    }

    /// Whether there were strikes enough for `leave`, and they are not forgiven yet.
    pub(super) const fn is_struck(&self) -> bool {
        self.struck
    }

    fn forgive(&mut self, marking: Marking) {
        self.score = self.score.saturating_sub(1);
        self.steady_in_a_row = self.steady_in_a_row.saturating_add(1);
        if self.steady_in_a_row >= marking.recover {
            self.strikes = 0;
            self.struck = false;
        }
    }

    fn blame(&mut self, marking: Marking) {
        self.steady_in_a_row = 0;
        self.score += 1;
        if self.score >= marking.threshold {
            self.score = 0;
            self.strikes += 1;
        }
        self.struck = self.strikes >= marking.strikes;
    }
}
