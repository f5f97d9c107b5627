//! Torn ends are repaired, damage is found, and nobody confuses the two.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

mod support;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use pulsegate_journal::{Error, Missing, Record, Sync, Writer, info, verify};
use support::*;

/// The last tick's record: everything that the last `append` added.
fn last_record(journal: &Journal, without: &Journal) -> usize {
    let before = without.bytes(1).len();
    assert!(before < journal.bytes(1).len());
    before
}

#[test]
fn every_cut_of_the_last_record_is_repaired_without_a_question() {
    let (journal, ticks) = Journal::crashed(1..=4);
    let (shorter, _) = Journal::crashed(1..=3);
    let whole = journal.bytes(1);
    let start = last_record(&journal, &shorter);
    for end in start..whole.len() {
        journal.put(1, &whole[..end]);
        let (mut writer, recovered) = journal.open();
        assert_eq!(recovered.last_tick, 3, "cut at {end}");
        let cut = recovered.repaired.map_or(0, |repair| repair.bytes_cut);
        assert_eq!(cut, (end - start) as u64);
        let again = writer.append(tick(4), at(4)).unwrap();
        assert_eq!(again.bytes, ticks[3].bytes);
        writer.finish().unwrap();
        assert_eq!(journal.ticks(), [1, 2, 3, 4]);
        verify(&journal.options.dir).unwrap();
        fs::remove_dir_all(&journal.options.dir).unwrap();
        fs::create_dir(&journal.options.dir).unwrap();
    }
}

#[test]
fn an_end_of_zeros_garbage_or_old_records_is_repaired() {
    let (journal, _) = Journal::crashed(1..=4);
    let (shorter, _) = Journal::crashed(1..=3);
    let whole = journal.bytes(1);
    let last = whole[last_record(&journal, &shorter)..].to_vec();
    let garbage: Vec<u8> = (0..5000u32).map(|i| ((i * i * 31) >> 7) as u8).collect();
    for tail in [&[0; 4096][..], &garbage, &[6; 300], &[&[0; 100], &last[..]].concat()] {
        journal.put(1, &[&whole, tail].concat());
        let verified = verify(&journal.options.dir).unwrap();
        assert_eq!((verified.ticks, verified.torn_bytes), (4, tail.len() as u64));
        let (writer, recovered) = journal.open();
        assert_eq!(recovered.last_tick, 4);
        assert_eq!(recovered.repaired.unwrap().bytes_cut, tail.len() as u64);
        drop(writer);
        fs::remove_file(journal.file(2)).unwrap();
        fs::remove_file(journal.options.dir.join("lock")).unwrap();
    }
}

#[test]
fn a_last_record_with_lost_sectors_is_repaired() {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    writer.append(tick(1), at(1)).unwrap();
    let start = journal.bytes(1).len();
    writer.append(tick_of(2, &[b'x'; 3000]), at(2)).unwrap();
    drop(writer);
    let whole = journal.bytes(1);
    let sectors = (whole.len() - start).div_ceil(512);
    for lost in 1u32..1 << sectors {
        let mut bytes = whole.clone();
        for sector in (0..sectors).filter(|sector| lost & 1 << sector != 0) {
            let from = start + sector * 512;
            let to = (from + 512).min(bytes.len());
            bytes[from..to].fill(0);
        }
        journal.put(1, &bytes);
        let verified = verify(&journal.options.dir).unwrap();
        assert_eq!((verified.ticks, verified.torn_bytes), (1, (whole.len() - start) as u64));
    }
}

#[test]
fn an_end_that_was_being_finished_is_repaired_whichever_sectors_were_lost() {
    let (journal, whole) = (finished(), finished().bytes(1));
    let from = unfinished().bytes(1).len();
    assert!(whole.len() - from > 2 * 512);
    let sectors: Vec<_> = (from / 512..whole.len().div_ceil(512)).collect();
    let lost_from = |first: usize| sectors.iter().copied().skip(first);
    let subsets = (0..sectors.len()).flat_map(|first| {
        [
            lost_from(first).take(1).collect::<Vec<_>>(),
            lost_from(first).collect(),
            lost_from(first).step_by(2).collect(),
            sectors[..first].to_vec(),
        ]
    });
    for lost in subsets.filter(|lost| !lost.is_empty()) {
        let mut bytes = whole.clone();
        for sector in &lost {
            let (start, end) = ((sector * 512).max(from), (sector * 512 + 512).min(bytes.len()));
            bytes[start..end].fill(0);
        }
        journal.put(1, &bytes);
        let verified =
            verify(&journal.options.dir).unwrap_or_else(|error| panic!("{lost:?}: {error}"));
        assert_eq!((verified.ticks, verified.answers), (3, 3), "{lost:?}");
        assert_eq!(numbers(&rest(&mut journal.reader())), [1, 2, 3], "{lost:?}");
        let (writer, recovered) = journal.open();
        assert_eq!((recovered.last_tick, recovered.answered), (3, 3), "{lost:?}");
        drop(writer);
        fs::remove_file(journal.file(2)).unwrap();
        fs::remove_file(journal.options.dir.join("lock")).unwrap();
    }
}

/// Flips bits of a one-segment journal, one at a time, and hands over what `verify` says.
fn flip_bits(
    journal: &Journal,
    bits: impl Iterator<Item = usize>,
    mut check: impl FnMut(usize, Result<pulsegate_journal::Verified, Error>),
) {
    let file = OpenOptions::new().read(true).write(true).open(journal.file(1)).unwrap();
    let whole = journal.bytes(1);
    for bit in bits.take_while(|bit| *bit < whole.len() * 8) {
        let (at, byte) = (bit / 8, whole[bit / 8]);
        file.write_all_at(&[byte ^ 1 << (bit % 8)], at as u64).unwrap();
        check(bit, verify(&journal.options.dir));
        file.write_all_at(&[byte], at as u64).unwrap();
    }
}

#[test]
fn every_flipped_bit_of_an_unfinished_segment_is_found() {
    let (journal, _) = Journal::crashed(1..=3);
    let mut torn = 0;
    flip_bits(&journal, 0.., |bit, verified| match verified {
        Err(Error::Damaged(damage)) => assert!(damage.offset <= bit as u64 / 8, "{damage}"),
        Err(error) => panic!("bit {bit}: {error}"),
        Ok(verified) => {
            assert!(verified.torn_bytes > 0, "bit {bit} was not noticed");
            assert_eq!(verified.ticks, 2, "bit {bit}: only the last record may be taken for torn");
            torn += 1;
        }
    });
    assert!(torn > 0);
}

fn finished() -> Journal {
    let (journal, writer) = written();
    writer.finish().unwrap();
    journal
}

/// The same, killed in the moment before its end is written.
fn unfinished() -> Journal {
    let (journal, mut writer) = written();
    writer.poll(at(5000)).unwrap();
    journal
}

fn written() -> (Journal, Writer) {
    let journal = Journal::new();
    let (mut writer, _) = journal.open();
    for number in 1..=3 {
        writer.append(tick(number), at(number)).unwrap();
        writer.answer(&done(number), number, false, at(number)).unwrap();
    }
    (journal, writer)
}

#[test]
fn every_flipped_bit_of_a_finished_segment_is_found() {
    let journal = finished();
    let end_of_records = unfinished().bytes(1).len() * 8;
    flip_bits(&journal, 0.., |bit, verified| match verified {
        Err(Error::Damaged(_)) => {}
        Err(error) => panic!("bit {bit}: {error}"),
        Ok(verified) => {
            assert!(bit >= end_of_records, "bit {bit} was not noticed");
            let whole = (verified.ticks, verified.answers) == (3, 3);
            assert!(verified.torn_bytes > 0 && whole, "bit {bit}: {verified:?}");
        }
    });
}

fn compressed() -> Journal {
    let journal = finished();
    let (writer, _) = journal.open();
    eventually("the segment is compressed", || {
        info(&journal.options.dir).unwrap().segments[0].compressed
    });
    drop(writer);
    journal
}

#[test]
fn every_flipped_bit_of_a_compressed_segment_is_found() {
    let journal = compressed();
    flip_bits(&journal, 0.., |bit, verified| {
        assert!(matches!(verified, Err(Error::Damaged(_))), "bit {bit}: {verified:?}");
    });
}

#[test]
fn every_cut_of_a_compressed_segment_is_found() {
    let journal = compressed();
    let good = journal.bytes(1);
    for length in 0..good.len() {
        journal.put(1, &good[..length]);
        let verified = verify(&journal.options.dir);
        assert!(matches!(verified, Err(Error::Damaged(_))), "{length} bytes: {verified:?}");
    }
}

#[test]
fn every_flipped_bit_in_the_end_of_a_segment_before_the_last_is_found() {
    let mut journal = Journal::new();
    journal.options.segment_size = 50_000;
    let (mut writer, _) = journal.open();
    for number in 1..=6 {
        writer.append(tick_of(number, &[b'x'; 10_000]), at(number)).unwrap();
    }
    drop(writer);
    assert!(journal.segments().len() > 1);
    let end = journal.bytes(1).len() * 8;
    flip_bits(&journal, end - 8 * 50.., |bit, verified| {
        assert!(matches!(verified, Err(Error::Damaged(_))), "bit {bit}: {verified:?}");
    });
}

#[test]
fn a_reader_of_a_damaged_segment_shows_no_wrong_record() {
    let journal = compressed();
    let good = journal.records();
    flip_bits(&journal, (0..).step_by(53), |bit, _| {
        let Ok(mut reader) = pulsegate_journal::Reader::open(&journal.options.dir) else { return };
        let seen: Vec<_> = std::iter::from_fn(|| reader.read().ok().flatten()).collect();
        let is_prefix = good.starts_with(&seen);
        assert!(is_prefix, "bit {bit}: {seen:?}");
    });
}

#[test]
fn damage_in_the_middle_is_refused_and_named() {
    let (journal, _) = Journal::crashed(1..=4);
    let (shorter, _) = Journal::crashed(1..=2);
    let mut bytes = journal.bytes(1);
    let offset = shorter.bytes(1).len();
    bytes[offset + 80] ^= 1;
    journal.put(1, &bytes);
    let Err(Error::Damaged(damage)) = journal.try_open() else { panic!("it was opened") };
    assert_eq!(damage.offset, offset as u64);
    assert_eq!(damage.file, journal.file(1));
    assert_eq!(damage.missing, Missing { after: 2, before: Some(4) });
    let text = damage.to_string();
    for part in ["00000001.mcap", "tick 3 is unreadable", "pulsegate journal verify", "Restore"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(journal.bytes(1), bytes, "nothing was changed");
}

#[test]
fn a_hole_that_a_power_cut_left_is_a_torn_end_where_the_system_syncs() {
    for sync in [Sync::Os, Sync::Interval(Duration::from_secs(1))] {
        let mut journal = Journal::new();
        journal.options.sync = sync;
        let (mut writer, _) = journal.open();
        let mut ends = Vec::new();
        for number in 1..=4 {
            writer.append(tick(number), at(number)).unwrap();
            ends.push(journal.bytes(1).len());
        }
        drop(writer);
        let mut holed = journal.bytes(1);
        holed[ends[1]..ends[2]].fill(0);
        journal.put(1, &holed);

        assert_eq!(journal.ticks(), [1, 2]);
        let torn = (holed.len() - ends[1]) as u64;
        assert_eq!(verify(&journal.options.dir).unwrap().torn_bytes, torn);
        let (_writer, recovered) = journal.open();
        assert_eq!(recovered.last_tick, 2);
        let repaired = recovered.repaired.unwrap();
        assert_eq!(repaired.bytes_cut, torn);
        assert_eq!(fs::read(repaired.kept_as.unwrap()).unwrap(), holed);
        assert_eq!(journal.ticks(), [1, 2]);
    }
}

#[test]
fn a_journal_that_is_refused_keeps_its_torn_end() {
    let journal = three();
    let (mut writer, _) = journal.open();
    writer.append(tick(7), at(7)).unwrap();
    drop(writer);
    let (mut damaged, whole) = (journal.bytes(2), journal.bytes(4));
    damaged[100] ^= 1;
    journal.put(2, &damaged);
    journal.put(4, &whole[..whole.len() - 5]);
    assert!(matches!(journal.try_open(), Err(Error::Damaged(_))));
    assert_eq!(journal.bytes(4), whole[..whole.len() - 5]);
}

#[test]
fn a_segment_that_was_killed_before_its_head_was_whole_is_removed() {
    for cut in [0, 5, 39, 100, 3000] {
        let (journal, _) = Journal::crashed(1..=2);
        let (writer, recovered) = journal.open();
        assert_eq!(recovered.epoch, 2);
        drop(writer);
        // As if the note in the lock had not been made yet.
        fs::remove_file(journal.options.dir.join("lock")).unwrap();
        let bytes = journal.bytes(2);
        journal.put(2, &bytes[..cut]);
        let verified = verify(&journal.options.dir).unwrap();
        assert_eq!((verified.ticks, verified.torn_bytes), (2, cut as u64));
        let (_writer, recovered) = journal.open();
        assert_eq!((recovered.epoch, recovered.last_tick), (2, 2), "cut at {cut}");
        assert_eq!(journal.segments(), [1, 2]);
    }
}

#[test]
fn a_journal_that_was_killed_at_birth_begins_anew() {
    let (journal, _) = Journal::crashed(1..=1);
    fs::remove_file(journal.options.dir.join("lock")).unwrap();
    journal.put(1, &journal.bytes(1)[..20]);
    let (_writer, recovered) = journal.open();
    assert_eq!((recovered.epoch, recovered.last_tick), (1, 0));
}

/// Three lives of two ticks each, a segment per life.
fn three() -> Journal {
    let journal = Journal::new();
    for life in 0..3 {
        let (mut writer, _) = journal.open();
        for number in life * 2 + 1..=life * 2 + 2 {
            writer.append(tick(number), at(number)).unwrap();
        }
        writer.finish().unwrap();
    }
    assert_eq!(journal.segments(), [1, 2, 3]);
    assert_eq!(verify(&journal.options.dir).unwrap().ticks, 6);
    journal
}

fn refused(journal: &Journal, what: &str) {
    let opened = journal.try_open().map(|_| ());
    for result in [verify(&journal.options.dir).map(|_| ()), opened] {
        let Err(Error::Damaged(damage)) = result else { panic!("{what}: {result:?}") };
        assert!(damage.to_string().contains(what), "{damage}");
    }
}

#[test]
fn a_segment_without_its_head_is_named_with_all_of_its_ticks() {
    let journal = three();
    for (segment, text) in [
        (1, "ticks 1 to 2 are unreadable"),
        (2, "ticks 3 to 4 are unreadable"),
        (3, "everything after tick 4 is unreadable"),
    ] {
        let whole = journal.bytes(segment);
        let mut bytes = whole.clone();
        bytes[100] ^= 1;
        journal.put(segment, &bytes);
        let told = verify(&journal.options.dir).unwrap_err().to_string();
        assert!(told.contains(text), "segment {segment}: {told}");
        journal.put(segment, &whole);
    }
}

#[test]
fn a_missing_segment_is_found() {
    let journal = three();
    fs::remove_file(journal.file(2)).unwrap();
    refused(&journal, "ticks 3 to 4 are unreadable");
}

#[test]
fn a_missing_last_segment_is_found() {
    let journal = three();
    fs::remove_file(journal.file(3)).unwrap();
    refused(&journal, "everything after tick 4 is unreadable");
}

#[test]
fn a_renamed_segment_is_found() {
    let journal = three();
    fs::rename(journal.file(3), journal.file(4)).unwrap();
    refused(&journal, "00000003.mcap: damaged at byte 0: the file is missing");
}

#[test]
fn a_doubled_segment_is_found() {
    let journal = three();
    journal.put(4, &journal.bytes(3));
    refused(&journal, "the file of segment 3 under another's name");
}

#[test]
fn swapped_segments_are_found() {
    let journal = three();
    let (a, b) = (journal.bytes(1), journal.bytes(2));
    journal.put(1, &b);
    journal.put(2, &a);
    refused(&journal, "under another's name");
}

#[test]
fn a_segment_of_another_journal_is_found() {
    let journal = three();
    journal.put(2, &three().bytes(2));
    refused(&journal, "another journal");
    refused(&journal, "ticks 3 to 4 are unreadable");
}

#[test]
fn a_segment_of_an_older_copy_is_found() {
    let journal = three();
    let old = journal.bytes(3);
    let (mut writer, _) = journal.open();
    writer.append(tick(7), at(7)).unwrap();
    writer.finish().unwrap();
    // A copy of the third that lacks its last tick.
    let cut = old.len() / 2;
    journal.put(3, &old[..cut]);
    let Err(Error::Damaged(damage)) = verify(&journal.options.dir) else { panic!() };
    assert_eq!(damage.file, journal.file(3));
    assert_eq!(damage.missing.before, Some(7));
}

#[test]
fn a_segment_of_a_copy_that_went_another_way_is_found() {
    let journal = three();
    let live_on = |payload: &[u8], number| {
        let (mut writer, _) = journal.open();
        writer.append(tick_of(number, payload), at(number)).unwrap();
        writer.finish().unwrap();
    };
    live_on(b"one way", 7);
    let other_way = journal.bytes(4);
    fs::remove_file(journal.file(4)).unwrap();
    fs::remove_file(journal.options.dir.join("lock")).unwrap();
    live_on(b"another", 7);
    live_on(b"and on", 8);
    verify(&journal.options.dir).unwrap();
    journal.put(4, &other_way);
    let Err(Error::Damaged(damage)) = verify(&journal.options.dir) else { panic!() };
    assert_eq!(damage.file, journal.file(5));
}

#[test]
fn files_that_are_not_a_journals_are_refused_without_harm() {
    for bytes in [&b""[..], b"hello", &[0x89; 92], &[0; 5000]] {
        let journal = Journal::new();
        fs::create_dir_all(&journal.options.dir).unwrap();
        journal.put(1, bytes);
        let mut seen = Vec::new();
        if let Ok(mut reader) = pulsegate_journal::Reader::open(&journal.options.dir) {
            seen = std::iter::from_fn(|| reader.read().ok().flatten()).collect();
        }
        assert_eq!(seen, Vec::<Record>::new());
    }
}
