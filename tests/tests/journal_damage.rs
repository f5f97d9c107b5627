//! Journals that were cut, scribbled on or are written already.

#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use pulsegate_protocol::proto::Tick;
use pulsegate_tests::{TestClient, TestRelay, eventually, pulsegate};

/// A relay that was killed in the midst of play, and what was in its journal.
fn killed(settings: &str) -> (TestRelay, Vec<Tick>) {
    let mut relay = TestRelay::start(settings);
    play(&relay);
    relay.kill();
    let ticks = relay.journal_ticks();
    (relay, ticks)
}

fn play(relay: &TestRelay) {
    let mut client = TestClient::connect(relay.clients());
    (0..20).for_each(|number| client.echo(format!("packet {number}")));
}

/// The segments of a journal, oldest first.
fn segments(relay: &TestRelay) -> Vec<PathBuf> {
    let files = fs::read_dir(relay.journal()).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "mcap"))
        .collect();
    segments.sort();
    segments
}

fn last_segment(relay: &TestRelay) -> PathBuf {
    segments(relay).pop().unwrap()
}

#[test]
fn garbage_behind_the_last_tick_is_cut_off_without_a_question() {
    let (mut relay, before) = killed("");
    let mut file = OpenOptions::new().append(true).open(last_segment(&relay)).unwrap();
    file.write_all(&[0x06, 0x55, 0xAA, 0x00, 0x07]).unwrap();
    relay.restart();
    relay.wait_ready();
    assert!(relay.log().contains("its torn end was cut off"), "{}", relay.log());
    play(&relay);
    assert_eq!(relay.journal_ticks()[..before.len()], before);
    assert!(relay.terminate().success());
}

#[test]
fn wherever_a_power_cut_tore_the_end_the_ticks_before_it_go_on() {
    let (mut relay, before) = killed("");
    let whole = fs::read(last_segment(&relay)).unwrap();
    for cut in [1, 2, 3, 20, 150, 400] {
        let torn = last_segment(&relay);
        fs::write(&torn, &whole[..whole.len() - cut]).unwrap();
        relay.restart();
        relay.wait_ready();
        play(&relay);
        relay.kill();
        let after = relay.journal_ticks();
        let kept = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
        assert!(kept + 12 >= before.len(), "{cut} bytes cost {} ticks", before.len() - kept);
        assert!(after.iter().zip(1..).all(|(tick, number)| tick.number == number));

        // Back to where this began, for the next cut.
        for segment in segments(&relay) {
            if segment > torn {
                fs::remove_file(segment).unwrap();
            }
        }
        fs::write(&torn, &whole).unwrap();
        let note = relay.journal().join("lock");
        if note.exists() {
            fs::write(note, "").unwrap();
        }
    }
}

#[test]
fn damage_in_the_middle_is_named_by_file_offset_and_ticks_and_nothing_starts() {
    let (mut relay, before) = killed("");
    let path = last_segment(&relay);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, &bytes).unwrap();

    let (status, said) = relay.refuses_to_restart();
    assert!(!status.success());
    let one_line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(one_line.contains(name), "{said}");
    assert!(one_line.contains("offset") || one_line.contains("byte"), "{said}");
    assert!(one_line.contains("tick"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "it was left as it is");

    let verified = pulsegate().args(["journal", "verify"]).arg(relay.journal()).output().unwrap();
    assert!(!verified.status.success());
    assert!(!before.is_empty());
}

#[test]
fn a_second_relay_on_the_same_journal_is_refused_and_the_first_goes_on() {
    let first = TestRelay::start("");
    let settings = format!("journal.dir = \"{}\"", first.journal().display());
    let (status, said) = TestRelay::refuses(&settings, |_| {});
    assert!(!status.success());
    let one_line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(one_line.contains("another") || one_line.contains("in use"), "{said}");
    play(&first);
    let newest = first.journal_ticks().len();
    eventually("beats go on", || first.journal_ticks().len() > newest);
}
