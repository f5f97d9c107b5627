//! Whether a write of the journal's thread waits for the disk, as others see it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tracing::{info, warn};

use crate::tick::clock::nanos;

/// A disk that takes longer for a tick is slow.
const SLOW: Duration = Duration::from_millis(250);

/// A wait for the disk that goes on, if there is one.
#[derive(Debug, Default)]
pub struct DiskWait {
    /// Nanoseconds since the relay's start; 0: no wait.
    since_ns: AtomicU64,
    told: AtomicBool,
}

impl DiskWait {
    /// The disk is asked for something at `now`.
    pub(super) fn begin(&self, now: Duration) {
        self.since_ns.store(nanos(now).max(1), Relaxed);
    }

    /// The disk has done it at `now`. Who complained takes it back.
    pub(super) fn end(&self, now: Duration) {
        let since = Duration::from_nanos(self.since_ns.swap(0, Relaxed));
        if self.told.swap(false, Relaxed) {
            info!(took = ?now.saturating_sub(since), "the disk answers again");
        }
    }

    /// For how long the journal has waited at `now`, if that is too long.
    pub fn too_long(&self, now: Duration) -> Option<Duration> {
        let since = Duration::from_nanos(self.since_ns.load(Relaxed));
        let wait = now.saturating_sub(since);
        (!since.is_zero() && wait >= SLOW).then_some(wait)
    }

    /// Says so, once for each wait that is too long at `now`.
    pub fn complain(&self, now: Duration) {
        if self.too_long(now).is_some() && !self.told.swap(true, Relaxed) {
            warn!("the journal waits for the disk, and ticks for the journal");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wait_that_goes_on_is_too_long() {
        let disk = DiskWait::default();
        let began = Duration::from_secs(7);
        assert_eq!(disk.too_long(began), None);
        disk.begin(began);
        assert_eq!(disk.too_long(began + SLOW / 2), None);
        assert_eq!(disk.too_long(began + 2 * SLOW), Some(2 * SLOW));
        disk.end(began + 3 * SLOW);
        assert_eq!(disk.too_long(began + 4 * SLOW), None);
    }
}
