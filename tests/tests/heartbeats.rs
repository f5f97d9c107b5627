//! What a heartbeat is, and what its claims are taken for.

#![allow(clippy::unwrap_used)]

use pulsegate_tests::{TestClient, TestRelay, eventually};
use serde_json::json;

const ALIVE: &str = r#"{"ip": "192.0.2.77", "status": "alive", "pid": 26464}"#;
const LEAVE: &str = r#"{"ip": "192.0.2.77", "status": "leave"}"#;
const CLOSE: &str = r#"{"ip": "192.0.2.77", "status": "close"}"#;

#[test]
fn a_heartbeat_that_was_encoded_twice_is_understood_and_not_passed_on() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.send(json!(ALIVE).to_string());
    client.echo("packet");
    let session = relay.session(1);
    assert_eq!(session["heartbeats"], 1);
    assert_eq!(session["frames_in"], 2);
    assert_eq!(relay.history(1), ["open", "packet packet"]);
}

#[test]
fn claims_are_shown_beside_what_is_known_and_not_instead_of_it() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.send(ALIVE);
    eventually("the claims are shown", || {
        relay.session(1)["claims"] == json!({"ip": "192.0.2.77", "status": "alive", "pid": 26464})
    });
    assert_eq!(relay.session(1)["peer"], client.address().to_string());
}

#[test]
fn the_clients_word_puts_it_into_leave_and_back() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    let state_is = |state: &str| relay.session(1)["state"] == state;
    client.send(LEAVE);
    eventually("it leaves", || state_is("leave"));
    client.send(ALIVE);
    eventually("it is back", || state_is("alive"));
    client.send(LEAVE);
    eventually("it leaves again", || state_is("leave"));
    // A heartbeat is no reason to come back; a packet is.
    client.send("");
    client.echo("here I am");
    eventually("it is back again", || state_is("alive"));
    client.send(CLOSE);
    assert_eq!(client.read_close().reason, "goodbye");
    assert_eq!(
        relay.whole_history(1),
        [
            "open",
            "leave (claim)",
            "alive (claim)",
            "leave (claim)",
            "packet here I am",
            "alive (frame)",
            "close (goodbye)"
        ]
    );
}

#[test]
fn heartbeats_can_be_answered_forwarded_and_recorded() {
    let relay = TestRelay::start(
        "heartbeat.ack = true\nheartbeat.forward = true\njournal.heartbeats = true",
    );
    let mut client = TestClient::connect(relay.clients());
    client.send(ALIVE);
    assert_eq!(client.read_text(), "");
    assert_eq!(client.read_text(), ALIVE);
    assert_eq!(relay.history(1), ["open", "heartbeat", &format!("packet {ALIVE}")]);
}

#[test]
fn what_is_no_heartbeat_by_the_configuration_is_a_packet() {
    let relay = TestRelay::start("heartbeat.match = []");
    let mut client = TestClient::connect(relay.clients());
    client.echo("");
    client.echo(ALIVE);
    assert_eq!(relay.session(1)["heartbeats"], 0);
}
