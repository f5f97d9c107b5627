//! The answers as they come, beside the recorded ones.

use bytes::Bytes;
use prost::Message as _;
use pulsegate_journal::{Error as JournalError, Reader, Record};
use pulsegate_protocol::proto::Done;
use tokio::sync::mpsc;

use super::answer;
use super::difference::Difference;
use super::ignore::Ignore;
use super::verdict::Tally;
use crate::error::Error;
use crate::exchange::Answer;

/// What came of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) tally: Tally,
    pub(crate) found: Option<Found>,
}

/// A tick whose answers differ.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) tick: u64,
    pub(crate) difference: Difference,
    /// How many replies there are now.
    pub(crate) replies: usize,
}

/// Reads the recorded answers no further than the answers that come: nothing is kept of a
/// recording, however long it is.
pub(crate) struct Comparison {
    reader: Reader,
    /// The first tick to compare.
    from: u64,
    ignored: Vec<Ignore>,
    /// The recorded answer that was read last, and is not behind the tick that is compared.
    ahead: Option<(u64, Bytes)>,
    damaged: bool,
    tally: Tally,
}

impl Comparison {
    /// Compares from a tick on; the reader stands there.
    pub(crate) fn new(reader: Reader, from: u64, ignored: Vec<Ignore>) -> Self {
        let tally = Tally::default();
        Self { reader, from, ignored, ahead: None, damaged: false, tally }
    }

    /// Compares until the first difference, or until no more answers come. Blocks.
    pub(crate) fn run(mut self, mut answers: mpsc::Receiver<Answer>) -> Result<Compared, Error> {
        let mut found = None;
        while let Some(answer) = answers.blocking_recv() {
            found = self.compare(&answer.done)?;
            if found.is_some() {
                break;
            }
        }
        Ok(Compared { tally: self.tally, found })
    }

    /// What was compared so far.
    pub(crate) fn tally(self) -> Tally {
        self.tally
    }

    /// Compares the answer to the next tick.
    pub(crate) fn compare(&mut self, now: &Done) -> Result<Option<Found>, Error> {
        let tick = now.tick;
        if tick < self.from {
            return Ok(None);
        }
        let Some(recorded) = self.recorded(tick)? else {
            self.tally.unanswered += 1;
            return Ok(None);
        };
        if self.tally.compared == 0 {
            self.tally.first_tick = tick;
        }
        self.tally.last_tick = tick;
        self.tally.compared += 1;
        self.tally.hashes += u64::from(recorded.state_hash.and(now.state_hash).is_some());
        self.tally.replies += recorded.replies.len() as u64;
        let difference = answer::first_difference(&recorded, now, &self.ignored);
        let replies = now.replies.len();
        Ok(difference.map(|difference| Found { tick, difference, replies }))
    }

    /// The recorded answer to a tick, if there was one. They are recorded in the order of ticks.
    fn recorded(&mut self, tick: u64) -> Result<Option<Done>, Error> {
        while self.ahead.as_ref().is_none_or(|(ahead, _)| *ahead < tick) {
            // At the end, more may come before the next answer is compared.
            let Some(next) = self.next()? else { return Ok(None) };
            self.ahead = Some(next);
        }
        let Some((_, bytes)) = self.ahead.take_if(|(ahead, _)| *ahead == tick) else {
            return Ok(None);
        };
        let unreadable = |error| Error::Protocol(format!("the recorded answer to {tick}: {error}"));
        Done::decode(bytes).map(Some).map_err(unreadable)
    }

    fn next(&mut self) -> Result<Option<(u64, Bytes)>, Error> {
        while !self.damaged {
            match self.reader.read() {
                Ok(Some(Record::Answer { tick, bytes, .. })) => return Ok(Some((tick, bytes))),
                Ok(Some(Record::Push { .. })) => self.tally.pushes += 1,
                Ok(Some(_)) => {}
                Ok(None) => break,
                // Whoever reads the ticks comes to it too, and says so.
                Err(JournalError::Damaged(_)) => self.damaged = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}
