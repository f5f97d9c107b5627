//! This process's time.
//!
//! [`Clock::now`] is the monotonic time since the relay started. [`Clock::listened`] is the part of
//! it in which the relay could hear its clients: it stands still while the process was stopped or
//! starved, so that nobody is taken for silent because nobody listened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Time since the relay started.
#[derive(Debug)]
pub struct Clock {
    origin: Duration,
    deaf_ns: AtomicU64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { origin: monotonic(), deaf_ns: AtomicU64::new(0) }
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        monotonic().saturating_sub(self.origin)
    }

    /// Time since the start in which the relay listened.
    pub fn listened(&self) -> Duration {
        self.now().saturating_sub(Duration::from_nanos(self.deaf_ns.load(Ordering::Relaxed)))
    }

    /// Says that the relay heard nobody for `stall`.
    pub fn was_deaf_for(&self, stall: Duration) {
        self.deaf_ns.fetch_add(nanos(stall), Ordering::Relaxed);
    }

    /// Sleeps until `due`, or until a signal comes: whoever needs the moment looks again.
    pub fn sleep_until(&self, due: Duration) {
        let wake = self.origin + due;
        let wake = Timespec {
            tv_sec: wake.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: wake.subsec_nanos().into(),
        };
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &wake);
    }

    /// Spins until `due`: a thread that sleeps is woken late.
    pub fn spin_until(&self, due: Duration) {
        while self.now() < due {
            std::hint::spin_loop();
        }
    }
}

fn monotonic() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    Duration::new(tv_sec.try_into().unwrap_or(0), tv_nsec.try_into().unwrap_or(0))
}

/// Wall time in nanoseconds since 1970-01-01 UTC; 0 before that.
pub fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos)
}

/// A duration in nanoseconds; half a millennium at the most.
pub fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listened_time_leaves_out_what_the_relay_could_not_hear() {
        let clock = Clock::start();
        let deaf = Duration::from_secs(30);
        clock.sleep_until(Duration::from_millis(1));
        clock.spin_until(Duration::from_millis(2));
        assert!(clock.now() >= Duration::from_millis(2));
        assert!(clock.listened() >= Duration::from_millis(2));

        clock.was_deaf_for(deaf);
        assert_eq!(clock.listened(), Duration::ZERO);
    }
}
