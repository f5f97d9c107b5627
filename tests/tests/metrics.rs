//! What Prometheus reads.

#![allow(clippy::unwrap_used)]

use pulsegate_tests::{Bots, TestRelay};

#[test]
fn metrics_do_not_grow_with_clients() {
    let relay = TestRelay::start("");
    let lines = || relay.metrics().lines().count();
    Bots::play(relay.clients(), "--count 2 --rate 5 --duration 1s");
    let with_few = lines();
    Bots::play(relay.clients(), "--count 300 --rate 2 --duration 1s");
    relay.wait_sessions(0);
    assert_eq!(lines(), with_few, "{}", relay.metrics());
}
