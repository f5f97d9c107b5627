//! What a writer puts on disk, and when.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use pulsegate_journal::{Error, Record, Sync, Timing, verify};
use support::*;

#[test]
fn what_is_written_is_read_back_in_order() {
    let journal = Journal::new();
    let (mut writer, recovered) = journal.open();
    assert_eq!((recovered.epoch, recovered.last_tick, recovered.lineage.len()), (1, 0, 32));
    let first = writer.append(tick(1), at(1)).unwrap();
    writer.answer(&done(1), 1, false, at(2)).unwrap();
    writer.push(b"", at(3)).unwrap();
    let timing = Timing { tick: 1, lateness_us: 7, strategy: "fixed".into(), ..Timing::default() };
    writer.timing(&timing, at(4)).unwrap();
    let second = writer.append(tick(2), at(5)).unwrap();
    writer.finish().unwrap();

    let records = journal.records();
    assert!(matches!(&records[0], Record::Head(head) if head.segment == 1 && head.epoch == 1));
    assert!(matches!(&records[1], Record::Tick { bytes, .. } if *bytes == first.bytes));
    assert!(matches!(&records[2], Record::Answer { tick: 1, bytes, .. } if *bytes == done(1)));
    assert!(matches!(&records[3], Record::Push { bytes, .. } if bytes.is_empty()));
    assert_eq!(records[4], Record::Timing(timing));
    assert!(matches!(&records[5], Record::Tick { bytes, peek } if *bytes == second.bytes
        && peek.previous == first.checksum));
    assert_eq!(records.len(), 6);
    let verified = verify(&journal.options.dir).unwrap();
    assert_eq!((verified.ticks, verified.answers, verified.pushes), (2, 1, 1));
}

#[test]
fn each_life_has_an_epoch_of_its_own_and_goes_on_with_the_ticks() {
    let journal = Journal::new();
    let (mut writer, first) = journal.open();
    writer.append(opening(1, 7), at(1)).unwrap();
    writer.append(opening(2, 8), at(2)).unwrap();
    writer.append(closing(3, 7), at(3)).unwrap();
    writer.answer(&done_with_snapshot(2), 2, true, at(3)).unwrap();
    writer.append(tick(4), at(4)).unwrap();
    drop(writer);

    let (_writer, second) = journal.open();
    assert_eq!(second.lineage, first.lineage);
    assert_eq!((second.epoch, second.last_tick, second.answered), (2, 4, 2));
    assert_eq!(second.newest_snapshot, Some(2));
    assert_eq!(second.open_sessions.iter().map(|open| open.session).collect::<Vec<_>>(), [8]);
    drop(_writer);

    let (mut writer, third) = journal.open();
    assert_eq!((third.epoch, third.last_tick, third.answered), (3, 4, 2));
    writer.append(tick(5), at(5)).unwrap();
    assert_eq!(journal.ticks(), [1, 2, 3, 4, 5]);
    verify(&journal.options.dir).unwrap();
}

#[test]
fn a_recording_is_for_its_owner_alone() {
    let (journal, _) = Journal::crashed(1..=1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&journal.options.dir), 0o700);
    assert_eq!(mode(&journal.file(1)), 0o600);
}

#[test]
fn a_second_writer_is_refused_and_told_who_has_it() {
    let journal = Journal::new();
    let (writer, _) = journal.open();
    let error = journal.try_open().unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.contains(journal.options.dir.to_str().unwrap()), "{error}");
    drop(writer);
    journal.open();
}

#[test]
fn a_segment_is_finished_at_its_size() {
    let mut journal = Journal::new();
    journal.options.segment_size = 60_000;
    let (mut writer, _) = journal.open();
    for number in 1..=10 {
        writer.append(tick_of(number, &[0; 10_000]), at(number)).unwrap();
    }
    assert!(journal.segments().len() >= 3, "{:?}", journal.segments());
    writer.finish().unwrap();
    for segment in journal.segments() {
        assert!(journal.bytes(segment).len() < 100_000);
    }
    assert_eq!(journal.ticks(), (1..=10).collect::<Vec<_>>());
    verify(&journal.options.dir).unwrap();
}

#[test]
fn a_segment_is_finished_at_its_age_if_it_holds_a_tick() {
    let mut journal = Journal::new();
    journal.options.segment_age = Duration::from_millis(100);
    let (mut writer, _) = journal.open();
    assert_eq!(writer.poll(at(500)).unwrap(), None);
    assert_eq!(journal.segments(), [1]);
    writer.append(tick(1), at(50)).unwrap();
    assert_eq!(writer.poll(at(60)).unwrap(), Some(Duration::from_millis(100)));
    writer.poll(at(100)).unwrap();
    assert_eq!(journal.segments(), [1, 2]);
    writer.append(tick(2), at(110)).unwrap();
    writer.append(tick(3), at(210)).unwrap();
    assert_eq!(journal.segments(), [1, 2, 3]);
}

#[test]
fn answers_do_not_wait_for_the_next_tick_for_ever() {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(0)).unwrap();
    writer.answer(&done(1), 1, false, at(10)).unwrap();
    let answers = || verify(&journal.options.dir).unwrap().answers;
    assert_eq!(writer.poll(at(20)).unwrap(), Some(Duration::from_millis(1010)));
    assert_eq!(answers(), 0);
    writer.poll(at(1010)).unwrap();
    assert_eq!(answers(), 1);
}

#[test]
fn answers_that_are_too_many_to_wait_are_written() {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(0)).unwrap();
    for _ in 0..3 {
        writer.push(&[0; 500_000], at(1)).unwrap();
    }
    assert_eq!(verify(&journal.options.dir).unwrap().pushes, 3);
}

#[test]
fn the_interval_says_when_to_sync() {
    let mut journal = Journal::new();
    journal.options.sync = Sync::Interval(Duration::from_millis(200));
    journal.options.segment_age = Duration::from_secs(3600);
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(10)).unwrap();
    assert_eq!(writer.poll(at(20)).unwrap(), Some(Duration::from_millis(210)));
    assert_eq!(writer.poll(at(210)).unwrap(), Some(Duration::from_secs(3600)));
    writer.append(tick(2), at(300)).unwrap();
    writer.append(tick(3), at(500)).unwrap();
    assert_eq!(writer.poll(at(500)).unwrap(), Some(Duration::from_secs(3600)));
}

#[test]
fn without_sync_a_killed_relay_loses_nothing() {
    let mut journal = Journal::new();
    journal.options.sync = Sync::Os;
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(1)).unwrap();
    drop(writer);
    assert_eq!(journal.ticks(), [1]);
}

#[test]
fn a_tick_out_of_order_is_refused_and_nothing_is_lost() {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(1)).unwrap();
    let error = writer.append(tick(3), at(2)).unwrap_err();
    assert!(matches!(error, Error::Order { number: 3, last: 1 }), "{error}");
    writer.append(tick(2), at(3)).unwrap();
}

#[test]
fn a_writer_that_failed_stays_failed() {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(1)).unwrap();
    fs::remove_file(journal.file(1)).unwrap();
    let first = writer.append(tick(2), at(2)).unwrap_err().to_string();
    assert!(first.contains("deleted"), "{first}");
    for error in [
        writer.append(tick(2), at(3)).unwrap_err(),
        writer.answer(&done(1), 1, false, at(3)).unwrap_err(),
        writer.poll(at(3)).unwrap_err(),
        writer.finish().unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Failed { .. }), "{error}");
        assert!(error.to_string().contains("deleted"), "{error}");
    }
}

#[test]
fn after_a_failure_the_journal_goes_on_with_a_marked_gap() {
    let mut journal = Journal::new();
    journal.options.segment_age = Duration::from_secs(1);
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(1)).unwrap();
    journal.put(2, b"in the way");
    writer.append(tick(2), at(2000)).unwrap_err();
    writer.restart_after_failure(4, at(2100)).unwrap_err();
    fs::remove_file(journal.file(2)).unwrap();
    writer.restart_after_failure(4, at(2200)).unwrap();
    assert_eq!(writer.failure(), None);
    writer.append(tick(4), at(2300)).unwrap();
    writer.finish().unwrap();
    assert_eq!(journal.ticks(), [1, 4]);
}
