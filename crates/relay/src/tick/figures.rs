//! Lateness, work and sleep of the ticks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use pulsegate_cadence::InForce;
use serde::Serialize;

/// What one tick took.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The tick.
    pub tick: u64,
    /// From when the beat was due to when the batch was sealed.
    pub lateness: Duration,
    /// From when the beat was due to when logic's answer was in.
    pub work: Duration,
    /// How long was slept after it.
    pub sleep: Duration,
    /// Which strategy placed the beat after it.
    pub strategy: InForce,
    /// How many packets and events the batch had.
    pub items: u32,
    /// How many bytes the batch had.
    pub bytes: usize,
}

/// The ticks of this process, summed up.
#[derive(Debug)]
pub struct TickFigures(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    lateness: Histogram<u64>,
    work: Histogram<u64>,
    last: Option<Timing>,
    ticks: u64,
}

/// Some points of a distribution, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// Half of all are below.
    pub p50_us: u64,
    /// 99 of 100 are below.
    pub p99_us: u64,
    /// The largest.
    pub max_us: u64,
}

/// What the status page shows of the ticks.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// How many there were in this process.
    pub ticks: u64,
    /// The last one whose timing is known.
    pub last: Option<Timing>,
    /// How late beats were.
    pub lateness: Spread,
    /// How long work took.
    pub work: Spread,
}

impl Default for TickFigures {
    fn default() -> Self {
        Self(Mutex::new(Inner { lateness: histogram(), work: histogram(), last: None, ticks: 0 }))
    }
}

impl TickFigures {
    /// Adds one tick.
    pub fn record(&self, timing: Timing) {
        let mut inner = self.lock();
        inner.lateness.saturating_record(micros(timing.lateness));
        inner.work.saturating_record(micros(timing.work));
        inner.last = Some(timing);
        inner.ticks += 1;
    }

    /// Sums up.
    pub fn summary(&self) -> Summary {
        let inner = self.lock();
        Summary {
            ticks: inner.ticks,
            last: inner.last,
            lateness: spread(&inner.lateness),
            work: spread(&inner.work),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From 1 µs to a minute, with two significant digits: 30 KiB.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 2).expect("the bounds are in order")
}

fn spread(histogram: &Histogram<u64>) -> Spread {
    Spread {
        p50_us: histogram.value_at_quantile(0.5),
        p99_us: histogram.value_at_quantile(0.99),
        max_us: histogram.max(),
    }
}

/// A duration in whole microseconds.
pub fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}
