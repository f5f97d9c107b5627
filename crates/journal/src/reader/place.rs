//! A reader's place: where in which segment.

use std::fs::File;
use std::io;
use std::ops::Range;

use pulsegate_protocol::proto::SegmentHead;
use pulsegate_protocol::tick::{self, Head};

use crate::chunk::{Bad, Chunk, Message};
use crate::directory::{Directory, open_file};
use crate::error::Error;
use crate::format::Topic;
use crate::marks;
use crate::recovery::read_head;
use crate::standing::{decode_done, decode_head, link};
use crate::walk::{Fault, Step, Walk, end_of_records, is_sealed, later_chunk};

use super::Record;

#[derive(Debug)]
pub(super) struct Place {
    pub(super) head: SegmentHead,
    pub(super) walk: Walk<File>,
    /// The head of the segment after this one, once it is there.
    pub(super) successor: Option<SegmentHead>,
    /// The last tick that was read, and its checksum; nothing after a jump.
    pub(super) last: Option<(u64, u32)>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// The tick with this number.
    Tick(u64),
    /// The first tick that was sealed at this time or later: nanoseconds since 1970-01-01 UTC.
    Time(u64),
}

impl Goal {
    /// Whether the search has gone too far with a tick: what is looked for begins before it.
    fn is_before(self, tick: u64, wall_ns: u64) -> bool {
        match self {
            Self::Tick(number) => number < tick,
            Self::Time(time) => time <= wall_ns,
        }
    }

    /// Whether a tick is what is looked for, or behind it.
    pub(super) fn is_reached(self, tick: &Head) -> bool {
        match self {
            Self::Tick(number) => tick.number >= number,
            Self::Time(time) => tick.wall_ns >= time,
        }
    }
}

/// What bytes that are no record mean to a reader.
pub(super) enum Fate {
    /// They are being written, or were when the writer died.
    Unfinished,
    /// They are a record by now.
    Whole,
    /// The writer failed here, and went on in the next segment.
    Disowned,
    /// They are not as they were written.
    Damage(Fault),
}

impl Place {
    pub(super) fn open(dir: &Directory, segment: u64) -> Result<Self, Error> {
        let head = read_head(dir, segment)?.head;
        let walk = Walk::new(open_file(&dir.segment(segment))?);
        let last = Some((head.next_tick.saturating_sub(1), head.previous));
        Ok(Self { head, walk, successor: None, last })
    }

    /// Goes to the chunk in which `goal` is, if it is here, by halving.
    pub(super) fn jump(&mut self, dir: &Directory, goal: Goal) -> Result<(), Fault> {
        let stretch = self.between_marks(dir, goal);
        let start = stretch.start;
        let offsets = self.walk.offsets(stretch)?;
        let (mut low, mut high) = (0, offsets.len());
        while high - low > 1 {
            let middle = (low + high) / 2;
            match self.first_tick(&offsets[middle..high])? {
                Some(first) if !goal.is_before(first.number, first.wall_ns) => low = middle,
                _ => high = middle,
            }
        }
        let place = if low == 0 { start } else { offsets[low] };
        self.walk.go_to(place);
        if place > 0 {
            self.last = None;
        }
        Ok(())
    }

    /// The stretch in which `goal` is, as far as marks tell: else all of the segment.
    fn between_marks(&self, dir: &Directory, goal: Goal) -> Range<u64> {
        let marks = marks::read(dir, &self.head);
        let passed = marks.partition_point(|mark| !goal.is_before(mark.tick, mark.wall_ns));
        let end = marks.get(passed).map_or(u64::MAX, |mark| mark.offset);
        match marks[..passed].last() {
            Some(mark) if mark.chunk(self.walk.source()).is_some() => mark.offset..end,
            Some(_) => 0..u64::MAX,
            None => 0..end,
        }
    }

    fn first_tick(&mut self, offsets: &[u64]) -> Result<Option<Head>, Fault> {
        for offset in offsets {
            self.walk.go_to(*offset);
            if let Step::Chunk(chunk) = self.walk.step()?
                && let Some(first) = chunk.first_peek()
            {
                return Ok(Some(first.head));
            }
        }
        Ok(None)
    }

    /// Turns a message into a record, and checks that it is in its place.
    pub(super) fn read(&mut self, message: Message) -> Result<Record, Bad> {
        let wall_ns = message.log_time;
        Ok(match message.topic {
            Topic::Heads => Record::Head(decode_head(Some(&message), self.head.segment)?),
            Topic::Ticks => self.read_tick(message)?,
            Topic::Answers => {
                let tick = decode_done(&message)?.tick;
                Record::Answer { tick, wall_ns, bytes: message.data }
            }
            Topic::Pushes => Record::Push { wall_ns, bytes: message.data },
            Topic::Timing => Record::Timing(
                serde_json::from_slice(&message.data).map_err(|_| "a timing that is none")?,
            ),
        })
    }

    fn read_tick(&mut self, message: Message) -> Result<Record, Bad> {
        let (last, checksum) = match self.last {
            Some(last) => last,
            None => {
                let peek = tick::peek(&message.data).map_err(|damage| damage.to_string())?;
                (peek.head.number.saturating_sub(1), peek.previous)
            }
        };
        let peek = link(last, checksum, &message)?;
        self.last = Some((peek.head.number, peek.checksum));
        Ok(Record::Tick { peek, bytes: message.data })
    }

    pub(super) fn last_tick(&self) -> u64 {
        self.last.map_or(self.head.next_tick.saturating_sub(1), |(tick, _)| tick)
    }

    /// Whether the chunk holds a tick that the writer could not keep: the next segment goes on
    /// behind the one before it.
    pub(super) fn disowns(&self, chunk: &Chunk) -> io::Result<bool> {
        let Some(kept) = self.failed_after() else { return Ok(false) };
        let first = chunk.messages.iter().find(|message| message.topic == Topic::Ticks);
        let behind = first
            .and_then(|message| tick::peek(&message.data).ok())
            .is_some_and(|peek| peek.previous == kept);
        Ok(behind && !is_sealed(self.walk.source())?)
    }

    /// The checksum of the last tick that the writer kept here before it failed, if it went on
    /// in the next segment within the same life.
    fn failed_after(&self) -> Option<u32> {
        let successor = self.successor.as_ref()?;
        (successor.epoch == self.head.epoch).then_some(successor.previous)
    }

    /// What a fault means, where all ticks up to `written` are known to be written. A record may
    /// become whole while it is looked at.
    pub(super) fn explain(&mut self, fault: Fault, written: u64) -> Fate {
        let Fault::Bad { offset, .. } = fault else { return Fate::Damage(fault) };
        match self.excuse(offset, written) {
            Ok(Some(fate)) => return fate,
            Ok(None) => {}
            Err(error) => return Fate::Damage(error.into()),
        }
        let at = self.walk.at();
        let again = self.walk.step();
        self.walk.go_to(at);
        if again.is_ok() { Fate::Whole } else { Fate::Damage(fault) }
    }

    fn excuse(&self, offset: u64, written: u64) -> io::Result<Option<Fate>> {
        if end_of_records(self.walk.source())?.is_some_and(|end| end > offset) {
            return Ok(None);
        }
        let kept = self.failed_after();
        if kept.is_some() && kept == self.last.map(|(_, checksum)| checksum) {
            return Ok(Some(Fate::Disowned));
        }
        let last = self.last_tick();
        let unfinished = self.successor.is_none()
            && written <= last
            && (self.head.unordered || later_chunk(self.walk.source(), offset, last)?.is_none());
        Ok(unfinished.then_some(Fate::Unfinished))
    }
}
