//! The ways to the journal's thread.
//!
//! What waits there is bounded twice: so many things, and so many bytes. Bytes are what counts when
//! the disk is slow, and things when it is slow and next to nothing happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use pulsegate_protocol::tick::Sealed;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;

use crate::admin::metrics::Metrics;
use crate::tick::figures::Timing;

/// How many batches, and how many answers, may wait for the disk. Then beats are late, and the
/// link stops reading.
pub const QUEUE: usize = 256;

/// An answer of so many bytes does not wait.
const LARGE: usize = 64 * 1024;

/// What the beat hands over.
#[derive(Debug)]
pub struct Batch {
    /// What happened in the tick.
    pub sealed: Sealed,
    /// How a tick before it went.
    pub timing: Option<Timing>,
}

/// What the link hands over.
#[derive(Debug)]
pub enum Entry {
    /// Logic's answer to a tick.
    Answer {
        /// The tick.
        tick: u64,
        /// The bytes of its `Done`.
        bytes: Bytes,
        /// Whether there is a snapshot in it.
        snapshot: bool,
    },
    /// The bytes of a `Push`.
    Push(Bytes),
    /// What logic may still need begins at this tick.
    KeepFrom(u64),
}

/// How many bytes may wait.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Of batches; the last may go beyond it.
    pub batches: usize,
    /// Of answers; a longer one goes alone.
    pub answers: usize,
}

/// Where the beat leaves its batches.
#[derive(Debug, Clone)]
pub struct Batches {
    batches: mpsc::Sender<Batch>,
    waiting: Gauge,
    room: usize,
}

/// Why a batch cannot be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// Too much waits for the disk.
    Full,
    /// The journal's thread is gone.
    Closed,
}

/// Where one batch may be left, however large it is.
#[derive(Debug)]
pub struct Place<'a> {
    permit: mpsc::Permit<'a, Batch>,
    waiting: &'a Gauge,
}

/// Where the link leaves its entries.
///
/// They wait for the next batch, so that the journal's thread wakes and writes once for both. Only
/// for many or large ones it is woken.
#[derive(Debug)]
pub struct Answers {
    entries: mpsc::Sender<(Entry, OwnedSemaphorePermit)>,
    bytes: Arc<Semaphore>,
    room: usize,
    waits: Counter,
    crowded: Arc<Notify>,
}

/// What the journal's thread takes from.
#[derive(Debug)]
pub struct Inbox {
    batches: mpsc::Receiver<Batch>,
    waiting: Gauge,
    entries: mpsc::Receiver<(Entry, OwnedSemaphorePermit)>,
    crowded: Arc<Notify>,
}

/// The ways to the journal: the beat's and the link's, and their end.
pub fn queues(room: Room, metrics: &Metrics) -> (Batches, Answers, Inbox) {
    let crowded = Arc::new(Notify::new());
    let (batch, batches) = mpsc::channel(QUEUE);
    let (entry, entries) = mpsc::channel(QUEUE);
    let waiting = metrics.journal_waiting.clone();
    let beat = Batches { batches: batch, waiting: waiting.clone(), room: room.batches };
    let link = Answers {
        entries: entry,
        bytes: Arc::new(Semaphore::new(room.answers)),
        room: room.answers,
        waits: metrics.answer_waits.clone(),
        crowded: Arc::clone(&crowded),
    };
    (beat, link, Inbox { batches, waiting, entries, crowded })
}

impl Batches {
    /// A place for the next batch.
    ///
    /// # Errors
    /// If there is none now, or none any more.
    pub fn place(&self) -> Result<Place<'_>, NoPlace> {
        if self.waiting.get() >= self.room as i64 {
            return Err(if self.batches.is_closed() { NoPlace::Closed } else { NoPlace::Full });
        }
        match self.batches.try_reserve() {
            Ok(permit) => Ok(Place { permit, waiting: &self.waiting }),
            Err(mpsc::error::TrySendError::Full(())) => Err(NoPlace::Full),
            Err(mpsc::error::TrySendError::Closed(())) => Err(NoPlace::Closed),
        }
    }
}

impl Place<'_> {
    /// Leaves the batch there.
    pub fn put(self, batch: Batch) {
        self.waiting.inc_by(batch.sealed.size() as i64);
        self.permit.send(batch);
    }
}

impl Answers {
    /// Waits for room for an entry of so many bytes; `None` if the journal is gone.
    pub async fn room(&self, bytes: usize) -> Option<Reserved<'_>> {
        let bytes = bytes.clamp(1, self.room);
        let is_short = self.bytes.available_permits() < bytes.max(self.room / 2);
        if is_short || self.entries.capacity() < QUEUE / 2 {
            self.crowded.notify_one();
        }
        if self.entries.capacity() == 0 || self.bytes.available_permits() < bytes {
            self.waits.inc();
        }
        let place = self.entries.reserve().await.ok()?;
        let paid = Arc::clone(&self.bytes).acquire_many_owned(bytes as u32);
        let paid = tokio::select! {
            paid = paid => paid.ok()?,
            // Nobody would give back what it holds.
            () = self.entries.closed() => return None,
        };
        Some(Reserved { place, paid, is_large: bytes >= LARGE, crowded: &self.crowded })
    }
}

/// Room for one entry.
#[derive(Debug)]
pub struct Reserved<'a> {
    place: mpsc::Permit<'a, (Entry, OwnedSemaphorePermit)>,
    paid: OwnedSemaphorePermit,
    is_large: bool,
    crowded: &'a Notify,
}

impl Reserved<'_> {
    /// Leaves the entry there.
    pub fn put(self, entry: Entry) {
        self.place.send((entry, self.paid));
        if self.is_large {
            self.crowded.notify_one();
        }
    }
}

impl Inbox {
    /// The next batch; `Some(None)` if it is time to look at what else waits, or when `due` has
    /// come. `None` when the last beat was.
    pub(super) async fn next(&mut self, due: Duration) -> Option<Option<Batch>> {
        let batch = tokio::select! {
            batch = self.batches.recv() => batch?,
            () = self.crowded.notified() => return Some(None),
            () = sleep(due) => return Some(None),
        };
        self.waiting.dec_by(batch.sealed.size() as i64);
        Some(Some(batch))
    }

    /// How many entries wait.
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// An entry that waits. Its bytes count until the permit is dropped.
    pub(super) fn entry(&mut self) -> Option<(Entry, OwnedSemaphorePermit)> {
        self.entries.try_recv().ok()
    }

    /// The next entry; `None` when the link has ended.
    pub(super) async fn last_entry(&mut self) -> Option<(Entry, OwnedSemaphorePermit)> {
        self.entries.recv().await
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::tick::{Gathering, Head};
    use tokio::time::{Instant, timeout};

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);
    const ROOM: Room = Room { batches: 10_000, answers: 64 * LARGE };

    fn batch(bytes: usize) -> Batch {
        let mut gathering = Gathering::with_capacity(0);
        gathering.packet(1, &vec![0; bytes]);
        Batch { sealed: gathering.seal(&Head::default()), timing: None }
    }

    /// How long the journal's thread sleeps over answers of so many bytes, so many of them.
    async fn slept_over(count: usize, bytes: usize) -> Duration {
        let (_batches, answers, mut inbox) = queues(ROOM, &Metrics::default());
        for _ in 0..count {
            answers.room(bytes).await.unwrap().put(Entry::Push(vec![0; bytes].into()));
        }
        let began = Instant::now();
        assert!(matches!(inbox.next(NEVER).await, Some(None)));
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn answers_wait_for_a_batch_unless_they_are_many_or_large() {
        assert!(slept_over(30, LARGE - 1).await >= NEVER);
        assert_eq!(slept_over(40, LARGE - 1).await, Duration::ZERO);
        assert!(slept_over(QUEUE / 2, 1).await >= NEVER);
        assert_eq!(slept_over(QUEUE, 1).await, Duration::ZERO);
        assert_eq!(slept_over(1, LARGE).await, Duration::ZERO);
    }

    #[tokio::test]
    async fn batches_wait_up_to_their_bytes_and_are_counted() {
        let metrics = Metrics::default();
        let (batches, _answers, mut inbox) = queues(ROOM, &metrics);
        while let Ok(place) = batches.place() {
            place.put(batch(4000));
        }
        assert_eq!(inbox.batches.len(), 3);
        assert!((12_000..13_000).contains(&metrics.journal_waiting.get()));
        assert!(inbox.next(NEVER).await.unwrap().is_some());
        assert!(batches.place().is_ok());
        drop(inbox);
        assert_eq!(batches.place().unwrap_err(), NoPlace::Closed);
    }

    #[tokio::test]
    async fn answers_wait_up_to_their_bytes_until_they_are_recorded() {
        let (_batches, answers, mut inbox) = queues(ROOM, &Metrics::default());
        answers.room(2 * ROOM.answers).await.unwrap().put(Entry::KeepFrom(1));
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, answers.room(1)).await.is_err());
        let taken = inbox.entry().unwrap();
        assert!(timeout(soon, answers.room(1)).await.is_err());
        drop(taken);
        assert!(timeout(soon, answers.room(1)).await.unwrap().is_some());
        answers.room(ROOM.answers).await.unwrap().put(Entry::KeepFrom(1));
        drop(inbox);
        assert!(timeout(soon, answers.room(1)).await.unwrap().is_none());
    }
}
