//! Journals that former versions wrote, kept beside this file. A format that was released is read
//! for ever; one that is to come is refused by name.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use pulsegate_journal::{Options, Reader, Record, Writer, info, verify};
use pulsegate_protocol::proto::Done;
use support::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A copy that may be written to.
fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(golden(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// Six ticks of 30,000 bytes with their answers: five compressed segments, and one whose last
/// record is torn.
#[test]
fn format_1_is_read_verified_and_gone_on_with() {
    let copy = copy_of("format-1");
    let records = rest(&mut Reader::open(copy.path()).unwrap());
    assert_eq!(numbers(&records), [1, 2, 3, 4, 5]);
    let snapshots: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Answer { bytes, .. } => Done::decode(bytes.clone()).unwrap().snapshot,
            _ => None,
        })
        .collect();
    assert_eq!(snapshots, ["state 2"]);

    let verified = verify(copy.path()).unwrap();
    assert!(verified.torn_bytes > 0, "{verified:?}");
    let (mut writer, recovered) = Writer::open(Options::new(copy.path()), at(100)).unwrap();
    assert_eq!(recovered.last_tick, 5);
    writer.append(tick(6), at(101)).unwrap();
}

#[test]
fn a_format_to_come_is_refused_by_name() {
    let copy = copy_of("newer");
    let refused = Writer::open(Options::new(copy.path()), at(0)).unwrap_err().to_string();
    assert!(refused.contains("a segment in format"), "{refused}");
    assert!(Reader::open(copy.path()).and_then(|mut reader| reader.read()).is_err());
}

/// Run it by name, once for each new format, and add the test that reads it.
#[test]
#[ignore = "writes a golden journal into the system's directory for temporary files"]
fn write_a_golden_journal() {
    let mut journal = Journal::new();
    journal.options.segment_size = 50_000;
    let (mut writer, _) = journal.open();
    for number in 1..=6 {
        writer.append(tick_of(number, &[number as u8; 30_000]), at(number)).unwrap();
        let done = if number == 2 { done_with_snapshot(2) } else { done(number) };
        writer.answer(&done, number, number == 2, at(number)).unwrap();
    }
    eventually("all but the last are compressed", || {
        let segments = info(&journal.options.dir).unwrap().segments;
        let (_live, finished) = segments.split_last().unwrap();
        finished.len() > 1 && finished.iter().all(|segment| segment.compressed)
    });
    let last = *journal.segments().last().unwrap();
    let torn = journal.bytes(last);
    let target = std::env::temp_dir().join("golden");
    fs::create_dir(&target).unwrap();
    for segment in journal.segments() {
        let bytes = journal.bytes(segment);
        let kept = if segment == last { torn.len() - 20_000 } else { bytes.len() };
        fs::write(target.join(format!("{segment:08}.mcap")), &bytes[..kept]).unwrap();
    }
    println!("written to {}", target.display());
}
