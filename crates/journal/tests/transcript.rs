//! Journals that are written from another one's records, and the repair of a torn end.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::fs;
use std::path::Path;

use pulsegate_journal::{Error, Lineage, Reader, Record, Transcript, info, repair, verify};
use support::*;

/// Two lives: ticks 1 to 3 with a session that is open at their end, then 4 to 6.
fn two_lives() -> Journal {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    writer.append(opening(1, 7), at(1)).unwrap();
    writer.append(tick(2), at(2)).unwrap();
    writer.answer(&done_with_snapshot(2), 2, true, at(3)).unwrap();
    writer.append(tick(3), at(3)).unwrap();
    drop(writer);
    let (mut writer, _) = journal.open();
    writer.append(closing(4, 7), at(4)).unwrap();
    writer.append(tick(5), at(5)).unwrap();
    writer.answer(&done(5), 5, false, at(6)).unwrap();
    writer.append(tick(6), at(6)).unwrap();
    journal
}

/// The records from a tick on, with all before it passed.
fn copied(journal: &Journal, to: &Path, lineage: Lineage, from: u64) -> Vec<Record> {
    let mut transcript = Transcript::begin(to, lineage).unwrap();
    let mut begun = false;
    for record in journal.records() {
        begun |= matches!(&record, Record::Tick { peek, .. } if peek.head.number >= from);
        if begun { transcript.put(&record) } else { transcript.pass(&record) }.unwrap();
    }
    transcript.finish().unwrap();
    verify(to).unwrap();
    rest(&mut Reader::open(to).unwrap())
}

fn without_heads(records: Vec<Record>) -> Vec<Record> {
    records.into_iter().filter(|record| !matches!(record, Record::Head(_))).collect()
}

#[test]
fn a_transcript_holds_the_very_records_and_is_a_journal_of_its_own() {
    let (journal, dir) = (two_lives(), tempfile::tempdir().unwrap());
    for (name, lineage) in [("same", Lineage::Same), ("cut", Lineage::Cut), ("new", Lineage::New)] {
        let to = dir.path().join(name);
        let records = copied(&journal, &to, lineage, 1);
        assert_eq!(without_heads(records), without_heads(journal.records()));
        let (old, new) = (info(&journal.options.dir).unwrap(), info(&to).unwrap());
        assert_eq!(new.lineage == old.lineage, lineage == Lineage::Same);
        assert_eq!(new.cut_of, (lineage == Lineage::Cut).then_some(old.lineage));
        assert_eq!((new.epochs, new.newest_snapshot, new.answered), (2, Some(2), 5));
        assert!(new.segments.iter().all(|segment| segment.compressed && segment.sealed));
    }
}

#[test]
fn a_transcript_that_begins_late_says_who_is_present() {
    let (journal, dir) = (two_lives(), tempfile::tempdir().unwrap());
    let records = copied(&journal, &dir.path().join("late"), Lineage::Cut, 3);
    let Record::Head(head) = &records[0] else { panic!("{records:?}") };
    assert_eq!((head.next_tick, head.answered, head.snapshot_tick), (3, 2, 0));
    assert_eq!(head.present.iter().map(|open| open.session).collect::<Vec<_>>(), [7]);
    assert_eq!(numbers(&records), [3, 4, 5, 6]);
}

#[test]
fn a_cut_of_a_cut_names_the_first_origin() {
    let (journal, dir) = (two_lives(), tempfile::tempdir().unwrap());
    let first = dir.path().join("first");
    copied(&journal, &first, Lineage::Cut, 2);
    let mut again = Transcript::begin(dir.path().join("second"), Lineage::Cut).unwrap();
    let mut reader = Reader::open(&first).unwrap();
    while let Some(record) = reader.read().unwrap() {
        again.put(&record).unwrap();
    }
    again.finish().unwrap();
    let origin = info(dir.path().join("second")).unwrap().cut_of;
    assert_eq!(origin, Some(info(&journal.options.dir).unwrap().lineage));
}

#[test]
fn what_does_not_follow_is_refused_and_nothing_stays() {
    let (journal, dir) = (two_lives(), tempfile::tempdir().unwrap());
    let to = dir.path().join("new");
    let mut transcript = Transcript::begin(&to, Lineage::Same).unwrap();
    let records = journal.records();
    transcript.put(&records[0]).unwrap();
    transcript.put(&records[1]).unwrap();
    let error = transcript.put(&records[4]).unwrap_err();
    assert!(matches!(error, Error::Transcript { .. }), "{error}");
    drop(transcript);
    assert!(!to.exists());
    fs::create_dir(&to).unwrap();
    fs::write(to.join("anything"), "").unwrap();
    let error = Transcript::begin(&to, Lineage::Same).unwrap_err();
    assert!(matches!(error, Error::Occupied(_)), "{error}");
    assert!(to.join("anything").exists());
}

#[test]
fn a_repair_cuts_a_torn_end_once_and_the_next_life_goes_on() {
    let (journal, _) = Journal::crashed(1..=4);
    let whole = journal.bytes(1);
    journal.put(1, &whole[..whole.len() - 10]);
    let repaired = repair(&journal.options.dir).unwrap().unwrap();
    assert_eq!(repaired.after_tick, 3);
    assert_eq!(verify(&journal.options.dir).unwrap().torn_bytes, 0);
    assert_eq!(repair(&journal.options.dir).unwrap(), None);
    let (writer, recovered) = journal.open();
    assert_eq!((recovered.last_tick, recovered.repaired), (3, None));
    let error = repair(&journal.options.dir).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    drop(writer);
}

#[test]
fn a_repair_leaves_real_damage_as_it_is() {
    let (journal, _) = Journal::crashed(1..=4);
    let mut bytes = journal.bytes(1);
    let middle = bytes.len() - 250;
    bytes[middle] ^= 1;
    journal.put(1, &bytes);
    let error = repair(&journal.options.dir).unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    assert_eq!(journal.bytes(1), bytes);
}
