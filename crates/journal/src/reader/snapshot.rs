//! The snapshot from which a rebuild begins.

use bytes::Bytes;
use prost::Message as _;
use pulsegate_protocol::proto::Done;

use crate::error::Error;

use super::{Reader, Record};

impl Reader {
    /// The newest snapshot that was taken after `tick` or before: its tick, and logic's state.
    /// The reader's position does not change.
    ///
    /// # Errors
    /// Those of reading.
    pub fn snapshot(&self, tick: u64) -> Result<Option<(u64, Bytes)>, Error> {
        let mut home = Self::open(self.dir.path())?;
        if tick >= home.place.head.next_tick {
            home.seek(tick)?;
        }
        let head = home.place.head;
        // The answers to a segment's last ticks may be in the next one.
        let here = self.snapshot_in(head.segment, tick)?;
        let best = newer(here, self.snapshot_in(head.segment + 1, tick)?);
        if best.is_some() || head.snapshot_tick == 0 {
            return Ok(best);
        }
        self.snapshot_in(head.snapshot_segment, tick)
    }

    fn snapshot_in(&self, segment: u64, tick: u64) -> Result<Option<(u64, Bytes)>, Error> {
        if !self.dir.segment(segment).exists() {
            return Ok(None);
        }
        let mut reader = Self::at(self.dir.clone(), segment)?;
        let mut best = None;
        while reader.fill()? && reader.place.head.segment == segment {
            for record in reader.ready.drain(..) {
                if let Record::Answer { bytes, .. } = record {
                    best = newer(best, snapshot_of(bytes).filter(|(at, _)| *at <= tick));
                }
            }
        }
        Ok(best)
    }
}

fn snapshot_of(done: Bytes) -> Option<(u64, Bytes)> {
    let done = Done::decode(done).ok()?;
    Some((done.tick, done.snapshot?))
}

fn newer(a: Option<(u64, Bytes)>, b: Option<(u64, Bytes)>) -> Option<(u64, Bytes)> {
    let tick = |snapshot: &Option<(u64, Bytes)>| snapshot.as_ref().map(|(tick, _)| *tick);
    if tick(&b) > tick(&a) { b } else { a }
}
