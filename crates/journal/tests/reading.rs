//! What readers see.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::fs;

use pulsegate_journal::{Error, Options, Reader, Record, Sync, Writer, info, verify};
use support::*;

/// Ten ticks and their answers, in segments of about two.
fn ten() -> (Journal, Writer) {
    let mut journal = Journal::new();
    journal.options.segment_size = 50_000;
    let (mut writer, _) = journal.open();
    for number in 1..=10 {
        writer.append(tick_of(number, &[b'x'; 10_000]), at(number)).unwrap();
        let done = if number == 4 { done_with_snapshot(4) } else { done(number) };
        writer.answer(&done, number, number == 4, at(number)).unwrap();
    }
    (journal, writer)
}

#[test]
fn a_reader_goes_to_any_tick() {
    let (journal, writer) = ten();
    assert!(journal.segments().len() > 2);
    for finished in [false, true] {
        for from in 1..=10 {
            let mut reader = journal.reader();
            reader.seek(from).unwrap();
            let records = rest(&mut reader);
            assert!(matches!(records[0], Record::Tick { .. }));
            assert_eq!(numbers(&records), (from..=10).collect::<Vec<_>>(), "{finished}");
        }
        if finished {
            break;
        }
    }
    drop(writer);
}

#[test]
fn a_reader_beside_the_writer_sees_each_tick_that_was_returned() {
    let mut journal = Journal::new();
    journal.options.segment_size = 50_000;
    let (mut writer, _) = journal.open();
    let mut reader = Reader::follow(&journal.options.dir, writer.watermark()).unwrap();
    reader.seek(3).unwrap();
    for number in 1..=30 {
        let written = writer.append(tick_of(number, &[b'x'; 9_000]), at(number)).unwrap();
        let seen = rest(&mut reader);
        let last = seen.iter().rev().find_map(|record| match record {
            Record::Tick { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        assert_eq!(last, (number >= 3).then_some(written.bytes), "tick {number}");
    }
    assert!(journal.segments().len() > 3);
}

#[test]
fn a_reader_in_another_thread_misses_nothing_while_segments_come_and_are_compressed() {
    let mut journal = Journal::new();
    journal.options.segment_size = 40_000;
    journal.options.sync = pulsegate_journal::Sync::Os;
    let (mut writer, _) = journal.open();
    let mut reader = Reader::follow(&journal.options.dir, writer.watermark()).unwrap();
    let reading = std::thread::spawn(move || {
        let mut next = 1;
        eventually("all ticks are seen", || {
            for number in numbers(&rest(&mut reader)) {
                assert_eq!(number, next);
                next += 1;
            }
            next == 501
        });
    });
    for number in 1..=500 {
        writer.append(tick_of(number, &[b'x'; 2_000]), at(number)).unwrap();
    }
    reading.join().unwrap();
}

#[test]
fn a_reader_never_shows_a_tick_beyond_the_watermark() {
    let (journal, _) = Journal::crashed(1..=3);
    let slow = Journal::new();
    let (mut writer, _) = slow.open();
    let mut reader = Reader::follow(&journal.options.dir, writer.watermark()).unwrap();
    for number in 1..=3 {
        assert_eq!(numbers(&rest(&mut reader)), [0; 0]);
        writer.append(tick(number), at(number)).unwrap();
        assert_eq!(numbers(&rest(&mut reader)), [number]);
    }
}

#[test]
fn finished_segments_are_compressed_and_say_the_same() {
    let (journal, writer) = ten();
    writer.finish().unwrap();
    let before = journal.records();
    let last = journal.segments().len() as u64;
    let size = journal.bytes(last).len();

    let (writer, recovered) = journal.open();
    assert_eq!((recovered.last_tick, recovered.answered), (10, 10));
    eventually("all finished segments are compressed", || {
        let segments = info(&journal.options.dir).unwrap().segments;
        let (_live, finished) = segments.split_last().unwrap();
        finished.iter().all(|segment| segment.compressed && segment.sealed)
    });
    let mut after = journal.records();
    assert!(matches!(after.pop(), Some(Record::Head(head)) if head.epoch == 2));
    assert_eq!(after, before);
    assert!(journal.bytes(last).len() < size);
    verify(&journal.options.dir).unwrap();
    for from in 1..=10 {
        let mut reader = journal.reader();
        reader.seek(from).unwrap();
        assert_eq!(numbers(&rest(&mut reader)), (from..=10).collect::<Vec<_>>());
    }
    drop(writer);
}

#[test]
fn a_snapshot_is_found_from_any_later_tick() {
    let (journal, _writer) = ten();
    let reader = journal.reader();
    for tick in 1..=12 {
        let found = reader.snapshot(tick).unwrap();
        let expected = (tick >= 4).then(|| (4, "state 4".into()));
        assert_eq!(found, expected, "tick {tick}");
    }
}

#[test]
fn a_tick_that_is_no_longer_kept_is_named() {
    let (journal, writer) = ten();
    drop(writer);
    fs::remove_file(journal.file(1)).unwrap();
    let error = journal.reader().seek(1).unwrap_err();
    assert!(matches!(error, Error::Gone { tick: 1, first, .. } if first > 1), "{error}");
}

#[test]
fn stock_readers_read_every_segment() {
    let (journal, writer) = ten();
    writer.finish().unwrap();
    let (writer, _) = journal.open();
    drop(writer);
    let mut ticks = 0;
    for segment in journal.segments() {
        let bytes = journal.bytes(segment);
        // The last segment is as a crash leaves it: it has no end.
        let options = mcap::read::Options::IgnoreEndMagic.into();
        for message in mcap::MessageStream::new_with_options(&bytes, options).unwrap() {
            let message = message.unwrap();
            ticks += u32::from(message.channel.topic == "ticks");
        }
    }
    assert_eq!(ticks, 10);
}

#[test]
fn the_index_of_a_compressed_segment_serves_stock_readers_that_seek() {
    let (journal, writer) = ten();
    drop(writer);
    let (_writer, _) = journal.open();
    eventually("the first segment is compressed", || {
        info(&journal.options.dir).unwrap().segments[0].compressed
    });
    let bytes = journal.bytes(1);
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    let stats = summary.stats.as_ref().unwrap();
    assert!(stats.channel_message_counts[&2] > 0, "{stats:?}");
    assert_eq!(summary.channels[&2].schema.as_ref().unwrap().name, "pulsegate.v1.Tick");
    assert!(summary.chunk_indexes.iter().all(|index| !index.message_index_offsets.is_empty()));
}

#[test]
fn a_journal_at_a_glance() {
    let (journal, _writer) = ten();
    let info = info(&journal.options.dir).unwrap();
    assert_eq!((info.epochs, info.first_tick, info.last_tick), (1, 1, 10));
    assert_eq!(info.newest_snapshot, Some(4));
    assert_eq!(info.segments.iter().map(|segment| segment.ticks).sum::<u64>(), 10);
    assert_eq!(info.last_tick_ns, at(10).wall_ns);
    assert_eq!(info.torn_bytes, 0);
}

#[test]
fn where_there_is_no_journal_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        assert!(matches!(Reader::open(&path), Err(Error::NoJournal(_))));
        assert!(matches!(verify(&path), Err(Error::NoJournal(_))));
        assert!(matches!(info(&path), Err(Error::NoJournal(_))));
    }
    fs::write(dir.path().join("00000001.mcap"), "").unwrap();
    assert!(matches!(Reader::open(dir.path()), Err(Error::NoJournal(_))));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Writer::open(Options::new(&file), at(0)).unwrap_err().to_string();
    assert!(error.starts_with("cannot create"), "{error}");
}

#[test]
fn a_reader_beside_the_writer_does_not_wait_for_what_was_damaged() {
    let mut journal = Journal::new();
    journal.options.sync = Sync::Os;
    let (mut writer, _) = journal.open();
    let mut reader = Reader::follow(&journal.options.dir, writer.watermark()).unwrap();
    writer.append(tick(1), at(1)).unwrap();
    assert_eq!(numbers(&rest(&mut reader)), [1]);
    let whole = journal.bytes(1).len();
    writer.append(tick(2), at(2)).unwrap();
    let mut bytes = journal.bytes(1);
    bytes[whole + 80] ^= 1;
    journal.put(1, &bytes);
    assert!(matches!(reader.read(), Err(Error::Damaged(_))));
}
