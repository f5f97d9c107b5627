//! What a journal says of itself, and where in it a time is.

use std::path::{Path, PathBuf};

use pulsegate_journal::{Info, Reader, Record, info};
use pulsegate_protocol::proto::Restore;

use crate::args::Point;
use crate::error::Error;

/// A journal that is to be played.
#[derive(Debug)]
pub(crate) struct Recording {
    dir: PathBuf,
    info: Info,
}

impl Recording {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let info = info(dir)?;
        if info.first_tick == 0 {
            return Err(Error::Empty(dir.to_owned()));
        }
        Ok(Self { dir: dir.to_owned(), info })
    }

    pub(crate) fn lineage(&self) -> &str {
        &self.info.lineage
    }

    pub(crate) const fn first_tick(&self) -> u64 {
        self.info.first_tick
    }

    pub(crate) const fn last_tick(&self) -> u64 {
        self.info.last_tick
    }

    /// The life of the relay that sealed a tick.
    pub(crate) fn epoch_of(&self, tick: u64) -> u64 {
        let segments = self.info.segments.iter();
        let segment = segments.take_while(|segment| segment.first_tick <= tick).last();
        segment.map_or(1, |segment| segment.epoch)
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
        Error::Range { first: self.first_tick(), last: self.last_tick() }
    }

    /// The newest snapshot after a tick or before it.
    pub(crate) fn snapshot(&self, tick: u64) -> Result<Option<Restore>, Error> {
        let snapshot = Reader::open(&self.dir)?.snapshot(tick)?;
        Ok(snapshot.map(|(tick, state)| Restore { tick, state }))
    }

    /// The journal, read from a tick on.
    pub(crate) fn reader(&self, from: u64) -> Result<Reader, Error> {
        let mut reader = Reader::open(&self.dir)?;
        reader.seek(from)?;
        Ok(reader)
    }

    fn first_since(&self, wall_ns: u64) -> Result<u64, Error> {
        // A segment begins no later than its first tick is sealed.
        let segments = self.info.segments.iter();
        let segment = segments.take_while(|segment| segment.begun_ns <= wall_ns).last();
        let mut reader = self.reader(segment.map_or(self.first_tick(), |it| it.first_tick))?;
        while let Some(record) = reader.read()? {
            if let Record::Tick { peek, .. } = record
                && peek.head.wall_ns >= wall_ns
            {
                return Ok(peek.head.number);
            }
        }
        Err(self.out_of_range())
    }
}
