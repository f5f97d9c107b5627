//! What a journal says of itself, and where in it a time is.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pulsegate_journal::{Error as JournalError, Reader, Record, info};
use pulsegate_protocol::proto::Restore;
use pulsegate_protocol::tick::Peek;

use crate::args::Point;
use crate::error::Error;

/// A journal that is to be played.
#[derive(Debug)]
pub(crate) struct Recording {
    dir: PathBuf,
    lineage: String,
    first_tick: u64,
    last_tick: u64,
    /// The ticks that an operator had skipped.
    skipped: Vec<u64>,
    /// Where each segment begins: when, and with which tick. Empty if that is not known.
    segments: Vec<(u64, u64)>,
}

impl Recording {
    /// Looks at a journal's heads. One that is damaged can be played up to there.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let head = match Reader::open(dir)?.read()? {
            Some(Record::Head(head)) => head,
            _ => return Err(Error::Empty(dir.to_owned())),
        };
        let (last_tick, segments, skipped) = match info(dir) {
            Ok(info) => (info.last_tick, info.segments, info.skipped),
            Err(JournalError::Damaged(damage)) if damage.missing.after >= head.next_tick => {
                (damage.missing.after, Vec::new(), head.skipped)
            }
            Err(error) => return Err(error.into()),
        };
        if last_tick < head.next_tick {
            return Err(Error::Empty(dir.to_owned()));
        }
        let segments = segments.iter().map(|segment| (segment.begun_ns, segment.first_tick));
        Ok(Self {
            dir: dir.to_owned(),
            lineage: head.lineage,
            first_tick: head.next_tick,
            last_tick,
            skipped,
            segments: segments.collect(),
        })
    }

    pub(crate) fn lineage(&self) -> &str {
        &self.lineage
    }

    pub(crate) const fn first_tick(&self) -> u64 {
        self.first_tick
    }

    pub(crate) const fn last_tick(&self) -> u64 {
        self.last_tick
    }

    /// The ticks that an operator had skipped: logic saw them without their packets.
    pub(crate) fn skipped(&self) -> &[u64] {
        &self.skipped
    }

    /// The life of the relay that sealed a tick.
    pub(crate) fn epoch_of(&self, tick: u64) -> Result<u64, Error> {
        let first = next_tick(&mut self.reader(tick)?)?;
        first.map(|(peek, _)| peek.head.epoch.into()).ok_or_else(|| self.out_of_range())
    }

    /// The first tick at a place or after it; without a place, the first that there is.
    pub(crate) fn find(&self, point: Option<Point>) -> Result<u64, Error> {
        let tick = match point {
            None => self.first_tick(),
            Some(Point::Tick(number)) => number.max(self.first_tick()),
            Some(Point::Time(wall_ns)) => self.first_since(wall_ns)?,
        };
        if tick > self.last_tick() {
            return Err(self.out_of_range());
        }
        Ok(tick)
    }

    pub(crate) const fn out_of_range(&self) -> Error {
        Error::Range { first: self.first_tick, last: self.last_tick }
    }

    /// The newest snapshot after a tick or before it.
    pub(crate) fn snapshot(&self, tick: u64) -> Result<Option<Restore>, Error> {
        match Reader::open(&self.dir)?.snapshot(tick) {
            Ok(snapshot) => Ok(snapshot.map(|(tick, state)| Restore { tick, state })),
            // The search looks further than the range does; without it, the ticks will do.
            Err(JournalError::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The journal, read from a tick on.
    pub(crate) fn reader(&self, from: u64) -> Result<Reader, Error> {
        let mut reader = Reader::open(&self.dir)?;
        reader.seek(from)?;
        Ok(reader)
    }

    fn first_since(&self, wall_ns: u64) -> Result<u64, Error> {
        // A segment begins no later than its first tick is sealed.
        let begun = self.segments.iter().take_while(|(begun_ns, _)| *begun_ns <= wall_ns).last();
        let mut reader = self.reader(begun.map_or(self.first_tick, |(_, tick)| *tick))?;
        while let Some((peek, _)) = next_tick(&mut reader)? {
            if peek.head.wall_ns >= wall_ns {
                return Ok(peek.head.number);
            }
        }
        Err(self.out_of_range())
    }
}

/// The next tick; other records are passed over.
pub(crate) fn next_tick(reader: &mut Reader) -> Result<Option<(Peek, Bytes)>, JournalError> {
    while let Some(record) = reader.read()? {
        if let Record::Tick { peek, bytes } = record {
            return Ok(Some((peek, bytes)));
        }
    }
    Ok(None)
}
