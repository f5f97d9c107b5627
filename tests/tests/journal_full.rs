//! A disk that is full, and has room again.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use prost::Message;
use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::{Tick, item::Item};
use pulsegate_tests::programs::unshared;
use pulsegate_tests::{TestClient, TestRelay, eventually, pulsegate};

/// A relay whose journal is on a disk of two mebibytes, and where others see that disk. Nothing
/// where no disk can be mounted.
fn on_a_small_disk(on_error: &str) -> Option<(TestRelay, PathBuf)> {
    let settings = format!(
        "journal.dir = \"disk/journal\"\njournal.on_error = \"{on_error}\"\ntick.sleep = \"10ms\""
    );
    let setup = "mkdir -p disk; mount -t tmpfs -o size=2m none disk";
    let with_disk = |command: &Command| unshared(command, &["--mount"], setup);
    with_disk(&pulsegate())?;
    let mut relay = TestRelay::launch(&settings, |command| *command = with_disk(command).unwrap());
    relay.wait_ready();
    let disk = relay.config().with_file_name("disk");
    let pid = relay.program().pid();
    let disk = Path::new(&format!("/proc/{pid}/root")).join(disk.strip_prefix("/").unwrap());
    Some((relay, disk))
}

/// Leaves no byte on a disk; the file that does it.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut file = File::create(&path).unwrap();
    loop {
        match file.write_all(&[0; 4096]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return path,
            Err(error) => panic!("{error}"),
        }
    }
}

fn ticks(journal: &Path) -> Vec<Tick> {
    let mut reader = Reader::open(journal).unwrap();
    let records = std::iter::from_fn(|| reader.read().unwrap());
    records
        .filter_map(|record| match record {
            Record::Tick { bytes, .. } => Some(Tick::decode(bytes).unwrap()),
            _ => None,
        })
        .collect()
}

#[test]
fn with_gap_a_full_disk_costs_the_ticks_that_did_not_fit_and_they_are_named() {
    let Some((relay, disk)) = on_a_small_disk("gap") else { return };
    let mut stays = TestClient::connect(relay.clients());
    let leaves = TestClient::connect(relay.clients());
    stays.echo("before");
    relay.wait_sessions(2);

    let ballast = fill(&disk);
    stays.send("lost".repeat(1000));
    eventually("it failed", || relay.metric("pulsegate_journal_failed") == 1.0);
    drop(leaves);
    let mut comes = TestClient::connect(relay.clients());
    relay.wait_sessions(2);
    drop(TestClient::connect(relay.clients()));
    eventually("it came and went", || relay.metric("pulsegate_sessions_opened_total") == 4.0);
    relay.wait_sessions(2);
    // Its end is in the tick that is being gathered: that one must be lost as well.
    let sealed = relay.metric("pulsegate_ticks_total");
    eventually("beats go on", || relay.metric("pulsegate_ticks_total") >= sealed + 20.0);
    std::fs::remove_file(ballast).unwrap();
    eventually("it goes on", || relay.metric("pulsegate_journal_failed") == 0.0);
    comes.echo("after");
    stays.echo("after");

    let ticks = ticks(&disk.join("journal"));
    let mut next = 1;
    let (mut gaps, mut opened, mut closed) = (0, Vec::new(), Vec::new());
    for tick in &ticks {
        for item in &tick.items {
            match item.item.as_ref().unwrap() {
                Item::Gap(gap) => {
                    assert_eq!((gap.first, gap.last), (next, tick.number - 1), "{}", gap.why);
                    next = tick.number;
                    gaps += 1;
                }
                Item::Open(open) => opened.push(open.session),
                Item::Close(close) => closed.push(close.session),
                Item::Packet(packet) => assert!(opened.contains(&packet.session)),
                _ => {}
            }
        }
        assert_eq!(tick.number, next);
        next += 1;
    }
    assert!(gaps >= 1, "no gap");
    // Of the one who came and went within the gap nobody hears.
    assert_eq!((opened, closed), (vec![1, 2, 3], vec![2]));
    assert!(relay.log().contains("ticks are lost"), "{}", relay.log());
    assert!(relay.log().contains("goes on after a gap"), "{}", relay.log());
}

#[test]
fn with_stop_a_full_disk_ends_the_relay_within_a_second() {
    let Some((mut relay, disk)) = on_a_small_disk("stop") else { return };
    let mut client = TestClient::connect(relay.clients());
    client.echo("before");
    fill(&disk);
    let full = Instant::now();
    client.send("lost".repeat(10_000));
    let status = relay.wait_exit(Duration::from_secs(10));
    let took = full.elapsed();
    assert!(!status.success());
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert!(relay.log().contains("journal"), "{}", relay.log());
}
