//! `damage`: a journal of 64 KiB in which bits are flipped, one of each byte or all, segments are
//! cut to every length, taken away, doubled, swapped, renamed and replaced by another journal's.
//!
//! All of it goes through the library, as `pulsegate journal verify` sees it; one bit of a byte
//! and each eighth length also as a reader does, and a sample through the real programs. Nobody
//! may be shown a record that was not written; damage is named by file, offset and ticks; only
//! what the end of the newest segment could be after a crash may pass for a torn end.
//!
//! - [`subject`]: the journal, and how it is put right again

mod subject;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use pulsegate_journal::{Error, Reader, Verified, verify};
use pulsegate_tests::{Program, Site, pulsegate, soon};

use self::subject::Subject;
use crate::attack::{Attack, Figures};

/// As many as there are processors on the smallest machine that this is meant for.
const AT_ONCE: usize = 2;

/// How many samples the real programs see.
const SAMPLES: u32 = 20;

/// Damages all, and shows the real programs as many samples as was asked for; 0: the usual
/// number, and every bit is flipped.
pub(crate) fn attack(attack: &Attack) -> Figures {
    let mut dice = attack.dice();
    let subject = Subject::new(&mut dice);
    let foreign = Subject::new(&mut dice);
    let mut figures = Figures::default();
    figures.add("journal, bytes", subject.bytes());
    figures.add("its segments", subject.segments());

    let every_bit = attack.count(SAMPLES) == 0;
    let (found, torn) = shared(&subject, |copy, worker| flip_bits(copy, worker, every_bit));
    figures.add("bits flipped", found + torn);
    figures.add("of these, taken for a torn end", torn);
    let (found, torn) = shared(&subject, cut);
    figures.add("lengths cut to", found + torn);
    figures.add("of these, taken for a torn end, or for an end", torn);
    figures
        .add("segments missing, doubled, swapped, renamed, foreign", misplace(&subject, &foreign));
    let samples = if every_bit { SAMPLES } else { attack.count(SAMPLES) };
    (0..samples).for_each(|_| real_programs_agree(&subject, &mut dice));
    figures.add("samples that were shown to the programs", samples);
    figures.add("wrong records", 0);
    figures
}

/// What a part of the work came to: how much was named as damage, and how much as a torn end.
type Found = (u64, u64);

/// Lets some do the work at once, each on files of its own.
fn shared(subject: &Subject, work: impl Fn(&Subject, usize) -> Found + Sync) -> Found {
    thread::scope(|scope| {
        let work = &work;
        let workers = (0..AT_ONCE).map(|worker| {
            let copy = subject.copy();
            scope.spawn(move || work(&copy, worker))
        });
        let workers: Vec<_> = workers.collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1))
    })
}

fn flip_bits(subject: &Subject, worker: usize, every_bit: bool) -> Found {
    let (mut found, mut torn) = (0, 0);
    for number in 1..=subject.segments() {
        let file = subject.open(number);
        for (at, byte) in subject.whole(number).iter().enumerate().skip(worker).step_by(AT_ONCE) {
            for bit in (0..8).filter(|bit| every_bit || *bit == at % 8) {
                file.write_all_at(&[byte ^ 1 << bit], at as u64).unwrap();
                match verify(subject.dir()) {
                    Err(error) => {
                        is_named(subject, number, at, &error);
                        found += 1;
                    }
                    Ok(verified) => {
                        let last = number == subject.segments();
                        let only_the_end = verified.ticks + 1 == subject.last_tick();
                        let noticed = verified.torn_bytes > 0 && last && only_the_end;
                        assert!(noticed, "segment {number}, byte {at}, bit {bit}: {verified:?}");
                        torn += 1;
                    }
                }
                if bit == at % 8 {
                    no_wrong_record_is_shown(subject);
                }
            }
            file.write_all_at(&[*byte], at as u64).unwrap();
        }
    }
    (found, torn)
}

/// Cuts each segment to each length, from its end on.
fn cut(subject: &Subject, worker: usize) -> Found {
    let (mut found, mut torn) = (0, 0);
    for number in (1..=subject.segments()).skip(worker).step_by(AT_ONCE) {
        let file = subject.open(number);
        for length in (0..subject.whole(number).len()).rev() {
            file.set_len(length as u64).unwrap();
            match verify(subject.dir()) {
                Err(error) => {
                    is_named(subject, number, length, &error);
                    found += 1;
                }
                Ok(Verified { .. }) => {
                    assert!(number == subject.segments(), "segment {number} cut to {length}");
                    torn += 1;
                }
            }
            if length.is_multiple_of(8) {
                no_wrong_record_is_shown(subject);
            }
        }
        subject.put(number, subject.whole(number));
    }
    (found, torn)
}

/// Panics unless this is damage of that segment from a place before that byte on, or behind all of
/// its ticks if none is lost, or of the next segment, which does not go on where this one ends.
fn is_named(subject: &Subject, number: usize, byte: usize, error: &Error) {
    let Error::Damaged(damage) = error else { panic!("segment {number}, byte {byte}: {error}") };
    let none_is_lost = damage.missing.before.is_some_and(|tick| tick <= damage.missing.after + 1);
    let here =
        damage.file == subject.file(number) && (damage.offset <= byte as u64 || none_is_lost);
    let behind = damage.file == subject.file(number + 1) && damage.offset < 100;
    assert!(here || behind, "segment {number}, byte {byte}: {damage}");
    let ticks = subject.tick_before(number)..=subject.tick_before(number + 1);
    assert!(ticks.contains(&damage.missing.after), "segment {number}, byte {byte}: {damage}");
}

/// What a reader shows is the beginning of what was written.
fn no_wrong_record_is_shown(subject: &Subject) {
    let Ok(mut reader) = Reader::open(subject.dir()) else { return };
    let mut good = subject.records().iter();
    while let Ok(Some(record)) = reader.read() {
        assert_eq!(Some(&record), good.next(), "a record that was not written, or not there");
    }
}

/// Every segment missing, doubled, swapped, renamed, and another journal's; each is found.
fn misplace(subject: &Subject, foreign: &Subject) -> u64 {
    let all = || 1..=subject.segments();
    let mut cases = 0;
    let mut found = |what: String| {
        let verified = verify(subject.dir());
        assert!(matches!(&verified, Err(Error::Damaged(_))), "{what}: {verified:?}");
        no_wrong_record_is_shown_of_a_part(subject, &what);
        subject.heal();
        cases += 1;
    };
    for one in all() {
        if one > 1 {
            fs::remove_file(subject.file(one)).unwrap();
            found(format!("{one} is missing"));
        }
        subject.put(one, foreign.whole(one));
        found(format!("{one} is of another journal"));
        subject.put(subject.segments() + 1, subject.whole(one));
        found(format!("{one} is doubled at the end"));
        for other in all().filter(|other| *other != one) {
            subject.put(one, subject.whole(other));
            found(format!("{other} stands for {one}"));
            subject.put(other, subject.whole(one));
            subject.put(one, subject.whole(other));
            found(format!("{one} and {other} are swapped"));
        }
        fs::rename(subject.file(one), subject.file(subject.segments() + 7)).unwrap();
        found(format!("{one} is renamed"));
    }
    the_first_may_be_gone(subject);
    cases
}

/// Retention takes the oldest: then what is left says where it begins.
fn the_first_may_be_gone(subject: &Subject) {
    fs::remove_file(subject.file(1)).unwrap();
    assert_eq!(verify(subject.dir()).unwrap().first_tick, subject.tick_before(2) + 1);
    subject.heal();
}

/// Each record that a reader shows was written, and none is shown twice. A reader believes the
/// first segment which journal this is, and finds out with the next one's head.
fn no_wrong_record_is_shown_of_a_part(subject: &Subject, what: &str) {
    if what == "1 is of another journal" {
        return;
    }
    let Ok(mut reader) = Reader::open(subject.dir()) else { return };
    let mut good = subject.records().iter();
    while let Ok(Some(record)) = reader.read() {
        assert!(good.any(|good| *good == record), "{what}: {record:?}");
    }
}

/// Flips a bit or cuts a segment, and asks `pulsegate journal verify` and a relay.
fn real_programs_agree(subject: &Subject, dice: &mut fastrand::Rng) {
    let site = Site::new("");
    subject.copy_to(&site.journal());
    let number = dice.usize(1..=subject.segments());
    let path = site.journal().join(subject.file(number).file_name().unwrap());
    let mut bytes = subject.whole(number).to_vec();
    let at = dice.usize(..bytes.len());
    if dice.bool() {
        bytes[at] ^= 1 << dice.u8(..8);
    } else {
        bytes.truncate(at);
    }
    fs::write(&path, &bytes).unwrap();
    let verdict = verify(site.journal());
    let output = pulsegate().args(["journal", "verify"]).arg(site.journal()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), verdict.is_ok(), "{said}");
    if let Err(Error::Damaged(damage)) = verdict {
        assert!(words(&said).contains(&name(&damage.file)), "{said}");
    }
    a_relay_starts_or_changes_nothing(&site, &path, &bytes);
}

fn a_relay_starts_or_changes_nothing(site: &Site, path: &Path, bytes: &[u8]) {
    let mut relay = Program::start(site.command());
    soon(pulsegate_tests::PATIENCE, || {
        (relay.said().contains("relay runs") || !relay.runs()).then_some(())
    });
    if relay.runs() {
        relay.kill();
        return;
    }
    assert!(!relay.wait_exit().success());
    let said = words(&relay.said());
    assert!(said.contains(".mcap") && said.contains("Nothing was changed"), "{said}");
    assert_eq!(fs::read(path).unwrap(), bytes, "it was left as it is");
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Without the breaks that fit a text to a terminal.
fn words(said: &str) -> String {
    said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}
