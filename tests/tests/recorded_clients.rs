//! Recorded clients come back, as clients of a relay.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Output;
use std::time::Instant;

use pulsegate_journal::{Now, Options, Writer};
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::tick::{Gathering, Head};
use pulsegate_tests::{Bots, PATIENCE, TestClient, TestRelay, eventually, pulsegate};
use serde_json::{Value, json};

const DAY_NS: u64 = 86_400_000_000_000;

fn replay(recorded: &TestRelay, relay: &TestRelay, arguments: &[&str]) -> Output {
    let mut replay = pulsegate();
    replay.arg("replay").arg(recorded.journal()).arg("--as-clients");
    replay.arg(relay.clients().to_string()).args(arguments).output().unwrap()
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each session sent, in its order.
fn said(relay: &TestRelay) -> Vec<Vec<u8>> {
    let mut said: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (_, item) in relay.journal_items() {
        match item {
            Item::Open(open) => drop(said.insert(open.session, Vec::new())),
            Item::Packet(packet) => said.get_mut(&packet.session).unwrap().extend(packet.payload),
            _ => {}
        }
    }
    let mut said: Vec<_> = said.into_values().collect();
    said.sort();
    said
}

#[test]
fn each_recorded_client_comes_back_three_times_and_says_the_same() {
    let recorded = TestRelay::start("");
    Bots::play(recorded.clients(), "--count 20 --rate 50 --join-every 5ms --duration 2s");
    let relay = TestRelay::start("");
    let summary = summary(&replay(&recorded, &relay, &["--times", "3", "--json"]));
    assert_eq!((&summary["clients"], &summary["joined"]), (&json!(60), &json!(60)));
    assert_eq!(summary["closes"], json!({ "goodbye": 60 }));
    let thrice = said(&recorded).into_iter().flat_map(|one| [one.clone(), one.clone(), one]);
    assert!(thrice.eq(said(&relay)), "other packets");
    assert!(summary["round_trip_us"]["p50"].as_u64() > Some(0), "{summary:#}");
    let took = summary["seconds"].as_f64().unwrap();
    assert!((2.0..6.0).contains(&took), "as long as it was recorded: {took} s");
}

#[test]
fn who_was_there_before_the_range_joins_at_its_start_and_parts_as_he_did() {
    let recorded = TestRelay::start("");
    let mut stays = TestClient::connect(recorded.clients());
    let mut goes = TestClient::connect(recorded.clients());
    stays.echo("one");
    goes.echo("two");
    let from = recorded.journal_ticks().last().unwrap().number + 1;
    stays.echo("three");
    drop(goes);
    eventually("one has gone", || recorded.departed().len() == 1);
    let relay = TestRelay::start("");
    let from = from.to_string();
    let text = replay(&recorded, &relay, &["--from", &from, "--speed", "4x"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("2 of 2 joined"), "{text}");
    assert_eq!(said(&relay), [b"".to_vec(), b"three".to_vec()]);
}

#[test]
fn a_relay_that_is_not_there_is_named() {
    let recorded = TestRelay::start("");
    let mut client = TestClient::connect(recorded.clients());
    (0..10).for_each(|_| client.echo("one"));
    let mut relay = TestRelay::start("");
    relay.kill();
    let began = Instant::now();
    let output = replay(&recorded, &relay, &["--from", "session:1:open", "--speed", "0.001x"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(began.elapsed() < PATIENCE, "it played on");
    assert!(text.contains("is the relay running there?"), "{text}");
}

#[test]
fn how_a_time_of_day_was_understood_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let at =
        |days: u64| Now { wall_ns: 1_795_000_000_000_000_000 + days * DAY_NS, ..Now::default() };
    let (mut writer, _) = Writer::open(Options::new(dir.path()), at(0)).unwrap();
    for number in 1..=4 {
        let head = Head { number, epoch: 1, wall_ns: at(number).wall_ns, ..Head::default() };
        writer.append(Gathering::with_capacity(0).seal(&head), at(number)).unwrap();
    }
    writer.finish().unwrap();
    let relay = TestRelay::start("");
    let mut replay = pulsegate();
    replay.arg("replay").arg(dir.path()).args(["--as-clients", &relay.clients().to_string()]);
    let output = replay.args(["--from", "12:00", "--speed", "max"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("range           12:00:00 is taken as 20"), "{said}");
}
