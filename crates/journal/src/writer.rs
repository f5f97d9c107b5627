//! Sealed ticks in, durable ticks out.

mod due;
mod keep;
mod open;

use std::time::Duration;

use pulsegate_protocol::tick::{Chained, Sealed};

use crate::directory::{Directory, Lock};
use crate::error::Error;
use crate::format::{Timing, Topic};
use crate::live::Live;
use crate::marks::Mark;
use crate::options::{Now, Options, Sync, Watermark};
use crate::sealer::Sealer;
use crate::standing::{Attendance, Standing};
use keep::Kept;

/// How many bytes of answers, pushes and timings may wait before they are written.
const WAITING: usize = 1024 * 1024;

/// The one who writes a journal.
///
/// Once a call has failed, all later ones fail, for nothing is known of what the disk holds after
/// a failed write or sync; neither is ever tried again. [`Writer::restart_after_failure`] goes on
/// in a fresh segment.
///
/// A writer that is dropped without [`Writer::finish`] leaves what a crash would leave.
pub struct Writer {
    dir: Directory,
    options: Options,
    live: Option<Live>,
    standing: Standing,
    kept: Kept,
    watermark: Watermark,
    failed: Option<String>,
    /// Since when something waits for its flush, and since when for its sync.
    waiting_since: Option<Duration>,
    unsynced_since: Option<Duration>,
    sealer: Sealer,
    lock: Lock,
}

impl Writer {
    /// Puts a tick behind the last one, and writes it as [`Options::sync`] says. What is returned
    /// may be forwarded, and nothing else.
    ///
    /// # Errors
    /// [`Error::Order`] if its number is not the next; all others are failures that stay.
    pub fn append(&mut self, tick: Sealed, now: Now) -> Result<Chained, Error> {
        let last = self.standing.last_tick;
        if tick.number != last + 1 {
            return Err(Error::Order { number: tick.number, last });
        }
        let tick = tick.chain(self.standing.checksum);
        self.guarded(|writer| {
            if writer.is_due(tick.bytes.len() as u64, now) {
                writer.rotate(now)?;
            }
            let offset = writer.live()?.size;
            writer.write(Topic::Ticks, tick.number, tick.wall_ns, &tick.bytes, now)?;
            writer.flush(now)?;
            writer.mark(&tick, offset)
        })?;
        self.note(&tick);
        Ok(tick)
    }

    /// Records an answer: the bytes of a `Done` to `tick`. It is written with the next tick, or
    /// before that if a mebibyte waits, or by [`Writer::poll`].
    ///
    /// # Errors
    /// Failures, which stay.
    pub fn answer(
        &mut self,
        done: &[u8],
        tick: u64,
        has_snapshot: bool,
        now: Now,
    ) -> Result<(), Error> {
        self.record(Topic::Answers, tick, done, now)?;
        self.standing.answer(tick, has_snapshot);
        Ok(())
    }

    /// Records the bytes of a `Push`, as [`Writer::answer`] does.
    ///
    /// # Errors
    /// Failures, which stay.
    pub fn push(&mut self, push: &[u8], now: Now) -> Result<(), Error> {
        self.record(Topic::Pushes, self.standing.last_tick, push, now)
    }

    /// Records how a tick went, as [`Writer::answer`] does.
    ///
    /// # Errors
    /// Failures, which stay.
    pub fn timing(&mut self, timing: &Timing, now: Now) -> Result<(), Error> {
        let json = serde_json::to_vec(timing).map_err(std::io::Error::other);
        let json = json.map_err(Error::io("write", self.dir.path()))?;
        self.record(Topic::Timing, timing.tick, &json, now)
    }

    /// Does what is due without a tick: writes what has waited for a second, syncs by the
    /// interval, finishes a segment of full age. Returns when to be called again.
    ///
    /// # Errors
    /// Failures, which stay.
    pub fn poll(&mut self, now: Now) -> Result<Option<Duration>, Error> {
        self.guarded(|writer| {
            if writer.linger_ends().is_some_and(|due| due <= now.monotonic) {
                writer.flush(now)?;
            }
            if writer.sync_due().is_some_and(|due| due <= now.monotonic) {
                writer.sync()?;
            }
            if writer.is_due(0, now) {
                writer.rotate(now)?;
            }
            Ok([writer.linger_ends(), writer.sync_due(), writer.age_ends()]
                .into_iter()
                .flatten()
                .min())
        })
    }

    /// Ticks from this one on are never deleted. Without a call all are kept.
    pub fn keep_from(&mut self, tick: u64) {
        self.kept.floor = tick;
    }

    /// Who is there behind the last tick.
    pub fn attendance(&self) -> Attendance {
        self.standing.attendance()
    }

    /// The last tick that may be forwarded, for [`Reader::follow`](crate::Reader::follow).
    pub fn watermark(&self) -> Watermark {
        self.watermark.clone()
    }

    /// Whether a call has failed, and why.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// After a failure: leaves the failed segment as it is, and begins a fresh one that goes on
    /// with tick `next_tick`. That tick must name those between in a `Gap`.
    ///
    /// # Errors
    /// The file system's; then the writer is failed still, and this may be called again.
    pub fn restart_after_failure(&mut self, next_tick: u64, now: Now) -> Result<(), Error> {
        if self.failed.is_none() {
            return Ok(());
        }
        self.live = None;
        let standing = self.standing.clone();
        self.standing.last_tick = standing.last_tick.max(next_tick.saturating_sub(1));
        let begun = self.begin_segment(now);
        match &begun {
            Ok(()) => self.failed = None,
            Err(_) => self.standing = standing,
        }
        begun
    }

    /// Writes what waits, and ends the last segment with its summary and checksums.
    ///
    /// # Errors
    /// What the file system refuses, or the failure that was before.
    pub fn finish(mut self) -> Result<(), Error> {
        self.guarded(|writer| writer.live.take().map_or(Ok(()), Live::seal))
    }

    /// Runs what may fail, unless something did before, and remembers the first failure.
    fn guarded<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if let Some(first) = &self.failed {
            return Err(Error::Failed { first: first.clone() });
        }
        let result = run(self);
        if let Err(error) = &result {
            self.failed = Some(error.to_string());
            self.live = None;
        }
        result
    }

    fn live(&mut self) -> Result<&mut Live, Error> {
        self.live.as_mut().ok_or_else(|| Error::Failed { first: "no segment is open".into() })
    }

    fn record(&mut self, topic: Topic, tick: u64, data: &[u8], now: Now) -> Result<(), Error> {
        self.guarded(|writer| {
            writer.write(topic, tick, now.wall_ns, data, now)?;
            if writer.live()?.waiting > WAITING {
                writer.flush(now)?;
            }
            Ok(())
        })
    }

    fn write(
        &mut self,
        topic: Topic,
        tick: u64,
        time: u64,
        data: &[u8],
        now: Now,
    ) -> Result<(), Error> {
        self.waiting_since.get_or_insert(now.monotonic);
        self.live()?.write(topic, tick as u32, time, data)
    }

    /// Writes what waits, and syncs it if every write is to be synced: then never more than one
    /// chunk can be lost to a power cut, and the end is torn at most, never full of holes.
    fn flush(&mut self, now: Now) -> Result<(), Error> {
        self.live()?.flush()?;
        self.waiting_since = None;
        self.unsynced_since.get_or_insert(now.monotonic);
        let due = self.sync_due().is_some_and(|due| due <= now.monotonic);
        if self.options.sync == Sync::Tick || due {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.live()?.sync()?;
        self.unsynced_since = None;
        Ok(())
    }

    /// Leaves a mark, where one is due, at a tick that is not noted yet.
    fn mark(
        &mut self,
        &Chained { number: tick, wall_ns, .. }: &Chained,
        offset: u64,
    ) -> Result<(), Error> {
        let turns = self.standing.turns();
        self.live()?.mark(&Mark { offset, tick, wall_ns, turns });
        Ok(())
    }

    fn note(&mut self, tick: &Chained) {
        if let Err(bad) = self.standing.tick(tick) {
            tracing::error!(tick = tick.number, error = %bad.0, "a tick with a broken event");
        }
        if let Some(live) = &mut self.live {
            live.ticks += 1;
        }
        self.watermark.raise(tick.number);
    }

    fn rotate(&mut self, now: Now) -> Result<(), Error> {
        if let Some(live) = self.live.take() {
            live.seal()?;
            self.sealer.compress(self.standing.segment);
        }
        self.begin_segment(now)?;
        self.kept.delete_old(&self.dir, &self.options, &self.standing, &self.sealer, now);
        Ok(())
    }

    fn begin_segment(&mut self, now: Now) -> Result<(), Error> {
        let mut standing = self.standing.clone();
        standing.segment += 1;
        let head = standing.head(self.options.sync, now.wall_ns);
        self.live = Some(Live::create(&self.dir, &head, now.monotonic)?);
        self.standing = standing;
        (self.waiting_since, self.unsynced_since) = (None, None);
        self.kept.begin(&head);
        self.lock.note(head.segment);
        Ok(())
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("dir", &self.dir)
            .field("standing", &self.standing)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
