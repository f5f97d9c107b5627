//! The little of a journal that a search needs, found without reading much.

use std::path::Path;

use pulsegate_protocol::proto::SegmentHead;

use crate::directory::{Directory, open_file};
use crate::error::Error;
use crate::marks;
use crate::recovery::{read_head, read_last};
use crate::scan::{judge_last, scan_from};
use crate::standing::Standing;
use crate::survey::{Last, known_segments};
use crate::timeline::Timeline;

/// Which ticks there are, and what one must know to play them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The journal's random id.
    pub lineage: String,
    /// The last tick; 0: none.
    pub last_tick: u64,
    /// The ticks that an operator had skipped.
    pub skipped: Vec<u64>,
    /// Which ticks led to which.
    pub timeline: Timeline,
    /// Where each segment begins, oldest first. There is at least one.
    pub segments: Vec<Begin>,
}

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The life that wrote it.
    pub epoch: u64,
    /// The first tick in it, or the next one if it holds none.
    pub first_tick: u64,
    /// When it was begun: nanoseconds since 1970-01-01 UTC.
    pub begun_ns: u64,
}

/// Looks at a journal's heads, and at the end of its last segment. It may be in use meanwhile.
///
/// What was not read may be damaged: whoever reads it will be told.
///
/// # Errors
/// [`Error::NoJournal`], [`Error::Damaged`], and what the file system refuses.
pub fn outline(dir: impl AsRef<Path>) -> Result<Outline, Error> {
    let (known, last, _) = known_segments(&Directory::new(dir.as_ref()), read_end)?;
    let begin = |head: &SegmentHead| Begin {
        epoch: head.epoch,
        first_tick: head.next_tick,
        begun_ns: head.created_ns,
    };
    let Standing { lineage, last_tick, skipped, timeline, .. } = last.standing;
    let segments = known.iter().map(|known| begin(&known.head)).collect();
    Ok(Outline { lineage, last_tick, skipped, timeline, segments })
}

/// Reads the last segment from its last mark on, if what lies before that says nothing new to an
/// outline; else all of it.
fn read_end(dir: &Directory, number: u64) -> Result<Last, Error> {
    match read_behind_mark(dir, number)? {
        Some(last) => Ok(last),
        None => read_last(dir, number),
    }
}

/// Who is present, and what was answered, is not known behind a mark.
fn read_behind_mark(dir: &Directory, number: u64) -> Result<Option<Last>, Error> {
    let Ok(known) = read_head(dir, number) else { return Ok(None) };
    let mut standing = Standing::at(&known.head);
    let marks = marks::read(dir, &known.head);
    let Some(mark) = marks.last().filter(|mark| mark.turns == standing.turns()) else {
        return Ok(None);
    };
    let path = dir.segment(number);
    let file = open_file(&path)?;
    let Some(first) = mark.chunk(&file).and_then(|chunk| chunk.first_peek()) else {
        return Ok(None);
    };
    standing.last_tick = first.head.number - 1;
    standing.checksum = first.previous;
    let read = || {
        let scanned = scan_from(&file, mark.offset, known, standing)?;
        Ok((judge_last(&file, &scanned)?, scanned))
    };
    let (torn, scanned) = read().map_err(Error::io("read", &path))?;
    let torn = torn.map_err(|wrong| wrong.into_error(dir, number))?;
    Ok(Some((scanned, torn)))
}
