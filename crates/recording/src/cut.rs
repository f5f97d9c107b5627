//! A range of a recording as a journal of its own.

use std::path::{Path, PathBuf};

use pulsegate_journal::{Lineage, Reader, Record, Transcript};
use pulsegate_replay::Range;

use crate::error::Error;
use crate::redact::Redaction;
use crate::stretch::Stretch;

/// What was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The new journal.
    pub out: PathBuf,
    /// Its first tick: the one that was asked for, or the one behind the snapshot.
    pub first: u64,
    /// Its last tick.
    pub last: u64,
    /// The first tick that was asked for.
    pub asked: u64,
    /// The tick after which the snapshot was taken with which it begins.
    pub snapshot: Option<u64>,
}

/// Writes a range into a new journal, in an empty directory. It begins with the newest snapshot
/// before the range and the ticks since; without one, with the first tick of the range and a head
/// that says who is present.
///
/// Tick numbers and bytes stay as they are, unless there is a redaction: then nothing that it
/// removes is in the new journal, snapshots included.
///
/// # Errors
/// Those of reading and of writing; then there is nothing in the directory.
pub fn cut(
    dir: &Path,
    range: &Range,
    out: &Path,
    redaction: Option<&mut Redaction>,
) -> Result<Cut, Error> {
    let snapshot = match redaction {
        Some(_) => None,
        None => snapshot(dir, range.first)?,
    };
    let asked = range.first;
    let first = snapshot.as_ref().map_or(asked, |(tick, _)| tick + 1);
    let lineage = if redaction.is_some() { Lineage::New } else { Lineage::Cut };
    let transcript = Transcript::begin(out, lineage)?;
    let range = Range { first, last: range.last, notes: Vec::new() };
    let mut scissors = Scissors { transcript, redaction, last: first.saturating_sub(1) };
    scissors.pass_until(dir, first)?;
    if let Some((_, answer)) = &snapshot {
        scissors.transcript.put(answer)?;
    }
    scissors.take(dir, &range, snapshot.as_ref().map_or(0, |(tick, _)| *tick))?;
    let last = scissors.last;
    scissors.transcript.finish()?;
    let snapshot = snapshot.map(|(tick, _)| tick);
    Ok(Cut { out: out.to_owned(), first, last, asked, snapshot })
}

/// The answer with the newest snapshot from which `first` can be reached.
fn snapshot(dir: &Path, first: u64) -> Result<Option<(u64, Record)>, Error> {
    let mut reader = Reader::open(dir)?;
    let Some((tick, _)) = reader.snapshot(first.saturating_sub(1))? else { return Ok(None) };
    match reader.seek(tick) {
        // The ticks since may be kept though its own is not.
        Err(pulsegate_journal::Error::Gone { .. }) => reader = Reader::open(dir)?,
        sought => sought?,
    }
    while let Some(record) = reader.read()? {
        if matches!(&record, Record::Answer { tick: answered, .. } if *answered == tick) {
            return Ok(Some((tick, record)));
        }
    }
    Ok(None)
}

struct Scissors<'a> {
    transcript: Transcript,
    redaction: Option<&'a mut Redaction>,
    last: u64,
}

impl Scissors<'_> {
    /// Goes through what lies before the range, from the head of its segment on.
    fn pass_until(&mut self, dir: &Path, first: u64) -> Result<(), Error> {
        let mut reader = Reader::open(dir)?;
        reader.seek_segment(first)?;
        while let Some(record) = reader.read()? {
            if matches!(&record, Record::Tick { peek, .. } if peek.head.number >= first) {
                break;
            }
            let record = self.redacted(record)?;
            self.transcript.pass(&record)?;
        }
        Ok(())
    }

    /// Takes over the range. Answers to ticks up to `answered` are there already.
    fn take(&mut self, dir: &Path, range: &Range, answered: u64) -> Result<(), Error> {
        let mut stretch = Stretch::open(dir, range)?;
        while let Some(record) = stretch.read()? {
            if matches!(&record, Record::Answer { tick, .. } if *tick <= answered) {
                continue;
            }
            if let Record::Tick { peek, .. } = &record {
                self.last = peek.head.number;
            }
            let record = self.redacted(record)?;
            self.transcript.put(&record)?;
        }
        Ok(())
    }

    fn redacted(&mut self, record: Record) -> Result<Record, Error> {
        match &mut self.redaction {
            Some(redaction) => redaction.record(record),
            None => Ok(record),
        }
    }
}
