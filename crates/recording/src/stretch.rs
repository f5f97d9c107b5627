//! The records of a range of ticks, and the answers that belong to them.

use std::path::Path;

use prost::Message as _;
use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::Push;
use pulsegate_replay::Range;

use crate::error::Error;

/// How many ticks behind the range are looked at for the timing of its last one.
const TIMING_COMES_WITHIN: u64 = 2;

/// The records of a range, in the order of the journal: its ticks, their answers and timings, what
/// was pushed between them, and the heads of the segments that begin in it.
#[derive(Debug)]
pub struct Stretch {
    reader: Reader,
    first: u64,
    last: u64,
    /// The last tick that was passed, answered, timed.
    passed: u64,
    answered: u64,
    timed: u64,
}

impl Stretch {
    /// Opens a range of a journal, which may be written meanwhile.
    ///
    /// # Errors
    /// Those of reading.
    pub fn open(dir: &Path, range: &Range) -> Result<Self, Error> {
        let mut stretch = Self::whole(dir)?;
        stretch.reader.seek(range.first)?;
        stretch.first = range.first;
        stretch.last = range.last.unwrap_or(u64::MAX);
        Ok(stretch)
    }

    /// Opens all of a journal, from its first head on.
    ///
    /// # Errors
    /// Those of reading.
    pub fn whole(dir: &Path) -> Result<Self, Error> {
        let reader = Reader::open(dir)?;
        Ok(Self { reader, first: 0, last: u64::MAX, passed: 0, answered: 0, timed: 0 })
    }

    /// The next record of the range. `None` at its end, and at the journal's, which may move on:
    /// [`Stretch::is_over`] says which it is.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&mut self) -> Result<Option<Record>, Error> {
        while !self.is_over() {
            let Some(record) = self.reader.read()? else { return Ok(None) };
            if self.take(&record)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Whether the range has come to its end, answers included.
    pub fn is_over(&self) -> bool {
        let timed =
            self.timed >= self.last || self.passed.saturating_sub(TIMING_COMES_WITHIN) > self.last;
        self.last < u64::MAX && self.answered >= self.last && timed
    }

    fn take(&mut self, record: &Record) -> Result<bool, Error> {
        let tick = match record {
            Record::Head(_) => return Ok(self.passed < self.last),
            Record::Tick { peek, .. } => {
                self.passed = peek.head.number;
                self.passed
            }
            Record::Answer { tick, .. } => {
                self.answered = self.answered.max(*tick);
                *tick
            }
            Record::Push { bytes, .. } => {
                Push::decode(bytes.clone())
                    .map_err(|error| Error::nonsense("a push", error))?
                    .applied
            }
            Record::Timing(timing) => {
                self.timed = self.timed.max(timing.tick);
                timing.tick
            }
        };
        Ok((self.first..=self.last).contains(&tick))
    }
}
