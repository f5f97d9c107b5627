//! Which segments are deleted, and which never.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::time::Duration;

use pulsegate_journal::{Writer, verify};
use support::*;

/// A segment for each tick. What the caller sets decides which of them are kept.
fn write(journal: &mut Journal, ticks: u64, each: impl Fn(&mut Writer, u64)) -> Writer {
    journal.options.segment_age = Duration::from_millis(10);
    let (mut writer, _) = journal.open();
    for number in 1..=ticks {
        each(&mut writer, number);
        writer.append(tick(number), at(number * 10)).unwrap();
    }
    writer
}

/// Waits for the thread that deletes: closing the journal does.
fn left(journal: &Journal, writer: Writer) -> Vec<u64> {
    drop(writer);
    verify(&journal.options.dir).unwrap();
    journal.segments()
}

#[test]
fn everything_is_kept_by_default() {
    let mut journal = Journal::new();
    let writer = write(&mut journal, 5, |writer, tick| writer.keep_from(tick));
    assert_eq!(left(&journal, writer), [1, 2, 3, 4, 5]);
}

#[test]
fn the_oldest_segments_go_when_all_are_too_large() {
    let mut journal = Journal::new();
    journal.options.keep_size = Some(1);
    let writer = write(&mut journal, 5, |writer, tick| writer.keep_from(tick));
    assert_eq!(left(&journal, writer), [5]);
    assert_eq!(journal.ticks(), [5]);
}

#[test]
fn segments_go_when_their_last_tick_is_too_old() {
    let mut journal = Journal::new();
    journal.options.keep_age = Some(Duration::from_millis(15));
    let writer = write(&mut journal, 5, |writer, tick| writer.keep_from(tick));
    // The third ended at 40 ms, and the last rotation was at 50 ms.
    assert_eq!(left(&journal, writer), [3, 4, 5]);
}

#[test]
fn ticks_that_logic_may_need_are_kept_whatever_their_size_and_age() {
    let mut journal = Journal::new();
    journal.options.keep_size = Some(1);
    journal.options.keep_age = Some(Duration::ZERO);
    let writer = write(&mut journal, 5, |writer, _| writer.keep_from(3));
    assert_eq!(left(&journal, writer), [3, 4, 5]);

    let mut journal = Journal::new();
    journal.options.keep_size = Some(1);
    let writer = write(&mut journal, 5, |_, _| {});
    assert_eq!(left(&journal, writer), [1, 2, 3, 4, 5], "without a word all are needed");
}

#[test]
fn the_newest_snapshot_and_all_after_it_are_kept() {
    let mut journal = Journal::new();
    journal.options.keep_size = Some(1);
    let writer = write(&mut journal, 6, |writer, tick| {
        writer.keep_from(tick);
        if tick == 3 || tick == 5 {
            writer.answer(&done_with_snapshot(tick - 1), tick - 1, true, at(tick * 10)).unwrap();
        }
    });
    assert_eq!(left(&journal, writer), [4, 5, 6]);
    assert_eq!(journal.reader().snapshot(9).unwrap(), Some((4, "state 4".into())));
}

#[test]
fn a_journal_without_its_oldest_segments_opens_as_before() {
    let mut journal = Journal::new();
    journal.options.keep_size = Some(1);
    let writer = write(&mut journal, 5, |writer, tick| writer.keep_from(tick));
    drop(writer);
    let (_writer, recovered) = journal.open();
    assert_eq!((recovered.epoch, recovered.last_tick), (2, 5));
}
