//! What the last life left, and the repair of its torn end.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use pulsegate_protocol::proto::Open;
use rustix::fs::{fdatasync, fsync};

use crate::directory::{Directory, open_file};
use crate::error::{Damage, Error, Missing};
use crate::scan::{Before, Ending, Known, Scanned, Torn, Wrong, judge_last, scan};
use crate::standing::{Standing, decode_head};
use crate::timeline::Timeline;
use crate::walk::{Fault, Step, Walk};

/// What a relay finds in its journal when it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The journal's random id: 32 hexadecimal digits.
    pub lineage: String,
    /// The life that begins now, from 1. No other life ever had it.
    pub epoch: u64,
    /// The last tick that is on disk; 0: none.
    pub last_tick: u64,
    /// The last tick that was answered; 0: none.
    pub answered: u64,
    /// The sessions that were open when the last life ended. The first tick must close them.
    pub open_sessions: Vec<Open>,
    /// The newest snapshot is the one after this tick.
    pub newest_snapshot: Option<u64>,
    /// The ticks that an operator had skipped.
    pub skipped: Vec<u64>,
    /// Which ticks led to which.
    pub timeline: Timeline,
    /// The first of the ticks up to `last_tick` that the last life could not write, if it did not
    /// live to name them. The first tick must name them in a `Gap`.
    pub lost_from: Option<u64>,
    /// What was cut off, if the last life ended within a write.
    pub repaired: Option<Repair>,
}

/// A torn end that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The segment's file. It was removed if not even its head was whole.
    pub file: PathBuf,
    /// How many bytes were cut off.
    pub bytes_cut: u64,
    /// Where the segment is kept as it was, if whole records were among what was cut off.
    pub kept_as: Option<PathBuf>,
    /// The last tick that is whole.
    pub after_tick: u64,
}

/// A journal that was found, and is in order.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) known: Vec<Known>,
    pub(crate) standing: Standing,
    pub(crate) repaired: Option<Repair>,
}

/// Reads what the last life left, and cuts off its torn end. Nothing if there is no journal yet.
///
/// All heads are read, but only the last segment as a whole: a start must be quick.
pub(crate) fn recover(dir: &Directory, newest_noted: u64) -> Result<Option<Found>, Error> {
    let mut segments = dir.segments()?;
    check_numbers(dir, &segments, newest_noted)?;
    let mut torn_ends = Vec::new();
    let mut found = None;
    while found.is_none()
        && let Some(last) = segments.pop()
    {
        let (scanned, torn) = read_last(dir, last)?;
        torn_ends.extend(torn.map(|torn| TornEnd::of(&scanned, last, torn)));
        if let Some(newest) = scanned.known {
            let mut known = read_heads(dir, &segments)?;
            known.push(newest);
            check_heads(dir, &known)?;
            found = Some((last, known, scanned.standing));
        }
    }
    if let Some((last, _, standing)) = &found
        && !standing.has_room()
    {
        let missing = Missing { after: standing.last_tick, before: None };
        return Err(damage(dir, *last, 0, missing, "no number is left for another tick or life"));
    }
    // Only now: a journal that is refused is left as it is.
    let mut repaired = None;
    for torn in torn_ends {
        repaired = Some(torn.repair(dir)?);
    }
    if let Some((last, ..)) = found {
        make_durable(dir, last)?;
    }
    Ok(found.map(|(_, known, standing)| Found { known, standing, repaired }))
}

/// Does what a start does with what the last life left, and nothing else: cuts off the torn end.
/// `None` if there is none.
///
/// # Errors
/// [`Error::NoJournal`]; [`Error::Locked`] if a relay writes the journal; [`Error::Damaged`] if it
/// is damaged anywhere but at its end, and then nothing was changed; what the file system refuses.
pub fn repair(dir: impl AsRef<Path>) -> Result<Option<Repair>, Error> {
    let dir = Directory::new(dir.as_ref());
    if dir.segments()?.is_empty() {
        return Err(Error::NoJournal(dir.path().to_owned()));
    }
    let mut lock = dir.lock()?;
    dir.remove_unfinished()?;
    let found = recover(&dir, lock.newest())?;
    let found = found.ok_or_else(|| Error::NoJournal(dir.path().to_owned()))?;
    // The newest file may be gone: nobody shall miss it.
    lock.note(found.standing.segment);
    Ok(found.repaired)
}

/// Finds segments that are not there. A directory without any is taken for a fresh start.
pub(crate) fn check_numbers(
    dir: &Directory,
    segments: &[u64],
    newest_noted: u64,
) -> Result<(), Error> {
    let gap = segments.windows(2).find(|pair| pair[0] + 1 != pair[1]);
    let (last, next) = match (gap, segments.last()) {
        (Some(pair), _) => (pair[0], Some(pair[1])),
        (None, Some(newest)) if *newest < newest_noted => (*newest, None),
        _ => return Ok(()),
    };
    let after = read_last(dir, last)?.0.standing.last_tick;
    let before = next.and_then(|next| read_head(dir, next).ok());
    let missing = Missing { after, before: before.map(|known| known.head.next_tick) };
    Err(damage(dir, last + 1, 0, missing, "the file is missing"))
}

/// Checks heads against each other, as far as that goes without reading the ticks between.
pub(crate) fn check_heads(dir: &Directory, known: &[Known]) -> Result<(), Error> {
    for pair in known.windows(2) {
        let (a, b) = (&pair[0].head, &pair[1].head);
        let what = if a.lineage != b.lineage {
            format!(
                "it is of another journal: {}, and the one before it of {}",
                b.lineage, a.lineage
            )
        } else if a.epoch > b.epoch || a.next_tick > b.next_tick {
            "it is older than the one before it".to_owned()
        } else {
            continue;
        };
        let after = read_last(dir, a.segment)?.0.standing.last_tick;
        let before = known
            .iter()
            .map(|known| &known.head)
            .find(|head| head.lineage == a.lineage && head.segment > b.segment)
            .map(|head| head.next_tick);
        let missing = Missing { after, before };
        return Err(damage(dir, b.segment, 0, missing, what));
    }
    Ok(())
}

/// Reads all of the last segment.
pub(crate) fn read_last(dir: &Directory, number: u64) -> Result<(Scanned, Option<Torn>), Error> {
    let path = dir.segment(number);
    let file = open_file(&path)?;
    let scanned = scan(&file, number, Before::Unread, None).map_err(Error::io("read", &path))?;
    let torn = judge_last(&file, &scanned).map_err(Error::io("read", &path))?;
    let torn = torn.map_err(|wrong| wrong.into_error(dir, number))?;
    Ok((scanned, torn))
}

/// Reads the heads of all segments but the last.
pub(crate) fn read_heads(dir: &Directory, numbers: &[u64]) -> Result<Vec<Known>, Error> {
    let mut known: Vec<Known> = Vec::with_capacity(numbers.len());
    for number in numbers {
        match read_head(dir, *number) {
            Ok(one) => known.push(one),
            Err(Error::Damaged(mut damage)) => {
                // Worth a closer look: a person must be told which ticks it is about.
                if let Some(before) = known.last() {
                    damage.missing.after =
                        read_last(dir, before.head.segment)?.0.standing.last_tick;
                }
                damage.missing.before =
                    read_head(dir, number + 1).ok().map(|known| known.head.next_tick);
                return Err(Error::Damaged(damage));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

/// Reads a segment's head, and nothing behind it.
pub(crate) fn read_head(dir: &Directory, number: u64) -> Result<Known, Error> {
    let path = dir.segment(number);
    let mut walk = Walk::new(open_file(&path)?);
    let none = Missing { after: 0, before: None };
    match walk.step() {
        Ok(Step::Chunk(chunk)) => decode_head(chunk.messages.first(), number)
            .map(|head| Known { head, compressed: chunk.compressed })
            .map_err(|what| damage(dir, number, chunk.offset, none, what.0)),
        Ok(_) => Err(damage(dir, number, 0, none, "a segment without a head")),
        Err(Fault::Io(source)) => Err(Error::io("read", &path)(source)),
        Err(Fault::Bad { offset, what }) => Err(damage(dir, number, offset, none, what.0)),
    }
}

pub(crate) fn damage(
    dir: &Directory,
    segment: u64,
    offset: u64,
    missing: Missing,
    what: impl Into<String>,
) -> Error {
    let file = dir.segment(segment);
    Error::Damaged(Box::new(Damage { file, offset, missing, what: what.into() }))
}

impl Wrong {
    pub(crate) fn into_error(self, dir: &Directory, segment: u64) -> Error {
        damage(dir, segment, self.offset, self.missing, self.what.0)
    }
}

/// The first tick that is missing before the newest segment, if that one was begun after a failure
/// and holds no tick to say so.
///
/// Damage is none of its business: where it finds any, it says nothing.
pub(crate) fn lost_from(dir: &Directory, known: &[Known], last: u64) -> Result<Option<u64>, Error> {
    let Some((newest, earlier)) = known.split_last() else { return Ok(None) };
    let next = newest.head.next_tick;
    if last >= next {
        return Ok(None);
    }
    for segment in earlier.iter().rev() {
        let path = dir.segment(segment.head.segment);
        let kept = Some(newest.head.previous);
        let scanned = scan(&open_file(&path)?, segment.head.segment, Before::Unread, kept)
            .map_err(Error::io("read", &path))?;
        if matches!(
            scanned.ending,
            Ending::Bad { .. } | Ending::Cut { .. } | Ending::Misplaced { .. }
        ) {
            return Ok(None);
        }
        let last = scanned.standing.last_tick;
        if last >= segment.head.next_tick {
            return Ok(Some(last + 1).filter(|first| *first < next));
        }
    }
    Ok(None)
}

/// A life that was killed within a sync left ticks that only the system's memory holds. They are
/// going to be forwarded, and built upon.
fn make_durable(dir: &Directory, number: u64) -> Result<(), Error> {
    let path = dir.segment(number);
    let file = open_file(&path)?;
    fdatasync(&file).map_err(io::Error::from).map_err(Error::io("sync", &path))
}

/// The torn end of a segment, all of which is torn if it has no head.
struct TornEnd {
    segment: u64,
    torn: Torn,
    headless: bool,
    after_tick: u64,
}

impl TornEnd {
    fn of(scanned: &Scanned, segment: u64, torn: Torn) -> Self {
        let headless = scanned.known.is_none();
        Self { segment, torn, headless, after_tick: scanned.standing.last_tick }
    }

    fn repair(&self, dir: &Directory) -> Result<Repair, Error> {
        let (path, Torn { offset, bytes, later }) = (dir.segment(self.segment), self.torn);
        let kept_as = later.then(|| path.with_extension("mcap.torn"));
        if let Some(copy) = &kept_as {
            fs::copy(&path, copy).map_err(Error::io("copy a torn segment to", copy))?;
        }
        if self.headless {
            remove_headless(dir, self.segment)?;
        } else {
            OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(offset).and_then(|()| Ok(fsync(&file)?)))
                .map_err(Error::io("cut", &path))?;
        }
        tracing::warn!(
            file = %path.display(),
            bytes,
            after_tick = self.after_tick,
            kept_as = kept_as.as_ref().map(|copy| display(copy.display())),
            "the last life ended within a write; its torn end was cut off"
        );
        Ok(Repair { file: path, bytes_cut: bytes, kept_as, after_tick: self.after_tick })
    }
}

fn remove_headless(dir: &Directory, number: u64) -> Result<(), Error> {
    dir.remove(&dir.segment(number))?;
    dir.sync()
}
