//! What was recorded is played again by the real `pulsegate replay`.

#![allow(clippy::unwrap_used)]

use std::process::Output;

use prost::Message;
use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::Done;
use pulsegate_tests::host::Host;
use pulsegate_tests::{TestClient, TestLogic, TestRelay, pulsegate};
use serde_json::Value;

/// A game in an arena that went through a crash of the arena.
fn recorded_game() -> (TestRelay, TestLogic) {
    let relay = TestRelay::before_logic("tick.sleep = \"10ms\"\nlogic.snapshot_every = 20");
    let mut logic = TestLogic::start(relay.logic(), &["arena"]);
    relay.wait_ready();
    let mut clients: Vec<_> = (0..4).map(|_| TestClient::connect(relay.clients())).collect();
    for round in 0..40 {
        for client in &mut clients {
            client.send(br#"{"move":"east"}"#);
            client.send(br#"{"move":"north"}"#);
            client.read();
        }
        if round == 20 {
            logic.kill();
            logic.restart();
            relay.wait_ready();
        }
    }
    (relay, logic)
}

/// The state's hash after each tick, as it was recorded.
fn hashes(relay: &TestRelay) -> Vec<(u64, u64)> {
    let mut reader = Reader::open(relay.journal()).unwrap();
    let records = std::iter::from_fn(|| reader.read().unwrap());
    let answers = records.filter_map(|record| match record {
        Record::Answer { tick, bytes, .. } => Some((tick, Done::decode(bytes).unwrap())),
        _ => None,
    });
    answers.map(|(tick, done)| (tick, done.state_hash.unwrap())).collect()
}

fn replay(relay: &TestRelay, logic: &str, arguments: &[&str]) -> Output {
    let mut command = pulsegate();
    command.arg("replay").arg(relay.journal()).args(["--logic", logic, "--json"]);
    command.args(["--speed", "max"]).args(arguments).output().unwrap()
}

#[test]
fn a_replayed_arena_comes_to_the_same_states() {
    let (mut relay, _logic) = recorded_game();
    assert!(relay.terminate().success());
    let recorded = hashes(&relay);
    assert!(recorded.len() > 40, "{}", recorded.len());
    let host = Host::take();
    let last = recorded.len() - 1;
    for index in [last / 3, last / 2, last - 5] {
        let (tick, hash) = recorded[index];
        let mut arena = TestLogic::start(host.logic(), &["arena"]);
        let output = replay(&relay, &host.logic().to_string(), &["--until", &tick.to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["last_tick"], tick);
        assert_eq!(summary["state_hash"], format!("{hash:016x}"), "after tick {tick}");
        arena.terminate();
    }
}

#[test]
fn a_live_logic_server_is_not_replayed_to() {
    let (relay, _logic) = recorded_game();
    let mut client = TestClient::connect(relay.clients());
    client.read();
    let output = replay(&relay, &relay.logic().to_string(), &[]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("start another one"), "{said}");
    relay.wait_ready();
    client.read();
}
