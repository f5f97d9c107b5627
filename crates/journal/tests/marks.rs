//! Who goes straight to a tick finds what is there, whatever the marks beside a segment say.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::fs;
use std::path::PathBuf;

use pulsegate_journal::{Error, Record, Sync, info, outline};
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::{Restored, Skipped};
use pulsegate_protocol::tick::{Gathering, Head, Sealed};
use support::*;

const TICKS: u64 = 900;

/// A journal of ticks of 2 KB in one segment, as a crash leaves it.
fn with_marks() -> Journal {
    with_marks_of(Sync::Os, |number| tick_of(number, &[number as u8; 2000]))
}

fn with_marks_of(sync: Sync, tick: impl Fn(u64) -> Sealed) -> Journal {
    let mut journal = Journal::new();
    journal.options.sync = sync;
    let (mut writer, _) = journal.open();
    for number in 1..=TICKS {
        writer.append(tick(number), at(number)).unwrap();
    }
    assert!(journal.marks().exists());
    journal
}

impl Journal {
    fn marks(&self) -> PathBuf {
        self.options.dir.join("00000001.marks")
    }

    /// The first tick from a place on, by its number and by its time.
    fn found(&self, tick: u64) -> [Option<u64>; 2] {
        let mut reader = self.reader();
        reader.seek(tick).unwrap();
        let by_number = reader.read().unwrap();
        reader.seek_time(1, at(tick).wall_ns).unwrap();
        [by_number, reader.read().unwrap()].map(|record| match record {
            Some(Record::Tick { peek, .. }) => Some(peek.head.number),
            None => None,
            Some(other) => panic!("no tick, but {other:?}"),
        })
    }

    /// What was said in its ticks is found without a look at all of them.
    #[track_caller]
    fn is_outlined(&self) {
        let (outline, info) =
            (outline(&self.options.dir).unwrap(), info(&self.options.dir).unwrap());
        assert_eq!(outline.last_tick, info.last_tick);
        assert_eq!((&outline.lineage, &outline.skipped), (&info.lineage, &info.skipped));
        assert_eq!(outline.timeline, info.timeline());
        let begin = |segment: &pulsegate_journal::SegmentInfo| {
            (segment.epoch, segment.first_tick, segment.begun_ns)
        };
        assert!(
            outline
                .segments
                .iter()
                .map(|one| (one.epoch, one.first_tick, one.begun_ns))
                .eq(info.segments.iter().map(begin))
        );
    }
}

#[test]
fn each_tick_is_found_with_marks_and_without() {
    let journal = with_marks();
    for marked in [true, false] {
        for tick in 1..=TICKS {
            assert_eq!(journal.found(tick), [Some(tick); 2], "marked: {marked}");
        }
        assert_eq!(journal.found(TICKS + 1), [None; 2]);
        journal.is_outlined();
        if marked {
            fs::remove_file(journal.marks()).unwrap();
        }
    }
}

#[test]
fn a_wrong_mark_misleads_nobody() {
    let journal = with_marks();
    let [marks, others] = [&journal, &with_marks()].map(|one| fs::read(one.marks()).unwrap());
    let cut = (0..marks.len()).map(|length| marks[..length].to_vec());
    let flipped = (0..marks.len()).map(|at| {
        let mut marks = marks.clone();
        marks[at] ^= 1 << (at % 8);
        marks
    });
    let doubled = [others, marks.repeat(2), vec![0; marks.len()]];
    for wrong in cut.chain(flipped).chain(doubled) {
        fs::write(journal.marks(), &wrong).unwrap();
        for tick in [1, 150, TICKS / 2, TICKS] {
            assert_eq!(journal.found(tick), [Some(tick); 2], "{wrong:?}");
        }
        journal.is_outlined();
    }
}

#[test]
fn marks_beyond_the_end_of_a_torn_segment_lead_nowhere() {
    let journal = with_marks();
    let bytes = journal.bytes(1);
    for length in [bytes.len() - 1, bytes.len() / 2, bytes.len() / 3, 100_000] {
        journal.put(1, &bytes[..length]);
        journal.is_outlined();
        let last = outline(&journal.options.dir).unwrap().last_tick;
        assert_eq!(journal.found(last), [Some(last); 2]);
        assert_eq!(journal.found(last + 1), [None; 2]);
    }
}

#[test]
fn the_word_of_an_operator_is_known_wherever_it_was_recorded() {
    for told_at in [2, TICKS / 2, TICKS] {
        let journal = with_marks_of(Sync::Os, |number| {
            let mut batch = Gathering::with_capacity(0);
            batch.packet(1, &[0; 2000]);
            if number == told_at {
                batch.event(Event::Restored(Restored { tick: 1 }));
                batch.event(Event::Skipped(Skipped { tick: 1 }));
            }
            let wall_ns = at(number).wall_ns;
            batch.seal(&Head { number, epoch: 1, wall_ns, ..Head::default() })
        });
        journal.is_outlined();
        assert_eq!(outline(&journal.options.dir).unwrap().skipped, [1], "told at {told_at}");
        let (_writer, _) = journal.open();
        journal.is_outlined();
    }
}

#[test]
fn damage_is_told_by_whoever_reads_there() {
    let journal = with_marks_of(Sync::Tick, |number| tick_of(number, &[0; 2000]));
    let bytes = journal.bytes(1);
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 3] ^= 1;
    journal.put(1, &damaged);
    assert_eq!(outline(&journal.options.dir).unwrap().last_tick, TICKS);
    assert_eq!(journal.found(TICKS), [Some(TICKS); 2]);
    let mut reader = journal.reader();
    let told = std::iter::from_fn(|| reader.read().transpose()).find_map(Result::err);
    assert!(matches!(told, Some(Error::Damaged(_))), "{told:?}");

    let mut damaged = bytes.clone();
    damaged[bytes.len() - 5000] ^= 1;
    journal.put(1, &damaged);
    let [told, known] =
        [outline(&journal.options.dir).map(drop), info(&journal.options.dir).map(drop)]
            .map(|result| result.unwrap_err().to_string());
    assert_eq!(told, known);
}

#[test]
fn marks_go_when_their_segment_is_compressed() {
    let journal = with_marks();
    let (_writer, _) = journal.open();
    eventually("the segment is compressed", || {
        info(&journal.options.dir).unwrap().segments[0].compressed
    });
    eventually("its marks are gone", || !journal.marks().exists());
    assert_eq!(journal.found(TICKS), [Some(TICKS); 2]);
    journal.is_outlined();
}
