use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use pulsegate_protocol::tick::{Gathering, Head};

use super::*;
use crate::{Reader, Record, verify};

fn tick(number: u64) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    batch.packet(1, b"hello");
    batch.seal(&Head { number, ..Head::default() })
}

/// Ticks 1 and 2, then one that is written, `torn` or not, and fails in its sync, then tick 4.
fn with_a_failure(dir: &Path, torn: bool) -> Writer {
    let mut writer = with_a_failure_before(dir, torn, 4);
    writer.append(tick(4), Now::default()).unwrap();
    writer
}

/// The same, killed before it could write the tick `next`.
fn with_a_failure_before(dir: &Path, torn: bool, next: u64) -> Writer {
    let now = Now::default();
    let (mut writer, _) = Writer::open(Options::new(dir), now).unwrap();
    writer.append(tick(1), now).unwrap();
    writer.append(tick(2), now).unwrap();
    writer.answer(b"", 2, false, now).unwrap();
    let lost = tick(3).chain(writer.standing.checksum);
    let failed = writer.guarded(|writer| {
        writer.write(Topic::Ticks, 3, 0, &lost.bytes, now)?;
        writer.flush(now)?;
        Err::<(), _>(Error::io("sync", dir)(io::ErrorKind::Other.into()))
    });
    assert!(failed.is_err());
    assert!(writer.append(tick(3), now).is_err());
    if torn {
        let file = OpenOptions::new().write(true).open(dir.join("00000001.mcap")).unwrap();
        file.set_len(file.metadata().unwrap().len() - 20).unwrap();
    }
    writer.restart_after_failure(next, now).unwrap();
    writer
}

fn numbers(dir: &Path, watermark: Option<Watermark>) -> Vec<u64> {
    let mut reader = match watermark {
        Some(watermark) => Reader::follow(dir, watermark).unwrap(),
        None => Reader::open(dir).unwrap(),
    };
    std::iter::from_fn(|| reader.read().unwrap())
        .filter_map(|record| match record {
            Record::Tick { peek, .. } => Some(peek.head.number),
            _ => None,
        })
        .collect()
}

#[test]
fn a_tick_that_failed_is_no_part_of_the_journal() {
    for torn in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = with_a_failure(dir.path(), torn);
        assert_eq!(numbers(dir.path(), Some(writer.watermark())), [1, 2, 4]);
        writer.finish().unwrap();
        assert_eq!(numbers(dir.path(), None), [1, 2, 4]);
        let verified = verify(dir.path()).unwrap();
        assert_eq!((verified.ticks, verified.gaps, verified.last_tick), (3, 1, 4));

        let (_writer, recovered) = Writer::open(Options::new(dir.path()), Now::default()).unwrap();
        assert_eq!(recovered.last_tick, 4);
    }
}

#[test]
fn a_segment_whose_end_failed_in_its_sync_may_be_followed_by_a_gap() {
    let (dir, now) = (tempfile::tempdir().unwrap(), Now::default());
    let (mut writer, _) = Writer::open(Options::new(dir.path()), now).unwrap();
    writer.append(tick(1), now).unwrap();
    writer.append(tick(2), now).unwrap();
    let failed = writer.guarded(|writer| {
        writer.live.take().map_or(Ok(()), Live::seal)?;
        Err::<(), _>(Error::io("sync", dir.path())(io::ErrorKind::Other.into()))
    });
    assert!(failed.is_err());
    writer.restart_after_failure(4, now).unwrap();
    writer.append(tick(4), now).unwrap();
    writer.finish().unwrap();
    assert_eq!(numbers(dir.path(), None), [1, 2, 4]);
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.ticks, verified.gaps), (3, 1));
}

#[test]
fn a_tick_that_was_returned_is_synced_where_that_was_asked_for() {
    let interval = Sync::Interval(Duration::from_secs(1));
    for (sync, waits) in [(Sync::Tick, false), (interval, true), (Sync::Os, true)] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { sync, ..Options::new(dir.path()) };
        let (mut writer, _) = Writer::open(options, Now::default()).unwrap();
        writer.append(tick(1), Now::default()).unwrap();
        assert_eq!(writer.unsynced_since.is_some(), waits, "{sync:?}");
    }
}

#[test]
fn a_tick_that_failed_behind_a_finished_segment_is_no_part_of_the_journal() {
    let (dir, now) = (tempfile::tempdir().unwrap(), Now::default());
    let (mut writer, _) = Writer::open(Options::new(dir.path()), now).unwrap();
    writer.append(tick(1), now).unwrap();
    writer.append(tick(2), now).unwrap();
    let failed = writer.guarded(|writer| {
        writer.live.take().unwrap().seal()?;
        Err::<(), _>(Error::io("finish", dir.path())(io::ErrorKind::Other.into()))
    });
    assert!(failed.is_err());
    writer.restart_after_failure(4, now).unwrap();
    writer.append(tick(4), now).unwrap();
    writer.finish().unwrap();
    assert_eq!(numbers(dir.path(), None), [1, 2, 4]);
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.ticks, verified.gaps, verified.last_tick), (3, 1, 4));
}

#[test]
fn ticks_that_a_life_lost_and_could_not_name_are_known_to_the_next_ones() {
    for torn in [false, true] {
        let (dir, now) = (tempfile::tempdir().unwrap(), Now::default());
        drop(with_a_failure_before(dir.path(), torn, 5));
        for _ in 0..2 {
            let (_, recovered) = Writer::open(Options::new(dir.path()), now).unwrap();
            assert_eq!((recovered.last_tick, recovered.lost_from), (4, Some(3)));
        }
        let (mut writer, _) = Writer::open(Options::new(dir.path()), now).unwrap();
        writer.append(tick(5), now).unwrap();
        writer.finish().unwrap();
        let (_, recovered) = Writer::open(Options::new(dir.path()), now).unwrap();
        assert_eq!((recovered.last_tick, recovered.lost_from), (5, None));
        assert_eq!(verify(dir.path()).unwrap().gaps, 2);
    }
}

#[test]
fn a_seek_to_a_tick_that_failed_finds_the_one_after_it() {
    for torn in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let _writer = with_a_failure(dir.path(), torn);
        let mut reader = Reader::open(dir.path()).unwrap();
        reader.seek(3).unwrap();
        let Some(Record::Tick { peek, .. }) = reader.read().unwrap() else { panic!() };
        assert_eq!(peek.head.number, 4);
    }
}
