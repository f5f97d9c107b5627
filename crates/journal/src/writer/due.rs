//! What a writer must do, and when.

use std::time::Duration;

use crate::options::{Now, Sync};

use super::Writer;

/// How long an answer may wait for the next tick before it is written on its own.
const LINGER: Duration = Duration::from_secs(1);

impl Writer {
    /// Whether the segment must be finished before `more` bytes are added.
    pub(super) fn is_due(&self, more: u64, now: Now) -> bool {
        self.live.as_ref().is_some_and(|live| {
            let full = live.size + live.waiting as u64 + more > self.options.segment_size;
            let old = now.monotonic.saturating_sub(live.begun) >= self.options.segment_age;
            live.ticks > 0 && (more > 0 && full || old)
        })
    }

    pub(super) fn linger_ends(&self) -> Option<Duration> {
        self.waiting_since.map(|since| since + LINGER)
    }

    pub(super) fn sync_due(&self) -> Option<Duration> {
        match self.options.sync {
            Sync::Interval(interval) => self.unsynced_since.map(|since| since + interval),
            Sync::Tick | Sync::Os => None,
        }
    }

    pub(super) fn age_ends(&self) -> Option<Duration> {
        let live = self.live.as_ref().filter(|live| live.ticks > 0)?;
        Some(live.begun.saturating_add(self.options.segment_age))
    }
}
