//! What a journal is to be like, and what its writer and its readers share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The present, as the caller's clocks show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// On a clock that never goes back.
    pub monotonic: Duration,
    /// Nanoseconds since 1970-01-01 UTC.
    pub wall_ns: u64,
}

/// When a tick counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When the disk has it. Survives a power cut.
    Tick,
    /// When the system has it; the disk gets it at least this often. Survives the relay's death.
    Interval(Duration),
    /// When the system has it; the disk gets it when the system pleases.
    Os,
}

/// What a journal is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is. Created if it is not there, for its owner alone.
    pub dir: PathBuf,
    /// When a tick counts as written.
    pub sync: Sync,
    /// A segment is finished before it grows beyond this, in bytes, unless one tick alone does.
    pub segment_size: u64,
    /// A segment that holds a tick is finished at this age.
    pub segment_age: Duration,
    /// The oldest segments are deleted while all together have more bytes than this.
    pub keep_size: Option<u64>,
    /// Segments are deleted when all of their ticks are older than this.
    pub keep_age: Option<Duration>,
}

impl Options {
    /// A journal in `dir`, synced with each tick, in segments of 256 MiB or 10 minutes, all kept.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            sync: Sync::Tick,
            segment_size: 256 * 1024 * 1024,
            segment_age: Duration::from_secs(600),
            keep_size: None,
            keep_age: None,
        }
    }
}

/// The number of the last tick that may be forwarded. Cheap to read, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Watermark(Arc<AtomicU64>);

impl Watermark {
    /// The last tick for which [`Writer::append`](crate::Writer::append) returned.
    pub fn tick(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn raise(&self, tick: u64) {
        self.0.store(tick, Ordering::Release);
    }
}
