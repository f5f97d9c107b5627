//! What is made of journals that no relay would leave behind.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use pulsegate_journal::{Now, Options, Reader, Record, Writer, info, verify};
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::{Done, Gap, Heartbeat, Open};
use pulsegate_protocol::tick::{Gathering, Head, Sealed};
use pulsegate_recording::{Error, Redaction, Rules, before_damage, cut, merge};
use pulsegate_replay::Range;

fn tick(number: u64, fill: impl FnOnce(&mut Gathering)) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    fill(&mut batch);
    batch.seal(&Head { number, epoch: 1, wall_ns: 1_000 * number, ..Head::default() })
}

fn append(dir: &Path, number: u64, payload: &[u8]) {
    let (mut writer, _) = Writer::open(Options::new(dir), Now::default()).unwrap();
    writer.append(tick(number, |batch| batch.packet(1, payload)), Now::default()).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn answers(dir: &Path) -> Vec<Done> {
    let mut reader = Reader::open(dir).unwrap();
    let records = std::iter::from_fn(|| reader.read().unwrap());
    let answers = records.filter_map(|record| match record {
        Record::Answer { bytes, .. } => Some(Done::decode(bytes).unwrap()),
        _ => None,
    });
    answers.collect()
}

/// Ticks 1 to 4; logic answered 2 with a snapshot and a hash.
fn with_a_snapshot(dir: &Path) {
    let (mut writer, _) = Writer::open(Options::new(dir), Now::default()).unwrap();
    for number in 1..=4 {
        let sealed = tick(number, |batch| {
            if number == 1 {
                let peer = "192.0.2.77:5".into();
                batch.event(Event::Open(Open { session: 1, peer }));
            }
            batch.event(Event::Heartbeat(Heartbeat { session: 1, claim: "my secret".into() }));
        });
        writer.append(sealed, Now::default()).unwrap();
        let state = (number == 2).then(|| "my secret".into());
        let state_hash = Some(7);
        let done = Done { tick: number, snapshot: state.clone(), state_hash, ..Done::default() };
        writer.answer(&done.encode_to_vec(), number, state.is_some(), Now::default()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn parts_that_went_two_ways_are_refused_with_the_tick_and_both_names() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, out] = ["a", "b", "out"].map(|name| dir.path().join(name));
    append(&a, 1, b"the same");
    copy(&a, &b);
    append(&a, 2, b"one way");
    append(&b, 2, b"another way");
    let error = merge(&[a.clone(), b.clone()], &out).unwrap_err();
    let Error::Differs { what, a: one, b: other } = &error else { panic!("{error}") };
    assert_eq!((what.as_str(), one, other), ("tick 2", &a, &b));
    assert!(!out.exists());
    assert!(matches!(merge(&[], &out), Err(Error::NoParts)));
}

#[test]
fn a_cut_has_the_snapshot_and_a_redacted_one_has_neither_it_nor_the_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, plain, redacted] = ["whole", "plain", "redacted"].map(|name| dir.path().join(name));
    with_a_snapshot(&whole);
    let range = Range { first: 4, last: None, notes: Vec::new() };
    let done = cut(&whole, &range, &plain, None).unwrap();
    assert_eq!((done.first, done.last, done.asked, done.snapshot), (3, 4, 4, Some(2)));
    assert_eq!(info(&plain).unwrap().newest_snapshot, Some(2));

    let rules: Rules = "".parse().unwrap();
    let mut redaction = Redaction::new(rules).unwrap();
    let done = cut(&whole, &range, &redacted, Some(&mut redaction)).unwrap();
    assert_eq!((done.first, done.snapshot), (4, None));
    verify(&redacted).unwrap();
    let answers = answers(&redacted);
    assert_eq!(answers.len(), 1);
    assert!(answers.iter().all(|done| done.snapshot.is_none() && done.state_hash.is_none()));
    assert_eq!(info(&redacted).unwrap().cut_of, None);
    let mut reader = Reader::open(&redacted).unwrap();
    while let Some(record) = reader.read().unwrap() {
        let said = format!("{record:?}");
        assert!(!said.contains("my secret") && !said.contains("192.0.2.77"), "{said}");
    }
}

#[test]
fn a_journal_without_damage_has_nothing_to_be_saved_from() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, out]: [PathBuf; 2] = ["whole", "out"].map(|name| dir.path().join(name));
    with_a_snapshot(&whole);
    assert!(matches!(before_damage(&whole, &out), Err(Error::NotDamaged(_))));
    assert!(!out.exists());
}

/// Ticks 1 and 2, then 5 to 7, the first of which names the two that could not be written.
fn with_a_gap(dir: &Path) {
    let now = Now::default();
    let (mut writer, _) = Writer::open(Options::new(dir), now).unwrap();
    for number in 1..=2 {
        writer.append(tick(number, |batch| batch.packet(1, b"before")), now).unwrap();
    }
    // A segment that lost its name fails the next tick.
    let (segment, aside) = (dir.join("00000001.mcap"), dir.join("aside"));
    fs::copy(&segment, &aside).unwrap();
    fs::remove_file(&segment).unwrap();
    assert!(writer.append(tick(3, |_| ()), now).is_err());
    fs::rename(&aside, &segment).unwrap();
    writer.restart_after_failure(5, now).unwrap();
    for number in 5..=7 {
        let sealed = tick(number, |batch| match number {
            5 => batch.event(Event::Gap(Gap { first: 3, last: 4, why: "no room".into() })),
            _ => batch.packet(1, b"behind"),
        });
        writer.append(sealed, now).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(verify(dir).unwrap().gaps, 2);
}

fn ticks(dir: &Path) -> Vec<u64> {
    let mut reader = Reader::open(dir).unwrap();
    let records = std::iter::from_fn(|| reader.read().unwrap());
    let numbers = records.filter_map(|record| match record {
        Record::Tick { peek, .. } => Some(peek.head.number),
        _ => None,
    });
    numbers.collect()
}

fn range(first: u64, last: u64) -> Range {
    Range { first, last: Some(last), notes: Vec::new() }
}

#[test]
fn a_cut_over_a_marked_gap_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, over, behind] = ["whole", "over", "behind"].map(|name| dir.path().join(name));
    with_a_gap(&whole);
    cut(&whole, &range(2, 6), &over, None).unwrap();
    assert_eq!(ticks(&over), [2, 5, 6]);
    let verified = verify(&over).unwrap();
    assert_eq!((verified.ticks, verified.gaps), (3, 2));
    cut(&whole, &range(6, 7), &behind, None).unwrap();
    assert_eq!(ticks(&behind), [6, 7]);
    assert_eq!(verify(&behind).unwrap().gaps, 0);
}

#[test]
fn parts_on_both_sides_of_a_marked_gap_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, left, right, out] =
        ["whole", "left", "right", "out"].map(|name| dir.path().join(name));
    with_a_gap(&whole);
    cut(&whole, &range(1, 2), &left, None).unwrap();
    cut(&whole, &range(5, 7), &right, None).unwrap();
    merge(&[right.clone(), left.clone()], &out).unwrap();
    assert_eq!(ticks(&out), [1, 2, 5, 6, 7]);
    let verified = verify(&out).unwrap();
    assert_eq!((verified.ticks, verified.gaps), (5, 2));

    let [late, refused] = ["late", "refused"].map(|name| dir.path().join(name));
    cut(&whole, &range(6, 7), &late, None).unwrap();
    let told = merge(&[left, late], &refused).unwrap_err().to_string();
    assert!(told.contains("3 to 5"), "{told}");
}
