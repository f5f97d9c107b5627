//! What a rebuild begins with: the snapshot, and who was there.

use bytes::Bytes;
use prost::Message as _;
use pulsegate_protocol::proto::Done;
use pulsegate_protocol::tick::{Chained, Head};

use crate::error::{Error, Missing};
use crate::recovery::damage;
use crate::standing::{Attendance, Standing};
use crate::timeline::Timeline;

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

    /// The newest snapshot that was taken after `tick`, or after one that led to it. The reader's
    /// position does not change.
    ///
    /// # Errors
    /// Those of reading.
    pub fn snapshot_on(
        &self,
        timeline: &Timeline,
        tick: u64,
    ) -> Result<Option<(u64, Bytes)>, Error> {
        for stretch in timeline.stretches(tick) {
            let newest = self.snapshot(*stretch.end())?;
            if let Some(found) = newest.filter(|(tick, _)| stretch.contains(tick)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Who is there behind `tick`. The reader's position does not change.
    ///
    /// # Errors
    /// [`Error::Gone`] if the tick is no longer kept, and those of reading.
    pub fn attendance(&self, tick: u64) -> Result<Attendance, Error> {
        let mut home = Self::open(self.dir.path())?;
        home.seek(tick)?;
        let mut reader = Self::at(self.dir.clone(), home.place.head.segment)?;
        let mut standing = Standing::at(&reader.place.head);
        while standing.last_tick < tick
            && let Some(record) = reader.read()?
        {
            if let Record::Tick { peek, bytes } = record {
                let Head { number, wall_ns, .. } = peek.head;
                let tick = Chained { number, wall_ns, checksum: peek.checksum, bytes };
                let missing = Missing { after: standing.last_tick, before: None };
                let segment = reader.place.head.segment;
                standing.tick(&tick).map_err(|bad| {
                    damage(&self.dir, segment, reader.place.walk.at(), missing, bad.0)
                })?;
            }
        }
        Ok(standing.attendance())
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
