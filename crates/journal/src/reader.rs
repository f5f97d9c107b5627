//! The records again, from any tick on, also while they are being written.

mod place;
mod snapshot;

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use pulsegate_protocol::proto::SegmentHead;
use pulsegate_protocol::tick::Peek;

use crate::chunk::Chunk;
use crate::directory::Directory;
use crate::error::{Error, Missing};
use crate::format::Timing;
use crate::options::Watermark;
use crate::recovery::{damage, read_head, read_last};
use crate::walk::{Fault, Step};
use place::{Fate, Goal, Place};

/// One record of a journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A segment begins.
    Head(SegmentHead),
    /// A tick: the very bytes that were sent to logic.
    Tick {
        /// What its head says.
        peek: Peek,
        /// The encoded `Tick`.
        bytes: Bytes,
    },
    /// Logic's answer to a tick.
    Answer {
        /// The tick that it answers.
        tick: u64,
        /// When it was recorded: nanoseconds since 1970-01-01 UTC.
        wall_ns: u64,
        /// The encoded `Done`.
        bytes: Bytes,
    },
    /// What logic sent between two answers.
    Push {
        /// When it was recorded: nanoseconds since 1970-01-01 UTC.
        wall_ns: u64,
        /// The encoded `Push`.
        bytes: Bytes,
    },
    /// How a tick went.
    Timing(Timing),
}

/// A position in a journal. Holds no lock: a relay may write the journal meanwhile, and whole
/// records appear here as soon as they are written.
#[derive(Debug)]
pub struct Reader {
    dir: Directory,
    watermark: Option<Watermark>,
    place: Place,
    ready: VecDeque<Record>,
    /// What lies before this is passed over.
    goal: Option<Goal>,
}

impl Reader {
    /// Opens a journal at its first record.
    ///
    /// # Errors
    /// [`Error::NoJournal`] if there is none, [`Error::Damaged`] if its first head is.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = Directory::new(dir.as_ref());
        let segments = dir.segments()?;
        let first = *segments.first().ok_or_else(|| Error::NoJournal(dir.path().to_owned()))?;
        let opened = Self::at(dir.clone(), first);
        // A journal may have been killed at birth, before its first head was whole.
        let newborn = matches!(opened, Err(Error::Damaged(_))) && segments.len() == 1;
        if newborn && read_last(&dir, first)?.0.known.is_none() {
            return Err(Error::NoJournal(dir.path().to_owned()));
        }
        opened
    }

    fn at(dir: Directory, segment: u64) -> Result<Self, Error> {
        let place = Place::open(&dir, segment)?;
        Ok(Self { dir, watermark: None, place, ready: VecDeque::new(), goal: None })
    }

    /// The same, for a reader beside the writer: it never shows a tick that the writer has not
    /// returned yet, so what it shows may be forwarded.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn follow(dir: impl AsRef<Path>, watermark: Watermark) -> Result<Self, Error> {
        Ok(Self { watermark: Some(watermark), ..Self::open(dir)? })
    }

    /// Goes to a tick: the next record is that tick, or the first after it if it is in a gap.
    /// A tick that is yet to come is waited for: until then there is no next record.
    ///
    /// # Errors
    /// [`Error::Gone`] if the tick is no longer kept, and those of reading.
    pub fn seek(&mut self, tick: u64) -> Result<(), Error> {
        self.seek_segment(tick)?;
        self.jump(Goal::Tick(tick))
    }

    /// Goes to the first tick that was sealed at a time or later, in nanoseconds since 1970-01-01
    /// UTC: the next record is that tick. It is looked for from `tick` on, or from another tick in
    /// the same segment. If the clock was set back there, several ticks are the first in that sense,
    /// and it is one of these.
    ///
    /// # Errors
    /// As [`Reader::seek`].
    pub fn seek_time(&mut self, tick: u64, wall_ns: u64) -> Result<(), Error> {
        self.seek_segment(tick)?;
        self.jump(Goal::Time(wall_ns))
    }

    fn jump(&mut self, goal: Goal) -> Result<(), Error> {
        let (segment, first) = (self.place.head.segment, self.place.head.next_tick);
        let jumped = self.place.jump(&self.dir, goal);
        jumped.map_err(|fault| self.fault(segment, first - 1, fault))?;
        self.goal = Some(goal);
        Ok(())
    }

    /// Goes to the head of the segment that holds a tick: the head is the next record.
    ///
    /// # Errors
    /// As [`Reader::seek`].
    pub fn seek_segment(&mut self, tick: u64) -> Result<(), Error> {
        let segments = self.dir.segments()?;
        let mut low = 0;
        let mut high = segments.len();
        while high - low > 1 {
            let middle = (low + high) / 2;
            match read_head(&self.dir, segments[middle]) {
                Ok(known) if known.head.next_tick <= tick => low = middle,
                Ok(_) => high = middle,
                // The newest segment may lack its head for a moment.
                Err(_) if middle + 1 == segments.len() => high = middle,
                Err(error) => return Err(error),
            }
        }
        let segment =
            *segments.get(low).ok_or_else(|| Error::NoJournal(self.dir.path().to_owned()))?;
        let place = Place::open(&self.dir, segment)?;
        let first = place.head.next_tick;
        if tick < first && tick > 0 && low == 0 && first > 1 {
            return Err(Error::Gone { dir: self.dir.path().to_owned(), tick, first });
        }
        self.place = place;
        self.ready.clear();
        self.goal = None;
        Ok(())
    }

    /// The next record; nothing at the end, which may move on: ask again later.
    ///
    /// # Errors
    /// [`Error::Damaged`], and what the file system refuses. After an error the reader stands
    /// where it stood.
    pub fn read(&mut self) -> Result<Option<Record>, Error> {
        loop {
            while let Some(record) = self.ready.pop_front() {
                if self.is_wanted(&record) {
                    return Ok(Some(record));
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn is_wanted(&mut self, record: &Record) -> bool {
        let Some(goal) = self.goal else { return true };
        let reached = matches!(record, Record::Tick { peek, .. } if goal.is_reached(&peek.head));
        if reached {
            self.goal = None;
        }
        reached
    }

    /// Reads one chunk on. `false` if there is none yet.
    fn fill(&mut self) -> Result<bool, Error> {
        // Asked before the step: what this segment holds is then complete.
        let ended = self.find_successor()?;
        let at = self.place.walk.at();
        let segment = self.place.head.segment;
        match self.place.walk.step() {
            Ok(Step::Chunk(chunk)) => self.take(chunk, at),
            Ok(Step::Sealed | Step::End) if ended => self.enter_successor(),
            Ok(Step::Sealed | Step::End) => Ok(false),
            Err(fault) => match self.explain(fault)? {
                Fate::Unfinished => Ok(false),
                Fate::Disowned => self.enter_successor(),
                Fate::Whole => Ok(true),
                Fate::Damage(fault) => Err(self.fault(segment, self.place.last_tick(), fault)),
            },
        }
    }

    fn explain(&mut self, fault: Fault) -> Result<Fate, Error> {
        let written = self.watermark.as_ref().map_or(0, Watermark::tick);
        // If the writer went on in a next segment, that one is there by now.
        self.find_successor()?;
        Ok(self.place.explain(fault, written))
    }

    fn take(&mut self, chunk: Chunk, at: u64) -> Result<bool, Error> {
        if let Some(watermark) = &self.watermark
            && chunk.ticks().any(|tick| tick > watermark.tick())
        {
            self.place.walk.go_to(at);
            return Ok(false);
        }
        // The watermark may have passed a tick that failed: then its successor is there by now.
        self.find_successor()?;
        let path = self.dir.segment(self.place.head.segment);
        if self.place.disowns(&chunk).map_err(Error::io("read", &path))? {
            return self.enter_successor();
        }
        let Chunk { offset, messages, .. } = chunk;
        for message in messages {
            match self.place.read(message) {
                Ok(record) => self.ready.push_back(record),
                Err(what) => {
                    self.place.walk.go_to(at);
                    let fault = Fault::Bad { offset, what };
                    return Err(self.fault(self.place.head.segment, self.place.last_tick(), fault));
                }
            }
        }
        Ok(true)
    }

    fn find_successor(&mut self) -> Result<bool, Error> {
        let next = self.place.head.segment + 1;
        if self.place.successor.is_none() && self.dir.segment(next).exists() {
            match read_head(&self.dir, next) {
                Ok(known) => self.place.successor = Some(known.head),
                // A segment's file is there a moment before its head.
                Err(_) if !self.dir.segment(next + 1).exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.place.successor.is_some())
    }

    fn enter_successor(&mut self) -> Result<bool, Error> {
        let next = Place::open(&self.dir, self.place.head.segment + 1)?;
        if let Some((tick, checksum)) = self.place.last
            && (checksum != next.head.previous || tick >= next.head.next_tick)
        {
            let missing = Missing { after: tick, before: Some(next.head.next_tick) };
            let what = format!("it does not go on where segment {} ends", self.place.head.segment);
            return Err(damage(&self.dir, next.head.segment, 0, missing, what));
        }
        self.place = next;
        Ok(true)
    }

    fn fault(&self, segment: u64, after: u64, fault: Fault) -> Error {
        match fault {
            Fault::Io(source) => Error::io("read", &self.dir.segment(segment))(source),
            Fault::Bad { offset, what } => {
                let missing = Missing { after, before: None };
                damage(&self.dir, segment, offset, missing, what.0)
            }
        }
    }
}
