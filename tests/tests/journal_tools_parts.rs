//! Journals made of others by the real `pulsegate journal cut`, `merge` and `repair`, and played by the
//! real `replay`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use pulsegate_journal::{Reader, Record, info, verify};
use pulsegate_tests::host::Host;
use pulsegate_tests::{TestClient, TestLogic, TestRelay, pulsegate};
use serde_json::Value;
use tempfile::TempDir;

fn journal<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    pulsegate().arg("journal").args(arguments).output().unwrap()
}

#[track_caller]
fn done<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> String {
    let output = journal(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What was said, on one line.
#[track_caller]
fn refused<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> String {
    let output = journal(arguments);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).replace('│', " ");
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A finished game in an arena that gives snapshots, played through two lives of the relay.
fn recorded_game() -> (TestRelay, TempDir) {
    let mut relay = TestRelay::before_logic("tick.sleep = \"10ms\"\nlogic.snapshot_every = 20");
    let mut arena = TestLogic::start(relay.logic(), &["arena"]);
    relay.wait_ready();
    play(&relay);
    relay.kill();
    relay.restart();
    relay.wait_ready();
    play(&relay);
    assert!(relay.terminate().success());
    arena.kill();
    (relay, tempfile::tempdir().unwrap())
}

fn play(relay: &TestRelay) {
    let mut clients: Vec<_> = (0..3).map(|_| TestClient::connect(relay.clients())).collect();
    for _ in 0..20 {
        for client in &mut clients {
            client.send(br#"{"move":"east"}"#);
            client.read();
        }
    }
}

fn records(dir: &Path) -> Vec<Record> {
    let mut reader = Reader::open(dir).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// The ticks, byte for byte, with their numbers.
fn ticks(dir: &Path) -> Vec<(u64, Vec<u8>)> {
    let ticks = records(dir).into_iter().filter_map(|record| match record {
        Record::Tick { peek, bytes } => Some((peek.head.number, bytes.to_vec())),
        _ => None,
    });
    ticks.collect()
}

fn answers(dir: &Path) -> Vec<(u64, Vec<u8>)> {
    let answers = records(dir).into_iter().filter_map(|record| match record {
        Record::Answer { tick, bytes, .. } => Some((tick, bytes.to_vec())),
        _ => None,
    });
    answers.collect()
}

/// Cuts a range out.
fn cut(journal: &Path, from: u64, until: u64, out: &Path) -> String {
    let (from, until) = (from.to_string(), until.to_string());
    let [journal, out] = [journal, out].map(|path| path.to_str().unwrap());
    done(["cut", journal, "--from", &from, "--until", &until, out])
}

/// Plays a journal into a fresh arena, and returns the summary.
fn replay(journal: &Path) -> Value {
    let host = Host::take();
    let mut arena = TestLogic::start(host.logic(), &["arena"]);
    let mut command = pulsegate();
    command.arg("replay").arg(journal).args(["--speed", "max", "--json", "--logic"]);
    let output = command.arg(host.logic().to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    arena.kill();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_cut_is_a_journal_that_begins_with_what_it_needs_and_plays_to_the_same_state() {
    let (relay, dir) = recorded_game();
    let (whole, part) = (relay.journal(), dir.path().join("part"));
    let last = info(&whole).unwrap().last_tick;
    let (from, until) = (last * 3 / 4, last - 10);
    let said = cut(&whole, from, until, &part);

    let verified = verify(&part).unwrap();
    assert_eq!(verified.last_tick, until);
    assert!(verified.first_tick <= from && from - verified.first_tick < 20, "{said}");
    assert!(said.contains(&format!("snapshot after tick {}", verified.first_tick - 1)), "{said}");
    let all = ticks(&whole);
    assert_eq!(ticks(&part), all[verified.first_tick as usize - 1..until as usize]);
    let (origin, own) = (info(&whole).unwrap(), info(&part).unwrap());
    assert_ne!(own.lineage, origin.lineage);
    assert_eq!(own.cut_of, Some(origin.lineage));

    let recorded = done(["cat", whole.to_str().unwrap(), "--kind", "answer"]);
    let recorded: Vec<Value> =
        recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let hash = &recorded.iter().find(|answer| answer["tick"] == until).unwrap()["state_hash"];
    let played = replay(&part);
    assert_eq!((&played["last_tick"], &played["state_hash"]), (&until.into(), hash));

    let host = Host::take();
    let mut arena = TestLogic::start(host.logic(), &["arena"]);
    let logic = host.logic().to_string();
    let part = part.to_str().unwrap();
    for arguments in [&["verify", part, "--logic", &logic][..], &["tune", part]] {
        let output = pulsegate().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
    arena.kill();
}

#[test]
fn a_cut_is_not_taken_for_its_original_by_a_logic_server() {
    let (mut relay, dir) = recorded_game();
    let part = dir.path().join("part");
    cut(&relay.journal(), 1, 30, &part);
    // A relay goes on with the cut as with any journal, and it is still another one.
    fs::rename(relay.journal(), dir.path().join("whole")).unwrap();
    let mut arena = TestLogic::start(relay.logic(), &["arena"]);
    fs::rename(&part, relay.journal()).unwrap();
    relay.restart();
    relay.wait_ready();
    play(&relay);
    assert!(relay.terminate().success());
    verify(relay.journal()).unwrap();
    assert_eq!(ticks(&relay.journal())[..30], ticks(&dir.path().join("whole"))[..30]);
    // The arena holds state of the cut now. The original is refused.
    fs::rename(relay.journal(), &part).unwrap();
    fs::rename(dir.path().join("whole"), relay.journal()).unwrap();
    relay.restart();
    relay.program().says("holds state of lineage");
    arena.kill();
}

#[test]
fn a_place_that_is_taken_is_left_as_it_is() {
    let (relay, dir) = recorded_game();
    fs::write(dir.path().join("mine"), "mine").unwrap();
    let [whole, out] = [relay.journal(), dir.path().to_owned()];
    let said = refused(["cut".into(), whole.clone(), out]);
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(fs::read(dir.path().join("mine")).unwrap(), b"mine");
    let new = dir.path().join("new");
    refused([PathBuf::from("cut"), whole, "--from=1000000".into(), new.clone()]);
    assert!(!new.exists());
}

#[test]
fn parts_become_one_journal_again() {
    let (relay, dir) = recorded_game();
    let whole = relay.journal();
    let last = info(&whole).unwrap().last_tick;
    let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
    cut(&whole, 1, last / 2, &a);
    cut(&whole, last / 3, last - 5, &b);
    cut(&whole, last - 20, last, &c);
    let joined = dir.path().join("joined");
    done(["merge".into(), c.clone(), a.clone(), b.clone(), joined.clone()]);
    verify(&joined).unwrap();
    assert_eq!(ticks(&joined), ticks(&whole));
    let mut again = answers(&joined);
    again.sort();
    let mut recorded = answers(&whole);
    recorded.sort();
    assert_eq!(again, recorded);
    assert_eq!(info(&joined).unwrap().cut_of, Some(info(&whole).unwrap().lineage));

    // Copies at different times are the journal itself.
    let early = dir.path().join("early");
    fs::create_dir(&early).unwrap();
    fs::copy(whole.join("00000001.mcap"), early.join("00000001.mcap")).unwrap();
    let itself = dir.path().join("itself");
    done(["merge".into(), early, whole.clone(), itself.clone()]);
    assert_eq!(ticks(&itself), ticks(&whole));
    assert_eq!(info(&itself).unwrap().lineage, info(&whole).unwrap().lineage);

    let [beginning, hole] = ["beginning", "hole"].map(|name| dir.path().join(name));
    cut(&whole, 1, 5, &beginning);
    let said = refused(["merge".into(), beginning, c, hole.clone()]);
    assert!(said.contains("ticks 6 to") && said.contains("are in none of the parts"), "{said}");
    assert!(!hole.exists());
}

#[test]
fn parts_of_other_recordings_are_refused_with_both_lineages() {
    let (relay, dir) = recorded_game();
    let mut other = TestRelay::start("tick.sleep = \"10ms\"");
    assert!(other.terminate().success());
    let out = dir.path().join("out");
    let said = refused(["merge".into(), relay.journal(), other.journal(), out]);
    for journal in [relay.journal(), other.journal()] {
        assert!(said.contains(&info(journal).unwrap().lineage), "{said}");
    }
}

#[test]
fn a_torn_end_is_repaired_on_demand() {
    let mut relay = TestRelay::start("tick.sleep = \"10ms\"");
    let said = refused(["repair".into(), relay.journal()]);
    assert!(said.contains("in use by process"), "{said}");
    TestClient::connect(relay.clients()).echo("hello");
    relay.kill();
    let path = relay.journal().join("00000001.mcap");
    let before = ticks(&relay.journal());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    let said = done(["repair".into(), relay.journal()]);
    assert!(said.contains("of a write that was cut short"), "{said}");
    assert_eq!(verify(relay.journal()).unwrap().torn_bytes, 0);
    assert!(done(["repair".into(), relay.journal()]).contains("nothing to repair"));
    assert!(ticks(&relay.journal()).len() + 2 >= before.len());
    relay.restart();
    relay.wait_ready();
    assert!(!relay.log().contains("torn end"), "{}", relay.log());
}

#[test]
fn what_is_whole_before_damage_is_saved_and_what_is_lost_is_named() {
    let (mut relay, dir) =
        (TestRelay::start("tick.sleep = \"10ms\""), tempfile::tempdir().unwrap());
    let mut client = TestClient::connect(relay.clients());
    (0..20).for_each(|number| client.echo(format!("packet {number}")));
    relay.kill();
    let (path, before) = (relay.journal().join("00000001.mcap"), ticks(&relay.journal()));
    let mut bytes = fs::read(&path).unwrap();
    // Behind the schemas, within the ticks.
    let at = bytes.len() - 1500;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let said = refused(["repair".into(), relay.journal()]);
    assert!(said.contains("--before-damage"), "{said}");

    let saved = dir.path().join("saved");
    let option: PathBuf = "--before-damage".into();
    let said = done([PathBuf::from("repair"), relay.journal(), option.clone(), saved.clone()]);
    let kept = ticks(&saved);
    verify(&saved).unwrap();
    assert!(!kept.is_empty() && kept.len() < before.len());
    assert_eq!(kept, before[..kept.len()]);
    assert!(said.contains(&format!("all up to tick {}", kept.len())), "{said}");
    assert!(said.contains(&format!("{}", kept.len() + 1)) && said.contains("unreadable"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "it was left as it is");

    let said = refused(["repair".into(), saved, option, dir.path().join("again")]);
    assert!(said.contains("is not damaged"), "{said}");
}
