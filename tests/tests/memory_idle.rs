//! What clients cost who do nothing.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};

use pulsegate_tests::{TestClient, TestRelay, alone, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CLIENTS: usize = 10_000;
const BYTES_EACH: u64 = 2 * 1024;

#[test]
fn ten_thousand_idle_clients_cost_two_kilobytes_each_at_most() {
    let _alone = alone();
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let settings = "liveness.policy = \"off\"\nclient.first_frame_within = \"off\"";
    let relay = TestRelay::start(settings);
    // What the first client of all costs is no matter of the number of clients.
    TestClient::connect(relay.clients()).echo("warm");
    let idle = relay.rss_bytes();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|index| {
            let source = IpAddr::V4(Ipv4Addr::new(127, 0, 77, (index % 250 + 1) as u8));
            let mut client = TestClient::connect_from(source, relay.clients());
            client.send("");
            client
        })
        .collect();
    eventually("all are here and were heard", || {
        relay.metric("pulsegate_heartbeats_total") == CLIENTS as f64
    });
    let each = relay.rss_bytes().saturating_sub(idle) / CLIENTS as u64;
    println!("{each} bytes for each of {CLIENTS} idle clients; {idle} without them");
    assert!(each <= BYTES_EACH, "{each} bytes each");
    drop(clients);
}
