//! Files that claim to be a journal.
//!
//! The first byte says whether the rest is one segment as it is, several (each behind a length of
//! two bytes), or what to build segments from that are right as far as their checksums go.

mod forge;

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use pulsegate_journal::{Error, Now, Options, Reader, Record, Writer, info, verify};
use pulsegate_protocol::tick::{Gathering, Head};

use self::forge::Forgery;
use crate::scratch;

/// More segments say nothing new.
const SEGMENTS: usize = 4;

/// Whatever files there are, they are read or refused, in bounded memory; what is read are ticks
/// that follow each other; and where a relay starts, it goes on.
pub fn hold(bytes: &[u8]) {
    let segments = match bytes.split_first() {
        Some((0, segment)) => vec![segment.to_vec()],
        Some((1, segments)) => several(segments),
        Some((_, recipe)) => match Forgery::arbitrary_take_rest(Unstructured::new(recipe)) {
            Ok(forgery) => forgery.segments(),
            Err(_) => return,
        },
        None => return,
    };
    let scratch = scratch::directory();
    let dir = scratch.path();
    for (segment, number) in segments.iter().take(SEGMENTS).zip(1..) {
        fs::write(dir.join(format!("{number:08}.mcap")), segment).unwrap();
    }
    look(dir);
    read(dir);
    go_on(dir);
}

fn several(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (segment, rest) = rest.split_at(length);
        segments.push(segment.to_vec());
        bytes = rest;
    }
    segments
}

fn look(dir: &Path) {
    let _ = explained(info(dir));
    if let Ok(verified) = explained(verify(dir)) {
        assert!(verified.torn_bytes <= verified.bytes);
        let ticks = read(dir);
        assert_eq!(ticks.len() as u64, verified.ticks, "what was verified can be read");
    }
    if let Ok(reader) = Reader::open(dir) {
        let _ = explained(reader.snapshot(u64::MAX));
    }
}

/// All ticks that a reader shows; each follows the one before.
fn read(dir: &Path) -> Vec<u64> {
    let mut ticks: Vec<u64> = Vec::new();
    let Ok(mut reader) = explained(Reader::open(dir)) else { return ticks };
    let mut checksum = None;
    while let Ok(Some(record)) = explained(reader.read()) {
        if let Record::Tick { peek, .. } = record {
            if let (Some(checksum), Some(last)) = (checksum, ticks.last()) {
                assert_eq!(peek.previous, checksum, "tick {} after {last}", peek.head.number);
                assert!(peek.head.number > *last, "tick {} after {last}", peek.head.number);
            }
            checksum = Some(peek.checksum);
            ticks.push(peek.head.number);
        }
    }
    if let Some(middle) = ticks.get(ticks.len() / 2)
        && reader.seek(*middle).is_ok()
        && let Ok(Some(record)) = reader.read()
    {
        let found = matches!(&record, Record::Tick { peek, .. } if peek.head.number >= *middle);
        assert!(found, "{record:?} instead of tick {middle}");
    }
    ticks
}

fn go_on(dir: &Path) {
    let now = Now::default();
    let Ok((mut writer, recovered)) = explained(Writer::open(Options::new(dir), now)) else {
        return;
    };
    let mut batch = Gathering::with_capacity(0);
    batch.packet(1, b"on");
    let Some(number) = recovered.last_tick.checked_add(1) else { return };
    let tick = writer.append(batch.seal(&Head { number, ..Head::default() }), now).unwrap();
    writer.finish().unwrap();
    let mut reader = Reader::open(dir).unwrap();
    if reader.seek(number).is_ok() {
        let found = reader.read().unwrap();
        assert!(matches!(found, Some(Record::Tick { bytes, .. }) if bytes == tick.bytes));
    }
}

/// A refusal is about the bytes, and says so in words.
fn explained<T>(result: Result<T, Error>) -> Result<T, Error> {
    if let Err(error) = &result {
        assert!(
            matches!(error, Error::Damaged(_) | Error::NoJournal(_) | Error::Gone { .. }),
            "{error}"
        );
        assert!(!error.to_string().is_empty());
    }
    result
}
