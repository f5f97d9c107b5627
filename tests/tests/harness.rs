//! The harness itself: that it starts what it says, and that it notices faults.

#![allow(clippy::unwrap_used)]

use pulsegate_tests::{Bots, FakeLogic, TestClient, TestLogic, TestRelay, fake_logic};

#[test]
fn a_relay_echoes_and_ends_and_starts_again_where_it_was() {
    let mut relay = TestRelay::start("");
    TestClient::connect(relay.clients()).echo("hello");
    assert!(relay.terminate().success());
    let ticks = relay.journal_ticks();
    relay.restart();
    relay.wait_ready();
    TestClient::connect(relay.clients()).echo("again");
    assert_eq!(relay.journal_ticks()[..ticks.len()], ticks);
}

#[test]
fn a_logic_server_of_its_own_serves_bots() {
    let relay = TestRelay::before_logic("");
    let mut logic = TestLogic::start(relay.logic(), &["echo"]);
    relay.wait_ready();
    let summary = Bots::play(relay.clients(), "--count 10 --duration 1s --join-every 1ms");
    assert!(summary["echoed"].as_u64().unwrap() > 50, "{summary}");
    logic.terminate();
}

#[test]
fn a_logic_server_can_be_played() {
    let relay = TestRelay::before_logic("");
    FakeLogic::listen(relay.logic()).serve(fake_logic::echo);
    relay.wait_ready();
    TestClient::connect(relay.clients()).echo("hello");
}
