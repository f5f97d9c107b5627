//! One segment, read as a whole, and what its end is: clean, torn or damaged.

use std::io;

use pulsegate_protocol::proto::SegmentHead;

use crate::chunk::{Bad, Message};
use crate::error::Missing;
use crate::format::Topic;
use crate::standing::{Standing, decode_head};
use crate::walk::{Fault, Source, Step, Walk, end_of_records, later_chunk};

/// What is known of a segment by its head.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) head: SegmentHead,
    pub(crate) compressed: bool,
}

/// What a segment follows.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    /// Nothing that was read: its head is believed.
    Unread,
    /// The segment before it, which ended here.
    Segment(Standing),
    /// The same, and there the writer failed and went on with this one.
    Failed(Standing),
}

/// A segment that was read.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Nothing if not even the head is whole.
    pub(crate) known: Option<Known>,
    /// Behind the last good record.
    pub(crate) standing: Standing,
    pub(crate) ending: Ending,
    pub(crate) answers: u64,
    pub(crate) pushes: u64,
}

/// How the reading of a segment ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With a finished segment's end.
    Sealed,
    /// Behind a whole record.
    Open,
    /// With a tick that the writer could not keep, or bad bytes behind the last one it kept.
    Disowned,
    /// With a record that is as it was written, and out of its place.
    Misplaced { offset: u64, what: Bad },
    /// Behind a whole record, in a compressed segment: these are only written whole.
    Cut { offset: u64 },
    /// With bytes that are no record.
    Bad { offset: u64, what: Bad },
}

/// Reads a segment. Where the writer failed in it, `kept` is the checksum of the last tick that
/// the next segment's head knows: what follows that one is no part of the journal.
pub(crate) fn scan<S: Source>(
    source: &S,
    number: u64,
    before: Before,
    kept: Option<u32>,
) -> io::Result<Scanned> {
    let standing = match &before {
        Before::Unread => Standing::default(),
        Before::Segment(standing) | Before::Failed(standing) => standing.clone(),
    };
    let mut scanned =
        Scanned { known: None, standing, ending: Ending::Open, answers: 0, pushes: 0 };
    scanned.ending = scanned.read(&mut Walk::thorough(source), number, &before, kept)?;
    Ok(scanned)
}

/// Reads a segment from a chunk on before which it stood like this.
pub(crate) fn scan_from<S: Source>(
    source: &S,
    offset: u64,
    known: Known,
    standing: Standing,
) -> io::Result<Scanned> {
    let number = standing.segment;
    let known = Some(known);
    let mut scanned = Scanned { known, standing, ending: Ending::Open, answers: 0, pushes: 0 };
    let mut walk = Walk::new(source);
    walk.go_to(offset);
    scanned.ending = scanned.read(&mut walk, number, &Before::Unread, None)?;
    Ok(scanned)
}

impl Scanned {
    /// Follows all that the walk comes to.
    fn read<S: Source>(
        &mut self,
        walk: &mut Walk<&S>,
        number: u64,
        before: &Before,
        kept: Option<u32>,
    ) -> io::Result<Ending> {
        loop {
            let chunk = match walk.step() {
                Ok(Step::Chunk(chunk)) => chunk,
                Ok(Step::Sealed) => return Ok(Ending::Sealed),
                Ok(Step::End) if self.known.as_ref().is_some_and(|known| known.compressed) => {
                    return Ok(Ending::Cut { offset: walk.source().length()? });
                }
                Ok(Step::End) => return Ok(Ending::Open),
                Err(Fault::Io(error)) => return Err(error),
                Err(Fault::Bad { .. }) if self.is_kept_whole(kept) => return Ok(Ending::Disowned),
                Err(Fault::Bad { offset, what }) => return Ok(Ending::Bad { offset, what }),
            };
            if self.is_kept_whole(kept) && chunk.first_tick().is_some() {
                return Ok(Ending::Disowned);
            }
            let offset = chunk.offset;
            let mut messages = chunk.messages.into_iter();
            if self.known.is_none()
                && let Err(what) =
                    self.enter(messages.next().as_ref(), number, chunk.compressed, before)
            {
                return Ok(Ending::Misplaced { offset, what });
            }
            if let Err(what) = messages.try_for_each(|message| self.follow(&message)) {
                return Ok(Ending::Misplaced { offset, what });
            }
        }
    }

    /// Whether the next segment is one with which the writer went on after it could not write
    /// some ticks, though all of this one was written.
    pub(crate) fn is_skipped_by(&self, next: &SegmentHead) -> bool {
        let same_life = self.known.as_ref().is_some_and(|known| known.head.epoch == next.epoch);
        same_life && next.next_tick > self.standing.last_tick + 1
    }

    fn is_kept_whole(&self, kept: Option<u32>) -> bool {
        self.known.is_some() && kept == Some(self.standing.checksum)
    }

    fn enter(
        &mut self,
        message: Option<&Message>,
        number: u64,
        compressed: bool,
        before: &Before,
    ) -> Result<(), Bad> {
        let head = decode_head(message, number)?;
        match before {
            Before::Unread => self.standing = Standing::at(&head),
            Before::Segment(_) => self.standing.enter(&head, false)?,
            Before::Failed(_) => self.standing.enter(&head, true)?,
        }
        self.known = Some(Known { head, compressed });
        Ok(())
    }

    fn follow(&mut self, message: &Message) -> Result<(), Bad> {
        match message.topic {
            Topic::Answers => self.answers += 1,
            Topic::Pushes => self.pushes += 1,
            Topic::Heads | Topic::Ticks | Topic::Timing => {}
        }
        self.standing.follow(message)
    }
}

/// The place from which on a last segment is torn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Torn {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Whether whole records lie behind that place.
    pub(crate) later: bool,
}

/// What is wrong with a segment.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) offset: u64,
    pub(crate) missing: Missing,
    pub(crate) what: Bad,
}

/// Judges the end of a journal's last segment: a torn end is what a crash leaves. Without a whole
/// head all of the file is torn.
///
/// Where each write was synced before the next one, nothing whole lies behind a torn end: what
/// lacks there was damaged. Otherwise a power cut may leave later records and take earlier ones.
///
/// A segment is finished when all of its records are synced. So one whose last bytes are there
/// has lost records only to damage; but what follows its records may be torn.
pub(crate) fn judge_last<S: Source>(
    source: &S,
    scanned: &Scanned,
) -> io::Result<Result<Option<Torn>, Wrong>> {
    let offset = match (&scanned.ending, &scanned.known) {
        (Ending::Bad { offset, .. }, _) => *offset,
        (Ending::Open, None) => 0,
        _ => return judge(source, scanned, None),
    };
    let had_more = end_of_records(source)?.is_some_and(|end| end > offset);
    let later = later_chunk(source, offset, scanned.standing.last_tick)?.is_some();
    let unordered = scanned.known.as_ref().is_some_and(|known| known.head.unordered);
    if had_more || (later && !unordered) {
        return judge(source, scanned, None);
    }
    let offset = if scanned.known.is_some() { offset } else { 0 };
    Ok(Ok(Some(Torn { offset, bytes: source.length()?.saturating_sub(offset), later })))
}

/// Judges the end of any other segment. `next_tick` is the first one of the next segment.
pub(crate) fn judge<S: Source>(
    source: &S,
    scanned: &Scanned,
    next_tick: Option<u64>,
) -> io::Result<Result<Option<Torn>, Wrong>> {
    let after = scanned.standing.last_tick;
    let wrong = |offset, before, what: &Bad| {
        Err(Wrong { offset, missing: Missing { after, before }, what: Bad(what.0.clone()) })
    };
    Ok(match &scanned.ending {
        Ending::Sealed | Ending::Open if scanned.known.is_none() => {
            wrong(0, next_tick, &"a segment without a head".into())
        }
        Ending::Sealed | Ending::Open | Ending::Disowned => Ok(None),
        Ending::Misplaced { offset, what } => wrong(*offset, next_tick, what),
        Ending::Cut { offset } => {
            wrong(*offset, next_tick, &"a compressed segment that has lost its end".into())
        }
        Ending::Bad { offset, what } => {
            let later = later_chunk(source, *offset, after)?.and_then(|chunk| chunk.first_tick());
            // Without its head nobody reads a segment, however whole the rest of it is.
            let headless = scanned.known.is_none();
            wrong(*offset, later.filter(|_| !headless).or(next_tick), what)
        }
    })
}
