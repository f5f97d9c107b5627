//! What a journal says of itself.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use pulsegate_journal::{
    Attendance, Begin, Error as JournalError, Reader, Record, Timeline, outline,
};
use pulsegate_protocol::proto::Restore;
use pulsegate_protocol::tick::Peek;

use crate::error::Error;

/// The ids of an epoch's sessions follow those that so many sessions of each epoch before could
/// have had.
const SESSIONS_OF_AN_EPOCH: u64 = 1_000_000_000_000;

/// A journal that is to be played.
#[derive(Debug)]
pub(crate) struct Recording {
    dir: PathBuf,
    lineage: String,
    first_tick: u64,
    last_tick: u64,
    /// Who was there before the first tick.
    at_first: Attendance,
    /// The ticks that an operator had skipped.
    skipped: Vec<u64>,
    timeline: Timeline,
    /// The segments, oldest first. Empty if they are not known.
    segments: Vec<Begin>,
}

impl Recording {
    /// Looks at a journal's heads. One that is damaged can be played up to there.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let head = match Reader::open(dir)?.read()? {
            Some(Record::Head(head)) => head,
            _ => return Err(Error::Empty(dir.to_owned())),
        };
        let (last_tick, timeline, segments, skipped) = match outline(dir) {
            Ok(found) => (found.last_tick, found.timeline, found.segments, found.skipped),
            Err(JournalError::Damaged(damage)) if damage.missing.after >= head.next_tick => {
                let timeline = Timeline::new(head.rollbacks);
                (damage.missing.after, timeline, Vec::new(), head.skipped)
            }
            Err(error) => return Err(error.into()),
        };
        if last_tick < head.next_tick {
            return Err(Error::Empty(dir.to_owned()));
        }
        let present = head.present.into_iter().map(|open| (open.session, open)).collect();
        Ok(Self {
            dir: dir.to_owned(),
            at_first: Attendance { present, leaving: head.leaving.into_iter().collect() },
            lineage: head.lineage,
            first_tick: head.next_tick,
            last_tick,
            skipped,
            timeline,
            segments,
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

    /// Which ticks led to which.
    pub(crate) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The life of the relay that sealed a tick.
    pub(crate) fn epoch_of(&self, tick: u64) -> Result<u64, Error> {
        // Each life begins a segment.
        let home = self.segments.iter().rev().find(|segment| segment.first_tick <= tick);
        if let Some(home) = home.filter(|_| tick <= self.last_tick) {
            return Ok(home.epoch);
        }
        let first = next_tick(&mut self.reader(tick)?)?;
        first.map(|(peek, _)| peek.head.epoch.into()).ok_or_else(|| self.out_of_range())
    }

    /// When a tick was sealed, in nanoseconds since 1970-01-01 UTC.
    pub(crate) fn wall_ns_of(&self, tick: u64) -> Result<u64, Error> {
        let first = next_tick(&mut self.reader(tick)?)?;
        first.map(|(peek, _)| peek.head.wall_ns).ok_or_else(|| self.out_of_range())
    }

    /// The first tick that was sealed at this time or later, in nanoseconds since 1970-01-01 UTC.
    pub(crate) fn first_since(&self, wall_ns: u64) -> Result<Option<u64>, Error> {
        let mut reader = Reader::open(&self.dir)?;
        reader.seek_time(self.begun_before(wall_ns), wall_ns)?;
        Ok(next_tick(&mut reader)?.map(|(peek, _)| peek.head.number))
    }

    /// A tick that was sealed before this time, not long before if there is one.
    fn begun_before(&self, wall_ns: u64) -> u64 {
        // A segment begins no later than its first tick is sealed.
        let before = self.segments.iter().take_while(|segment| segment.begun_ns <= wall_ns);
        before.last().map_or(self.first_tick, |segment| segment.first_tick)
    }

    /// The first tick of the life of the relay that a session belongs to, if it is kept.
    pub(crate) fn begun_with(&self, session: u64) -> u64 {
        let epoch = session.saturating_sub(1) / SESSIONS_OF_AN_EPOCH + 1;
        let segment = self.segments.iter().find(|segment| segment.epoch >= epoch);
        segment.map_or(self.first_tick, |segment| segment.first_tick)
    }

    pub(crate) const fn out_of_range(&self) -> Error {
        Error::Range { first: self.first_tick, last: self.last_tick }
    }

    /// The newest snapshot after a tick, or after one that led to it.
    pub(crate) fn snapshot(&self, tick: u64) -> Result<Option<Restore>, Error> {
        match Reader::open(&self.dir)?.snapshot_on(&self.timeline, tick) {
            Ok(snapshot) => Ok(snapshot.map(|(tick, state)| Restore { tick, state })),
            // The search looks further than the range does; without it, the ticks will do.
            Err(JournalError::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Who was there behind a tick. The one before the first that is kept is known too.
    pub(crate) fn attendance(&self, tick: u64) -> Result<Attendance, Error> {
        if tick + 1 == self.first_tick {
            return Ok(self.at_first.clone());
        }
        Ok(Reader::open(&self.dir)?.attendance(tick)?)
    }

    /// The journal, read from a tick on.
    pub(crate) fn reader(&self, from: u64) -> Result<Reader, Error> {
        let mut reader = Reader::open(&self.dir)?;
        reader.seek(from)?;
        Ok(reader)
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
