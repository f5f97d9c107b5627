//! The configuration changes while the relay runs.

#![allow(clippy::unwrap_used)]

use pulsegate_tests::{TestClient, TestRelay, eventually};
use rustix::process::Signal;

#[test]
fn a_wrong_file_changes_nothing_and_its_line_is_named() {
    let mut relay = TestRelay::start("limits.sessions = 1");
    let mut client = TestClient::connect(relay.clients());
    client.echo("before");
    relay.reconfigure("# A comment.\nlimits.sessions = 'many'\nlimits.outbox = '1MiB'");
    relay.program().signal(Signal::HUP);
    relay.program().says("the old one stays in force");
    let log = relay.log();
    assert!(log.contains("limits.sessions") && log.contains("relay.toml:2"), "{log}");
    client.echo("after");
    assert_eq!(TestClient::connect(relay.clients()).read_close().reason, "server_full");
}

#[test]
fn sighup_reads_the_file_again() {
    let mut relay = TestRelay::start("");
    relay.program().signal(Signal::HUP);
    relay.program().says("configuration read again: nothing changed");
}

#[test]
fn a_file_that_is_saved_takes_effect_by_itself_and_what_cannot_is_named() {
    let mut relay = TestRelay::start("limits.sessions = 1");
    let mut first = TestClient::connect(relay.clients());
    first.echo("in");
    relay.reconfigure("limits.sessions = 2\nclient.max_frame = '10KiB'");
    relay.program().says("configuration reloaded");
    relay.program().says("need a restart");
    let log = relay.log();
    let line = |text: &str| log.lines().find(|line| line.contains(text)).unwrap().to_owned();
    assert!(line("configuration reloaded").contains("limits.sessions"), "{log}");
    assert!(line("need a restart").contains("client.max_frame"), "{log}");
    let mut second = TestClient::connect(relay.clients());
    second.echo("there is room now");
    second.echo(vec![b'x'; 60_000]);
}

#[test]
fn new_times_count_for_sessions_that_are_open() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.echo("hello");
    relay.reconfigure("liveness.leave_after = '100ms'");
    eventually("it leaves", || relay.session(1)["state"] == "leave");
}
