//! What is in a journal, and whether all of it is as it was written.

use std::fs::File;
use std::path::Path;

use pulsegate_protocol::proto::{Rollback, SegmentHead};
use serde::Serialize;

use crate::directory::{Directory, open_file};
use crate::error::Error;
use crate::recovery::{check_heads, check_numbers, read_head, read_heads, read_last};
use crate::scan::{Before, Known, Scanned, Torn, judge, judge_last, scan};
use crate::standing::decode_head;
use crate::timeline::Timeline;
use crate::walk::{Step, Walk, is_sealed, was_sealed};

/// A journal at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The journal's random id.
    pub lineage: String,
    /// The lineage that it was cut out of, if it was.
    pub cut_of: Option<String>,
    /// How many lives of a relay wrote it, those of deleted segments included.
    pub epochs: u64,
    /// The first tick that is there; 0 if there is none yet.
    pub first_tick: u64,
    /// The last tick.
    pub last_tick: u64,
    /// When the first segment was begun: nanoseconds since 1970-01-01 UTC.
    pub begun_ns: u64,
    /// When the last tick was sealed; 0 if the last segment holds none.
    pub last_tick_ns: u64,
    /// The last tick that was answered; 0: none.
    pub answered: u64,
    /// The newest snapshot is the one after this tick.
    pub newest_snapshot: Option<u64>,
    /// How many sessions are open behind the last tick.
    pub open_sessions: usize,
    /// The ticks that an operator had skipped.
    pub skipped: Vec<u64>,
    /// How often logic was brought back, and to where.
    pub rollbacks: Vec<RolledBack>,
    /// The size of all segments, in bytes.
    pub bytes: u64,
    /// How many bytes at the end are torn. They are cut off at the next start.
    pub torn_bytes: u64,
    /// The segments, oldest first.
    pub segments: Vec<SegmentInfo>,
}

/// An operator brought logic back: the ticks between these two were left behind. They are kept, and
/// can be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// The tick that says so.
    pub tick: u64,
    /// The tick that it follows.
    pub to: u64,
}

/// One segment at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentInfo {
    /// Its number, which is also its file's name.
    pub segment: u64,
    /// The life that wrote it.
    pub epoch: u64,
    /// The first tick in it, or the next one if it holds none.
    pub first_tick: u64,
    /// How many ticks it holds.
    pub ticks: u64,
    /// Its size, in bytes.
    pub bytes: u64,
    /// When it was begun: nanoseconds since 1970-01-01 UTC.
    pub begun_ns: u64,
    /// Whether it is finished: nothing will be added.
    pub sealed: bool,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// A journal that was read from end to end and is as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many segments were read.
    pub segments: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many ticks.
    pub ticks: u64,
    /// The first tick; 0: none.
    pub first_tick: u64,
    /// The last tick; 0: none.
    pub last_tick: u64,
    /// How many answers.
    pub answers: u64,
    /// How many pushes.
    pub pushes: u64,
    /// How many ticks are missing because the writer failed; each gap is marked.
    pub gaps: u64,
    /// How many bytes at the end are torn: a write that was cut short, or one that is under way.
    pub torn_bytes: u64,
}

/// Looks at a journal's heads, and at all of its last segment. It may be in use meanwhile.
///
/// # Errors
/// [`Error::NoJournal`], [`Error::Damaged`], and what the file system refuses.
pub fn info(dir: impl AsRef<Path>) -> Result<Info, Error> {
    let dir = Directory::new(dir.as_ref());
    let (known, last, torn) = known_segments(&dir, read_last)?;
    let standing = &last.standing;
    let mut segments = Vec::new();
    for (at, one) in known.iter().enumerate() {
        let next = known.get(at + 1).map_or(standing.last_tick + 1, |next| next.head.next_tick);
        segments.push(describe(&dir, one, next)?);
    }
    let first = &known[0].head;
    Ok(Info {
        lineage: standing.lineage.clone(),
        cut_of: Some(standing.cut_of.clone()).filter(|origin| !origin.is_empty()),
        epochs: standing.epoch,
        first_tick: if standing.last_tick < first.next_tick { 0 } else { first.next_tick },
        last_tick: standing.last_tick,
        begun_ns: first.created_ns,
        last_tick_ns: standing.wall_ns,
        answered: standing.answered,
        newest_snapshot: standing.snapshot.map(|snapshot| snapshot.tick),
        open_sessions: standing.present.len(),
        skipped: standing.skipped.clone(),
        rollbacks: standing.timeline.rollbacks().iter().map(RolledBack::from).collect(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        torn_bytes: torn.map_or(0, |torn| torn.bytes),
        segments,
    })
}

impl Info {
    /// Which ticks led to which.
    pub fn timeline(&self) -> Timeline {
        let rollback = |&RolledBack { tick, to }: &RolledBack| Rollback { tick, to };
        Timeline::new(self.rollbacks.iter().map(rollback))
    }
}

impl From<&Rollback> for RolledBack {
    fn from(Rollback { tick, to }: &Rollback) -> Self {
        Self { tick: *tick, to: *to }
    }
}

/// How a last segment was found, and what is torn of it.
pub(crate) type Last = (Scanned, Option<Torn>);

/// Reads the heads, and with `read` the last segment that has one.
pub(crate) fn known_segments(
    dir: &Directory,
    read: impl Fn(&Directory, u64) -> Result<Last, Error>,
) -> Result<(Vec<Known>, Scanned, Option<Torn>), Error> {
    let noted = dir.newest_noted();
    let mut numbers = dir.segments()?;
    check_numbers(dir, &numbers, noted)?;
    while let Some(last) = numbers.pop() {
        let (scanned, torn) = read(dir, last)?;
        if let Some(newest) = scanned.known.clone() {
            let mut known = read_heads(dir, &numbers)?;
            known.push(newest);
            check_heads(dir, &known)?;
            return Ok((known, scanned, torn));
        }
    }
    Err(Error::NoJournal(dir.path().to_owned()))
}

fn describe(dir: &Directory, known: &Known, next_tick: u64) -> Result<SegmentInfo, Error> {
    let head = &known.head;
    let path = dir.segment(head.segment);
    let file = open_file(&path)?;
    let look = || -> std::io::Result<_> { Ok((file.metadata()?.len(), is_sealed(&file)?)) };
    let (bytes, sealed) = look().map_err(Error::io("read", &path))?;
    Ok(SegmentInfo {
        segment: head.segment,
        epoch: head.epoch,
        first_tick: head.next_tick,
        ticks: next_tick.saturating_sub(head.next_tick),
        bytes,
        begun_ns: head.created_ns,
        sealed,
        compressed: known.compressed,
    })
}

/// Reads every byte of a journal and checks it against everything that is known of it. The
/// journal may be in use meanwhile.
///
/// # Errors
/// [`Error::Damaged`] with the first damage; [`Error::NoJournal`]; what the file system refuses.
pub fn verify(dir: impl AsRef<Path>) -> Result<Verified, Error> {
    let dir = Directory::new(dir.as_ref());
    let noted = dir.newest_noted();
    let numbers = dir.segments()?;
    if numbers.is_empty() {
        return Err(Error::NoJournal(dir.path().to_owned()));
    }
    check_numbers(&dir, &numbers, noted)?;
    let mut verified = Verified::default();
    let mut before = Before::Unread;
    for (at, number) in numbers.iter().enumerate() {
        let next = match numbers.get(at + 1) {
            // A head that cannot be read is reported when its segment is reached.
            Some(next) => Next::Segment(read_head(&dir, *next).ok().map(|known| known.head.into())),
            None => Next::Nothing,
        };
        before = verified.segment(&dir, *number, before, &next)?;
    }
    Ok(verified)
}

/// What follows a segment.
enum Next {
    Nothing,
    Segment(Option<Box<SegmentHead>>),
}

impl Verified {
    fn segment(
        &mut self,
        dir: &Directory,
        number: u64,
        before: Before,
        next: &Next,
    ) -> Result<Before, Error> {
        let path = dir.segment(number);
        let file = open_file(&path)?;
        let last_before = match &before {
            Before::Unread => None,
            Before::Segment(standing) | Before::Failed(standing) => Some(standing.last_tick),
        };
        let read = || -> std::io::Result<_> {
            let bytes = file.metadata()?.len();
            let sealed = was_sealed(&file)?;
            let failed = match next {
                Next::Segment(Some(next)) => failed_before(&file, number, sealed, next),
                _ => None,
            };
            let scanned = scan(&file, number, before, failed)?;
            let judged = match next {
                Next::Nothing => judge_last(&file, &scanned)?,
                Next::Segment(next) => {
                    judge(&file, &scanned, next.as_ref().map(|head| head.next_tick))?
                }
            };
            Ok((bytes, failed.is_some(), scanned, judged))
        };
        let (bytes, failed, scanned, judged) = read().map_err(Error::io("read", &path))?;
        let torn = judged.map_err(|wrong| wrong.into_error(dir, number))?;
        self.count(&scanned, bytes, torn, last_before);
        let went_on = matches!(next, Next::Segment(Some(next)) if scanned.is_skipped_by(next));
        let standing = scanned.standing;
        Ok(if failed || went_on { Before::Failed(standing) } else { Before::Segment(standing) })
    }

    fn count(&mut self, scanned: &Scanned, bytes: u64, torn: Option<Torn>, before: Option<u64>) {
        self.segments += 1;
        self.bytes += bytes;
        self.torn_bytes += torn.map_or(0, |torn| torn.bytes);
        self.answers += scanned.answers;
        self.pushes += scanned.pushes;
        let Some(known) = &scanned.known else { return };
        let first = known.head.next_tick;
        let last = scanned.standing.last_tick;
        self.gaps += before.map_or(0, |before| first - 1 - before);
        self.ticks += last + 1 - first;
        if self.first_tick == 0 && last >= first {
            self.first_tick = first;
        }
        self.last_tick = if self.ticks > 0 { last } else { 0 };
    }
}

/// Where the writer failed in this segment and went on in the next: the checksum of the last
/// tick that it kept.
fn failed_before(file: &File, number: u64, sealed: bool, next: &SegmentHead) -> Option<u32> {
    let mut walk = Walk::new(file);
    let epoch = match walk.step() {
        Ok(Step::Chunk(chunk)) => decode_head(chunk.messages.first(), number).ok()?.epoch,
        _ => return None,
    };
    (!sealed && epoch == next.epoch).then_some(next.previous)
}
