//! A journal that is no longer as it was written.
//!
//! A journal is written in up to three lives, each ended in order or not; then its files are
//! damaged. What is left is read, verified, and opened by the next life.

mod damage;
mod written;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use pulsegate_journal::{Error, Now, Options, Reader, Record, Verified, Writer, verify};

use self::damage::Damage;
use self::written::{Life, Written};
use crate::scratch;

/// More of each says nothing new.
const LIVES: usize = 3;
const DAMAGES: usize = 3;

/// The files of a journal, by number.
type Segments = BTreeMap<u64, Vec<u8>>;

/// Damage is named, or it is a torn end, and then all ticks before it are there byte for byte. No
/// reader ever sees another record than those that were written.
pub fn hold(bytes: &[u8]) {
    let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let scratch = scratch::directory();
    let dir = scratch.path();
    let written = Written::by(script.lives.into_iter().take(LIVES), dir);
    let before = segments(dir);
    let mut after = before.clone();
    for damage in script.damages.into_iter().take(DAMAGES) {
        damage.strike(&mut after);
    }
    put(dir, &after);
    Case { dir, written: &written, before: &before, after: &after }.check();
}

#[derive(Debug, Arbitrary)]
struct Script {
    lives: Vec<Life>,
    damages: Vec<Damage>,
}

fn segments(dir: &Path) -> Segments {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".mcap")?.parse().ok();
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter_map(|path| Some((number(&path)?, fs::read(&path).unwrap()))).collect()
}

fn put(dir: &Path, segments: &Segments) {
    for number in self::segments(dir).into_keys() {
        fs::remove_file(dir.join(format!("{number:08}.mcap"))).unwrap();
    }
    for (number, bytes) in segments {
        fs::write(dir.join(format!("{number:08}.mcap")), bytes).unwrap();
    }
}

/// A journal before and after it was damaged.
struct Case<'a> {
    dir: &'a Path,
    written: &'a Written,
    before: &'a Segments,
    after: &'a Segments,
}

impl Case<'_> {
    fn check(&self) {
        let seen = self.read();
        let verified = verify(self.dir);
        match &verified {
            Ok(verified) => self.passes(verified, &seen),
            Err(Error::Damaged(damage)) => {
                assert!(self.before != self.after, "{damage}");
                assert!(!self.is_a_torn_end(), "a torn end is ordinary: {damage}");
            }
            Err(Error::NoJournal(_)) => assert!(self.after.is_empty()),
            Err(error) => panic!("{error}"),
        }
        self.open(verified.ok());
    }

    /// What a reader sees until it is stopped: ticks that were written, one after another.
    fn read(&self) -> Vec<u64> {
        let mut seen: Vec<u64> = Vec::new();
        let Ok(mut reader) = Reader::open(self.dir) else { return seen };
        while let Ok(Some(record)) = reader.read() {
            match record {
                Record::Tick { peek, bytes } => {
                    let number = peek.head.number;
                    let expected = self.written.tick(number).map(|tick| &tick.bytes);
                    assert_eq!(Some(&bytes), expected, "tick {number} was never written so");
                    assert!(
                        seen.last().is_none_or(|last| last + 1 == number),
                        "{seen:?}, {number}"
                    );
                    seen.push(number);
                }
                Record::Answer { bytes, .. } => assert!(self.written.has_answer(&bytes)),
                Record::Push { bytes, .. } => assert_eq!(&bytes[..], written::PUSH),
                Record::Head(_) | Record::Timing(_) => {}
            }
        }
        seen
    }

    /// A journal in which nothing is found has lost nothing but its end, or its oldest segments.
    fn passes(&self, verified: &Verified, seen: &[u64]) {
        assert_eq!(verified.ticks, seen.len() as u64, "{verified:?} and {seen:?}");
        if let (Some(first), Some((oldest, _))) = (seen.first(), self.after.first_key_value()) {
            assert_eq!(*first, self.written.first_tick_from(*oldest), "{verified:?}");
        }
        let (last, offset) = self.first_difference_in_the_last();
        let there = self.written.last_tick_before(last, offset);
        if !seen.is_empty() {
            assert_eq!(seen.last(), Some(&there), "{verified:?}: damage from {last}/{offset} on");
        }
        let later = self.written.ticks_of(last).find(|tick| {
            tick.number > there && self.after.get(&last).is_some_and(|bytes| tick.is_in(bytes))
        });
        assert!(later.is_none(), "tick {:?} lies behind what was taken for torn", later);
    }

    /// Where the last segment is not as it was.
    fn first_difference_in_the_last(&self) -> (u64, usize) {
        let Some((number, before)) = self.before.last_key_value() else { return (0, 0) };
        let after = self.after.get(number).map_or(&[][..], |bytes| bytes);
        let same = before.iter().zip(after).take_while(|(before, after)| before == after).count();
        (*number, same)
    }

    /// Whether the last segment is cut, and nothing else is changed.
    fn is_a_torn_end(&self) -> bool {
        let (last, _) = self.first_difference_in_the_last();
        self.before.iter().all(|(number, before)| {
            self.after.get(number).is_some_and(|after| {
                after == before || *number == last && before.starts_with(after)
            })
        }) && self.after.len() == self.before.len()
    }

    /// The next life goes on behind the last good tick, or changes nothing.
    fn open(&self, verified: Option<Verified>) {
        let now = Now::default();
        match Writer::open(Options::new(self.dir), now) {
            Ok((mut writer, recovered)) => {
                let last = recovered.last_tick;
                if let Some(verified) = verified.filter(|verified| verified.ticks > 0) {
                    assert_eq!(last, verified.last_tick);
                    writer.append(written::tick(last + 1, Vec::new()), now).unwrap();
                    writer.finish().unwrap();
                    let again = verify(self.dir).unwrap();
                    assert_eq!((again.last_tick, again.torn_bytes), (last + 1, 0));
                }
            }
            Err(Error::Damaged(damage)) => {
                // A last segment without a head is judged by itself at a start: more strictly.
                let headless = damage.missing.after == 0;
                assert!(verified.is_none() || headless, "{verified:?}, and yet {damage}");
                assert!(segments(self.dir) == *self.after, "a refusal changes nothing");
            }
            Err(error) => panic!("{error}"),
        }
    }
}
