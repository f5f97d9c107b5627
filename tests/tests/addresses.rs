//! Where a relay can listen.

#![allow(clippy::unwrap_used)]

use pulsegate_tests::{TestClient, TestRelay};

#[test]
fn ipv6_serves_as_well_as_ipv4_and_clients_are_shown_by_it() {
    let relay = TestRelay::launch("client.listen = '[::1]:0'", |_| {});
    relay.wait_ready();
    let log = relay.log();
    let (_, address) = log.split_once(" clients=").unwrap();
    let address = address.split(' ').next().unwrap().parse().unwrap();
    TestClient::connect(address).echo("over IPv6");
    let history = relay.whole_history(1);
    assert_eq!(history[..2], ["open", "packet over IPv6"], "{history:?}");
    assert!(relay.departed()[0]["peer"].as_str().unwrap().starts_with("[::1]:"));
}
